"""What Gemini refuses before any model runs, with Google's own bodies.

Wordings are those of the provider's answers in public issue threads and of `error-gemini-*` samples; match on code, status and details.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.bodies import plain_object
from agentlab_faults.dialects.credentials import bearer, possible
from agentlab_faults.dialects.errors import GOOGLE
from agentlab_faults.dialects.gemini.answers import headers
from agentlab_faults.dialects.gemini.fields import camel, get
from agentlab_faults.dialects.gemini.history import check_contents
from agentlab_faults.dialects.gemini.offers import check_config, check_tools
from agentlab_faults.dialects.gemini.refused import Refused, no_such_key, unknown
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["key_of", "model_of", "refuse", "refuse_counting"]

_NO_KEY = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer "
    "identity to call this API."
)
_UNAUTHENTICATED = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication "
    "credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_UNKNOWN_CALLER = "Request had invalid authentication credentials."
_FIELDS = frozenset(
    {
        *("contents", "tools", "toolConfig", "safetySettings", "systemInstruction", "generationConfig", "cachedContent", "labels"),
        *("model", "modelArmorConfig", "serviceTier", "store", "generateContentRequest"),
    }
)
"""What a request for content takes (`GenerateContentParameters` of the google-genai SDK), and a request to count its tokens."""


def model_of(request: WireRequest) -> str:
    """The model that the path names: `gemini-2.5-flash` of `/v1/models/gemini-2.5-flash:generateContent`."""
    holder, _, name = request.path.rpartition(":")[0].rpartition("/")
    kind = holder.rpartition("/")[2]
    return name if kind == "models" else f"{kind}/{name}"


def key_of(request: WireRequest) -> str | None:
    """The API key in header or query; None if there is none."""
    if (key := request.headers.get("x-goog-api-key")) is not None:
        return key
    query = request.url.partition("?")[2].partition("#")[0]
    return next((value for name, _, value in (pair.partition("=") for pair in query.split("&")) if name == "key"), None)


def refuse(request: WireRequest, body: Mapping[str, Any] | None = None, *, serial: int = 0) -> Exchange | None:
    """The provider's refusal of a request for content, or None if it would be answered; `body` if it has been parsed already.

    Raises ScriptMissing for what the provider can do and a script cannot.
    """
    del serial  # Google numbers nothing
    try:
        _check_key(request)
        parsed = _parsed(request, body)
        _check_body(parsed, model_of(request))
    except Refused as refused:
        return _answer(refused)
    _check_scripted(request, parsed)
    return None


def refuse_counting(request: WireRequest, body: Mapping[str, Any] | None = None) -> Exchange | None:
    """The same for a request to count tokens."""
    try:
        _check_key(request)
        parsed = _parsed(request, body)
        inner = get(parsed, "generateContentRequest")
        check_contents((inner if isinstance(inner, dict) else parsed).get("contents"), model=model_of(request))
    except Refused as refused:
        return _answer(refused)
    return None


def _answer(refused: Refused) -> Exchange:
    content = json.dumps(GOOGLE.body(refused.error, ""), ensure_ascii=False, indent=2).encode()
    return Exchange(refused.error.status, headers(5), (content,))


def _check_key(request: WireRequest) -> None:
    key, authorization = key_of(request), request.headers.get("authorization", "")
    on_vertex = "/projects/" in request.path
    if key is None and not authorization:
        if on_vertex:
            raise Refused(_UNAUTHENTICATED, status=401)
        raise Refused(_NO_KEY, status=403)
    if key is not None and not possible(key):
        raise no_such_key("aiplatform.googleapis.com" if on_vertex else "generativelanguage.googleapis.com")
    if key is None and not possible(bearer(authorization)):
        raise Refused(_UNKNOWN_CALLER, status=401)


def _parsed(request: WireRequest, body: Mapping[str, Any] | None) -> Mapping[str, Any]:
    parsed = plain_object(request.body, body)
    if parsed is None:
        raise Refused("Invalid JSON payload received. Expected an object.")
    return parsed


def _check_body(body: Mapping[str, Any], model: str) -> None:
    for name in body:
        if camel(name) not in _FIELDS:
            raise unknown(name)
    check_contents(body.get("contents"), model=model)
    check_tools(body)
    check_config(body, model=model)


def _check_scripted(request: WireRequest, body: Mapping[str, Any]) -> None:
    """Things that the provider accepts and a script cannot answer yet."""
    count = get(get(body, "generationConfig"), "candidateCount") or 1
    if count != 1:
        raise ScriptMissing(f"The agent asked for {count} candidates in one answer; a script has one answer, so leave candidateCount out.")
    if request.path.endswith(":streamGenerateContent") and "alt=sse" not in request.url:
        raise ScriptMissing("The agent asked for a stream as one JSON array; scripts stream events only, so ask with ?alt=sse.")
