"""openai-agents: inside the invoker that `function_tool` makes, so inside its failure handler and timeout; existing tools follow.

A tool made by hand (`FunctionTool(on_invoke_tool=f)`) has no such invoker and is wrapped where the runner invokes it. Arguments that the
tool would refuse are left to it: then nothing is executed.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.tools import hub
from agentlab_faults.tools.adapters.marks import put_seam

__all__ = ["SEAM", "adapt"]

SEAM = ("_FailureHandlingFunctionToolInvoker", "__call__")
_BY_HAND = "_invoke_function_tool_with_metadata"
_RUNNER = "agents.run_internal.tool_execution"


def adapt(module: ModuleType) -> None:
    """Put the seams in; nothing if `agents` is a package of the user's own."""
    invoker = getattr(module, SEAM[0], None)
    if invoker is None:
        return
    put_seam(invoker, SEAM[1], lambda original: _invoked(invoker, original))
    put_seam(module, _BY_HAND, lambda original: _run_by_hand(invoker, original))
    runner = sys.modules.get(_RUNNER)
    if runner is not None and hasattr(runner, _BY_HAND):  # loaded before, it has the function as it was
        setattr(runner, _BY_HAND, getattr(module, _BY_HAND))


def _invoked(invoker: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    async def call(self: Any, ctx: Any, arguments: str) -> Any:
        if not hub.active():
            return await original(self, ctx, arguments)

        async def body(context: Any, text: str) -> Any:
            return await _seen(self._invoke_tool_impl, context, text)

        return await original(invoker(body, self._on_handled_error, function_tool=self._function_tool), ctx, arguments)

    return call


def _run_by_hand(invoker: Any, original: Callable[..., Any]) -> Callable[..., Any]:
    async def invoke(*, function_tool: Any, context: Any, arguments: str) -> Any:
        body = function_tool.on_invoke_tool
        if hub.active() and not isinstance(body, invoker):
            function_tool = copy.copy(function_tool)
            function_tool.on_invoke_tool = lambda ctx, text: _seen(body, ctx, text)
        return await original(function_tool=function_tool, context=context, arguments=arguments)

    return invoke


async def _seen(body: Callable[..., Any], context: Any, text: str) -> Any:
    arguments = _accepted(body, context.tool_name, text)
    if arguments is None:
        return await body(context, text)
    return await hub.around(context.tool_name, arguments, context.tool_call_id, lambda: body(context, text))


def _accepted(body: Any, tool: str, text: str) -> dict[str, Any] | None:
    """The arguments as the model wrote them; None if the tool will not take them."""
    try:
        arguments = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    prepare = getattr(body, "__agents_prepare_arguments__", None)
    if prepare is not None:
        try:
            prepare(text, tool).owner(text, tool)
        except Exception:  # noqa: BLE001 - whatever its validation raises, the tool raises it again, inside its own handler
            return None
    return arguments if isinstance(arguments, dict) else None
