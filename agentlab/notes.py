"""Honesty by construction: what the runtime itself says about a degraded answer. It claims no effect that is not confirmed, denies none."""

from __future__ import annotations

from agentlab.turn import Turn

__all__ = ["effects_note", "failures_note", "with_notes"]


def failures_note(turn: Turn) -> str:
    """What could not be done, by tool, and what no tool is to blame for; empty if nothing failed."""
    undone = [f"{call.why}." for call in turn.failed.values() if not call.tool]
    if turn.missing:
        undone.insert(0, f"I could not use {_and(turn.missing)} (unavailable just now), so whatever needed it is missing here.")
    return f"Note: {' '.join(undone)}" if undone else ""


def effects_note(turn: Turn) -> str:
    """Each write that went through or may have; empty if there is none."""
    done = [str(effect) for effect in turn.effects.this_turn if effect.state == "done"]
    unknown = [str(effect) for effect in turn.effects.this_turn if effect.state == "unknown"]
    parts = []
    if done:
        parts.append(f"This went through: {_and(done)}.")
    if unknown:
        parts.append(f"This may have gone through, but I could not confirm it: {_and(unknown)}.")
    return " ".join(parts)


def with_notes(text: str, turn: Turn) -> str:
    """A degraded answer with what the runtime knows."""
    return "\n\n".join(part for part in (text.strip(), failures_note(turn), effects_note(turn)) if part)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
