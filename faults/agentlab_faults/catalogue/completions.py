"""Faults of the boundary content inside the completion: valid JSON whose choice is missing, empty, or of another shape."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY, GEMINI, OPENAI, RESPONSES_ONLY
from agentlab_faults.catalogue.rates import CONTENT, PASSES, RETRIED, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects import CHAT, Answer
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Row, Served, Spoils, register
from agentlab_faults.script import Called

__all__ = [
    "ContentNull",
    "ContentOfWrongType",
    "MessageNull",
    "NoChoices",
    "SpoilsChoice",
    "StatusFailed",
    "say_only",
]


_CHOICES = {"openai.chat": "choices", "anthropic.messages": "content", "gemini.generate": "candidates"}
"""Where what the model said stands in an answer."""


class SpoilsChoice(Spoils):
    """Rewrites each choice of a completion in place. Other dialects get the answer that the rewritten choice holds."""

    def rewrite(self, choice: Json) -> None:
        """Change the choice."""
        raise NotImplementedError

    def spoil(self, served: Served) -> Exchange:
        """The completion with its choices rewritten."""
        if served.api == CHAT.api:
            for choice in served.payload["choices"]:
                self.rewrite(choice)
            return served.encoded(served.payload)
        [choice] = CHAT.render(served.answer, {})["choices"]
        self.rewrite(choice)
        return served.rendered(_held(choice, served.answer))


def _held(choice: Json, answer: Answer) -> Answer:
    """The answer with what the choice says."""
    message = choice["message"]
    calls = [(call.get("id"), call["function"]) for call in message.get("tool_calls") or ()]
    return replace(
        answer,
        content=message["content"],
        refusal=message["refusal"],
        finish="refusal" if message["refusal"] else choice["finish_reason"],
        calls=tuple(Called(call_id, function["name"], function["arguments"]) for call_id, function in calls),
    )


def say_only(choice: Json, content: Any, finish: str | None) -> None:
    """Make the choice an answer of text only."""
    choice["message"].pop("tool_calls", None)
    choice["message"]["content"] = content
    choice["finish_reason"] = finish


@register(
    Row(
        id="content_empty_choices",
        boundary="content",
        family="empty answer",
        category="transient",
        scope="model",
        best=PASSES,
        why="Another sample has a choice.",
        happens="A provider filters the only choice away, or a gateway loses it.",
        agent_should="Check before taking the first choice; retry once or twice, then fail over.",
        outcome_unknown=True,
        apis=CHAT_ONLY | ANTHROPIC | GEMINI,
        **often(CONTENT, 0.06, harm=2),
    )
)
class NoChoices(Spoils):
    """The completion has no choices."""

    choices: Literal["empty", "null", "missing"] = "empty"

    def spoil(self, served: Served) -> Exchange:
        name = _CHOICES[served.api]
        if self.choices == "missing":
            del served.payload[name]
        else:
            served.payload[name] = [] if self.choices == "empty" else None
        return served.encoded(served.payload)


@register(
    Row(
        id="content_null",
        boundary="content",
        family="empty answer",
        category="transient",
        scope="model",
        best=PASSES,
        why="Another sample says something.",
        happens="Models end at once after a tool's result, or put all they have into hidden reasoning.",
        agent_should="Not take it for an answer: retry, then fail over; never hand None to code that wants text.",
        outcome_unknown=True,
        **often(CONTENT, 0.06, harm=3),
    )
)
class ContentNull(SpoilsChoice):
    """The message stops normally with neither content nor tool calls."""

    def rewrite(self, choice: Json) -> None:
        say_only(choice, None, "stop")


@register(
    Row(
        id="content_message_null",
        boundary="content",
        family="empty answer",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Another sample has a message.",
        happens="A gateway maps another provider's empty answer badly.",
        agent_should="Check that there is a message; retry, then fail over.",
        outcome_unknown=True,
        apis=CHAT_ONLY,
        streamed="no",
        **often(CONTENT, 0.01, harm=2),
    )
)
class MessageNull(SpoilsChoice):
    """The choice has null for a message."""

    def rewrite(self, choice: Json) -> None:
        choice["message"] = None


@register(
    Row(
        id="content_wrong_type",
        boundary="content",
        family="invalid answer",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Another sample is text; a list of parts can be joined besides.",
        happens="A gateway answers in the shape of requests, a list of parts, or with a bare number; the SDK lets both through.",
        agent_should="Check that content is a str; join text parts, else retry.",
        answer="text",
        outcome_unknown=True,
        apis=OPENAI | GEMINI | {"anthropic.messages/whole"},
        **often(CONTENT, 0.01, harm=2),
    )
)
class ContentOfWrongType(SpoilsChoice):
    """The message's content is a list of parts, or a number, instead of text."""

    content: Literal["parts", "number"] = "parts"

    def rewrite(self, choice: Json) -> None:
        text = choice["message"]["content"]
        choice["message"]["content"] = [{"type": "text", "text": text}] if self.content == "parts" else 42

    def spoil(self, served: Served) -> Exchange:
        """Where content is a list of parts, it is a text instead."""
        other = served.answer.content if self.content == "parts" else 42
        if served.api == "anthropic.messages":
            return served.encoded(served.payload | {"content": other})
        if served.api == "gemini.generate":
            [candidate] = served.payload["candidates"]
            return served.encoded(served.payload | {"candidates": [candidate | {"content": other}]})
        return super().spoil(served)


@register(
    Row(
        id="responses_status_failed",
        boundary="content",
        family="invalid answer",
        category="transient",
        scope="model",
        best=PASSES,
        why="Another try does not meet the same failure.",
        happens="Responses tells a failure of the model in the body of an answer whose status is 200.",
        agent_should="Check `status` of every response, and act by `error.code`: the SDK raises nothing.",
        apis=RESPONSES_ONLY,
        streamed="no",
        outcome_unknown=True,
        **often(CONTENT, 0.004, harm=3),
    )
)
class StatusFailed(Spoils):
    """Status 200, and in the body the status `failed`, an error and no output."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"] = "server_error"
    message: str = "The model failed to generate a response."

    def spoil(self, served: Served) -> Exchange:
        failed: Json = {"status": "failed", "error": {"code": self.code, "message": self.message}, "output": [], "usage": None}
        return served.encoded(served.payload | failed)
