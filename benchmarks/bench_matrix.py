"""The matrix of `benchmarks.frameworks`: docs/matrix.md is written from it."""

from __future__ import annotations

import time
from collections.abc import Iterable

from benchmarks.frameworks.matrix import CASES, cell
from benchmarks.frameworks.page import PAGE, Row, written
from benchmarks.frameworks.wiring import AGENTS, Entry, Primary, Wiring
from benchmarks.measure import Figure, publish

OURS = AGENTS[0]
PRIMARIES: dict[Primary, str] = {
    "openai": "OpenAI chat completions",
    "responses": "OpenAI responses",
    "anthropic": "Anthropic",
    "gemini": "Gemini",
}
BARS = {True: 44, False: 34}
"""Faults that ours must recover of the 49, with the fallback and without."""


def row(entry: Entry, wiring: Wiring) -> Row:
    """One agent in one configuration under every fault."""
    return Row(entry, wiring, [(case, found) for case in CASES if (found := cell(case, entry, wiring)) is not None])


def rows() -> Iterable[Row]:
    """Every agent: as it comes and hardened, alone and with the fallback. Nothing hardens ours any further."""
    for entry in AGENTS:
        for hardened in (False,) if entry is OURS else (False, True):
            for fallback in (False, True):
                yield row(entry, Wiring(hardened=hardened, fallback=fallback))


def beside() -> dict[str, list[Row]]:
    """Ours streamed, and with each other API as the primary."""
    conditions = {f"{name}{', streamed' if stream else ''}": (api, stream) for api, name in PRIMARIES.items() for stream in (False, True)}
    del conditions[PRIMARIES["openai"]]  # the first table
    return {
        heading: [row(OURS, Wiring(fallback=fallback, primary=api, stream=stream)) for fallback in (False, True)]
        for heading, (api, stream) in conditions.items()
    }


def kept(found: Row) -> list[Figure]:
    """Ours against its bars."""
    place = "with a fallback" if found.wiring.fallback else "alone"
    missed = len(found.cells) - found.counts["recovered"]
    worst = sum(found.counts[result] for result in ("bare", "silent_wrong", "hung", "runaway"))
    return [
        Figure(f"matrix: faults that agentlab did not recover {place}", missed, "times", bar=len(CASES) - BARS[found.wiring.fallback]),
        Figure(f"matrix: bare, silently wrong, hung or run away {place}", worst, "times", bar=0),
    ]


def figures() -> list[Figure]:
    """Plays the matrix, writes the page."""
    begin = time.perf_counter()
    found, more = list(rows()), beside()
    PAGE.write_text(written(found, more), encoding="utf-8")
    every = [*found, *(one for group in more.values() for one in group)]
    played = Figure("cells of the matrix", sum(len(one.cells) for one in every), "cells", note=f"{time.perf_counter() - begin:.0f} s")
    return [played, *(figure for one in found if one.entry is OURS for figure in kept(one))]


if __name__ == "__main__":
    publish(figures())
