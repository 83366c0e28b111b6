"""Faults of the boundary content in the words of one provider: Anthropic's window and pauses, Gemini's blocked prompts and broken calls."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from agentlab_faults.catalogue.apis import ANTHROPIC, GEMINI
from agentlab_faults.catalogue.rates import CONTENT, RETRIED, STAYS, often
from agentlab_faults.dialects import Answer
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Rewrites, Row, Served, Spoils, register

__all__ = ["MalformedCall", "PausedTurn", "PromptBlocked", "WindowExceeded"]


def _half(answer: Answer, finish: str) -> Answer:
    """The first half of the text, and why it ends there."""
    return replace(answer, content=answer.content[: len(answer.content) // 2], calls=(), finish=finish)


@register(
    Row(
        id="content_context_window_exceeded",
        boundary="content",
        family="cut answer",
        category="context",
        scope="model",
        best=RETRIED,
        why="A smaller request, or a second sample that is shorter, fits; a window that is always full needs a larger model.",
        happens="Prompt and answer together reach the window of the model; newer Claude models answer 200 and stop in the middle.",
        agent_should="Read stop_reason: a cut text is no answer. Compact the history and ask again.",
        answer="text",
        apis=ANTHROPIC,
        outcome_unknown=True,
        **often(CONTENT, 0.003, harm=3),
    )
)
class WindowExceeded(Rewrites):
    """The text stops in the middle because the model's window is full."""

    def rewrite(self, answer: Answer) -> Answer:
        return _half(answer, "context_window")


@register(
    Row(
        id="content_pause_turn",
        boundary="content",
        family="cut answer",
        category="none",
        scope="model",
        best=RETRIED,
        why="Sent back as it is, the turn goes on; one that only ever pauses never ends.",
        happens="Anthropic interrupts a long turn, mostly one with tools of its own.",
        agent_should="Put the content into the history as it is and ask again, a bounded number of times; never take it for the answer.",
        answer="text",
        apis=ANTHROPIC,
        **often(CONTENT, 0.003, harm=3),
    )
)
class PausedTurn(Rewrites):
    """The turn is paused in the middle of its text."""

    def rewrite(self, answer: Answer) -> Answer:
        return _half(answer, "pause")


@register(
    Row(
        id="gemini_prompt_blocked",
        boundary="content",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The same prompt meets the same filter; another provider has another one.",
        happens="Gemini's filter takes a harmless prompt for a harmful one; it answers 200 without any candidate.",
        agent_should="Read promptFeedback: never retry the same prompt there; ask another provider if policy allows, else report it.",
        apis=GEMINI,
        outcome_unknown=True,
        **often(CONTENT, 0.003, harm=3),
    )
)
class PromptBlocked(Spoils):
    """The response has no candidates, only the reason why the prompt was blocked."""

    reason: Literal["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY"] = "PROHIBITED_CONTENT"

    def spoil(self, served: Served) -> Exchange:
        rest = {name: value for name, value in served.payload.items() if name != "candidates"}
        return served.encoded({"promptFeedback": {"blockReason": self.reason}} | rest)


@register(
    Row(
        id="gemini_malformed_function_call",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Another sample is well formed; a model that never calls the tool rightly must be replaced.",
        happens="Gemini's own parser cannot read the call that the model wrote; it answers 200 with an empty candidate.",
        agent_should="Read finishReason; ask again once, then offer fewer or simpler tools.",
        answer="tool_calls",
        apis=GEMINI,
        outcome_unknown=True,
        **often(CONTENT, 0.003, harm=2),
    )
)
class MalformedCall(Rewrites):
    """The candidate is empty, and its finish reason says that the function call was malformed."""

    reason: Literal["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"] = (
        "MALFORMED_FUNCTION_CALL"
    )

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, content=None, calls=(), finish=self.reason)
