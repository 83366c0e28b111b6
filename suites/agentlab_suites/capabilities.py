"""What the lab can do with an agent, by its kind: the table of the documentation, and the sentence that refuses what a kind cannot have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agentlab_faults.outside import Outside
from agentlab_faults.tools import adapt_frameworks

from agentlab_suites.agents import Agent, wants_history
from agentlab_suites.bare_tools import find_bare_tools
from agentlab_suites.framework_tools import made_by, tools_within
from agentlab_suites.frameworks import kind_of
from agentlab_suites.load import LoadedSuite

__all__ = ["CAPABILITIES", "Capability", "explain"]


class Capability(NamedTuple):
    """One kind of agent: how its turns hang together, what is broken, in which time, and whether its tools are seen."""

    kind: str
    turns: str
    points: str
    time: str
    tools: str


CAPABILITIES = {
    "pydantic-ai agent": Capability("pydantic-ai agent", "its message_history", "all", "virtual", "found by themselves"),
    "openai-agents agent": Capability("openai-agents agent", "the Runner's list of input items", "all", "virtual", "found by themselves"),
    "langgraph graph": Capability(
        "langgraph graph, langchain's create_agent", "its messages, or its checkpointer", "all", "virtual", "found by themselves"
    ),
    "langchain runnable": Capability("langchain runnable", "messages, if its input has a place", "all", "virtual", "found by themselves"),
    "callable": Capability(
        "callable, sync or async", "its own, or a parameter history", "all", "virtual", "plain functions, @tool, a framework's"
    ),
    "command": Capability(
        "command line, in any language",
        "a run of the command each; its own, by AGENTLAB_CONVERSATION",
        "calls of models, on a socket",
        "real, bounded",
        "run by themselves, for real; no faults, no ledger",
    ),
    "endpoint": Capability(
        "HTTP endpoint on loopback",
        "a POST each; its own, by the conversation's id",
        "calls of models, on a socket",
        "real, bounded",
        "run by themselves, for real; no faults, no ledger",
    ),
}
"""By the word for the kind. The documentation's table has the same rows."""


def explain(agent: Agent, loaded: LoadedSuite) -> Iterator[tuple[str, str]]:
    """What the lab found the agent to be: pairs of a word and what there is to say. The factory is called once, in virtual time."""
    if agent.outside is not None:
        yield from _outside(agent.name, agent.outside, loaded)
        return
    adapt_frameworks()
    made, failure = made_by(agent)
    kind = CAPABILITIES[kind_of(made) or "callable"]
    yield "agent", f"{agent.name} ({'a factory, called afresh for every cell' if agent.is_factory else 'an agent'})"
    yield "kind", f"not known: {failure}" if failure else kind.kind
    yield "turns", "a parameter history" if kind_of(made) is None and wants_history(made) else kind.turns
    yield "points", kind.points
    yield "time", kind.time
    bare, framework = find_bare_tools(loaded, agent), tools_within([made, *(vars(agent.module).values() if agent.module else ())])
    for tool, keys in loaded.suite.tools.items():
        if keys.at is not None:
            found = f"hooked at {keys.at}"
        elif tool in framework:
            found = "a framework's tool, seen inside its timeout and error handler"
        else:
            found = f"a plain function, hooked at {bare[tool].place}" if tool in bare else "seen nowhere yet"
        yield f"tool {tool}", f"{keys.effect}; {found}"


def _outside(name: str, agent: Outside, loaded: LoadedSuite) -> Iterator[tuple[str, str]]:
    kind = CAPABILITIES[agent.kind]
    started = " ".join(agent.command)
    yield "agent", f"{name} ({f'started for each conversation: {started}' if agent.url and started else 'outside this process'})"
    yield "kind", kind.kind
    yield "turns", kind.turns
    yield "points", kind.points
    yield "time", kind.time
    yield "provider", "a server on loopback, told by OPENAI_BASE_URL and the like" if started else f"http://127.0.0.1:{agent.proxy}"
    for tool, keys in loaded.suite.tools.items():
        yield f"tool {tool}", f"{keys.effect}; run by the agent itself, for real, and not seen"
