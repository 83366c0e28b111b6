"""Agents outside this process: a command line, or an HTTP endpoint on loopback, in any language, broken on a real socket in real time."""

from __future__ import annotations

from agentlab_faults.outside.agent import Outside
from agentlab_faults.outside.asking import AgentFailed, CannotAsk, CommandFailed, EndpointFailed
from agentlab_faults.outside.child import CannotRun, Child
from agentlab_faults.outside.engine import play_outside
from agentlab_faults.outside.environment import app_environment, trusting

__all__ = [
    "AgentFailed",
    "CannotAsk",
    "CannotRun",
    "Child",
    "CommandFailed",
    "EndpointFailed",
    "Outside",
    "app_environment",
    "play_outside",
    "trusting",
]
