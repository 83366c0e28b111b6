"""The matrix of `benchmarks.frameworks`: docs/matrix.md is written from it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from benchmarks.frameworks.matrix import BARS, CASES, Cell, cell
from benchmarks.frameworks.page import PAGE, Row, written
from benchmarks.frameworks.wiring import AGENTS, OURS, Entry, Primary, Wiring
from benchmarks.measure import Figure, publish

WORKERS = 2
PRIMARIES: dict[Primary, str] = {
    "openai": "OpenAI chat completions",
    "responses": "OpenAI responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
}
Place = tuple[str, Entry, Wiring]
"""A row that is to be played, and the heading under which it stands."""


def played(place: Place) -> list[Cell | None]:
    """One agent in one configuration under every fault; None where the fault does not exist."""
    _, entry, wiring = place
    return [cell(case, entry, wiring) for case in CASES]


def places() -> Iterator[Place]:
    """The first table: every agent as it comes and hardened, alone and with the fallback. Then the other conditions.

    Nothing hardens ours any further; the others' two ends are enough under the other conditions.
    """
    for entry in AGENTS:
        for hardened in (False,) if entry is OURS else (False, True):
            for fallback in (False, True):
                yield "", entry, Wiring(hardened=hardened, fallback=fallback)
    for api, name in PRIMARIES.items():
        for stream in (True,) if api == "openai" else (False, True):
            for entry in AGENTS:
                for full in (False, True) if api in entry.clients else ():
                    hardened = full and entry is not OURS
                    wiring = Wiring(hardened=hardened, fallback=full, primary=api, stream=stream)
                    yield f"{name}{', streamed' if stream else ''}", entry, wiring


def quiet() -> None:
    """What the frameworks print and warn of, under faults, is not for the reader of the figures, whose channel is standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    logging.disable(logging.ERROR)
    warnings.simplefilter("ignore")


def rows() -> list[tuple[str, Row]]:
    """Every row under its heading, played by two processes; each is told on standard error when it is there."""
    wanted, found = list(places()), []
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing litellm asks the network for prices
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn"), initializer=quiet) as pool:
        for (heading, entry, wiring), cells in zip(wanted, pool.map(played, wanted), strict=True):
            row = Row(entry, wiring, [(case, made) for case, made in zip(CASES, cells, strict=True) if made is not None])
            found.append((heading, row))
            sys.stderr.write(f"  {len(found)} of {len(wanted)}: {heading or 'OpenAI'}, {row.agent}, {row.options}\n")
    return found


def kept(heading: str, found: Row) -> Figure:
    """Ours against its bar, which holds under every heading."""
    place = f"{heading or PRIMARIES['openai']}, {'with a fallback' if found.wiring.fallback else 'alone'}"
    missing = len(CASES) - len(found.cells)
    return Figure(
        f"not recovered exactly: {place}",
        len(CASES) - found.counts["recovered"],
        "faults",
        bar=len(CASES) - BARS[found.wiring.fallback],
        note=f"{missing} of the {len(CASES)} cannot exist there and count as not recovered" if missing else "",
    )


def figures() -> list[Figure]:
    """Plays the matrix, writes the page."""
    begin = time.perf_counter()
    found = rows()
    beside: dict[str, list[Row]] = {}
    for heading, row in found:
        beside.setdefault(heading, []).append(row)
    PAGE.write_text(written(beside.pop(""), beside), encoding="utf-8")
    total = Figure("cells of the matrix", sum(len(row.cells) for _, row in found), "cells", note=f"{time.perf_counter() - begin:.0f} s")
    ours = [(heading, row) for heading, row in found if row.entry is OURS]
    worst = sum(row.counts[result] for _, row in ours for result in ("bare", "silent_wrong", "hung", "runaway"))
    cells = sum(len(row.cells) for _, row in ours)
    never = Figure("bare, silently wrong, hung or run away: agentlab", worst, "cells", bar=0, note=f"of its {cells:,} cells")
    return [total, *(kept(heading, row) for heading, row in ours), never]


if __name__ == "__main__":
    publish(figures())
