"""How OpenAI-compatible providers answer on the wire: error bodies, headers, and good answers with another body.

The shapes are those of the wire catalogue's samples of OpenAI's errors: an object `error` with message, type, param and code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import replace
from itertools import takewhile
from typing import Any

from agentlab_faults.exchange import Exchange, Part, Pause, WireRequest
from agentlab_faults.fault import Replaces

__all__ = ["HTML", "JSON_TYPE", "Answers", "Json", "encode", "halves", "rebodied", "request_json", "status_answer"]

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]
JSON_TYPE = "application/json"
HTML = b"""<html>
<head><title>502 Bad Gateway</title></head>
<body>
<center><h1>502 Bad Gateway</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""
"""What nginx says when its upstream is gone."""


def encode(payload: Any) -> bytes:
    """The JSON text of `payload` as UTF-8, compact as the scripted provider writes it: an unchanged payload has its very bytes."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()


def request_json(request: WireRequest) -> Json:
    """The request's JSON object; empty if its body is none."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def halves(body: bytes) -> tuple[bytes, bytes]:
    """The body cut in the middle, inside a character if it falls so."""
    middle = len(body) // 2
    return body[:middle], body[middle:]


def status_answer(
    request: WireRequest,
    status: int,
    body: bytes,
    *,
    latency: float,
    content_type: str = JSON_TYPE,
    headers: Iterable[tuple[str, str]] = (),
) -> Exchange:
    """An answer with the headers that each answer of OpenAI has; `latency` is in virtual seconds."""
    common = (
        ("content-type", content_type),
        ("content-length", str(len(body))),
        ("x-request-id", "req_" + hashlib.sha256(request.body).hexdigest()[:32]),
        ("openai-version", "2020-10-01"),
    )
    return Exchange(status=status, headers=(*common, *headers), body=(body,) if body else (), before=(Pause(latency),))


def rebodied(exchange: Exchange, *parts: Part, content_type: str | None = None, length: int | None = -1) -> Exchange:
    """`exchange` with another body, after the same wait; with an equal body it is an equal exchange.

    `length` is what Content-Length claims: -1 what is there, if it claims anything now; None nothing.
    """
    headers = exchange.headers
    if length == -1:
        claims = any(name.lower() == "content-length" for name, _ in headers)
        length = sum(len(part) for part in parts if isinstance(part, bytes)) if claims else None
    headers = _with(headers, "content-length", None if length is None else str(length))
    if content_type is not None:
        headers = _with(headers, "content-type", content_type)
    waits = tuple(takewhile(lambda part: isinstance(part, Pause), exchange.body))
    return replace(exchange, headers=headers, body=(*waits, *parts))


def _with(headers: Headers, name: str, value: str | None) -> Headers:
    """The headers with this one in its old place, or behind the others; None takes it away."""
    if value is None:
        return tuple(header for header in headers if header[0].lower() != name)
    if not any(known.lower() == name for known, _ in headers):
        return (*headers, (name, value))
    return tuple((known, value if known.lower() == name else old) for known, old in headers)


def _first_tool(asked: Json) -> str:
    """The name of the first tool that a request offers, whatever its body is like; `tool` if it offers none."""
    match asked:
        case {"tools": [{"function": {"name": str(name)}}, *_]}:
            return name
    return "tool"


class Answers(Replaces):
    """A status with OpenAI's error object as body. Fields say all; `{model}` and `{tool}` in the message are filled in."""

    status: int
    message: str
    kind: str | None = None
    """The error's `type`."""
    code: str | int | None = None
    param: str | None = None
    retry_after: float | None = None
    """Seconds, as the header Retry-After; None for no such header."""
    latency: float = 0.2
    """Virtual seconds until the answer comes."""

    def payload(self, message: str) -> Json:
        """The body, its message filled in."""
        return {"error": {"message": message, "type": self.kind, "param": self.param, "code": self.code}}

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers beyond the usual ones."""
        return () if self.retry_after is None else (("retry-after", f"{self.retry_after:g}"),)

    def answer(self, request: WireRequest) -> Exchange:
        """The error, with the usual headers."""
        asked = request_json(request)
        message = self.message.replace("{model}", str(asked.get("model", "unknown"))).replace("{tool}", _first_tool(asked))
        body = encode(self.payload(message))
        return status_answer(request, self.status, body, latency=self.latency, headers=self.extra_headers())
