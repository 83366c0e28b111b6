"""Errors in the words of the API that was called.

A fault's fields are OpenAI's words: an object `error` with message, type, param and code. What Anthropic and Google say instead stands in
`words`, by the samples of the wire catalogue; a setting that somebody gave holds for every provider.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from agentlab_faults.catalogue.wire import Json, encode, request_id, request_json, status_answer
from agentlab_faults.dialects.errors import OPENAI, ProviderError, voice_of
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Replaces
from agentlab_faults.intercept.endpoints import classify

__all__ = ["Answers", "Words"]

_MODEL_IN_PATH = re.compile(r"/models/([^/:]+):\w+$")


def _asked_model(request: WireRequest, asked: Json) -> str:
    """The model that a request asks for, in its path or in its body; `unknown` if it names none."""
    in_path = _MODEL_IN_PATH.search(request.path)
    return in_path.group(1) if in_path else str(asked.get("model", "unknown"))


def _first_tool(asked: Json) -> str:
    """The name of the first tool that a request offers, whatever its body is like; `tool` if it offers none."""
    match asked:
        case {"tools": [{"function": {"name": str(name)}}, *_]}:
            return name
        case {"tools": [{"functionDeclarations": [{"name": str(name)}, *_]}, *_]} | {"tools": [{"name": str(name)}, *_]}:
            return name
    return "tool"


@dataclass(frozen=True, slots=True)
class Words:
    """What one provider says instead of OpenAI's words; what is None is the fault's own message, or goes with the status."""

    message: str | None = None
    kind: str | None = None
    code: str | None = None
    param: str | None = None


class Answers(Replaces):
    """A status with the called provider's error as body. Fields say all; `{model}` and `{tool}` in the message are filled in."""

    words: ClassVar[Mapping[str, Words]] = {}
    """By provider (`anthropic`, `gemini`) or wire API (`openai.responses`)."""

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
        """The body as OpenAI writes it, its message filled in."""
        return {"error": {"message": message, "type": self.kind, "param": self.param, "code": self.code}}

    def details(self, model: str) -> tuple[Json, ...]:
        """The details that Google's error carries."""
        del model  # most have none
        return ()

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers beyond the usual ones."""
        return () if self.retry_after is None else (("retry-after", f"{self.retry_after:g}"),)

    def answer(self, request: WireRequest) -> Exchange:
        """The error, with the usual headers."""
        voice, said, asked = voice_of(request), self._said(request), request_json(request)
        model = _asked_model(request, asked)
        message = said.message.replace("{model}", model).replace("{tool}", _first_tool(asked))
        if voice is OPENAI:
            body = said.payload(message)
        else:
            error = ProviderError(status=self.status, message=message, kind=said.kind, code=said.code, details=self.details(model))
            body = voice.body(error, request_id(request))
        return status_answer(request, self.status, encode(body), latency=self.latency, headers=self.extra_headers())

    def _said(self, request: WireRequest) -> Answers:
        """The fault in the words for this request; a word that somebody set stays."""
        voice, endpoint = voice_of(request), classify(request) if self.words else None
        own = self.words.get(endpoint.api) if endpoint else None
        own = own or self.words.get(voice.family)
        if own is None and voice is OPENAI:
            return self
        own = own or Words()
        words = {"message": own.message or self.message, "kind": own.kind, "code": own.code, "param": own.param}
        return self.model_copy(update={name: word for name, word in words.items() if name not in self.model_fields_set})
