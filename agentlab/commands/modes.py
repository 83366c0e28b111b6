"""Modes for `agentlab faults`: as plain data, and their rows in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from agentlab_faults.catalogue import Mode
    from agentlab_faults.fault import Row
    from agentlab_faults.schedule import Injection, Window

__all__ = ["describe_mode", "strike_in_words"]

_KINDS: Final = {
    "llm": "request to a model",
    "tool": "call of a tool",
    "store": "command to the store",
    "mcp": "message to an MCP server",
    None: "request",
}
_ORDINALS: Final = {2: "second", 3: "third", 4: "fourth", 5: "fifth"}


def describe_mode(mode: Mode) -> dict[str, Any]:
    """A mode's sentences and rows."""
    return {
        "id": mode.name,
        "simulates": mode.summary,
        "best": mode.best,
        "why": mode.why,
        "happens": mode.happens,
        "rows": [_describe_row(row) for row in mode.injections],
    }


def _describe_row(row: Injection) -> dict[str, Any]:
    return {
        "fault": row.fault.row.id,
        "settings": row.fault.model_dump(exclude_defaults=True),
        "kind": row.kind,
        **({"tools": sorted(row.tools)} if row.tools is not None else {}),
        "primary_only": row.primary,
        "every": row.every,
        "from_seconds": row.window.start,
        "to_seconds": None if math.isinf(row.window.end) else row.window.end,
        **({"burst": {"on_seconds": row.burst.on, "off_seconds": row.burst.off}} if row.burst is not None else {}),
        **({"ramp": {"low": row.ramp.low, "high": row.ramp.high, "seconds": row.ramp.seconds}} if row.ramp is not None else {}),
        "strikes": strike_in_words(row),
    }


def strike_in_words(row: Injection) -> str:
    """Where and when a mode's fault strikes: `every request to a model of the first provider, in the first 30 s`."""
    where = _KINDS[row.kind] + (" of the first provider" if row.primary else "")
    where += f" named {' or '.join(sorted(row.tools))}" if row.tools is not None else ""
    where += " that it can act on" if _is_choosy(row.fault.row) else ""
    if row.ramp is not None:
        ramp = row.ramp
        share = f"a share of the {where.replace(' ', 's ', 1)} that goes from {ramp.low:.0%} to {ramp.high:.0%} within {ramp.seconds:g} s"
        return f"{share}, {_when(row)}"
    return f"every {_ordinal(row.every)}{where}, {_when(row)}"


def _is_choosy(row: Row) -> bool:
    """Whether the fault can strike some of its kind of point only; `faults show` of the fault says which."""
    narrowed = row.answer, row.streamed, row.effect, row.transport
    return narrowed != ("any",) * 4 or row.apis is not None or bool(row.needs or row.tools or row.methods)


def _ordinal(every: int) -> str:
    return "" if every == 1 else f"{_ORDINALS.get(every, f'{every}th')} "


def _when(row: Injection) -> str:
    when = _in_window(row.window)
    if row.burst is None:
        return when
    spells = f"in spells of about {row.burst.on:g} s with about {row.burst.off:g} s between them"
    return spells if row.window.end == math.inf and row.window.start == 0 else f"{spells}, {when}"


def _in_window(window: Window) -> str:
    if window.end == math.inf:
        return "for the whole run" if window.start == 0 else f"from {window.start:g} s on"
    return f"in the first {window.end:g} s" if window.start == 0 else f"from {window.start:g} s to {window.end:g} s"
