"""A model's answer, checked: acceptable finish reason, something in it, the right types. Everything else is an InvalidAnswerError."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentlab.errors import InvalidAnswerError
from agentlab.text import as_text, clean, without_thoughts

__all__ = ["Answer", "RequestedCall", "read_answer"]

ACCEPTED = frozenset({"stop", "tool_calls", "function_call"})
CHARACTERS_PER_TOKEN = 4
"""A common estimate for English, used when a provider reports no usage."""
LONGEST_PER_TOKEN = 32
"""No tokenizer gives more characters a token on real text; a longer answer than its maximum allows is garbage."""


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """One tool call as the model asked for it. `id` may be empty, `arguments` anything."""

    id: str
    name: str
    arguments: object


@dataclass(frozen=True, slots=True)
class Answer:
    """A valid answer: text, or calls, or both."""

    text: str
    calls: tuple[RequestedCall, ...]
    model: str
    """The model that says it answered."""
    finish: str
    input_tokens: int
    output_tokens: int
    estimated: bool


def read_answer(completion: object, *, sent_characters: int, max_tokens: int) -> Answer:
    """The answer in what the OpenAI SDK returned, which may be anything. Raises InvalidAnswerError."""
    message, finish = _message(completion)
    calls = tuple(_call(call) for call in _list(message, "tool_calls"))
    text = _text(message, bool(calls))
    _check_finish(finish, bool(calls))
    if not calls and not text.strip():
        raise InvalidAnswerError("empty", "The model answered with nothing")
    if len(text) > max_tokens * LONGEST_PER_TOKEN:
        raise InvalidAnswerError("too_long", "The model's answer is longer than it can be")
    usage, model = _get(completion, "usage"), _get(completion, "model")
    counted = (_tokens(usage, "prompt_tokens"), _tokens(usage, "completion_tokens"))
    estimated = not all(counted)
    written = len(text) + sum(len(str(call.arguments)) for call in calls)
    return Answer(
        text=text,
        calls=calls,
        model=clean(model) if isinstance(model, str) else "",
        finish=str(finish),
        input_tokens=sent_characters // CHARACTERS_PER_TOKEN if estimated else counted[0],
        output_tokens=written // CHARACTERS_PER_TOKEN + 1 if estimated else counted[1],
        estimated=estimated,
    )


def _get(thing: object, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name, None)


def _message(completion: object) -> tuple[object, object]:
    """The first choice's message and its finish reason."""
    if completion is None or isinstance(completion, str | bytes | list | int | float):
        raise InvalidAnswerError("not_json", "The model's answer is no chat completion (a web page, or broken JSON)")
    error = _get(completion, "error")
    if error:
        raise InvalidAnswerError("error_in_200", "The model answered 200 with an error in it")
    choices = _get(completion, "choices")
    if not isinstance(choices, list) or not choices:
        raise InvalidAnswerError("empty_choices", "The model's answer has no choices")
    message = _get(choices[0], "message")
    if message is None or isinstance(message, str | list | int | float):
        raise InvalidAnswerError("no_message", "The model's answer has no message")
    return message, _get(choices[0], "finish_reason")


def _list(message: object, name: str) -> Iterable[object]:
    found = _get(message, name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise InvalidAnswerError("wrong_type", "The model's tool calls are no list")
    return found


def _call(call: object) -> RequestedCall:
    function = _get(call, "function")
    name = _get(function, "name")
    if function is None or not isinstance(name, str):
        raise InvalidAnswerError("no_function", "The model made a tool call without a function")
    call_id = _get(call, "id")
    return RequestedCall(clean(call_id) if isinstance(call_id, str) else "", clean(name), _get(function, "arguments"))


def _text(message: object, calls: bool) -> str:
    content = _get(message, "content")
    if content is not None and not isinstance(content, str):
        raise InvalidAnswerError("wrong_type", "The model's text is no text")
    refusal = _get(message, "refusal")
    if refusal and not calls:
        raise InvalidAnswerError("refusal", "The model refused to answer", category="content_filter")
    return without_thoughts(clean(content or ""))


def _check_finish(finish: object, calls: bool) -> None:
    if finish == "length":
        raise InvalidAnswerError("cut", "The model's answer was cut at its maximum length", category="context")
    if finish == "content_filter":
        raise InvalidAnswerError("filtered", "The model's answer was withheld by a content filter", category="content_filter")
    if not isinstance(finish, str) or finish not in ACCEPTED:
        raise InvalidAnswerError("unfinished", f"The model's answer did not finish properly (finish reason {as_text(finish)[:100]!r})")
    if finish == "tool_calls" and not calls:
        raise InvalidAnswerError("lost_calls", "The model's answer announces tool calls but has none")


def _tokens(usage: object, name: str) -> int:
    """A positive whole number of tokens, or 0 if the provider reported something else."""
    count = _get(usage, name)
    return count if isinstance(count, int) and not isinstance(count, bool) and count > 0 else 0
