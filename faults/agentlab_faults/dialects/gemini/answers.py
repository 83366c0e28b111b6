"""A `GenerateContentResponse` as Google writes it, in one piece and as a stream."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.errors import GOOGLE
from agentlab_faults.dialects.sse import pieces
from agentlab_faults.script.spec import Called

__all__ = ["events", "headers", "names_calls", "render"]

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

_FINISHES = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "STOP",
    "context_window": "MAX_TOKENS",
    "pause": "STOP",
    "malformed_call": "MALFORMED_FUNCTION_CALL",
}
"""Why the model stopped, in Google's words; a reason that is not here stands as it is."""
_WHOLE = ("stop", "tool_calls", None)
"""With any other reason a candidate without parts has no content at all."""
_UNNAMED = re.compile(r"(^|/)gemini-[12]\b")
"""Models that give their calls no ids, and need no signature to take them back."""


def headers(milliseconds: int, *, streams: bool = False) -> Headers:
    """The provider's headers for an answer made in `milliseconds`; it tells no request ids and no limits."""
    kind = "text/event-stream" if streams else "application/json; charset=UTF-8"
    return (("content-type", kind), *GOOGLE.headers(""), ("server-timing", f"gfet4t7; dur={milliseconds}"))


def names_calls(model: str) -> bool:
    """Whether the model gives its calls ids and signs them, as Gemini 3 and later ones do."""
    return _UNNAMED.search(model) is None


def render(answer: Answer) -> Json:
    """The body of a response that is not streamed."""
    candidate: Json = {"content": _content(answer), "index": 0}
    if answer.finish not in _WHOLE and not candidate["content"].get("parts"):
        del candidate["content"]
    if answer.finish is not None:
        candidate["finishReason"] = _FINISHES.get(answer.finish, answer.finish)
    if answer.finish == "malformed_call":
        candidate["finishMessage"] = "Malformed function call: the model's call could not be parsed."
    usage = {} if answer.usage is None else {"usageMetadata": _usage(answer.usage)}
    return {"candidates": [candidate], **usage, "modelVersion": answer.model, "responseId": f"{answer.serial:08x}"}


def _content(answer: Answer) -> Json:
    parts: list[Json] = [{"text": answer.content}] if answer.content else []
    named = names_calls(answer.model)
    for number, call in enumerate(answer.calls):
        part: Json = {"functionCall": {**({"id": call.id} if named else {}), "name": call.name, **_arguments(call)}}
        if named and number == 0:
            part["thoughtSignature"] = base64.b64encode(f"signed {call.id}".encode()).decode()
        parts.append(part)
    return {**({"parts": parts} if parts else {}), "role": "model"}


def _arguments(call: Called) -> Json:
    """The arguments as an object; left out if there are none, or none that can be read."""
    try:
        return {"args": json.loads(call.arguments)}
    except ValueError:
        return {}


def _usage(usage: Usage) -> Json:
    return {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.completion,
        "totalTokenCount": usage.total,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": usage.prompt}],
    }


def events(payload: Json) -> list[bytes]:
    """A response as the events of its stream: its text in pieces, its calls whole, the reason and all tokens with the last one."""
    return [f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode() for chunk in _chunks(payload)]


def _chunks(payload: Json) -> Iterator[Json]:
    candidates = payload.get("candidates")
    candidate = candidates[0] if isinstance(candidates, list) and candidates else None
    content = candidate.get("content") if isinstance(candidate, dict) else None
    parts = content.get("parts") if isinstance(content, dict) else None
    if candidate is None or not isinstance(parts, list):
        yield payload
        return
    cut = [[{"text": piece}] for part in parts if "text" in part for piece in pieces(part["text"])]
    calls = [part for part in parts if "text" not in part]
    cut += [calls] if calls else []
    for part in cut[:-1]:
        yield payload | {"candidates": [{"content": {"parts": part, "role": "model"}, "index": 0}]} | _so_far(payload)
    yield payload | {"candidates": [candidate | {"content": candidate["content"] | {"parts": cut[-1]}}]}


def _so_far(payload: Json) -> Json:
    """What a chunk that is not the last one says of tokens."""
    usage = payload.get("usageMetadata")
    if not isinstance(usage, dict):
        return {}
    return {"usageMetadata": dict.fromkeys(("promptTokenCount", "totalTokenCount"), usage["promptTokenCount"])}
