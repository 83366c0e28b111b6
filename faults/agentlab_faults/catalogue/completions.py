"""Faults of the boundary content inside the completion: valid JSON whose choice is missing, empty, cut short or withheld."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY, GEMINI, OPENAI, RESPONSES_ONLY
from agentlab_faults.catalogue.rates import CONTENT, PASSES, RETRIED, STAYS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects import CHAT, Answer
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Row, Served, Spoils, register
from agentlab_faults.script import Called

__all__ = [
    "ContentFiltered",
    "ContentNull",
    "ContentOfWrongType",
    "CutAtLimit",
    "MessageNull",
    "NoChoices",
    "Refusal",
    "SpoilsChoice",
    "StatusFailed",
    "UnknownFinish",
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


def _say(choice: Json, content: Any, finish: str | None) -> None:
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
        _say(choice, None, "stop")


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
        id="content_finish_length",
        boundary="content",
        family="cut answer",
        category="context",
        scope="model",
        best=RETRIED,
        why="Asking again, or for the rest, gives the whole answer; a model that always stops early must be replaced.",
        happens="The output limit is reached: a long answer, or hidden reasoning that used it up.",
        agent_should="Read finish_reason: a cut text is no answer. Go on from it or raise the limit.",
        answer="text",
        outcome_unknown=True,
        **often(CONTENT, 0.1, harm=3),
    )
)
class CutAtLimit(SpoilsChoice):
    """The text stops in the middle because the output limit was reached."""

    def rewrite(self, choice: Json) -> None:
        text = choice["message"]["content"]
        _say(choice, text[: len(text) // 2], "length")


@register(
    Row(
        id="content_finish_filter",
        boundary="content",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The same prompt meets the same filter; another provider has another one.",
        happens="A safety filter withholds an answer, often by mistake.",
        agent_should="Never retry the same prompt there; ask another provider if policy allows, else say that it was withheld.",
        outcome_unknown=True,
        apis=OPENAI | GEMINI,
        **often(CONTENT, 0.04, harm=3),
    )
)
class ContentFiltered(SpoilsChoice):
    """The answer is withheld: empty content and the finish reason content_filter."""

    def rewrite(self, choice: Json) -> None:
        _say(choice, "", "content_filter")


@register(
    Row(
        id="content_refusal",
        boundary="content",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The model will refuse the same prompt again; another model may not.",
        happens="A model takes a harmless request for a harmful one.",
        agent_should="Read `refusal`; do not repeat the prompt; ask another model if policy allows, else report the refusal.",
        outcome_unknown=True,
        apis=OPENAI | ANTHROPIC,
        **often(CONTENT, 0.04, harm=3),
    )
)
class Refusal(SpoilsChoice):
    """The model refuses: no content, the field `refusal`, and a normal stop."""

    words: str = "I'm sorry, I can't assist with that request."

    def rewrite(self, choice: Json) -> None:
        _say(choice, None, "stop")
        choice["message"]["refusal"] = self.words


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


@register(
    Row(
        id="content_stop_unknown",
        boundary="content",
        family="invalid answer",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Nobody can tell that the text is whole, so it is asked for again; another sample stops normally.",
        happens="A new model has a new finish reason, or a gateway sends null.",
        agent_should="Take an unknown reason for an unfinished answer.",
        answer="text",
        outcome_unknown=True,
        apis=CHAT_ONLY | ANTHROPIC | GEMINI,
        **often(CONTENT, 0.02, harm=1),
    )
)
class UnknownFinish(SpoilsChoice):
    """The finish reason is null, or one that nobody knows."""

    reason: str | None = None

    def rewrite(self, choice: Json) -> None:
        choice["finish_reason"] = self.reason
