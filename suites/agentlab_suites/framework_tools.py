"""Tools of agent frameworks that a seam reaches: looked for in the agent's modules, and in what its factory makes."""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from agentlab_faults.engine import play
from agentlab_faults.played import Setup, Talk
from agentlab_faults.tools import is_seamed_tool

from agentlab_suites.agents import Agent

__all__ = ["made_by", "tools_within"]

_MOST = 50_000
"""Objects that are looked at: an agent with its clients and graphs has some thousands."""
_CLOSED = (type, types.ModuleType, types.FrameType, types.CodeType, str, bytes, int, float, bool, type(None))
"""Behind these lies the whole program, or nothing."""


def tools_within(roots: Iterable[Any]) -> set[str]:
    """The names of the frameworks' tools that can be reached from these objects."""
    waiting, seen, found = deque(roots), set[int](), set[str]()
    while waiting and len(seen) < _MOST:
        held = waiting.popleft()
        if id(held) in seen or isinstance(held, _CLOSED):
            continue
        seen.add(id(held))
        if is_seamed_tool(held):
            found.add(held.name)
        else:
            waiting.extend(_inside(held))
    return found


def _inside(held: Any) -> Iterator[Any]:
    if not isinstance(held, types.FunctionType):
        yield from gc.get_referents(held)
        return
    for cell in held.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from held.__defaults__ or ()
    yield from (held.__kwdefaults__ or {}).values()
    yield from vars(held).values()


def made_by(agent: Agent) -> tuple[Any, str]:
    """What the factory makes, called once in virtual time, and why it makes nothing. An agent that is no factory's is itself."""
    if not agent.is_factory:
        return agent.target, ""
    made: list[Any] = []

    def build(talk: Talk) -> None:
        made.append(agent.instance(talk))

    played = play(build, Setup())
    if made:
        return made[0], ""
    if played.error is None:
        return None, "the factory does not return"
    return None, f"the factory raised {type(played.error).__name__}: {' '.join(str(played.error).split())}"
