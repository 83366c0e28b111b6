"""Tool seams, the hub they lead to, and the decorator for hand-written loops."""

from agentlab_faults.tools.adapters import adapt_frameworks, is_seamed_tool
from agentlab_faults.tools.hub import commit
from agentlab_faults.tools.seams import hook, hook_at, tool

__all__ = ["adapt_frameworks", "commit", "hook", "hook_at", "is_seamed_tool", "tool"]
