"""Tools of hand-written loops: found in the agent's module by their declared names, and hooked before the agent runs."""

from __future__ import annotations

import inspect
import re
import sys
import types

from agentlab_faults.tools import hook_at
from agentlab_faults.tools.seams import Hooked

from agentlab_suites.agents import Agent
from agentlab_suites.load import LoadedSuite

__all__ = ["find_bare_tools", "hook_tools", "refuse_unseamed"]

_RUNTIMES = re.compile(r"^\s*(?:from|import)\s+agentlab\b", re.MULTILINE)
"""Modules whose tools reach the lab by themselves."""


def find_bare_tools(loaded: LoadedSuite, agent: Agent) -> dict[str, str]:
    """Tool name to `module:function` for each declared tool that is a plain function in the agent's own module."""
    module = agent.module
    if module is None or module.__name__.partition(".")[0] == "agentlab":
        return {}
    return {
        tool: f"{module.__name__}:{tool}"
        for tool, keys in loaded.suite.tools.items()
        if keys.at is None and isinstance(inspect.unwrap(getattr(module, tool, None) or str), types.FunctionType)
    }


def hook_tools(loaded: LoadedSuite, found: dict[str, str]) -> list[Hooked]:
    """Put the seam into every bare tool. Raises BadSuite for an `at:` that names no plain function, or another tool's."""
    hooks: list[Hooked] = []
    try:
        for tool, keys in loaded.suite.tools.items():
            place = keys.at or found.get(tool)
            if place is not None:
                _hook_one(loaded, tool, place, hooks)
    except BaseException:
        for hooked in hooks:
            hooked.undo()
        raise
    return hooks


def _hook_one(loaded: LoadedSuite, tool: str, place: str, hooks: list[Hooked]) -> None:
    """Hook the tool and add it to `hooks`."""
    try:
        hooked = hook_at(place, tool)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        text = " ".join(str(error).split()).rstrip(".")
        raise loaded.bad(f"The tool {tool!r} cannot be found at {place!r}: {text}.", "tools", tool, "at") from error
    twin = next((other.name for other in hooks if other.function is hooked.function), None)
    hooks.append(hooked)
    if twin is not None:
        raise loaded.bad(
            f"The tools {twin!r} and {tool!r} are one function, {place}, so that their calls cannot be told apart; "
            "declare one of them, or give each a function of its own.",
            *("tools", tool),
        )


def refuse_unseamed(loaded: LoadedSuite, agent: Agent, found: dict[str, str]) -> None:
    """Raise BadSuite for a script that calls a tool which no seam reaches: it would run for real."""
    if _has_own_seams(agent):
        return
    for name, scenario in loaded.suite.scenarios.items():
        for n, turn in enumerate(scenario.script):
            for tool, _ in turn.calls:
                if loaded.suite.tools[tool].at is None and tool not in found:
                    keys = loaded.suite.tools[tool]
                    raise loaded.bad(
                        f"The script calls {tool!r}, but nothing of {agent.name!r} by that name can be hooked, so it would run for real; "
                        f'add where it is: tools: {{{tool}: {{effect: {keys.effect}, at: "your.module:{tool}"}}}}',
                        *("scenarios", name, "script", n),
                    )


def _has_own_seams(agent: Agent) -> bool:
    """Whether the agent is made of a framework that the lab adapts: its package imports it."""
    if agent.module is None:
        return False
    package = agent.module.__name__.partition(".")[0]
    if package == "agentlab":
        return True
    modules = [module for name, module in sorted(sys.modules.items()) if name == package or name.startswith(f"{package}.")]
    return any(_RUNTIMES.search(_source(module)) for module in {id(m): m for m in [agent.module, *modules]}.values())


def _source(module: types.ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return ""
