"""How each provider words an error: one neutral error, and the body and headers that OpenAI, Anthropic and Google make of it.

The shapes are those of the samples: OpenAI's object `error` with message, type, param and code; Anthropic's `{"type": "error", ...}` with
the request's id; Google's `google.rpc.Status` with code, message, status and details.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from agentlab_faults.exchange import WireRequest

__all__ = ["ANTHROPIC", "GOOGLE", "OPENAI", "ProviderError", "Voice", "voice_of"]

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderError:
    """An error of a provider. What a provider has no place for, it leaves out."""

    status: int
    message: str
    kind: str | None = None
    """OpenAI's and Anthropic's `type`, Google's `status`; None for the one that goes with the HTTP status (OpenAI: null)."""
    code: str | int | None = None
    """OpenAI's `code`, Anthropic's `details.error_code`."""
    param: str | None = None
    details: tuple[Json, ...] = ()
    """Google's `details`."""


class Voice(ABC):
    """One provider's manner of saying errors."""

    family: ClassVar[str]

    @abstractmethod
    def body(self, error: ProviderError, request_id: str) -> Json:
        """The JSON body."""

    @abstractmethod
    def headers(self, request_id: str) -> Headers:
        """The headers that each error of this provider has beyond type and length."""


class _OpenAI(Voice):
    family = "openai"

    def body(self, error: ProviderError, request_id: str) -> Json:
        del request_id  # it stands in the headers alone
        return {"error": {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}}

    def headers(self, request_id: str) -> Headers:
        return (("x-request-id", f"req_{request_id}"), ("openai-version", "2020-10-01"))


class _Anthropic(Voice):
    family = "anthropic"
    kinds: Mapping[int, str] = {
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        504: "timeout_error",
        529: "overloaded_error",
    }
    """Status to `type` (the errors page of Anthropic's documentation, and the samples)."""

    def body(self, error: ProviderError, request_id: str) -> Json:
        other = "invalid_request_error" if error.status < 500 else "api_error"
        inner: Json = {"type": error.kind or self.kinds.get(error.status, other), "message": error.message}
        if error.code is not None:
            inner["details"] = {"error_code": error.code}
        return {"type": "error", "error": inner, "request_id": _anthropic_id(request_id)}

    def headers(self, request_id: str) -> Headers:
        return (
            ("request-id", _anthropic_id(request_id)),
            ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
            ("server", "cloudflare"),
        )


def _anthropic_id(request_id: str) -> str:
    return f"req_01{request_id[-22:]}"


class _Google(Voice):
    family = "gemini"
    kinds: Mapping[int, str] = {
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        409: "ABORTED",
        429: "RESOURCE_EXHAUSTED",
        499: "CANCELLED",
        501: "UNIMPLEMENTED",
        503: "UNAVAILABLE",
        504: "DEADLINE_EXCEEDED",
        408: "DEADLINE_EXCEEDED",
    }
    """HTTP status to canonical code (google/rpc/code.proto)."""

    def body(self, error: ProviderError, request_id: str) -> Json:
        del request_id  # Google tells none
        other = "INVALID_ARGUMENT" if error.status < 500 else "INTERNAL"
        status = error.kind or self.kinds.get(error.status, other)
        inner: Json = {"code": error.status, "message": error.message, "status": status}
        return {"error": inner | ({"details": list(error.details)} if error.details else {})}

    def headers(self, request_id: str) -> Headers:
        del request_id  # Google tells none
        return (("vary", "Origin"), ("vary", "X-Origin"), ("vary", "Referer"), ("server", "scaffolding on HTTPServer2"))


OPENAI: Voice = _OpenAI()
ANTHROPIC: Voice = _Anthropic()
GOOGLE: Voice = _Google()
_PATHS: tuple[tuple[re.Pattern[str], Voice], ...] = (
    (re.compile(r"/v1/messages(/\w+)?/?$|:(rawPredict|streamRawPredict)$"), ANTHROPIC),
    (re.compile(r":(generateContent|streamGenerateContent|countTokens|embedContent|batchEmbedContents|predict)$"), GOOGLE),
)


def voice_of(request: WireRequest) -> Voice:
    """The voice of the API that was called, told by its path; that of OpenAI, which most others imitate, where no other is known."""
    return _voice_at(request.path)


@lru_cache(maxsize=1024)
def _voice_at(request_path: str) -> Voice:
    return next((voice for path, voice in _PATHS if path.search(request_path)), OPENAI)
