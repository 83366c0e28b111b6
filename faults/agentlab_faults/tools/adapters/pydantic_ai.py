"""pydantic-ai: `FunctionToolset.call_tool` gets a tool whose function is the hub.

So the seam lies after validation and inside the tool's timeout, for sync and async functions alike. Output functions do not come by here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from agentlab_faults.tools import hub
from agentlab_faults.tools.adapters.marks import as_json, put_seam

__all__ = ["SEAM", "adapt"]

SEAM = ("FunctionToolset", "call_tool")


def adapt(module: ModuleType) -> None:
    """Put the seam in; nothing where a later version has no such class."""
    owner = getattr(module, SEAM[0], None)
    if owner is not None:
        put_seam(owner, SEAM[1], _call_tool)


def _call_tool(original: Callable[..., Any]) -> Callable[..., Any]:
    async def call_tool(self: Any, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
        if not hub.active():
            return await original(self, name, tool_args, ctx, tool)
        function = tool.call_func

        async def call_func(arguments: dict[str, Any], context: Any) -> Any:
            return await hub.around(
                hub.known([name, context.tool_name or name]),
                _as_the_model_wrote(self, tool, arguments),
                context.tool_call_id,
                lambda: function(arguments, context),
            )

        return await original(self, name, tool_args, ctx, dataclasses.replace(tool, call_func=call_func))

    return call_tool


def _as_the_model_wrote(toolset: Any, tool: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Validated arguments as JSON has them. A single argument that is a model was written by the model as the fields of it."""
    given = as_json(arguments)
    held = toolset.tools.get(getattr(tool, "original_name", None) or tool.tool_def.name)
    single = getattr(getattr(held, "function_schema", None), "single_arg_name", None)
    inside = given.get(single) if single else None
    return inside if isinstance(inside, dict) else given
