"""The page as text: whole without script, closed to the outside, and small."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import pytest
from agentlab_reports import evaluate, render_html
from agentlab_reports.panels import PLAIN_PANELS, anchor
from agentlab_reports.schema import GateSettings, SuiteResults

from . import sample
from .build import cell, control, suite
from .hostile import ATTACKS, hostile_suite

DONT_SHIP = "Don\N{RIGHT SINGLE QUOTATION MARK}t ship"


class Page(HTMLParser):
    """What a browser would see of a page: elements with attributes, and text without script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._silent = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._silent = tag

    def handle_endtag(self, tag: str) -> None:
        self._silent = "" if tag == self._silent else self._silent

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def rendered(suites: list[SuiteResults], baseline: list[SuiteResults] | None = None) -> str:
    return render_html(suites, evaluate(suites, baseline), baseline)


@pytest.fixture(scope="module")
def page() -> str:
    return rendered([sample.suite()], [sample.suite(healthy=True)])


def test_the_first_screen_answers_without_script(page: str) -> None:
    text = Page(page).text
    for words in (
        f"✕ {DONT_SHIP}",
        "refund_order repeats a side effect under tool_timeout_after_commit (3 cells)",
        "No critical outcome — 6 found",
        "grade D",
        "59 because 6 cells did harm",
        "Fault-free control — 6 of 6 pass",
        "What changed since the baseline",
        "Duplicate side effect and 2 more like it",
        "Fix these first",
        "Error budget estimate",
    ):
        assert words in text
    assert text.index(DONT_SHIP) < text.index("What changed") < text.index("Cells in detail")


def test_layers_are_not_spoken_of_where_no_agent_names_its_own(page: str) -> None:
    assert "Which layer answered where" in Page(page).text
    untold = Page(rendered([suite([cell(answered_by="unknown"), control(answered_by="unknown")])])).text
    assert not {"layer", "Layer", "Answered by", "unknown"} & set(re.findall("layer|Layer|Answered by|unknown", untold))


def test_a_panel_says_everything_about_its_cell(page: str) -> None:
    text = Page(page).text
    for words in (
        "What the user saw I refunded EUR 49.90 for order 5512.",
        "agentlab replay 'refund_order[tool.refund.1-tool_timeout_after_commit-always]'",
        "The ledger holds two commits of refund(order=5512); the scenario allows one.",
        "retry_without_key refund was retried after a timeout without an idempotency key.",
        "Likely fix Give writes an idempotency key",
        "⚡ tool_timeout_after_commit: timeout, no answer",
        "breaker openai closed open",
    ):
        assert words in text


def test_every_cell_stands_in_the_table_of_everything(page: str) -> None:
    text = Page(page).text
    assert all(row.id in text for row in sample.suite().cells)


def test_the_worst_cells_have_their_panel_in_the_page_and_the_rest_are_packed(page: str) -> None:
    packed = re.search(r'id="packed">([^<]*)</script>', page)
    assert packed
    rest = json.loads(zlib.decompress(base64.b64decode(packed[1])))
    plain = set(re.findall(r'class="panel" id="(c[0-9a-f]{12})"', page))
    everyone = {anchor(row.suite, row.id) for row in sample.suite().cells}
    assert len(plain) == PLAIN_PANELS
    assert plain | set(rest) == everyone
    assert not plain & set(rest)
    assert anchor("customer_support", "refund_order[tool.refund.1-tool_timeout_after_commit]") in plain


def test_every_link_of_the_page_leads_to_a_place_in_it(page: str) -> None:
    elements = Page(page).elements
    places = {attributes["id"] for _, attributes in elements if "id" in attributes}
    links = [attributes["href"] or "" for tag, attributes in elements if tag == "a"]
    assert len(links) > 200
    assert not {link for link in links if link[1:] not in places}


def test_no_id_stands_twice(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Page(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_policy_allows_exactly_the_pages_own_style_and_script(page: str) -> None:
    policy = next(a["content"] or "" for t, a in Page(page).elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_the_page_holds_no_address_and_no_inline_handler_or_style(page: str) -> None:
    for tag, attributes in Page(page).elements:
        assert tag not in {"link", "iframe", "object", "embed", "img", "base", "form"}
        assert not {name for name in attributes if name.startswith("on") or name in {"style", "src", "action", "srcdoc", "xlink:href"}}
    assert not re.search(r"https?://", page)


def test_attacks_are_text_wherever_they_are_said() -> None:
    whole = rendered([hostile_suite()])
    elements = Page(whole).elements
    scripts = [attributes for tag, attributes in elements if tag == "script"]
    assert scripts == [{"type": "application/octet-stream", "id": "packed"}, {}]
    for tag, attributes in elements:
        assert tag not in {"iframe", "img", "link", "base", "math", "template"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            assert "hacked" not in (value or "")
            assert "attacker" not in (value or "")
    assert all(attack.split("\0")[0][:12] in "".join(Page(whole).words) for attack in ATTACKS)


def test_the_other_points_of_a_cell_are_linked_as_text() -> None:
    points = [f"{attack}{n}" for n, attack in enumerate(ATTACKS[:10])]
    html = rendered([suite([cell("x", "crash", point=point, shape="x3") for point in points])])
    links = re.findall(r'<p class="sibs">(.*?)</p>', html)
    assert len(links) > len(points)  # one panel is shown a second time, opened
    assert all(len(re.findall("<", part)) == 2 * 8 + 2 and "and 1 more" in part for part in links)
    assert "&lt;script&gt;window.hacked=1&lt;/script&gt;0 x3</a>" in html


def test_equal_results_are_an_equal_page(page: str) -> None:
    assert page == rendered([sample.suite()], [sample.suite(healthy=True)])


def test_a_run_without_baseline_shows_its_worst_cells() -> None:
    text = Page(rendered([sample.suite(shapes=["once"])])).text
    assert " refund_order[tool.refund.1-tool_timeout_after_commit]" in text
    assert "name it with --baseline" in text


def test_a_clean_run_shows_what_it_proves() -> None:
    text = Page(rendered([sample.suite(healthy=True, shapes=["once"])])).text
    assert "✓ Ship" in text
    assert "What this run proves" in text
    assert "Nothing falls short" in text or "Spend less" in text


def test_a_run_that_proves_nothing_still_has_a_page() -> None:
    for cells in ([], [control()], [cell(outcome="error")], [cell(outcome="not_exercised", fired=0, seen=0)]):
        text = Page(rendered([suite(cells, gate=GateSettings(score=70, coverage=0.85))])).text
        assert "Undecidable" in text
        assert "ungraded" in text


def test_a_narrowed_run_says_that_the_gate_was_not_evaluated() -> None:
    assert "? Gate not evaluated" in Page(rendered([suite([cell()], planned=9, narrowed="-k x")])).text


def test_several_suites_share_one_map() -> None:
    both = [sample.suite(shapes=["once"]), sample.suite(shapes=["once"], healthy=True, name="incidents")]
    text = Page(rendered(both)).text
    assert "No failed cell — customer_support 6 failed" in text
    assert text.count("incidents") > 2


def test_suites_whose_names_differ_in_case_have_a_part_of_the_map_each() -> None:
    html = rendered([suite([cell(suite=name)], suite=name) for name in ("shop", "Shop")])
    assert re.findall(r'class="suite" scope="rowgroup">([^<]*)', html) == ["Shop", "shop"]


def test_a_conversation_is_shown_turn_by_turn() -> None:
    timeline = [
        {"kind": "turn", "start": 0, "end": 0, "label": "user", "detail": "Where is my order?"},
        {"kind": "reply", "start": 1, "end": 1, "label": "reply", "detail": "On its way."},
        {"kind": "turn", "start": 1, "end": 1, "label": "user", "detail": "Cancel it."},
        {"kind": "reply", "start": 2, "end": 2, "label": "reply", "detail": "Done."},
    ]
    text = Page(rendered([suite([cell("a", "crash", timeline=timeline)])])).text
    assert "What the user saw user Where is my order? agent On its way. user Cancel it. agent Done." in text


@pytest.mark.parametrize(("shapes", "limit"), [(["once"], 1_000_000), (["once", "x3", "always"], 2_000_000)])
def test_the_page_stays_small(shapes: list[str], limit: int) -> None:
    results = sample.suite(shapes=shapes)
    size = len(rendered([results], [sample.suite(healthy=True, shapes=shapes)]).encode())
    assert size < limit, f"{len(results.cells)} cells make {size:,} bytes"


def test_three_thousand_cells_make_less_than_three_megabytes() -> None:
    several = [sample.suite(name="one"), sample.suite(name="two", seed=2)]
    page = render_html(several, evaluate(several))
    assert sum(len(results.cells) for results in several) > 3_000
    assert len(page.encode()) < 3_000_000
