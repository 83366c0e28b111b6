"""A real provider's answer, whole or streamed, read back into the form that is free of any wire format, so that faults can rewrite it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.script.spec import Called

__all__ = ["documents", "understood"]

Json = dict[str, Any]
_FINISHES: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "pause_turn": "pause",
    "model_context_window_exceeded": "context_window",
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "MALFORMED_FUNCTION_CALL": "malformed_call",
    "max_output_tokens": "length",
    "completed": "stop",
    "failed": "failed",
}
"""The providers' words for why a model stopped to ours; the same word where both have it."""


def documents(content: bytes) -> list[Json]:
    """The JSON objects of an answer: its one body, or the data of its events."""
    lines = [line[5:] for line in content.splitlines() if line.startswith(b"data:")] or [content]
    found: list[Json] = []
    for line in lines:
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError):
            continue  # `[DONE]`, or no JSON at all: it says nothing
        found += [parsed] if isinstance(parsed, dict) else []
    return found


def understood(api: str, content: bytes, *, serial: int) -> Answer | None:
    """What an answer says; None for an API or a shape that is not known. `serial` numbers it."""
    reader = _READERS.get(api)
    if reader is None:
        return None
    told = _Told()
    try:
        reader(documents(content), told)
    except (KeyError, IndexError, TypeError, AttributeError):
        return None  # a shape that this API does not have: an error body, or a newer one
    return told.answer(serial) if told.model is not None or told.texts or told.calls else None


class _Told:
    """What has been told so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[Any, list[str]] = {}
        """By its place: id, name and the arguments so far."""
        self.finish = ""
        self.usage: dict[str, int] = {}
        self.model: str | None = None
        self.created = 0

    def call(self, place: Any, call_id: str | None, name: str | None, arguments: str | None) -> None:
        known = self.calls.setdefault(place, ["", "", ""])
        for part, more in enumerate((call_id, name, arguments)):
            known[part] += more or ""

    def spent(self, usage: Mapping[str, Any] | None, prompt: str, completion: str) -> None:
        for ours, theirs in (("prompt", prompt), ("completion", completion)):
            if usage and isinstance(usage.get(theirs), int):
                self.usage[ours] = usage[theirs]

    def answer(self, serial: int) -> Answer:
        prompt, completion = self.usage.get("prompt", 0), self.usage.get("completion", 0)
        finish = _FINISHES.get(self.finish, self.finish)
        return Answer(
            content="".join(self.texts) or None,
            calls=tuple(Called(call_id, name, arguments or "{}") for call_id, name, arguments in self.calls.values()),
            finish="tool_calls" if self.calls and finish in ("", "stop") else finish or "stop",
            usage=Usage(prompt, completion, prompt + completion) if self.usage else None,
            model=self.model or "",
            created=self.created,
            serial=serial,
        )


def _chat(found: Sequence[Json], told: _Told) -> None:
    for document in found:
        told.model = document.get("model") or told.model
        told.created = document.get("created") or told.created
        told.spent(document.get("usage"), "prompt_tokens", "completion_tokens")
        for choice in document["choices"][:1]:
            said = choice.get("message") or choice.get("delta") or {}
            told.texts.append(said.get("content") or "")
            told.finish = choice.get("finish_reason") or told.finish
            for place, call in enumerate(said.get("tool_calls") or ()):
                function = call.get("function") or {}
                told.call(call.get("index", place), call.get("id"), function.get("name"), function.get("arguments"))


def _messages(found: Sequence[Json], told: _Told) -> None:
    for document in found:
        match document.get("type"):
            case "message":
                _message(document, told)
                for place, block in enumerate(document["content"]):
                    _block(place, block, told, whole=True)
            case "message_start":
                _message(document["message"], told)
            case "content_block_start":
                _block(document["index"], document["content_block"], told, whole=False)
            case "content_block_delta":
                delta = document["delta"]
                told.texts.append(delta.get("text") or "")
                if delta.get("type") == "input_json_delta":
                    told.call(document["index"], None, None, delta["partial_json"])
            case "message_delta":
                told.finish = document["delta"].get("stop_reason") or told.finish
                told.spent(document.get("usage"), "input_tokens", "output_tokens")


def _message(message: Json, told: _Told) -> None:
    told.model = message.get("model")
    told.finish = message.get("stop_reason") or ""
    told.spent(message.get("usage"), "input_tokens", "output_tokens")


def _block(place: int, block: Json, told: _Told, *, whole: bool) -> None:
    told.texts.append(block.get("text") or "")
    if block["type"] == "tool_use":
        told.call(place, block["id"], block["name"], json.dumps(block["input"], separators=(",", ":")) if whole else "")


def _responses(found: Sequence[Json], told: _Told) -> None:
    response = next((document["response"] for document in reversed(found) if isinstance(document.get("response"), dict)), found[0])
    told.model, told.created = response.get("model"), int(response.get("created_at") or 0)
    told.finish = (response.get("incomplete_details") or {}).get("reason") or response["status"]
    told.spent(response.get("usage"), "input_tokens", "output_tokens")
    for place, item in enumerate(response["output"]):
        if item["type"] == "function_call":
            told.call(place, item["call_id"], item["name"], item["arguments"])
        elif item["type"] == "message":
            told.texts += [part.get("text") or "" for part in item["content"]]


def _gemini(found: Sequence[Json], told: _Told) -> None:
    for document in found:
        told.model = document.get("modelVersion") or told.model
        told.spent(document.get("usageMetadata"), "promptTokenCount", "candidatesTokenCount")
        for candidate in document["candidates"][:1]:
            told.finish = candidate.get("finishReason") or told.finish
            for part in _parts(candidate):
                told.texts.append(part.get("text") or "")
                if (call := part.get("functionCall")) is not None:
                    told.call(len(told.calls), call.get("id"), call["name"], json.dumps(call.get("args") or {}, separators=(",", ":")))


def _parts(candidate: Json) -> Iterator[Json]:
    return iter((candidate.get("content") or {}).get("parts") or ())


_READERS: Final[Mapping[str, Callable[[Sequence[Json], _Told], None]]] = {
    "openai.chat": _chat,
    "openai.responses": _responses,
    "anthropic.messages": _messages,
    "gemini.generate": _gemini,
    "gemini.stream": _gemini,
}
