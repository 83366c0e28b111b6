"""What Anthropic Messages refuses before any model runs, with its own bodies.

Wordings are those of the provider's answers in public issue threads and of `error-anthropic-*` samples; match on type and status. Vertex
takes a token of Google's instead of a key, the model in the path, and the version of the API in the body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.anthropic.answers import headers
from agentlab_faults.dialects.anthropic.history import check_messages, check_system
from agentlab_faults.dialects.anthropic.offers import check_output, check_tool_choice, check_tools
from agentlab_faults.dialects.anthropic.refused import Refused, member, number, optional, required
from agentlab_faults.dialects.bodies import plain_object
from agentlab_faults.dialects.credentials import bearer, possible
from agentlab_faults.dialects.errors import ANTHROPIC, ProviderError
from agentlab_faults.exchange import Exchange, WireRequest

__all__ = ["refuse", "refuse_counting"]

_PARAMETERS = frozenset(
    {
        *("anthropic_beta", "anthropic_version", "cache_control", "container", "context_management", "diagnostics", "inference_geo"),
        *("max_tokens", "mcp_servers", "messages", "metadata", "model", "output_config", "output_format", "service_tier", "speed"),
        *("stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p"),
        *("user_profile_id", "workspace_id"),
    }
)
"""What the endpoint takes (`MessageCreateParams` of the anthropic SDK, its beta, and Vertex)."""


def refuse(request: WireRequest, body: Mapping[str, Any] | None = None, *, serial: int = 0) -> Exchange | None:
    """The provider's refusal of a request for a message, or None if it would be answered; `body` if it has been parsed already."""
    return _refusal(request, body, serial, counting=False)


def refuse_counting(request: WireRequest, body: Mapping[str, Any] | None = None, *, serial: int = 0) -> Exchange | None:
    """The same for a request to count tokens, which needs no limit of them."""
    return _refusal(request, body, serial, counting=True)


def _refusal(request: WireRequest, body: Mapping[str, Any] | None, serial: int, *, counting: bool) -> Exchange | None:
    on_vertex = request.path.endswith("awPredict")
    try:
        _check_headers(request, on_vertex=on_vertex)
        parsed = plain_object(request.body, body)
        if parsed is None:
            raise Refused("The request body is not valid JSON.")  # noqa: TRY301  # every refusal is answered below
        _check_body(parsed, on_vertex=on_vertex, counting=counting)
    except Refused as refused:
        error = ProviderError(status=refused.status, message=refused.message)
        content = json.dumps(ANTHROPIC.body(error, f"{serial:032x}"), ensure_ascii=False, separators=(",", ":")).encode()
        return Exchange(refused.status, headers(serial), (content,))
    return None


def _check_headers(request: WireRequest, *, on_vertex: bool) -> None:
    key, authorization = request.headers.get("x-api-key"), request.headers.get("authorization", "")
    if key is None and not authorization.removeprefix("Bearer").strip():
        raise Refused("x-api-key header is required", status=401)
    if not possible(key if key is not None else bearer(authorization)):
        raise Refused("invalid x-api-key" if key is not None else "Invalid bearer token", status=401)
    if not on_vertex and not request.headers.get("anthropic-version"):
        raise Refused("anthropic-version: header is required")


def _check_body(body: Mapping[str, Any], *, on_vertex: bool, counting: bool) -> None:
    if on_vertex and not counting:
        member(body, "anthropic_version", "anthropic_version", str)
    elif not member(body, "model", "model", str):
        raise Refused("model: String should have at least 1 character")
    if not counting:
        required(body, "max_tokens", "max_tokens")
    required(body, "messages", "messages")
    for name in body:
        if name not in _PARAMETERS:
            raise Refused(f"{name}: Extra inputs are not permitted")
    number(body, "max_tokens", low=1, whole=True)
    check_system(body.get("system"))
    check_messages(body["messages"])
    check_tools(body)
    check_tool_choice(body)
    number(body, "temperature", low=0, high=1)
    number(body, "top_p", low=0, high=1)
    number(body, "top_k", low=0, whole=True)
    for name, kind in (("stream", bool), ("stop_sequences", list), ("metadata", dict), ("thinking", dict)):
        optional(body, name, name, kind)
    check_output(body)
