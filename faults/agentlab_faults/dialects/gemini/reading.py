"""What a request for content asks of the model, read from a body that the provider would accept.

Older models give their calls no ids, and clients leave them out: a response without one belongs to the first call of its name that has none
yet, and a call without one gets a name of ours, which the scripted model resolves by the tool and its arguments.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.gemini.fields import get, json_schema, objects, texts_of
from agentlab_faults.script.asked import Asked

__all__ = ["declarations", "parameters_of", "read"]

Json = dict[str, Any]
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_WRAPPERS = ("result", "output")
"""What clients call the one member that a tool's value is put into, since a response must be an object."""


def declarations(body: Mapping[str, Any]) -> list[Json]:
    """Every function that the request declares."""
    return [function for tool in objects(body.get("tools")) for function in objects(get(tool, "functionDeclarations"))]


def parameters_of(declaration: Mapping[str, Any]) -> Any:
    """The JSON schema of a function's parameters, in whichever of the two forms it was declared."""
    schema = get(declaration, "parametersJsonSchema")
    return schema if schema is not None else json_schema(get(declaration, "parameters") or {})


def read(body: Mapping[str, Any]) -> Asked:
    """Read the body of a request for content. Its history becomes OpenAI's chat messages."""
    history = _History()
    if system := texts_of(get(body, "systemInstruction")):
        history.messages.append({"role": "system", "content": system})
    for content in objects(body.get("contents")):
        history.add(content)
    offered = {str(function["name"]): parameters_of(function) for function in declarations(body)}
    mode, allowed = _choice(body)
    names = [name for name in offered if mode != "NONE" and (not allowed or name in allowed)]
    schema, any_json = _form(body)
    return Asked(
        messages=history.messages,
        callable={name: offered[name] for name in names},
        forced=names[0] if mode == "ANY" and allowed and len(names) == 1 else None,
        required=mode == "ANY",
        schema=schema,
        json_object=any_json,
        unnamed=frozenset(history.unnamed),
    )


def _choice(body: Mapping[str, Any]) -> tuple[str, frozenset[str]]:
    config = get(get(body, "toolConfig"), "functionCallingConfig")
    return str(get(config, "mode") or "AUTO").upper(), frozenset(get(config, "allowedFunctionNames") or ())


def _form(body: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, bool]:
    """The schema of the answer if there is one, else whether it must be JSON at all."""
    config = get(body, "generationConfig")
    if get(config, "responseMimeType") != "application/json":
        return None, False
    schema = get(config, "responseJsonSchema")
    if schema is None and get(config, "responseSchema") is not None:
        schema = json_schema(get(config, "responseSchema"))
    return schema, schema is None


class _History:
    """The contents as chat messages, one by one."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.unnamed: list[str] = []
        self._open: list[tuple[str, str]] = []
        """(id, name) of the last turn's calls that have no response yet."""

    def add(self, content: Json) -> None:
        """The next content."""
        parts = objects(get(content, "parts"))
        if content.get("role") == "model":
            self.messages.append(self._model(content, parts))
            return
        responses = [response for part in parts if (response := get(part, "functionResponse")) is not None]
        self.messages += [self._response(response) for response in responses]
        if len(responses) < len(parts):
            self.messages.append({"role": "user", "content": texts_of(content)})

    def _model(self, content: Json, parts: list[Json]) -> Json:
        calls = [self._call(call) for part in parts if (call := get(part, "functionCall")) is not None]
        self._open = [(call["id"], call["function"]["name"]) for call in calls]
        return {"role": "assistant", "content": texts_of(content), **({"tool_calls": calls} if calls else {})}

    def _call(self, call: Json) -> Json:
        call_id = call.get("id")
        if not call_id:
            call_id = f"unnamed_{len(self.unnamed)}"
            self.unnamed.append(call_id)
        return {"id": call_id, "type": "function", "function": {"name": call["name"], "arguments": _COMPACT(call.get("args") or {})}}

    def _response(self, response: Json) -> Json:
        name, call_id = str(response.get("name")), response.get("id")
        place = next((n for n, (known, called) in enumerate(self._open) if known == call_id or (not call_id and called == name)), None)
        if place is not None:
            call_id = self._open.pop(place)[0]
        return {"role": "tool", "tool_call_id": str(call_id), "content": _told(response.get("response"))}


def _told(response: Any) -> str:
    """The response as text: the value alone if it was only wrapped."""
    if isinstance(response, Mapping) and len(response) == 1 and (key := next(iter(response))) in _WRAPPERS:
        response = response[key]
    return response if isinstance(response, str) else _COMPACT(response)
