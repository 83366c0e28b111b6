"""The scripted model: a provider that plays a script to any agent, and knows from its own call ids how far the agent has come."""

from __future__ import annotations

from agentlab_faults.script.asked import Asked
from agentlab_faults.script.model import ScriptedModel
from agentlab_faults.script.seam import End
from agentlab_faults.script.spec import Call, Called, Plan, Say, ScriptMissing, ScriptSpec, Serving, Turn

__all__ = ["Asked", "Call", "Called", "End", "Plan", "Say", "ScriptMissing", "ScriptSpec", "ScriptedModel", "Serving", "Turn"]
