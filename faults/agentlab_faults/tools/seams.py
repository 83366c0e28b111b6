"""Seams: how executions of tools get to the hub.

Three ways: the decorator `tool` in the user's code; `hook`, which swaps a plain function's code in place, so that every alias and registry
that holds the function follows without a change to the user's code; and the frameworks' own seams (`agentlab_faults.tools.adapters`).
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from agentlab_faults.tools import hub

__all__ = ["Hooked", "hook", "hook_at", "tool"]

F = TypeVar("F", bound=Callable[..., Any])
_hooked: dict[int, _Seam] = {}


def tool(function: F) -> F:
    """Decorate a tool of a hand-written loop, so that the lab sees it and can break it. Without the lab it costs one check.

    A plain wrapper (`functools.wraps`) round an async function counts as async, since that is what its callers await.

    >>> @tool
    ... def lookup(order: str) -> dict[str, str]:
    ...     return {"order": order}
    >>> lookup("5512")
    {'order': '5512'}
    """
    named = _Arguments(function)
    name = getattr(function, "__name__", "tool")
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def seen_async(*args: Any, **kwargs: Any) -> Any:
            if not hub.active():
                return await function(*args, **kwargs)
            given, defaults = named(args, kwargs)
            return await hub.around(name, given, None, lambda: function(*args, **kwargs), defaults)

        return cast("F", seen_async)

    around: Callable[..., Any] = hub.around if inspect.iscoroutinefunction(inspect.unwrap(function)) else hub.around_sync

    @functools.wraps(function)
    def seen(*args: Any, **kwargs: Any) -> Any:
        if not hub.active():
            return function(*args, **kwargs)
        given, defaults = named(args, kwargs)
        return around(name, given, None, lambda: function(*args, **kwargs), defaults)

    return cast("F", seen)


class _Arguments:
    """Gives a call's arguments their names."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.signature = inspect.signature(function)
        parameters = list(self.signature.parameters.values())
        place = getattr(function, "__qualname__", "").rpartition(".")[0]
        method = bool(place) and not place.endswith("<locals>")
        self._owner = parameters[0].name if method and parameters and parameters[0].name in ("self", "cls") else None
        self._rest = next((p.name for p in parameters if p.kind is p.VAR_KEYWORD), None)
        self._more = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), None)

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(what the caller gave, what it left to the signature's defaults), without the object that a method is bound to.

        Raises TypeError for arguments that the function does not take, as the function would.
        """
        bound = self.signature.bind(*args, **kwargs)
        given = dict(bound.arguments)
        bound.apply_defaults()
        defaults = {name: value for name, value in bound.arguments.items() if name not in given and name not in (self._more, self._rest)}
        rest = given.pop(self._rest, {}) if self._rest else {}
        if self._owner:
            given.pop(self._owner, None)
        return given | rest, defaults


class Hooked:
    """One hold on a hooked function, under the name that its holder has for the tool; `undo` lets go."""

    def __init__(self, seam: _Seam, name: str) -> None:
        self.name = name
        self.function = seam.function
        self._seam = seam
        seam.holds.append(self)

    def undo(self) -> None:
        """Let go; the last holder to do so gives the function its own code back."""
        self._seam.let_go(self)


class _Seam:
    """A plain function whose code is swapped for as long as somebody holds it."""

    def __init__(self, function: types.FunctionType) -> None:
        self.function = function
        self.holds: list[Hooked] = []
        self._named = _Arguments(function)
        self.original = types.FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        self.original.__kwdefaults__ = function.__kwdefaults__
        self._had_signature = "__signature__" in function.__dict__
        code = _trampoline(function, id(function))
        _hooked[id(function)] = self
        function.__code__ = code
        function.__defaults__ = None
        function.__kwdefaults__ = None
        if not self._had_signature:
            function.__signature__ = self._named.signature  # type: ignore[attr-defined]  # what inspect.signature reads first

    def let_go(self, hold: Hooked) -> None:
        """One holder less. Letting go twice is letting go once."""
        if hold not in self.holds:
            return
        self.holds.remove(hold)
        if self.holds:
            return
        del _hooked[id(self.function)]
        self.function.__code__ = self.original.__code__
        self.function.__defaults__ = self.original.__defaults__
        self.function.__kwdefaults__ = self.original.__kwdefaults__
        if not self._had_signature:
            del self.function.__signature__  # type: ignore[attr-defined]  # set by us

    @property
    def _name(self) -> str:
        """The newest of its names that the run declares: a suite may hold it under one name, and a test under another."""
        return hub.known([hold.name for hold in reversed(self.holds)])

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """One call of a sync function."""
        if not hub.active():
            return self.original(*args, **kwargs)
        given, defaults = self._named(args, kwargs)
        return hub.around_sync(self._name, given, None, lambda: self.original(*args, **kwargs), defaults)

    async def acall(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """One call of an async function."""
        if not hub.active():
            return await self.original(*args, **kwargs)
        given, defaults = self._named(args, kwargs)
        return await hub.around(self._name, given, None, lambda: self.original(*args, **kwargs), defaults)


def _trampoline(function: types.FunctionType, key: int) -> types.CodeType:
    """Code that hands a call to its `_Seam`. It needs as many free variables as the function's own code, or CPython refuses it."""
    free = [f"_free{n}" for n in range(len(function.__code__.co_freevars))]
    awaits, call = ("async ", f"await _hooked[{key}].acall") if inspect.iscoroutinefunction(function) else ("", f"_hooked[{key}].call")
    lines = [
        "def outer():",
        *(f"    {name} = None" for name in free),
        f"    {awaits}def inner(*args, **kwargs):",
        f"        from {__name__} import _hooked",
        *(f"        if False: {name}" for name in free),
        f"        return {call}(args, kwargs)",
        "    return inner",
    ]
    space: dict[str, Any] = {}
    exec("\n".join(lines), space)  # noqa: S102 - the text is made of our own words and an integer
    inner: types.FunctionType = space["outer"]()
    return inner.__code__.replace(co_name=function.__name__, co_filename=function.__code__.co_filename)


def hook(function: Callable[..., Any], name: str | None = None) -> Hooked:
    """Send every call of a plain Python function to the hub, until each who hooked it has undone it.

    Raises TypeError for anything else, saying what to do instead.
    """
    function = inspect.unwrap(function)
    if not isinstance(function, types.FunctionType) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function!r} is not a plain function; put agentlab_faults.tool round it where it is registered.")
    return Hooked(_hooked.get(id(function)) or _Seam(function), name or function.__name__)


def hook_at(path: str, name: str) -> Hooked:
    """Hook the function that `module:attribute` names. Raises ValueError, AttributeError or the import's own error."""
    module, separator, attribute = path.partition(":")
    if not separator or not attribute:
        raise ValueError(f"{path!r} names no function; write module:function.")
    target: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in attribute.split("."):
        target = getattr(target, part)
    return hook(target, name)
