"""Requests to count tokens, answered with the very estimate that the model calls are billed by."""

from __future__ import annotations

import json
from typing import Any

from agentlab_faults.dialects.anthropic import ANTHROPIC_MESSAGES
from agentlab_faults.dialects.anthropic.refusal import refuse_counting as refused_by_anthropic
from agentlab_faults.dialects.bodies import plain_object
from agentlab_faults.dialects.errors import ANTHROPIC, GOOGLE, voice_of
from agentlab_faults.dialects.gemini import GEMINI
from agentlab_faults.dialects.gemini.fields import get
from agentlab_faults.dialects.gemini.refusal import refuse_counting as refused_by_google
from agentlab_faults.dialects.responses import RESPONSES
from agentlab_faults.exchange import Exchange, WireRequest

__all__ = ["counted"]

Json = dict[str, Any]


def counted(request: WireRequest, *, serial: int) -> Exchange:
    """The answer of the provider that was asked to count, or its refusal. `serial` numbers the answer."""
    body = dict(plain_object(request.body) or {})
    voice = voice_of(request)
    if voice is ANTHROPIC:
        refusal = refused_by_anthropic(request, body or None, serial=serial)
        return refusal or _answer(ANTHROPIC_MESSAGES.headers(serial, milliseconds=20, streams=False), _anthropic(body))
    if voice is GOOGLE:
        refusal = refused_by_google(request, body or None)
        return refusal or _answer(GEMINI.headers(serial, milliseconds=20, streams=False), _google(body))
    told = {"object": "response.input_tokens", "input_tokens": RESPONSES.prompt_tokens(body)}
    return _answer(RESPONSES.headers(serial, milliseconds=20, streams=False), told)


def _anthropic(body: Json) -> Json:
    return {"input_tokens": ANTHROPIC_MESSAGES.prompt_tokens(body)}


def _google(body: Json) -> Json:
    inner = get(body, "generateContentRequest")
    tokens = GEMINI.prompt_tokens(inner if isinstance(inner, dict) else body)
    return {"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}


def _answer(headers: tuple[tuple[str, str], ...], payload: Json) -> Exchange:
    return Exchange(200, headers, (json.dumps(payload, separators=(",", ":")).encode(),))
