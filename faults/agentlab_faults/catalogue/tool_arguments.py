"""Faults of the boundary content in a tool call's arguments that no JSON parser can read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Literal

from agentlab_faults.catalogue.apis import WRITTEN
from agentlab_faults.catalogue.rates import CONTENT, RETRIED, often
from agentlab_faults.dialects import Answer
from agentlab_faults.fault import Rewrites, Row, register

__all__ = [
    "EmptyArguments",
    "FencedArguments",
    "ProseAroundArguments",
    "PythonLiterals",
    "SingleQuotes",
    "SpoilsArguments",
    "TrailingComma",
    "TruncatedArguments",
    "TwoObjects",
]

REPAIR = "Never run the tool; return the parse error as its result and let the model write the call again, a few times at most."
TOLD = "The model writes them well when it is told what was wrong; one that never does must be replaced."


class SpoilsArguments(Rewrites):
    """Rewrites the arguments of each tool call; an answer without one goes through untouched."""

    def arguments(self, arguments: str) -> Any:
        """What stands in the call's `arguments` instead of the JSON text that the model wrote."""
        raise NotImplementedError

    def rewrite(self, answer: Answer) -> Answer:
        """The answer with its calls' arguments rewritten."""
        return replace(answer, calls=tuple(replace(call, arguments=self.arguments(call.arguments)) for call in answer.calls))


@register(
    Row(
        id="tool_args_truncated",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The model writes them whole when it is told that they were cut; one that never does must be replaced.",
        happens="The model stops at its output limit in the middle of a call, or a gateway merges chunks wrongly.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.03, harm=3),
    )
)
class TruncatedArguments(SpoilsArguments):
    """A tool call's arguments stop in the middle of their JSON, with `finish` as the reason (`length` where the output limit did it)."""

    finish: Literal["tool_calls", "length"] = "tool_calls"

    def arguments(self, arguments: str) -> str:
        return arguments[: max(1, len(arguments) * 2 // 3)]

    def rewrite(self, answer: Answer) -> Answer:
        return replace(super().rewrite(answer), finish=self.finish if answer.calls else answer.finish)


@register(
    Row(
        id="tool_args_trailing_comma",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="A habit from JavaScript and Python that small models bring along.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.01, harm=2),
    )
)
class TrailingComma(SpoilsArguments):
    """A tool call's arguments have a comma before the last brace."""

    def arguments(self, arguments: str) -> str:
        return arguments.rstrip()[:-1] + ",}"


@register(
    Row(
        id="tool_args_single_quotes",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="Small models write Python where JSON is asked for.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.01, harm=2),
    )
)
class SingleQuotes(SpoilsArguments):
    """A tool call's arguments are quoted as Python does it."""

    def arguments(self, arguments: str) -> str:
        values = json.loads(arguments) or {"": ""}
        first = next(iter(values))
        single = "'" + repr('"' + first)[2:]  # alone, a name with an apostrophe would get double quotes, and the whole might be JSON
        return "{" + single + repr(values)[len(repr(first)) + 1 :]


@register(
    Row(
        id="tool_args_prose",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="A chatty model talks inside the call.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.01, harm=2),
    )
)
class ProseAroundArguments(SpoilsArguments):
    """A tool call's arguments stand in the middle of a sentence."""

    def arguments(self, arguments: str) -> str:
        return f"Sure! {arguments} Hope it helps"


@register(
    Row(
        id="tool_args_fenced",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="Models trained on chat put a code fence round any JSON.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.015, harm=2),
    )
)
class FencedArguments(SpoilsArguments):
    """A tool call's arguments stand inside a Markdown code fence."""

    def arguments(self, arguments: str) -> str:
        return f"```json\n{arguments}\n```"


@register(
    Row(
        id="tool_args_python_literals",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="A model mixes up true and True, null and None.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.005, harm=2),
    )
)
class PythonLiterals(SpoilsArguments):
    """A tool call's arguments hold Python's True."""

    def arguments(self, arguments: str) -> str:
        inside = arguments.strip()[1:-1].strip()
        return "{" + (f"{inside}, " if inside else "") + '"verbose": True}'


@register(
    Row(
        id="tool_args_two_objects",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="A gateway merges two calls into one because it handles their index badly.",
        agent_should=REPAIR,
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.005, harm=2),
    )
)
class TwoObjects(SpoilsArguments):
    """A tool call's arguments are two JSON objects one after the other."""

    def arguments(self, arguments: str) -> str:
        return arguments + arguments


@register(
    Row(
        id="tool_args_empty",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why=TOLD,
        happens="Some models send nothing where they mean an empty object, and some forget the arguments.",
        agent_should="Take it for {} only if the tool needs no argument; else return the error as its result and let the model try again.",
        answer="tool_calls",
        **often(CONTENT, 0.015, harm=2),
    )
)
class EmptyArguments(SpoilsArguments):
    """A tool call's arguments are an empty text."""

    def arguments(self, arguments: str) -> str:
        return arguments[:0]
