"""Dialects: the wire APIs that one script is served as."""

from __future__ import annotations

from collections.abc import Mapping

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.chat import CHAT
from agentlab_faults.dialects.dialect import Dialect, Json

__all__ = ["CHAT", "DIALECTS", "Answer", "Dialect", "Json", "Usage"]

DIALECTS: Mapping[str, Dialect] = {"openai.chat": CHAT}
"""An endpoint's API (`intercept.classify`) to the dialect that is spoken there."""
