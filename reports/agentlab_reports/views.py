"""Small tables that the page shows, made from results and verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agentlab_reports.coverage import pairs_of
from agentlab_reports.gate import Condition, State
from agentlab_reports.heatmap import BOUNDARIES, boundary_of
from agentlab_reports.schema import OUTCOMES, Outcome, SuiteResults
from agentlab_reports.score import RollUp
from agentlab_reports.verdict import Layer, Verdict
from agentlab_reports.words import UNJUDGED, is_exercised, strike_name, worseness

__all__ = [
    "Chip",
    "boundaries",
    "chips",
    "exposed",
    "figures",
    "is_real_time",
    "layers",
    "legend",
    "meta",
    "proof",
    "rates",
    "share",
    "subject",
]


@dataclass(frozen=True, slots=True)
class Chip:
    """A gate condition as the first screen shows it; the same condition of several suites is one chip."""

    title: str
    value: str
    state: State


def subject(suites: Sequence[SuiteResults]) -> str:
    """What was tried: the agent, or agents."""
    return ", ".join(dict.fromkeys(suite.header.agent or suite.header.suite for suite in suites))


def meta(suites: Sequence[SuiteResults], verdict: Verdict) -> list[str]:
    """The line under the title."""
    headers = [suite.header for suite in suites]
    first = headers[0]
    line = [
        ", ".join(header.suite for header in headers),
        f"seed {', '.join(dict.fromkeys(str(header.seed) for header in headers))}",
        f"{verdict.exercised:,} cells exercised, {verdict.pairs:,} different pairs of point and fault",
    ]
    line += [f"models {', '.join(first.fingerprint.models)}"] if first.fingerprint.models else []
    line += [f"Python {first.python}"] if first.python else []
    line += [f"{name} {version}" for name, version in sorted(first.versions.items())[:6]]
    line += [f"one shape of each pair, {verdict.left_out:,} cells left out"] if verdict.left_out else []
    line += ["in real time"] if is_real_time(suites) else []
    return [*line, "compared with a baseline" if verdict.changes else "no baseline"]


def is_real_time(suites: Sequence[SuiteResults]) -> bool:
    """Whether any cell was played outside the lab's process, and so in real time."""
    return any(cell.time == "real" for suite in suites for cell in suite.cells)


def chips(verdict: Verdict) -> list[Chip]:
    """The conditions, those that do not pass first; of several suites, those that do not pass are named."""
    groups: dict[tuple[str, str], list[Condition]] = {}
    for condition in sorted(verdict.conditions, key=lambda condition: (condition.state == "pass", condition.group)):
        groups.setdefault((condition.key, condition.title), []).append(condition)
    return [_chip(title, group) for (_, title), group in groups.items()]


def _chip(title: str, group: Sequence[Condition]) -> Chip:
    against = [condition for condition in group if condition.state != "pass"]
    shown = against or group
    if len({condition.value for condition in group}) == 1:
        return Chip(title, shown[0].value, shown[0].state)
    return Chip(title, " · ".join(f"{condition.suite} {condition.value}" for condition in shown), shown[0].state)


def figures(verdict: Verdict) -> list[tuple[str, str, str]]:
    """(name, value, note) beside the score."""
    rolled = verdict.score.roll_up
    rows = [("Before cap", _whole(rolled.score), "")] if verdict.score.cap else []
    if verdict.baseline:
        rows.append(("Baseline", _whole(verdict.baseline.value), verdict.baseline.grade))
    rows += [
        ("Mean cell", _whole(rolled.mean), ""),
        ("Worst tenth", _whole(rolled.worst_tenth), ""),
        ("Worst cell", _whole(rolled.worst), ""),
    ]
    if len(verdict.suites) > 1:
        rows += [(score.roll_up.name, _whole(score.value), score.grade) for score in verdict.suites]
    return rows


def _whole(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.0f}"


def proof(verdict: Verdict) -> list[tuple[str, str]]:
    """What a clean run shows for itself."""
    ways = sum(1 for layer in verdict.layers if layer.judged and layer.name != "unknown")
    layers = [("Layers that answered", str(ways))] if verdict.layers else []
    return [
        ("Cells exercised", f"{verdict.exercised:,}"),
        ("Different pairs of point and fault", f"{verdict.pairs:,}"),
        ("Applicable pairs covered", f"{verdict.coverage.covered:,} of {verdict.coverage.applicable:,}"),
        ("Ended in success", f"{verdict.outcomes.get('success', 0):,}"),
        ("Degraded, and said so", f"{verdict.outcomes.get('degraded_honest', 0):,}"),
        *layers,
    ]


def rates(suites: Sequence[SuiteResults]) -> str:
    """The most frequent faults with their rates."""
    known = {fault.id: fault.rate for suite in suites for fault in suite.header.faults.values() if fault.rate > 0}
    often = sorted(known, key=lambda fault: (-known[fault], fault))[:3]
    more = f" and {len(known) - len(often)} more" if len(known) > len(often) else ""
    return ", ".join(f"{fault} {share(known[fault])}" for fault in often) + more


def share(value: float) -> str:
    """A share as per cent, with the digits that tell it from 0 and from 100: `99.89 %`."""
    percent = 100 * value
    for digits in range(5):
        text = f"{percent:.{digits}f}"
        if abs(float(text) - percent) <= 0.02 * min(percent, 100 - percent):
            return f"{text}\N{NO-BREAK SPACE}%"
    return f"{percent:.4f}\N{NO-BREAK SPACE}%"


def legend(verdict: Verdict) -> list[tuple[Outcome, int]]:
    """Outcomes that occurred, best first."""
    order: list[Outcome] = sorted(OUTCOMES, key=lambda outcome: (outcome in UNJUDGED, worseness(outcome)))
    return [(outcome, verdict.outcomes[outcome]) for outcome in order if verdict.outcomes.get(outcome)]


def boundaries(suites: Sequence[SuiteResults], verdict: Verdict) -> list[tuple[RollUp, str, int, int]]:
    """(roll-up, title, covered pairs, applicable pairs) for each boundary that was scored."""
    every, missed = Counter[str](), Counter[str]()
    for suite in suites:
        home = {fault.id: fault.boundary for fault in suite.header.faults.values()}
        every.update(home.get(pair.fault, "mode" if not pair.point else "other") for pair in pairs_of(suite))
        mine = [pair for pair in verdict.coverage.uncovered if pair.suite == suite.header.suite]
        missed.update(home.get(pair.fault, "mode" if not pair.point else "other") for pair in mine)
    order = list(BOUNDARIES)
    rolled = sorted(verdict.boundaries, key=lambda group: order.index(group.name) if group.name in order else len(order))
    return [(group, BOUNDARIES.get(group.name, group.name), every[group.name] - missed[group.name], every[group.name]) for group in rolled]


def layers(suites: Sequence[SuiteResults], verdict: Verdict) -> tuple[list[str], list[tuple[Layer, list[int]]]]:
    """The titles of the boundaries, and each layer with the number of cells that it answered at each of them."""
    counts = Counter((cell.answered_by, boundary_of(cell)) for suite in suites for cell in suite.cells if is_exercised(cell))
    used = [boundary for boundary in BOUNDARIES if any(where == boundary for _, where in counts)]
    rows = [(layer, [counts[layer.name, boundary] for boundary in used]) for layer in verdict.layers]
    return [BOUNDARIES[boundary] for boundary in used], rows


def exposed(suites: Sequence[SuiteResults]) -> list[tuple[str, int, list[tuple[Outcome, int]]]]:
    """(fault, cells, outcomes) of the faults that no agent can detect."""
    found: dict[str, Counter[Outcome]] = {}
    for suite in suites:
        for cell in suite.cells:
            if cell.best == "undetectable" and is_exercised(cell):
                found.setdefault(strike_name(cell), Counter())[cell.outcome] += 1
    return [
        (fault, counts.total(), [(outcome, counts[outcome]) for outcome in OUTCOMES if counts[outcome]])
        for fault, counts in sorted(found.items())
    ]
