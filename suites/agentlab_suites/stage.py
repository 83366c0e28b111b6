"""Plays one scenario with an agent, wherever it runs: in this process in virtual time, or outside it in real time."""

from __future__ import annotations

from collections.abc import Callable

from agentlab_faults.engine import play
from agentlab_faults.outside import play_outside
from agentlab_faults.played import Clean, Played, Setup
from agentlab_faults.proxy import CannotListen
from agentlab_faults.schedule import Schedule

from agentlab_suites.agents import Agent, conversation
from agentlab_suites.model import SessionKeys
from agentlab_suites.problems import BadAgent
from agentlab_suites.replies import read_reply
from agentlab_suites.session_runs import session_conversation

__all__ = ["perform"]


def perform(
    agent: Agent,
    setup: Setup,
    schedule: Schedule,
    *,
    seed: int = 0,
    clean: Clean | None = None,
    on_stuck: Callable[[], None] | None = None,
    session: SessionKeys | None = None,
) -> Played:
    """Play the set-up's prompts under the schedule: once, or at each arrival of the session.

    Raises BadAgent if an outside agent's provider cannot be where it looks for it.
    """
    if agent.outside is None:
        talk = session_conversation(agent, setup.prompts, session) if session else conversation(agent, setup.prompts, read_reply)
        return play(talk, setup, schedule, seed=seed, clean=clean, on_stuck=on_stuck)
    try:
        return play_outside(agent.outside, setup, schedule, seed=seed, clean=clean)
    except CannotListen as error:
        raise BadAgent(
            f"The provider of {agent.name!r} cannot be played: port {agent.outside.proxy} is in use; end who has it, play without -n, "
            "or write another one: agent: {url: ..., proxy: PORT}."
        ) from error
