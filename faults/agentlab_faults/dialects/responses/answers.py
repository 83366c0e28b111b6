"""A response as OpenAI writes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.responses.recalling import conversation_of

__all__ = ["render"]

Json = dict[str, Any]

_INCOMPLETE = {"length": "max_output_tokens", "context_window": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not whole, by the reason that the model stopped for."""
_WHOLE = ("stop", "tool_calls", "refusal", "pause", "malformed_call")
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}
"""The tier asked for to the one that is answered; all others are answered `default`."""


def render(answer: Answer, body: Mapping[str, Any]) -> Json:
    """The body of a response that is not streamed; what the request set is told again, as the provider does."""
    reason = _INCOMPLETE.get(answer.finish or "")
    status = "incomplete" if reason else "completed" if answer.finish in _WHOLE else answer.finish
    talk = conversation_of(body)
    return {
        "id": f"resp_{answer.serial:09x}",
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": answer.model,
        "output": list(_items(answer, "incomplete" if reason else "completed")),
        "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None} | (body.get("reasoning") or {}),
        "service_tier": _TIERS.get(str(body.get("service_tier")), "default"),
        "store": body.get("store") is not False,
        "temperature": _given(body, "temperature", 1.0),
        "text": {"format": {"type": "text"}, "verbosity": "medium"} | (body.get("text") or {}),
        "tool_choice": _given(body, "tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "top_logprobs": _given(body, "top_logprobs", 0),
        "top_p": _given(body, "top_p", 1.0),
        "truncation": _given(body, "truncation", "disabled"),
        "usage": _usage(answer.usage) if answer.usage is not None else None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
        **({"conversation": {"id": talk}} if talk else {}),
    }


def _given(body: Mapping[str, Any], name: str, default: Any) -> Any:
    value = body.get(name)
    return default if value is None else value


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }


def _items(answer: Answer, status: str) -> Iterator[Json]:
    parts: list[Json] = []
    if answer.content is not None:
        parts.append({"type": "output_text", "annotations": [], "logprobs": [], "text": answer.content})
    if answer.refusal is not None:
        parts.append({"type": "refusal", "refusal": answer.refusal})
    if parts:
        yield {"id": f"msg_{answer.serial:09x}", "type": "message", "status": status, "content": parts, "role": "assistant"}
    for number, call in enumerate(answer.calls):
        yield {
            "id": f"fc_{answer.serial:09x}{number or ''}",
            "type": "function_call",
            "status": status,
            "arguments": call.arguments,
            "call_id": call.id,
            "name": call.name,
        }
