"""Seams: how executions of tools get to the hub.

Three ways: the decorator `tool` in the user's code; `hook`, which swaps a plain function's code in place, so that every alias and registry
that holds the function follows without a change to the user's code; and adapters that know a framework by its module's name.
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

__all__ = ["Hooked", "adapt_frameworks", "hook", "hook_at", "tool"]

F = TypeVar("F", bound=Callable[..., Any])
_hooked: dict[int, Hooked] = {}


def tool(function: F) -> F:
    """Decorate a tool of a hand-written loop, so that the lab sees it and can break it. Without the lab it costs one check.

    >>> @tool
    ... def lookup(order: str) -> dict[str, str]:
    ...     return {"order": order}
    >>> lookup("5512")
    {'order': '5512'}
    """
    signature = inspect.signature(function)
    name = getattr(function, "__name__", "tool")
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def seen_async(*args: Any, **kwargs: Any) -> Any:
            return await hub.around(name, _named(signature, args, kwargs), None, lambda: function(*args, **kwargs))

        return cast("F", seen_async)

    @functools.wraps(function)
    def seen(*args: Any, **kwargs: Any) -> Any:
        return hub.around_sync(name, _named(signature, args, kwargs), None, lambda: function(*args, **kwargs))

    return cast("F", seen)


def _named(signature: inspect.Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return dict(signature.bind(*args, **kwargs).arguments)


class Hooked:
    """A plain function whose code was swapped; `undo` puts it back."""

    def __init__(self, function: types.FunctionType, name: str) -> None:
        self.name = name
        self.function = function
        self.signature = inspect.signature(function)
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
            function.__signature__ = self.signature  # type: ignore[attr-defined]  # what inspect.signature reads first

    def undo(self) -> None:
        """Put the function's own code back."""
        if _hooked.pop(id(self.function), None) is None:
            return
        self.function.__code__ = self.original.__code__
        self.function.__defaults__ = self.original.__defaults__
        self.function.__kwdefaults__ = self.original.__kwdefaults__
        if not self._had_signature:
            del self.function.__signature__  # type: ignore[attr-defined]  # set by us

    def call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """One call of a sync function."""
        return hub.around_sync(self.name, _named(self.signature, args, kwargs), None, lambda: self.original(*args, **kwargs))

    async def acall(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """One call of an async function."""
        return await hub.around(self.name, _named(self.signature, args, kwargs), None, lambda: self.original(*args, **kwargs))


def _trampoline(function: types.FunctionType, key: int) -> types.CodeType:
    """Code that hands a call to its `Hooked`. It needs as many free variables as the function's own code, or CPython refuses it."""
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
    """Send every call of a plain Python function to the hub. Raises TypeError for anything else, saying what to do instead."""
    function = inspect.unwrap(function)
    if not isinstance(function, types.FunctionType) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"{function!r} is not a plain function; put agentlab_faults.tool round it where it is registered.")
    found = _hooked.get(id(function))
    return found or Hooked(function, name or function.__name__)


def hook_at(path: str, name: str) -> Hooked:
    """Hook the function that `module:attribute` names. Raises ValueError, AttributeError or the import's own error."""
    module, separator, attribute = path.partition(":")
    if not separator or not attribute:
        raise ValueError(f"{path!r} names no function; write module:function.")
    target: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in attribute.split("."):
        target = getattr(target, part)
    return hook(target, name)


def adapt_frameworks() -> None:
    """Put seams into the agent frameworks that are loaded by now. Cheap when there is nothing new to do."""
    runtime = sys.modules.get("agentlab.tools")
    if runtime is not None:
        _adapt_agentlab(runtime.Tool)


def _adapt_agentlab(cls: Any) -> None:
    original = cls.call
    if hasattr(original, "agentlab_seam"):
        return

    @functools.wraps(original)
    async def call(self: Any, arguments: dict[str, Any], call_id: str | None = None) -> Any:
        return await hub.around(self.name, arguments, call_id, lambda: original(self, arguments, call_id))

    call.agentlab_seam = True  # type: ignore[attr-defined]  # a mark for the next look
    cls.call = call
