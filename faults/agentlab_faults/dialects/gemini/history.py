"""Google's checks of a request's contents: roles, parts, and that function calls and their responses stand in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentlab_faults.dialects.gemini.answers import names_calls
from agentlab_faults.dialects.gemini.fields import camel, get, objects
from agentlab_faults.dialects.gemini.refused import Refused, invalid, unknown

__all__ = ["check_contents"]

Json = dict[str, Any]
_ROLES = ("user", "model", "function")
_PARTS = frozenset(
    {
        *("text", "thought", "thoughtSignature", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"),
        *("codeExecutionResult", "videoMetadata", "mediaResolution", "toolCall", "toolResponse", "partMetadata", "audioTranscription"),
        *("audioMetadata", "documentMetadata", "mediaProcessing", "speechMetadata", "spreadsheetMetadata"),
    }
)
"""What a part can hold (`Part` of the google-genai SDK)."""
_COUNT = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
_AFTER_CALL = "Please ensure that function response turn comes immediately after a function call turn."
_AFTER_USER = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."


def check_contents(contents: Any, *, model: str) -> None:
    """Raises Refused with the first complaint about the contents: their shape, then the order of calls and responses."""
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified\n")
    turns = objects(contents)
    if not isinstance(contents, dict) and (not isinstance(contents, list) or len(turns) < len(contents)):
        raise Refused("Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1.Content)")
    for index, content in enumerate(turns):
        _check_content(content, index)
    _check_order(turns)
    if names_calls(model):
        _check_signatures(turns)


def _check_content(content: Json, index: int) -> None:
    if content.get("role") not in (None, *_ROLES):
        raise Refused("Please use a valid role: user, model.")
    parts = objects(get(content, "parts"))
    if not parts:
        raise invalid(f"contents[{index}].parts", "contents.parts must not be empty.")
    for number, part in enumerate(parts):
        at = f"contents[{index}].parts[{number}]"
        for name in part:
            if camel(name) not in _PARTS:
                raise unknown(name, at)
        if not any(camel(name) not in ("thought", "thoughtSignature") for name in part):
            raise invalid(f"{at}.data", "required oneof field 'data' must have one initialized field")
        for kind in ("functionCall", "functionResponse"):
            held = get(part, kind)
            if held is not None and not (isinstance(held, dict) and held.get("name")):
                raise invalid(f"{at}.{'function_call' if kind == 'functionCall' else 'function_response'}.name", "Name cannot be empty.")


def _count(content: Json, kind: str) -> int:
    return sum(get(part, kind) is not None for part in objects(get(content, "parts")))


def _check_order(turns: Sequence[Json]) -> None:
    """A turn with calls comes after the user or after responses, and the next turn answers each of them."""
    waiting = 0
    for index, content in enumerate(turns):
        calls, responses = _count(content, "functionCall"), _count(content, "functionResponse")
        if responses and not waiting:
            raise Refused(_AFTER_CALL)
        if waiting and responses != waiting:
            raise Refused(_COUNT)
        if calls and (index == 0 or turns[index - 1].get("role") == "model"):
            raise Refused(_AFTER_USER)
        waiting = calls if content.get("role") == "model" else 0
    if waiting:
        raise Refused(_COUNT)


def _check_signatures(turns: Sequence[Json]) -> None:
    """Models that sign their calls take none back, since the user's last words, whose turn has lost the signature."""
    last = max(
        (n for n, content in enumerate(turns) if content.get("role") != "model" and not _count(content, "functionResponse")), default=0
    )
    for index, content in enumerate(turns[last:], last):
        called = [part for part in objects(get(content, "parts")) if get(part, "functionCall") is not None]
        if called and content.get("role") == "model" and not get(called[0], "thoughtSignature"):
            name = get(called[0], "functionCall")["name"]
            raise Refused(f"Function call `{name}` in the `{index}.` content block is missing a `thought_signature`.")
