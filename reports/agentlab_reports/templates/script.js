"use strict";
(() => {
  const root = document.documentElement, $ = s => document.querySelector(s), all = s => [...document.querySelectorAll(s)];
  const heat = $("#heat"), inspect = $("#inspect"), body = $("#inspect-body");
  root.classList.add("js");
  let packed = null, origin = null;

  $("#theme").onclick = () => {
    const dark = root.dataset.t ? root.dataset.t === "d" : matchMedia("(prefers-color-scheme:dark)").matches;
    root.dataset.t = dark ? "l" : "d";
  };

  async function unpack() {
    if (packed) return packed;
    const text = $("#packed").textContent;
    if (!text) return (packed = {});
    const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return (packed = JSON.parse(await new Response(stream).text()));
  }

  async function panel(id) {
    const plain = document.getElementById(id);
    if (plain && plain.classList.contains("panel")) return [...plain.cloneNode(true).childNodes];
    const html = (await unpack())[id];
    if (!html) return null;
    const holder = document.createElement("template");
    holder.innerHTML = html;
    return [...holder.content.childNodes];
  }

  async function show(id, focus) {
    const nodes = /^c[0-9a-f]{12}$/.test(id) && await panel(id);
    if (!nodes) return;
    body.replaceChildren(...nodes);
    inspect.hidden = false;
    arm(body);
    all(".k[aria-current]").forEach(k => k.removeAttribute("aria-current"));
    const square = $(`.k[href="#${id}"]`);
    if (square) square.setAttribute("aria-current", "true");
    if (focus) {
      inspect.scrollIntoView({ block: "nearest" });
      body.querySelector("h3").focus({ preventScroll: true });
    }
  }

  function arm(where) {
    where.querySelectorAll(".copy").forEach(button => {
      button.hidden = false;
      button.onclick = async () => {
        const command = button.parentNode.querySelector("pre");
        try { await navigator.clipboard.writeText(command.textContent); }
        catch { getSelection().selectAllChildren(command); document.execCommand("copy"); }
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      };
    });
  }

  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#c"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    origin = link.closest("#inspect") ? origin : link;
    const id = link.getAttribute("href").slice(1);
    history.replaceState(null, "", "#" + id);
    show(id, true);
  });

  function close() {
    inspect.hidden = true;
    all(".k[aria-current]").forEach(k => k.removeAttribute("aria-current"));
    history.replaceState(null, "", location.pathname + location.search);
    (origin || heat.querySelector(".k")).focus();
  }
  inspect.querySelector(".close").onclick = close;
  document.addEventListener("keydown", event => { if (event.key === "Escape" && !inspect.hidden) close(); });

  const tables = [...heat.querySelectorAll("table")];
  const usable = cell => cell.tagName === "TD" && !cell.hidden && !cell.classList.contains("num");
  const rows = () => tables.flatMap(t => [...t.tBodies]).flatMap(b => [...b.rows]).filter(r => r.querySelector("td"))
    .map(r => [...r.cells].filter(usable).map(c => c.querySelector(".k")));
  const squares = all("#heat .k");
  squares.forEach((k, n) => { k.tabIndex = n ? -1 : 0; });
  heat.addEventListener("focusin", event => {
    if (!event.target.classList.contains("k")) return;
    squares.forEach(k => { k.tabIndex = -1; });
    event.target.tabIndex = 0;
  });
  heat.addEventListener("keydown", event => {
    const step = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] }[event.key], from = event.target.closest(".k");
    if (!step || !from) return;
    event.preventDefault();
    const grid = rows();
    let r = grid.findIndex(row => row.includes(from)), c = grid[r].indexOf(from);
    do { r += step[0]; c += step[1]; } while (grid[r] && c >= 0 && c < grid[r].length && !grid[r][c]);
    const row = grid[r] && (step[0] ? grid[r].slice(0, c + 1).reverse() : grid[r].slice(c, c + 1));
    const to = c >= 0 && row && row.find(Boolean);
    if (to) to.focus();
  });

  heat.querySelectorAll(".lay button").forEach(button => {
    button.onclick = () => {
      const group = button.value, folded = button.getAttribute("aria-expanded") === "true", table = button.closest("table");
      button.setAttribute("aria-expanded", String(!folded));
      button.firstChild.textContent = folded ? "▸ " : "▾ ";
      table.querySelectorAll(".g" + group).forEach(cell => { cell.hidden = folded; });
      table.querySelectorAll(".w" + group).forEach(cell => { cell.hidden = !folded; });
      button.closest("th").colSpan = folded ? 1 : table.querySelectorAll("thead .g" + group).length;
    };
  });

  const heads = new Map(tables.map(table => {
    const titles = [...table.querySelectorAll(".lay button")].map(button => button.textContent);
    return [table, [...table.tHead.rows[1].cells].map(cell => `${titles[/[gw](\d+)/.exec(cell.className)[1]]} ${cell.textContent}`.toLowerCase())];
  }));
  function filter() {
    const words = $("#q").value.toLowerCase().split(/\s+/).filter(Boolean), changed = $("#changed").checked;
    const on = new Set(all(".legend input:checked").map(box => box.value));
    squares.forEach(k => {
      const cell = k.closest("td"), row = cell.parentNode;
      const text = row.cells[0].textContent.toLowerCase() + " " + (heads.get(cell.closest("table"))[cell.cellIndex - 1] || "") + " " + k.textContent.toLowerCase();
      k.classList.toggle("off", !(on.has(k.dataset.o) && words.every(w => text.includes(w)) && (!changed || k.dataset.c)));
    });
  }
  ["#q", "#changed"].forEach(s => { $(s).oninput = filter; });
  all(".legend input").forEach(box => { box.onchange = filter; });

  arm(document);
  if (location.hash.length > 1) show(location.hash.slice(1), false);
  addEventListener("hashchange", () => show(location.hash.slice(1), false));
})();
