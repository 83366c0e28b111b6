"""Good answers of every wire API that a client asks for, whole or as a stream: the least that its SDK takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.intercept import End, classify
from agentlab_faults.tokens import token_answer

TEXT: Final = "It is 18 degrees in Paris."
_JSON: Final = ("content-type", "application/json")
_EVENTS: Final = ("content-type", "text/event-stream")
_USAGE: Final = {"prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19}
_CLAUDE: Final = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
_RESPONSE: Final = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
}


class Wire:
    """Answers what it is asked for, after a virtual second; or always with `fault`. Remembers what it saw."""

    def __init__(self, fault: Exchange | None = None) -> None:
        self._fault = fault
        self.requests: list[WireRequest] = []
        self.ends: list[End] = []

    @property
    def seen(self) -> list[str]:
        """What the requests were, as the lab tells them."""
        return [endpoint.api if endpoint else "" for endpoint in map(classify, self.requests)]

    def __call__(self, request: WireRequest) -> tuple[Exchange, Callable[[End], None]]:
        self.requests.append(request)
        return self._fault or answered(request), self.ends.append


def answered(request: WireRequest) -> Exchange:
    """The good answer to `request`."""
    endpoint = classify(request)
    body = json.loads(request.body) if request.body[:1] == b"{" else {}
    make = _MAKERS.get(endpoint.api if endpoint else "")
    if make is None:
        return _whole({})
    return make(body, request.path)


def _whole(payload: Any) -> Exchange:
    return Exchange(headers=(_JSON,), body=(json.dumps(payload).encode(),), before=(Pause(1.0),))


def _stream(events: Iterable[tuple[str, Any]], *, done: bool = False) -> Exchange:
    """Server-sent events, a virtual second apart."""
    parts: list[bytes | Pause] = []
    for name, payload in events:
        line = f"event: {name}\n" if name else ""
        parts += [f"{line}data: {json.dumps(payload)}\n\n".encode(), Pause(1.0)]
    return Exchange(headers=(_EVENTS,), body=(*parts, b"data: [DONE]\n\n") if done else tuple(parts[:-1]))


def _halves() -> tuple[str, str]:
    return TEXT[:9], TEXT[9:]


def _chat(body: dict[str, Any], path: str) -> Exchange:
    head = {"id": "chatcmpl-1", "created": 1, "model": "m"}
    if not body.get("stream"):
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": TEXT}}
        return _whole({**head, "object": "chat.completion", "choices": [choice], "usage": _USAGE})
    deltas = [*({"role": "assistant", "content": half} for half in _halves()), {}]
    choices = [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"} for delta in deltas]
    return _stream([("", {**head, "object": "chat.completion.chunk", "choices": [choice]}) for choice in choices], done=True)


def _completion(body: dict[str, Any], path: str) -> Exchange:
    choice = {"index": 0, "finish_reason": "stop", "text": TEXT, "logprobs": None}
    return _whole({"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": _USAGE})


def _responses(body: dict[str, Any], path: str) -> Exchange:
    def item(text: str) -> dict[str, Any]:
        content = [{"type": "output_text", "text": text, "annotations": []}]
        return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}

    done = {**_RESPONSE, "status": "completed", "output": [item(TEXT)]}
    if not body.get("stream"):
        return _whole(done)
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    begun = {**_RESPONSE, "status": "in_progress", "output": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    events = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item(""), "status": "in_progress", "content": []}},
        {"type": "response.content_part.added", **where, "part": part},
        *({"type": "response.output_text.delta", **where, "delta": half, "logprobs": []} for half in _halves()),
        {"type": "response.output_text.done", **where, "text": TEXT, "logprobs": []},
        {"type": "response.content_part.done", **where, "part": {**part, "text": TEXT}},
        {"type": "response.output_item.done", "output_index": 0, "item": item(TEXT)},
        {"type": "response.completed", "response": done},
    ]
    return _stream([(str(event["type"]), {**event, "sequence_number": n}) for n, event in enumerate(events)])


def _claude(body: dict[str, Any], path: str) -> Exchange:
    usage = {"input_tokens": 12, "output_tokens": 7}
    if not body.get("stream"):
        return _whole({**_CLAUDE, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "usage": usage})
    deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": half}} for half in _halves()]
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**_CLAUDE, "content": [], "stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]
    return _stream([(event["type"], event) for event in events])


def _gemini_part(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
    return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 19}, "modelVersion": "m"}


def _gemini(body: dict[str, Any], path: str) -> Exchange:
    return _whole(_gemini_part(TEXT, finishReason="STOP"))


def _gemini_stream(body: dict[str, Any], path: str) -> Exchange:
    first, second = _halves()
    return _stream([("", _gemini_part(first)), ("", _gemini_part(second, finishReason="STOP"))])


def _embeddings(body: dict[str, Any], path: str) -> Exchange:
    if path.endswith("/embeddings"):
        datum = {"object": "embedding", "index": 0, "embedding": [0.25, 0.5]}
        return _whole({"object": "list", "data": [datum], "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})
    if path.endswith(":predict"):
        return _whole({"predictions": [{"embeddings": {"values": [0.25, 0.5], "statistics": {"token_count": 1, "truncated": False}}}]})
    single = path.endswith(":embedContent")
    return _whole({"embedding": {"values": [0.25, 0.5]}} if single else {"embeddings": [{"values": [0.25, 0.5]}]})


def _bedrock(body: dict[str, Any], path: str) -> Exchange:
    if path.endswith("/invoke"):
        return _claude(body, path)
    message = {"role": "assistant", "content": [{"text": TEXT}]}
    usage = {"inputTokens": 12, "outputTokens": 7, "totalTokens": 19}
    return _whole({"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}})


def _token(body: dict[str, Any], path: str) -> Exchange:
    return token_answer(1_700_000_000)


_MAKERS: Final[dict[str, Callable[[dict[str, Any], str], Exchange]]] = {
    "openai.chat": _chat,
    "openai.completions": _completion,
    "openai.responses": _responses,
    "anthropic.messages": _claude,
    "gemini.generate": _gemini,
    "gemini.stream": _gemini_stream,
    "embeddings": _embeddings,
    "bedrock": _bedrock,
    "oauth.token": _token,
}
