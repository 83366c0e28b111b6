"""Agents that ship with agentlab."""
