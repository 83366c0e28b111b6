"""Tools of hand-written loops: found in the agent's module by their declared names, and hooked before the agent runs.

What is loaded decides, never the source's text.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from agentlab_faults.tools import adapt_frameworks, hook, hook_at, is_seamed_tool
from agentlab_faults.tools.seams import Hooked

from agentlab_suites.agents import Agent
from agentlab_suites.framework_tools import made_by, tools_within
from agentlab_suites.load import LoadedSuite

__all__ = ["Bare", "find_bare_tools", "hook_tools", "refuse_unseamed"]

_RUNTIME = "agentlab"
_DEEPEST = 4
"""Levels of nested dicts and lists in which a registry is looked for."""


class Bare(NamedTuple):
    """A tool that is a plain function: what is hooked, and its name for the reader."""

    function: Callable[..., Any]
    place: str


def find_bare_tools(loaded: LoadedSuite, agent: Agent) -> dict[str, Bare]:
    """The plain function behind each declared tool that has no `at`, if the agent's module or a registry of its package has one.

    Raises BadSuite for a tool that a registry maps to something else than the function to be hooked: that would run for real.
    """
    if agent.module is None or _is_ours(agent):
        return {}
    tools = [tool for tool, keys in loaded.suite.tools.items() if keys.at is None]
    found = {tool: _find(loaded, agent.module, tool) for tool in tools}
    return {tool: bare for tool, bare in found.items() if bare is not None}


def _find(loaded: LoadedSuite, module: types.ModuleType, tool: str) -> Bare | None:
    named = _plain(getattr(module, tool, None))
    bare = by_name = Bare(named, f"{module.__name__}:{tool}") if named else None
    for entry in _registered(module, tool):
        function = _plain(entry)
        if function is None or (bare is None and isinstance(entry, types.FunctionType)):
            raise _unlike(loaded, module, tool, entry)
        if bare is not None and function is bare.function:
            continue
        if not isinstance(entry, functools.partial | types.MethodType) or _ours(function.__module__) or bare != by_name:
            raise _unlike(loaded, module, tool, entry)
        bare = Bare(function, f"{function.__module__}:{function.__qualname__}")
    return bare


def _unlike(loaded: LoadedSuite, module: types.ModuleType, tool: str, entry: Any) -> Exception:
    effect = loaded.suite.tools[tool].effect
    return loaded.bad(
        f"A registry of {module.__name__} has {_shown(entry)} as {tool!r}, which is not the function of that name, so it might run for "
        f'real; say which one runs: tools: {{{tool}: {{effect: {effect}, at: "your.module:function"}}}}.',
        *("tools", tool),
    )


def _shown(entry: Any) -> str:
    name = getattr(entry, "__qualname__", None)
    return name if isinstance(name, str) else f"an object of {type(entry).__qualname__}"


def _plain(held: Any) -> types.FunctionType | None:
    """The plain function in what a module or registry holds: itself, wrapped, bound to an object, or a partial's. None if there is none."""
    while isinstance(held, functools.partial | types.MethodType):
        held = getattr(held, "func" if isinstance(held, functools.partial) else "__func__")
    held = inspect.unwrap(held) if callable(held) else held
    return held if isinstance(held, types.FunctionType) else None


def _registered(module: types.ModuleType, tool: str) -> Iterator[Any]:
    """Every callable that a module-level dict or list of the agent's package has under the tool's name, but for tools of our runtime."""
    seen: set[int] = set()
    for place in _package(module):
        for value in [value for name, value in vars(place).items() if not name.startswith("__")]:
            for entry in _entries(value, tool, _DEEPEST):
                if id(entry) not in seen and not _is_tool(entry) and not _is_shape(entry):
                    seen.add(id(entry))
                    yield entry


def _entries(held: Any, tool: str, deepest: int) -> Iterator[Any]:
    """`{tool: function}`, `{tool: {...: function}}`, `{"name": tool, ...: function}` and `(tool, function)`, however nested."""
    if isinstance(held, dict | types.MappingProxyType):
        inside = list(held.values())
        for key, value in list(held.items()):
            if isinstance(key, str) and key == tool:
                yield from _callables(value)
        mine = any(isinstance(value, str) and value == tool for value in inside)
    elif isinstance(held, list | tuple):
        inside = list(held)
        mine = bool(inside) and isinstance(inside[0], str) and inside[0] == tool
    else:
        return
    if mine:
        yield from filter(callable, inside)
    if deepest:
        for value in inside:
            yield from _entries(value, tool, deepest - 1)


def _callables(value: Any) -> Iterator[Any]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else [value]
    yield from filter(callable, list(inside))


def _is_shape(entry: Any) -> bool:
    """Whether it is a class that describes arguments."""
    marks = ("model_fields", "__dataclass_fields__", "__required_keys__", "_member_map_")
    return isinstance(entry, type) and any(hasattr(entry, mark) for mark in marks)


def hook_tools(loaded: LoadedSuite, found: dict[str, Bare]) -> list[Hooked]:
    """Put the seam into every bare tool. Raises BadSuite for an `at:` that names no plain function, or another tool's."""
    hooks: list[Hooked] = []
    try:
        for tool, keys in loaded.suite.tools.items():
            bare = found.get(tool)
            if bare is not None or (keys.at is not None and not _names_a_tool(keys.at, tool)):
                _hook_one(loaded, tool, bare or keys.at or "", hooks)
    except BaseException:
        for hooked in hooks:
            hooked.undo()
        raise
    return hooks


def _hook_one(loaded: LoadedSuite, tool: str, where: Bare | str, hooks: list[Hooked]) -> None:
    """Hook the tool and add it to `hooks`."""
    place = where if isinstance(where, str) else where.place
    try:
        hooked = hook_at(where, tool) if isinstance(where, str) else hook(where.function, tool)
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


def refuse_unseamed(loaded: LoadedSuite, agent: Agent, found: dict[str, Bare]) -> None:
    """Raise BadSuite for a script that calls a tool which no seam reaches: it would run for real."""
    if _is_ours(agent):
        return
    adapt_frameworks()
    served = {tool for server in loaded.suite.mcp.values() for tool in server.tools}
    if "mcp.client.session" in sys.modules:  # a real server's own, which are seen where the client calls them
        served |= {tool for tool, keys in loaded.suite.tools.items() if keys.body == "real"}
    unseen = {tool for tool, keys in loaded.suite.tools.items() if keys.at is None} - found.keys() - served
    if unseen:
        unseen -= _seamed_in_modules(agent)
    made, failure = made_by(agent) if unseen else (None, "")
    unseen -= tools_within([made])
    but = f"nothing of {agent.name!r} by that name can be hooked, so it would run for real; add"
    if failure:
        but = f"{agent.name!r} makes no agent in which to look for it: {failure}. Mend that, or add"
    for name, scenario in loaded.suite.scenarios.items():
        for n, turn in enumerate(scenario.script):
            for tool, _ in turn.calls:
                if tool in unseen:
                    keys = loaded.suite.tools[tool]
                    raise loaded.bad(
                        f"The script calls {tool!r}, but {but} where it is: "
                        f'tools: {{{tool}: {{effect: {keys.effect}, at: "your.module:{tool}"}}}}',
                        *("scenarios", name, "script", n),
                    )


def _ours(module: Any) -> bool:
    return isinstance(module, str) and module.partition(".")[0] == _RUNTIME


def _is_ours(agent: Agent) -> bool:
    """Whether the agent is our own runtime's: it, or the factory that makes it, is defined there."""
    held = inspect.unwrap(agent.target) if callable(agent.target) else agent.target
    return any(_ours(name) for name in (getattr(agent.module, "__name__", ""), getattr(held, "__module__", "")))


def _is_tool(value: Any) -> bool:
    """Whether it is a tool of our runtime or of a framework, whose one way in is a seam."""
    return is_seamed_tool(value) or any(cls.__module__ == "agentlab.tools" and cls.__name__ == "Tool" for cls in type(value).__mro__)


def _names_a_tool(place: str, tool: str) -> bool:
    """Whether `module:attribute` is a tool of our runtime with that name."""
    module, _, attribute = place.partition(":")
    try:
        found = operator.attrgetter(attribute)(sys.modules.get(module) or importlib.import_module(module))
    except (ImportError, AttributeError, ValueError):
        return False  # what is wrong with it is for the hook to say
    return _is_tool(found) and found.name == tool


def _seamed_in_modules(agent: Agent) -> set[str]:
    """The names of our runtime's tools, and of the frameworks', that the agent's package has in its modules."""
    if agent.module is None:
        return set()
    held = [value for place in _package(agent.module) for value in list(vars(place).values())]
    return tools_within(held) | {found.name for value in held for found in _tools_in(value, _DEEPEST)}


def _tools_in(held: Any, deepest: int) -> Iterator[Any]:
    if _is_tool(held):
        yield held
        return
    if isinstance(held, dict | types.MappingProxyType):
        inside = list(held.values())
    elif isinstance(held, list | tuple):
        inside = list(held)
    elif isinstance(held, type):
        inside = [value for value in vars(held).values() if _is_tool(value)]
    else:
        return
    if deepest:
        for value in inside:
            yield from _tools_in(value, deepest - 1)


def _package(module: types.ModuleType) -> list[types.ModuleType]:
    """The agent's module and the others of its package that are loaded."""
    package = module.__name__.partition(".")[0]
    near = [found for name, found in sorted(dict(sys.modules).items()) if name == package or name.startswith(f"{package}.")]
    return list({id(found): found for found in [module, *near]}.values())
