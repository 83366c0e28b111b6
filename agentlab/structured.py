"""Structured output: a pydantic model as the strict JSON schema that providers hold a model to, and an answer read back as that model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agentlab.arguments import parse_arguments
from agentlab.errors import InvalidArgumentsError, InvalidOutputError

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Form", "Structured", "strict"]

M = TypeVar("M", bound="BaseModel")

KEPT = frozenset(
    {"$defs", "$ref", "additionalProperties", "anyOf", "const", "description", "enum", "items", "properties", "required", "type"}
)
"""Keywords that every provider's strict mode takes (platform.openai.com, docs.claude.com, ai.google.dev: structured outputs). What others
demand of a value, such as a least length, is checked by pydantic afterwards."""
NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Form:
    """The form that an answer must have: a name of at most 64 letters, digits, `_` and `-`, and a strict JSON schema."""

    name: str
    schema: Mapping[str, Any]


class Structured(Generic[M]):
    """How a pydantic model is asked for and read. Raises TypeError for a model whose schema cannot be strict (free-form dictionaries).

    >>> from pydantic import BaseModel
    >>> class Ticket(BaseModel):
    ...     queue: str
    ...     urgent: bool = False
    >>> structured = Structured(Ticket)
    >>> structured.form.schema["required"]
    ['queue', 'urgent']
    >>> structured.read('{"queue": "billing", "urgent": true}')
    Ticket(queue='billing', urgent=True)
    """

    def __init__(self, model: type[M]) -> None:
        if not hasattr(model, "model_json_schema"):
            raise TypeError(f"The form of an answer is a pydantic model, not {model!r}.")
        self.model = model
        self.form = Form(NOT_IN_NAMES.sub("_", model.__name__)[:64], strict(_rooted(model.model_json_schema()), model.__name__))

    def read(self, text: str) -> M:
        """The answer as the model. Raises InvalidOutputError, written for the language model."""
        from pydantic import ValidationError  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        if not text.strip():
            raise InvalidOutputError("The answer must be one JSON object.")
        try:
            return self.model.model_validate(parse_arguments(text))
        except InvalidArgumentsError as error:
            raise InvalidOutputError(str(error).replace("arguments", "answer").replace("The answer are", "The answer is")) from None
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'the answer'}: {e['msg']}"
                for e in error.errors(include_input=False, include_url=False)[:5]
            )
            raise InvalidOutputError(f"The answer does not fit {self.form.name}: {problems}.") from None


def _rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with an object at its root: one that refers to itself is only a reference there."""
    if "$ref" not in schema:
        return schema
    return {**schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]], "$defs": schema["$defs"]}


def strict(schema: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A JSON schema as strict modes want it: every property required, no other one allowed, only keywords that all of them take.

    Raises TypeError for what cannot be said so; `name` says whose schema it is.
    """
    if "$ref" in schema:
        return {"$ref": schema["$ref"], **({"$defs": _each(schema["$defs"], name)} if "$defs" in schema else {})}
    closed = dict(schema)
    if "oneOf" in closed:
        closed["anyOf"] = closed.pop("oneOf")
    if not closed.keys() & {"type", "anyOf", "enum", "const"} or closed.keys() & {"prefixItems", "allOf"}:
        raise TypeError(f"{name} holds a field of any type or a tuple, which no strict schema can say; give it a type, or use a list.")
    if closed.get("type") == "object":
        if closed.get("additionalProperties") or "properties" not in closed:
            raise TypeError(
                f"{name} holds a dictionary without declared keys, which no strict schema can say; use a list of pairs instead."
            )
        closed |= {"required": list(closed["properties"]), "additionalProperties": False}
    return {key: _member(key, value, name) for key, value in closed.items() if key in KEPT}


def _member(key: str, value: Any, name: str) -> Any:
    if key in {"properties", "$defs"}:
        return _each(value, name)
    if key == "items":
        return strict(value, name)
    return [strict(member, name) for member in value] if key == "anyOf" else value


def _each(schemas: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: strict(member, name) for each, member in schemas.items()}
