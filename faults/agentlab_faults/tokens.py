"""Tokens of access: what a cloud's client asks for before it asks a model, answered so that it gets there."""

from __future__ import annotations

import json
from typing import Final

from agentlab_faults.exchange import Exchange, Pause

__all__ = ["token_answer"]

_LIFE: Final = 3600
"""Seconds, as Google, Microsoft and IBM give."""


def token_answer(now: float) -> Exchange:
    """A token of an hour from `now` (Unix seconds), with the fields that Google, Microsoft Entra and IBM Cloud each send, after 0.1 s."""
    payload = {
        "access_token": "agentlab-scripted-token",
        "token_type": "Bearer",
        "expires_in": _LIFE,
        "ext_expires_in": _LIFE,
        "expiration": int(now) + _LIFE,
    }
    body = json.dumps(payload).encode()
    headers = (("content-type", "application/json; charset=utf-8"), ("content-length", str(len(body))))
    return Exchange(headers=headers, body=(body,), before=(Pause(0.1),))
