"""Reading what a provider sent, which may be anything: what is no answer is an InvalidAnswerError with a short reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab.classify import category_of
from agentlab.errors import Category, InvalidAnswerError
from agentlab.text import as_text, clean

__all__ = ["check_finish", "document", "error_in", "objects", "refused", "tokens", "unterminated", "word"]

Json = Mapping[str, Any]

PROBLEMS: Mapping[str, tuple[str, Category]] = {
    "cut": ("The model's answer was cut at its maximum length", "context"),
    "window": ("The conversation is longer than the model's context window", "context"),
    "filtered": ("The model's answer was withheld by a content filter", "content_filter"),
    "refusal": ("The model refused to answer", "content_filter"),
    "malformed_call": ("The model's tool call was no call", "transient"),
}
"""Why an answer cannot be used although it came: a reason to a sentence and a category."""


def refused(reason: str) -> InvalidAnswerError:
    """The error for one of PROBLEMS."""
    sentence, category = PROBLEMS[reason]
    return InvalidAnswerError(reason, sentence, category=category)


def document(answer: object) -> Json:
    """The answer, which must be an object and no error."""
    if not isinstance(answer, dict):
        raise InvalidAnswerError("not_json", "The model's answer is no JSON object (a web page, or broken JSON)")
    if answer.get("error"):
        raise error_in(answer["error"])
    return answer


def error_in(error: object) -> InvalidAnswerError:
    """For an error that came where an answer belongs, under status 200; what it says of itself is its category."""
    return InvalidAnswerError("error_in_200", "The model answered 200 with an error in it", category=category_of(error) or "transient")


def unterminated() -> InvalidAnswerError:
    """For a stream that ended without its last event."""
    return InvalidAnswerError("unterminated", "The model's stream ended before the answer did")


def objects(value: object, what: str) -> list[Json]:
    """The list's objects; nothing for None. Raises InvalidAnswerError if it is no list of objects."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise InvalidAnswerError("wrong_type", f"The model's {what} are no list of objects")
    return value


def word(value: object) -> str:
    """The text, cleaned; empty if it is none."""
    return clean(value) if isinstance(value, str) else ""


def check_finish(finish: object, meanings: Mapping[str, str]) -> str:
    """The provider's word for why the model stopped, if it means `stop`. Raises InvalidAnswerError for every other one."""
    meaning = meanings.get(finish, "") if isinstance(finish, str) else ""
    if meaning == "stop":
        return str(finish)
    if meaning:
        raise refused(meaning)
    raise InvalidAnswerError("unfinished", f"The model's answer did not finish properly (finish reason {as_text(finish)[:100]!r})")


def tokens(usage: object, *names: str) -> int:
    """Positive whole numbers of tokens, added; 0 if the provider reported something else."""
    counts = [usage.get(name) if isinstance(usage, dict) else None for name in names]
    return sum(count for count in counts if isinstance(count, int) and not isinstance(count, bool) and count > 0)
