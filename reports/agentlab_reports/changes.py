"""What changed since the baseline: cells that got worse, better, new or lost, and what about the agent is different."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from agentlab_reports.schema import CellLine, Fingerprint, Header, Outcome, SuiteResults, Waiver
from agentlab_reports.waivers import waiver_of
from agentlab_reports.words import UNJUDGED, is_control, strike_name, worseness

__all__ = ["Change", "Changes", "changes_between"]

_FIRST = 3

Kind = Literal["regressed", "fixed", "lost", "removed", "waived", "new", "exposure"]
"""`lost`: judged before, not exercised now; `waived`: removed for a reason that still holds; `exposure`: changed, but no agent can tell."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that is not what it was. `before` or `after` is None for a cell that is new or gone."""

    kind: Kind
    suite: str
    id: str
    before: Outcome | None
    after: Outcome | None
    scenario: str
    strike: str
    """The fault or mode."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """All differences between two runs."""

    cells: tuple[Change, ...]
    agent: tuple[str, ...]
    """Sentences: what about the agent, the suite or the weights is different."""
    strangers: Mapping[str, str]
    """Suites of this run of which nothing can be compared, and why: the baseline does not hold them, or in another choice of shapes."""

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.cells if change.kind == kind]

    def grouped(self) -> list[tuple[Change, int]]:
        """All but the new cells: one for each kind, outcome, scenario and fault, with how many more there are of it.

        The first three of each kind and outcome come first, so that a flood of one does not hide another.
        """
        groups: dict[tuple[str, str, str, str, str], list[Change]] = {}
        for change in self.cells:
            if change.kind != "new":
                groups.setdefault((change.kind, change.after or "", change.suite, change.scenario, change.strike), []).append(change)
        seen: Counter[tuple[str, str]] = Counter()
        first: list[tuple[Change, int]] = []
        later: list[tuple[Change, int]] = []
        for key, group in groups.items():
            (first if seen[key[:2]] < _FIRST else later).append((group[-1], len(group) - 1))
            seen[key[:2]] += 1
        return first + later


def changes_between(suites: Sequence[SuiteResults], baseline: Sequence[SuiteResults], today: dt.date) -> Changes:
    """Compare a run with its baseline, suite by suite. `today` decides whether a waiver still holds."""
    before = {suite.header.suite: suite for suite in baseline}
    cells: list[Change] = []
    agent: list[str] = []
    strangers: dict[str, str] = {}
    for suite in suites:
        old = before.pop(suite.header.suite, None)
        why = _incomparable(suite.header, old.header if old else None)
        if old is None or why:
            strangers[suite.header.suite] = why
            continue
        cells += _cells(suite, old, today)
        agent += _differences(old.header, suite.header)
    for name, gone in before.items():
        note = "its whole suite is not in this run"
        cells += [_gone("removed", name, cell, note) for cell in gone.cells if not is_control(cell)]
    order = {kind: place for place, kind in enumerate(("regressed", "removed", "lost", "fixed", "exposure", "waived", "new"))}
    cells.sort(key=lambda change: (order[change.kind], -worseness(change.after) if change.after else 0, change.suite, change.id))
    return Changes(tuple(cells), tuple(agent), strangers)


def _incomparable(now: Header, then: Header | None) -> str:
    """Why this suite's run cannot be compared with the baseline's; empty if it can."""
    if then is None:
        return "the baseline is of another suite"
    return "" if now.shapes == then.shapes else f"the baseline was played with --shapes {then.shapes}, this run with --shapes {now.shapes}"


def _cells(suite: SuiteResults, old: SuiteResults, today: dt.date) -> list[Change]:
    now = {cell.id: cell for cell in suite.cells if not is_control(cell)}
    then = {cell.id: cell for cell in old.cells if not is_control(cell)}
    name = suite.header.suite
    found = [change for key, cell in now.items() if key in then and (change := _change(then[key], cell))]
    found += [
        Change("new", name, key, None, cell.outcome, cell.scenario, strike_name(cell)) for key, cell in now.items() if key not in then
    ]
    for key, cell in then.items():
        if key not in now and cell.scenario not in suite.header.discovery_errors:
            found.append(_removed(name, cell, suite.header.waivers, today))
    return found


def _change(before: CellLine, after: CellLine) -> Change | None:
    if before.outcome == after.outcome:
        return None
    kind: Kind
    if after.best == "undetectable" and (before.best == "undetectable" or after.outcome not in UNJUDGED):
        kind = "exposure"
    elif before.outcome in UNJUDGED:
        kind = "new"
    elif after.outcome in UNJUDGED:
        kind = "lost"
    else:
        kind = "regressed" if worseness(after.outcome) > worseness(before.outcome) else "fixed"
    return Change(kind, after.suite, after.id, before.outcome, after.outcome, after.scenario, strike_name(after))


def _removed(suite: str, cell: CellLine, waivers: Sequence[Waiver], today: dt.date) -> Change:
    waiver = waiver_of(waivers, cell.scenario, {*cell.faults, cell.mode} - {""})
    if waiver is None:
        return _gone("removed", suite, cell, "")
    if _ended(waiver, today):
        return _gone("removed", suite, cell, f"its waiver ended on {waiver.until}")
    return _gone("waived", suite, cell, f"until {waiver.until}: {waiver.reason}")


def _gone(kind: Kind, suite: str, cell: CellLine, note: str) -> Change:
    return Change(kind, suite, cell.id, cell.outcome, None, cell.scenario, strike_name(cell), note)


def _ended(waiver: Waiver, today: dt.date) -> bool:
    """A waiver holds up to and on its last day; one whose day cannot be read holds no longer."""
    try:
        return dt.date.fromisoformat(waiver.until) < today
    except ValueError:
        return True


def _differences(old: Header, new: Header) -> list[str]:
    found = _fingerprints(old.fingerprint, new.fingerprint)
    if old.agent != new.agent:
        found.append(f"agent: {old.agent} -> {new.agent}")
    if old.suite_hash != new.suite_hash:
        found.append(f"the suite {new.suite} itself was edited")
    if old.weights_hash != new.weights_hash:
        found.append("the weights changed, so the two scores do not compare")
    if old.seed != new.seed:
        found.append(f"seed: {old.seed} -> {new.seed}")
    found += [f"{name}: {_version(old.versions, name)} -> {_version(new.versions, name)}" for name in _changed(old.versions, new.versions)]
    if old.python != new.python:
        found.append(f"Python: {old.python} -> {new.python}")
    return found


def _fingerprints(old: Fingerprint, new: Fingerprint) -> list[str]:
    found = []
    if old.models != new.models:
        found.append(f"models: {', '.join(old.models) or 'none'} -> {', '.join(new.models) or 'none'}")
    if old.system_prompt != new.system_prompt:
        found.append("the system prompt changed")
    for tool in _changed(old.tools, new.tools):
        verb = "is new" if tool not in old.tools else "is gone" if tool not in new.tools else "has another schema"
        found.append(f"tool {tool} {verb}")
    return found


def _changed(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _version(versions: Mapping[str, str], name: str) -> str:
    return versions.get(name, "none")
