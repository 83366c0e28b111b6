"""The reference runtime: `agentlab.tools.Tool.call`, the one way in."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from agentlab_faults.tools import hub
from agentlab_faults.tools.adapters.marks import put_seam

__all__ = ["adapt"]


def adapt(module: ModuleType) -> None:
    """Put the seam in."""
    put_seam(module.Tool, "call", _call)


def _call(original: Callable[..., Any]) -> Callable[..., Any]:
    async def call(self: Any, arguments: dict[str, Any], call_id: str | None = None) -> Any:
        return await hub.around(self.name, arguments, call_id, lambda: original(self, arguments, call_id))

    return call
