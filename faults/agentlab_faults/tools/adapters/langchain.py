"""langchain and langgraph: each tool class' own `_run` and `_arun`, inside the handlers of errors that `BaseTool.run` and `ToolNode` have.

`BaseTool._arun` itself stays: `arun` asks whether a class has another one. The call id is known one level higher and waits in a context
variable.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from agentlab_faults.tools import hub
from agentlab_faults.tools.adapters.marks import as_json, put_seam

__all__ = ["SEAM", "adapt"]

SEAM = ("BaseTool", "run")
_OURS = ("config", "run_manager", "callbacks", "runtime")
"""What langchain itself adds to a tool's arguments."""
_call_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("agentlab_langchain_call", default=None)


def adapt(module: ModuleType) -> None:
    """Put the seams into every class of tools there is, and into those to come."""
    base = getattr(module, "BaseTool", None)
    if base is None:
        return
    if put_seam(base, "run", _run_outer):
        put_seam(base, "arun", _arun_outer)
        _watch_subclasses(base)
    _adapt_below(base)


def _adapt_below(base: Any) -> None:
    for cls in base.__subclasses__():
        _adapt_class(cls)
        _adapt_below(cls)


def _adapt_class(cls: Any) -> None:
    put_seam(cls, "_run", _run)
    put_seam(cls, "_arun", _arun)


def _watch_subclasses(base: Any) -> None:
    original = base.__init_subclass__.__func__

    def made(cls: Any, /, **options: Any) -> None:
        original(cls, **options)
        _adapt_class(cls)

    base.__init_subclass__ = classmethod(made)


def _run_outer(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, tool_call_id: str | None = None, **options: Any) -> Any:
        token = _call_id.set(tool_call_id)
        try:
            return original(self, *args, tool_call_id=tool_call_id, **options)
        finally:
            _call_id.reset(token)

    return run


def _arun_outer(original: Callable[..., Any]) -> Callable[..., Any]:
    async def arun(self: Any, *args: Any, tool_call_id: str | None = None, **options: Any) -> Any:
        token = _call_id.set(tool_call_id)
        try:
            return await original(self, *args, tool_call_id=tool_call_id, **options)
        finally:
            _call_id.reset(token)

    return arun


def _run(original: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, *args: Any, **options: Any) -> Any:
        if not hub.active() or _has_none(self, "func"):
            return original(self, *args, **options)
        given = _as_the_model_wrote(self, args, options)
        return _formed(self, hub.around_sync(self.name, given, _call_id.get(), lambda: original(self, *args, **options)))

    return run


def _arun(original: Callable[..., Any]) -> Callable[..., Any]:
    async def arun(self: Any, *args: Any, **options: Any) -> Any:
        if not hub.active() or (_has_none(self, "coroutine") and _has_none(self, "func")) or _is_a_servers(self):
            return await original(self, *args, **options)
        given = _as_the_model_wrote(self, args, options)
        return _formed(self, await hub.around(self.name, given, _call_id.get(), lambda: original(self, *args, **options)))

    return arun


def _has_none(tool: Any, name: str) -> bool:
    """Whether the tool could have such a function and has none: then it says so itself."""
    return getattr(tool, name, tool) is None


def _is_a_servers(tool: Any) -> bool:
    """Whether it is an MCP server's, which is seen where the client calls it: inside its timeout, and as an error of the server's."""
    home = str(getattr(getattr(tool, "coroutine", None), "__module__", ""))
    return home.partition(".")[0] == "langchain_mcp_adapters"


def _formed(tool: Any, value: Any) -> Any:
    """A prepared answer in the form that the tool has promised: content and artifact."""
    pair = getattr(tool, "response_format", "") == "content_and_artifact"
    return (value, None) if pair and not (isinstance(value, tuple) and len(value) == 2) else value


def _as_the_model_wrote(tool: Any, args: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as JSON has them, without what langchain or the graph injected."""
    given = tool._filter_injected_args({name: value for name, value in options.items() if name not in _OURS})
    given |= dict(zip((name for name in tool.args if name not in given), args, strict=False))
    return as_json(given)
