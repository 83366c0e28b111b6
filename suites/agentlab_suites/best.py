"""The best outcome that a cell can reach, with its reason: the fault's own row, and what the suite says of the agent's fallbacks."""

from __future__ import annotations

from collections.abc import Collection

from agentlab_faults import fault as faults
from agentlab_faults.catalogue import all_modes
from agentlab_faults.runs import in_its_run
from agentlab_faults.schedule import Injection, Schedule
from agentlab_reports.schema import Best

from agentlab_suites.model import Fallback

__all__ = ["best_of"]

_ORDER: tuple[Best, ...] = ("degraded_honest", "undetectable", "success")


def best_of(schedule: Schedule, fallback: Fallback, tools: Collection[str]) -> tuple[Best, str]:
    """(best, why). `tools` are those that the scenario's fault-free run used; a mode reaches the lowest of its rows."""
    if not schedule.injections:
        return "success", "nothing was broken"
    mode = all_modes().get(schedule.mode)
    if mode is not None:
        return _reachable(mode.best, mode.why, _has_fallback(schedule.injections, fallback, tools))
    return min((_of_single(injection, fallback) for injection in schedule.injections), key=lambda found: _ORDER.index(found[0]))


def _of_single(injection: Injection, fallback: Fallback) -> tuple[Best, str]:
    row = injection.fault.row
    has = _has_fallback((injection,), fallback, ())
    return _reachable(row.best[injection.shape], row.why, has)


def _has_fallback(injections: Collection[Injection], fallback: Fallback, tools: Collection[str]) -> bool:
    """Whether the agent has another way round everything that these injections break."""
    return all(_way_round(injection, fallback, tools) for injection in injections)


def _way_round(injection: Injection, fallback: Fallback, tools: Collection[str]) -> bool:
    kinds = injection.fault.row.kinds
    if "store" in kinds:
        return fallback.store
    at = in_its_run(injection.at or "")
    if at.startswith(("tool.", "mcp.")):
        return at.partition(".")[2].rpartition(".")[0] in fallback.tools
    if injection.kind in ("tool", "mcp") or (injection.at is None and kinds & {"tool", "mcp"}):
        return set(injection.tools if injection.tools is not None else tools) <= set(fallback.tools)
    return fallback.model


def _reachable(best: faults.Best, why: str, has_fallback: bool) -> tuple[Best, str]:
    match best:
        case "recoverable":
            return "success", why
        case "undetectable":
            return "undetectable", why
        case "needs_fallback":
            return ("success", f"{why} The suite says that the agent has a fallback.") if has_fallback else ("degraded_honest", why)
        case "fatal":
            return "degraded_honest", why
