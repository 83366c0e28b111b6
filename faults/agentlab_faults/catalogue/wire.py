"""How OpenAI-compatible providers answer on the wire: error bodies, headers, and good answers with another body.

The shapes are those of the wire catalogue's samples (`../wire/samples/error-openai-*.json` of the design): message, type, param, code.
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

__all__ = ["JSON", "JSON_TYPE", "Answers", "encode", "error_body", "halves", "model_of", "rebodied", "status_answer"]

JSON = dict[str, Any]
JSON_TYPE = "application/json"


def encode(payload: Any) -> bytes:
    """The JSON text of `payload` as UTF-8."""
    return json.dumps(payload, ensure_ascii=False).encode()


def error_body(message: str, *, kind: str | None, code: str | int | None = None, param: str | None = None) -> JSON:
    """OpenAI's error object."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def model_of(request: WireRequest) -> str:
    """The model that the request asked for, or a placeholder if its body is not JSON."""
    try:
        body = json.loads(request.body)
    except ValueError:
        return "unknown"
    return str(body.get("model", "unknown")) if isinstance(body, dict) else "unknown"


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
    content_type: str | None = JSON_TYPE,
    headers: Iterable[tuple[str, str]] = (),
) -> Exchange:
    """An answer with the headers that each answer of OpenAI has; `latency` is in virtual seconds."""
    typed = (("content-type", content_type),) if content_type else ()
    common = (
        ("content-length", str(len(body))),
        ("x-request-id", "req_" + hashlib.sha256(request.body).hexdigest()[:32]),
        ("openai-version", "2020-10-01"),
    )
    return Exchange(status=status, headers=(*typed, *common, *headers), body=(body,) if body else (), before=(Pause(latency),))


def rebodied(exchange: Exchange, *parts: Part, content_type: str | None = None, length: int | None = -1) -> Exchange:
    """`exchange` with another body, after the same wait. `length` is what Content-Length claims: -1 the bytes that are there, None no such header."""
    claimed = sum(len(part) for part in parts if isinstance(part, bytes)) if length == -1 else length
    waits = tuple(takewhile(lambda part: isinstance(part, Pause), exchange.body))
    dropped = {"content-length", *(("content-type",) if content_type else ())}
    kept = tuple((name, value) for name, value in exchange.headers if name.lower() not in dropped)
    typed = (("content-type", content_type),) if content_type else ()
    sized = (("content-length", str(claimed)),) if claimed is not None else ()
    return replace(exchange, headers=(*kept, *typed, *sized), body=(*waits, *parts))


class Answers(Replaces):
    """An error status with a body, `latency` virtual seconds after the request. Subclasses give the status and the payload."""

    status: int
    latency: float = 0.2

    def payload(self, request: WireRequest) -> JSON:
        """The JSON body."""
        raise NotImplementedError

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers beyond the usual ones."""
        return ()

    def answer(self, request: WireRequest) -> Exchange:
        return status_answer(request, self.status, encode(self.payload(request)), latency=self.latency, headers=self.extra_headers())
