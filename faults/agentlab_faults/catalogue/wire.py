"""How providers answer on the wire: the headers of the API that was called, and good answers with another body."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from agentlab_faults.dialects.errors import voice_of
from agentlab_faults.exchange import Exchange, Part, Pause, WireRequest

__all__ = ["HTML", "JSON_TYPE", "Json", "encode", "halves", "rebodied", "request_id", "request_json", "status_answer"]

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
    except (ValueError, RecursionError):
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
    """An answer with the headers that each error of the called provider has; `latency` is in virtual seconds."""
    common = (
        ("content-type", content_type),
        ("content-length", str(len(body))),
        *voice_of(request).headers(request_id(request)),
    )
    return Exchange(status=status, headers=(*common, *headers), body=(body,) if body else (), before=(Pause(latency),))


def request_id(request: WireRequest) -> str:
    """What an answer's request id is made of: equal requests have equal ones."""
    return hashlib.sha256(request.body).hexdigest()[:32]


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
    return exchange._replace(headers=headers, body=(*waits, *parts))


def _with(headers: Headers, name: str, value: str | None) -> Headers:
    """The headers with this one in its old place, or behind the others; None takes it away."""
    if value is None:
        return tuple(header for header in headers if header[0].lower() != name)
    if not any(known.lower() == name for known, _ in headers):
        return (*headers, (name, value))
    return tuple((known, value if known.lower() == name else old) for known, old in headers)
