"""OpenAI Chat Completions on the wire: refusing what the provider refuses, and rendering a serving as the provider would."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from agentlab_faults.exchange import Exchange, Pause
from agentlab_faults.script.refusal import headers, refuse
from agentlab_faults.script.spec import Called, Serving
from agentlab_faults.script.tokens import completion_tokens, prompt_tokens

__all__ = ["dated", "exchange", "headers", "prompt_tokens", "refuse", "render"]

_SNAPSHOTS = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
}
"""Undated names to the snapshot that answers under them (OpenAI's model pages)."""
_DEPLOYED = "gpt-4o"
"""What stands behind a deployment of Azure when a request names the deployment alone: the script knows no deployments."""
_FINGERPRINT = "fp_0a1b2c3d4e"
_TIERS = {"flex": "flex", "priority": "priority", "fast": "priority"}
"""The tier asked for to the one that is answered; all others are answered `default`."""
_NONE_CACHED = {"cached_tokens": 0, "audio_tokens": 0}
_NONE_REASONED = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}


def dated(model: str) -> str:
    """The model name that an answer carries: the snapshot behind a name that is known, else the name itself."""
    return _SNAPSHOTS.get(model, model)


def render(serving: Serving, body: Mapping[str, Any], *, serial: int, created: int) -> dict[str, Any]:
    """The body of a `chat.completion`. `serial` makes its id, `created` is Unix seconds; usage is `prompt_tokens`'s estimate."""
    prompt, completion = prompt_tokens(body), completion_tokens(serving)
    return {
        "id": f"chatcmpl-{serial:08x}",
        "object": "chat.completion",
        "created": created,
        "model": dated(body.get("model") or _DEPLOYED),
        "choices": [{"index": 0, "message": _message(serving), "logprobs": None, "finish_reason": serving.finish_reason}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": dict(_NONE_CACHED),
            "completion_tokens_details": dict(_NONE_REASONED),
        },
        "service_tier": _TIERS.get(str(body.get("service_tier")), "default"),
        "system_fingerprint": _FINGERPRINT,
    }


def _message(serving: Serving) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": serving.content, "refusal": None, "annotations": []}
    if serving.tool_calls:
        message["tool_calls"] = [_call(call) for call in serving.tool_calls]
    return message


def _call(call: Called) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def exchange(payload: Mapping[str, Any], *, latency: float, serial: int | None = None) -> Exchange:
    """A good answer: `latency` virtual seconds of silence, then status 200, the provider's headers and the payload as compact JSON.

    `serial` numbers the request id; without it the number in the payload's own id does.
    """
    number = serial if serial is not None else _number(str(payload.get("id", "")))
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    return Exchange(200, headers(number, milliseconds=round(latency * 1000)), (body,), (Pause(latency),) if latency else ())


def _number(identity: str) -> int:
    found = re.search(r"[0-9a-f]+$", identity)
    return int(found.group(), 16) if found else 0
