"""Faults of the boundary content in a tool call's arguments that can be read and still must not be run as they are."""

from __future__ import annotations

import json
from typing import Any, Literal

from agentlab_faults.catalogue.apis import OPENAI, WRITTEN
from agentlab_faults.catalogue.rates import CONTENT, RETRIED, often
from agentlab_faults.catalogue.tool_arguments import SpoilsArguments
from agentlab_faults.fault import Row, register

__all__ = ["ArgumentsNotText", "DoubleEncoded", "DuplicateKeys", "NanArguments", "WrongTypes"]


def _other(value: Any) -> Any:
    """A value of the same type that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 10 + 1
    return f"{value}0"


@register(
    Row(
        id="tool_args_double_encoded",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why="They can be decoded once more, or asked for again.",
        happens="A gateway encodes arguments that were encoded already.",
        agent_should="Decode once more if that gives an object, and log it; else return the error and let the model try again.",
        answer="tool_calls",
        **often(CONTENT, 0.01, harm=2),
    )
)
class DoubleEncoded(SpoilsArguments):
    """A tool call's arguments are a JSON text inside a JSON text."""

    def arguments(self, arguments: str) -> str:
        return json.dumps(arguments)


@register(
    Row(
        id="tool_args_not_object",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why="A real object can be taken as it is; anything else can be asked for again.",
        happens="Compatible servers that send the arguments as JSON instead of as text with JSON in it; the SDK lets it through.",
        agent_should="Accept a dict, write it back to history as text, refuse the rest.",
        answer="tool_calls",
        apis=OPENAI,
        **often(CONTENT, 0.005, harm=2),
    )
)
class ArgumentsNotText(SpoilsArguments):
    """A tool call's arguments are a JSON object, an array or null instead of text."""

    instead: Literal["object", "array", "null"] = "object"

    def arguments(self, arguments: str) -> Any:
        values = json.loads(arguments)
        return {"object": values, "array": list(values.values()), "null": None}[self.instead]


@register(
    Row(
        id="tool_args_wrong_types",
        boundary="content",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why="A check against the tool's schema finds it, and the model mends it when told where.",
        happens="The model writes a list where text belongs, or leaves a required field out.",
        agent_should="Check against the schema before running the tool; return the path of what is wrong as its result.",
        answer="tool_calls",
        **often(CONTENT, 0.05, harm=3),
    )
)
class WrongTypes(SpoilsArguments):
    """Each value in a tool call's arguments is a list instead of what the schema says."""

    def arguments(self, arguments: str) -> str:
        values = json.loads(arguments) or {"surprise": None}
        return json.dumps({key: [value] for key, value in values.items()})


@register(
    Row(
        id="tool_args_dup_keys",
        boundary="content",
        family="tool arguments",
        category="semantic",
        scope="model",
        best=RETRIED,
        why="Two values for one key can be seen, and asked about; a parser that keeps the last one runs the tool with the wrong value.",
        happens="A model corrects itself in the middle of a call.",
        agent_should="Parse with a hook that refuses repeated keys, at least for tools that write.",
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.002, harm=3),
    )
)
class DuplicateKeys(SpoilsArguments):
    """A tool call's arguments name a key twice, the second time with another value."""

    def arguments(self, arguments: str) -> str:
        values = json.loads(arguments) or {"": ""}
        pairs = [*values.items(), *((key, _other(value)) for key, value in list(values.items())[-1:])]
        return "{" + ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in pairs) + "}"


@register(
    Row(
        id="tool_args_nan_inf",
        boundary="content",
        family="tool arguments",
        category="semantic",
        scope="model",
        best=RETRIED,
        why="NaN is no JSON and can be refused; Python's parser takes it unless told otherwise.",
        happens="A model computes an amount that does not exist.",
        agent_should="Parse with a constant hook that raises, and return the error as the tool's result.",
        answer="tool_calls",
        apis=WRITTEN,
        **often(CONTENT, 0.002, harm=3),
    )
)
class NanArguments(SpoilsArguments):
    """The last value in a tool call's arguments is `constant`, which JSON does not have and Python's parser takes."""

    constant: Literal["NaN", "Infinity", "-Infinity"] = "NaN"

    def arguments(self, arguments: str) -> str:
        values = json.loads(arguments) or {"": 0}
        return json.dumps(values | {list(values)[-1]: float(self.constant)})
