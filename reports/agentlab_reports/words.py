"""The words and marks of an outcome, and which of two is worse."""

from __future__ import annotations

from agentlab_reports.schema import OUTCOMES, CellLine, Outcome

__all__ = ["CRITICAL", "MARKS", "NAMES", "UNJUDGED", "call_of", "is_control", "is_exercised", "is_scored", "strike_name", "worseness"]

NAMES: dict[Outcome, str] = {
    "success": "Success",
    "degraded_honest": "Degraded, honest",
    "clean_failure": "Clean failure",
    "budget": "Budget blow-up",
    "crash": "Crash",
    "hang": "Hang",
    "silent_wrong": "Silent wrong answer",
    "duplicate_effect": "Duplicate side effect",
    "not_exercised": "Not exercised",
    "error": "Lab error",
}
MARKS: dict[Outcome, str] = {
    "success": "✓",
    "degraded_honest": "◐",
    "clean_failure": "⊘",
    "budget": "$",
    "crash": "✕",
    "hang": "∞",
    "silent_wrong": "≠",
    "duplicate_effect": "2\N{MULTIPLICATION SIGN}",
    "not_exercised": "\N{EN DASH}",
    "error": "!",
}
CRITICAL: frozenset[Outcome] = frozenset({"duplicate_effect", "silent_wrong"})
UNJUDGED: frozenset[Outcome] = frozenset({"not_exercised", "error"})
_WORSENESS = {outcome: len(OUTCOMES) - place for place, outcome in enumerate(OUTCOMES)}


def worseness(outcome: Outcome) -> int:
    """A number that is greater for a worse outcome; `not_exercised` and `error`, which judge nothing, lie below all that do."""
    return _WORSENESS[outcome]


def call_of(cell: CellLine) -> str:
    """The point that the cell struck; that of the call, where it struck one event of its stream (`openai.chat.2.chunk.3`)."""
    return cell.point.partition(".chunk.")[0]


def is_control(cell: CellLine) -> bool:
    """Whether the cell is a fault-free control."""
    return not cell.schedule


def is_exercised(cell: CellLine) -> bool:
    """Whether a fault struck, was seen, and the agent was judged."""
    return not is_control(cell) and cell.outcome not in UNJUDGED


def is_scored(cell: CellLine) -> bool:
    """Whether the cell counts: exercised, and an agent could have told that something was wrong."""
    return is_exercised(cell) and cell.best != "undetectable"


def strike_name(cell: CellLine) -> str:
    """What struck, in one word: the mode, the fault, or faults joined by `+`."""
    return cell.mode or "+".join(cell.faults) or cell.schedule
