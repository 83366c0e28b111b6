"""Faults of the boundary semantic that cost: a model that goes round in circles or thinks without end, and retries upon retries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from agentlab_faults.catalogue.errors import Answers
from agentlab_faults.catalogue.rates import HARMLESS, PASSES, SEMANTIC, often
from agentlab_faults.exchange import Exchange, Pause
from agentlab_faults.fault import Best, Row, Served, Shape, Spoils, register
from agentlab_faults.script import Called

__all__ = ["PingPong", "RetriedByGateway", "SameCallAgain", "TokenBurn"]

CIRCLES: Mapping[Shape, Best] = {"once": "recoverable", "always": "needs_fallback"}
"""One call too many is seen and passed over; a model that never comes to an end must be stopped, and another one asked."""


class _CallsAgain(Spoils):
    """The model makes a call of the history again instead of what it would say."""

    back: int
    """Which one of the unlike calls since the user's last message, from their end: 1 is the last."""

    def spoil(self, served: Served) -> Exchange:
        """The call again, under an id of its own; the very same answer if the history has no such call."""
        asked = served.asked()
        called = list(dict.fromkeys(reversed(asked.called)))
        if len(called) < self.back or called[self.back - 1][0] not in asked.callable:
            return served.exchange
        name, arguments = called[self.back - 1]
        again = Called(f"{asked.ids}again_{served.answer.serial}", name, arguments)
        return served.rendered(replace(served.answer, content=None, calls=(again,), finish="tool_calls"))


@register(
    Row(
        id="sem_loop_same_call",
        boundary="semantic",
        family="loop",
        category="semantic",
        scope="model",
        best=CIRCLES,
        why="One repeated call is answered from what is known; a model that does nothing else must be stopped, and another one asked.",
        happens="The commonest failure of agents by MAST's count (step repetition): the model does not see that its call was answered.",
        agent_should="Detect a repeated call by name and canonical arguments, answer it from memory, and bound the turns of a run.",
        needs=frozenset({"results"}),
        **often(SEMANTIC, 0.12, harm=3),
    )
)
class SameCallAgain(_CallsAgain):
    """The model makes its last tool call again, with the same arguments, instead of going on."""

    back: int = 1


@register(
    Row(
        id="sem_loop_ping_pong",
        boundary="semantic",
        family="loop",
        category="semantic",
        scope="model",
        best=CIRCLES,
        why="One call back is answered from what is known; a model that goes to and fro for good must be stopped, and another one asked.",
        happens="Two tools whose results each make the model doubt the other; two agents that hand a task to and fro.",
        agent_should="Detect a cycle over the last few calls, not only a repeated one, and bound the turns of a run.",
        needs=frozenset({"results", "calls"}),
        **often(SEMANTIC, 0.05, harm=3),
    )
)
class PingPong(_CallsAgain):
    """The model makes the call before its last one again: A, B, A, B."""

    back: int = 2


@register(
    Row(
        id="sem_token_burn",
        boundary="semantic",
        family="cost",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="The answer is good; it only cost more than all the others together.",
        happens="A reasoning model thinks about a simple question for minutes, hidden from everyone but the bill.",
        agent_should="Hold a cap of tokens and money for each run, and check it before each call.",
        **often(SEMANTIC, 0.1, harm=2),
    )
)
class TokenBurn(Spoils):
    """The answer took `tokens` tokens more than its text, for reasoning that nobody sees, and `seconds` virtual seconds more."""

    tokens: int = 8_000
    seconds: float = 4.0

    def spoil(self, served: Served) -> Exchange:
        usage = served.answer.usage
        if usage is None:
            return served.exchange
        burnt = replace(usage, completion=usage.completion + self.tokens, total=usage.total + self.tokens)
        return served.rendered(replace(served.answer, usage=burnt)).after(Pause(self.seconds))


@register(
    Row(
        id="sem_retry_amplification",
        boundary="semantic",
        family="cost",
        category="transient",
        scope="host",
        best=PASSES,
        why="The outage behind the gateway passes; who retries on top of its retries multiplies the load and waits three times as long.",
        happens="A gateway retries its upstream, the SDK retries the gateway, and the agent retries the SDK: 3 x 3 x 3 calls for one.",
        agent_should="Let one layer own the retries (max_retries=0 below it), with a budget.",
        **often(SEMANTIC, 0.08, harm=2),
    )
)
class RetriedByGateway(Answers):
    """A gateway answers 503 after it has tried its upstream `tries` times by itself."""

    status: int = 503
    message: str = "The upstream failed after 3 attempts."
    kind: str | None = "upstream_error"
    tries: int = 3
    latency: float = 3.5

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return (*super().extra_headers(), ("x-gateway-attempted-retries", str(self.tries - 1)))
