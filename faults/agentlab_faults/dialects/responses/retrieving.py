"""GET /responses/{id}: what OpenAI keeps of an earlier response, given again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from agentlab_faults.dialects.chat.refusal import headers
from agentlab_faults.dialects.responses.recalling import stored
from agentlab_faults.exchange import Exchange, Pause, WireRequest

__all__ = ["retrieved"]

_PATH: Final = re.compile(r"/responses/(?P<id>resp_\w+)/?$")
_SECONDS: Final = 0.1


def retrieved(request: WireRequest, memory: Mapping[str, Any], *, serial: int) -> Exchange | None:
    """The response that the request asks for again, or the 404 of one that is not kept; None if it asks for something else."""
    asked = _PATH.search(request.path)
    if asked is None or request.method != "GET" or "stream=true" in request.url:
        return None
    found = stored(asked["id"], memory)
    missing = {
        "message": f"Response with id '{asked['id']}' not found.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }
    body = json.dumps({"error": missing} if found is None else found, ensure_ascii=False).encode()
    return Exchange(404 if found is None else 200, headers(serial, milliseconds=round(_SECONDS * 1000)), (body,), (Pause(_SECONDS),))
