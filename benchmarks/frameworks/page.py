"""docs/matrix.md: the numbers, what each agent was given, and why what ours did not recover cannot be recovered."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.frameworks.matrix import CASES, RESULTS, TRIED, Case, Cell, Result
from benchmarks.frameworks.wiring import AGENTS, OURS, Entry, Wiring

__all__ = ["PAGE", "Row", "written"]

PAGE = Path(__file__).parents[2] / "docs" / "matrix.md"
COLUMNS: Mapping[Result, str] = {
    "recovered": "recovered exactly",
    "degraded": "honest degradation",
    "typed": "typed failure",
    "bare": "bare error",
    "silent_wrong": "silent wrong",
    "hung": "hung",
    "runaway": "ran away",
}
SIGNS: Mapping[Result, str] = {
    "recovered": "✓", "degraded": "honest", "typed": "typed", "bare": "bare", "silent_wrong": "WRONG", "hung": "HUNG", "runaway": "RUNAWAY",
}  # fmt: skip
HEAD = """# Matrix

49 faults, one at a time, under the same agent built with five things: it searches a knowledge base, looks an order up and answers. Only the
exact answer counts as recovered. Each agent is played as it comes and hardened, with a second host that is never broken and without it. All
time is virtual: a run that is not back after two hours hung, one that makes more than 200 model requests ran away. `make bench` writes this
page; the faults are in [faults.json](../benchmarks/frameworks/faults.json), the agents
[beside them](../benchmarks/frameworks/agents).

"""
CLASSES = """
- **Recovered exactly**: the very text that a run without a fault gives.
- **Honest degradation**: another answer, which says what it could not do.
- **Typed failure**: an error or a status that the framework (or, where it lets them through, the provider's SDK) declares.
- **Bare error**: any other exception, such as `IndexError`, or the tool's own.
- **Silent wrong**: an empty, cut or wrong answer, given as if it were the answer.
"""
TRIAL = """
## Beside the first trial

The bars of the runtime were set by a trial of November 2026 with pydantic-ai 2.68, openai-agents 0.24 and langchain 1.4 (here {langchain}).
The exact answer was given under {tried},
as it comes / hardened. Known reasons for the differences, each of a few faults:

- The scripted models take 128,000 tokens here, as the real one does: the tool that returns 3 MB breaks every agent that sends all of it on.
  Without that limit each of them recovers it.
- Hardened agents have other options here: pydantic-ai a hook that hands a tool's exception to the model, and a fallback on any exception;
  openai-agents the SDK's own retries below its retries of the model, and a fallback that it does not have itself.
- A tool's own exception that ends the run is a bare error here.

Of the trial only the sums are known, not which fault ended how, so what is left (openai-agents as it comes: three faults fewer here) cannot
be told.
"""

BESIDE = """
## Streamed, and with other providers

The same with every answer streamed, and with another API as the primary: the others as they come and alone, and hardened with a fallback.
The second host speaks OpenAI's chat completions, for the bare loops the API of the first. Where a provider, or a stream, has its own form
of a fault, that is played ([faults.json](../benchmarks/frameworks/faults.json), `instead`); what cannot exist there is named and left out.
Over OpenAI's responses only agentlab was played. The counts of agentlab against its bars (at least 44 of 49 with a fallback, 34 alone,
nothing bare, silently wrong, hung or run away) are in [RESULTS.md](../benchmarks/RESULTS.md).
"""


class Row:
    """One agent in one configuration, and its 49 cells."""

    def __init__(self, entry: Entry, wiring: Wiring, cells: Sequence[tuple[Case, Cell]]) -> None:
        self.entry = entry
        self.wiring = wiring
        self.cells = cells
        self.counts = collections.Counter(cell.result for _, cell in cells)

    @property
    def agent(self) -> str:
        """Its name and version."""
        return "**agentlab**" if self.entry is OURS else self.entry.shown(self.wiring.primary)

    @property
    def options(self) -> str:
        """Its configuration in words."""
        hardened = "as it comes" if self.entry is OURS or not self.wiring.hardened else "hardened"
        return f"{hardened}, {'with a fallback' if self.wiring.fallback else 'alone'}"

    def __str__(self) -> str:
        values = " | ".join(str(self.counts[result]) for result in RESULTS)
        return f"| {self.agent} | {self.options} | {len(self.cells)} | {values} |\n"


def written(rows: Sequence[Row], beside: Mapping[str, Sequence[Row]]) -> str:
    """The page. `beside` has ours under other conditions, by their heading."""
    parts = [HEAD, _counts(rows), CLASSES, _lost(rows)]
    parts += [BESIDE, *(f"\n### {heading}\n\n{_counts(found)}{_more_lost(found)}" for heading, found in beside.items())]
    parts += [_given(), _trial(), _each(rows)]
    return "".join(parts)


def _counts(rows: Iterable[Row]) -> str:
    head = f"| agent | | faults | {' | '.join(COLUMNS[result] for result in RESULTS)} |\n|---|---|{'---:|' * (len(RESULTS) + 1)}\n"
    return head + "".join(map(str, rows))


def _more_lost(rows: Sequence[Row]) -> str:
    """What does not exist under these conditions, and what ours did not recover although it does under those of the first table."""
    played = {case.name for case, _ in rows[0].cells}
    absent = ", ".join(case.name for case in CASES if case.name not in played)
    places = [("fallback" if row.wiring.fallback else "alone", case, cell) for row in rows if row.entry is OURS for case, cell in row.cells]
    missed = [f"{case.name} ({place})" for place, case, cell in places if cell.result != "recovered" and place not in case.lost]
    nowhere = f"Does not exist there: {absent}. " if absent else ""
    return f"\n{nowhere}Not recovered by agentlab here and recovered above: {', '.join(missed) or 'none'}.\n"


def _lost(rows: Iterable[Row]) -> str:
    """What ours did not recover."""
    lines = ["\n## What agentlab did not recover\n\n", "| fault | | it ended as | why no agent can |\n|---|---|---|---|\n"]
    for row in rows:
        if row.entry is not OURS:
            continue
        place = "fallback" if row.wiring.fallback else "alone"
        missed = [(case, cell) for case, cell in row.cells if cell.result != "recovered"]
        lines += [
            f"| {case.name} | {row.options.partition(', ')[2]} | {COLUMNS[cell.result]} | {case.lost.get(place, '**it can**')} |\n"
            for case, cell in missed
        ]
    return "".join(lines)


def _given() -> str:
    lines = ["\n## What each agent was given\n\n"]
    for entry in AGENTS:
        words = " ".join((entry.module.__doc__ or "").split())
        lines.append(f"- {words}\n")
    return "".join(lines)


def _trial() -> str:
    def told(name: str) -> str:
        found = [str(count) for count in TRIED[name] if count is not None]
        return " / ".join(found)

    words = {"bare": "the bare loop", "pydantic_ai": "pydantic-ai", "openai_agents": "openai-agents", "langchain": "langchain"}
    tried = ", ".join(f"{told(name)} faults ({shown})" for name, shown in words.items())
    return TRIAL.format(tried=tried, langchain=version("langchain"))


def _each(rows: Sequence[Row]) -> str:
    """Every cell: alone as it comes, and hardened with the fallback."""
    shown = [row for row in rows if row.entry is OURS or row.wiring.hardened == row.wiring.fallback]
    head = " | ".join(f"{row.entry.name.removeprefix('with_')}, {row.options.replace('with a ', '')}" for row in shown)
    lines = [f"\n## Fault by fault\n\n| fault | {head} |\n|---|{'---|' * len(shown)}\n"]
    for case in CASES:
        signs = []
        for row in shown:
            found = next((cell for told, cell in row.cells if told is case), None)
            signs.append(SIGNS[found.result] if found else "")
        lines.append(f"| {case.name} | {' | '.join(signs)} |\n")
    return "".join(lines)
