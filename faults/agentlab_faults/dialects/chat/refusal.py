"""What OpenAI Chat Completions refuses before any model runs, with its own bodies.

Wordings are those of the provider's answers in public issue threads and of `error-openai-*` samples; match on code, type and status.
A history whose calls name a tool that cannot be (`no such tool!`) is refused; names that are merely not offered are accepted, as the
provider accepts them, since tools come and go in the course of a conversation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

from agentlab_faults.dialects.bodies import plain_object
from agentlab_faults.dialects.chat.checks import check
from agentlab_faults.dialects.chat.keys import check_key, is_compatible, is_deployment
from agentlab_faults.dialects.chat.refused import Refused
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["Checking", "headers", "refuse", "refused_by"]


class Checking(Protocol):
    """Checks a request's body."""

    def __call__(self, body: Mapping[str, Any], *, deployed: bool, compatible: bool) -> None:
        """Raises Refused with the provider's first complaint.

        Only a body to a deployment may name no model; only one to a compatible API of somebody else's may have parameters of its own.
        """
        ...


_BAD_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI "
    "API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us "
    "through our help center at help.openai.com.)"
)


def headers(serial: int, *, milliseconds: int = 12, streams: bool = False) -> tuple[tuple[str, str], ...]:
    """The provider's headers for its answer number `serial`, made in `milliseconds`. It sends bodies in chunks, without a length."""
    return (
        ("content-type", "text/event-stream; charset=utf-8" if streams else "application/json"),
        ("x-request-id", f"req_{serial:032x}"),
        ("openai-organization", "org-agentlab"),
        ("openai-processing-ms", str(milliseconds)),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "1999000"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "30ms"),
    )


def refuse(request: WireRequest, body: Mapping[str, Any] | None = None, *, serial: int = 0) -> Exchange | None:
    """The provider's refusal of a request to its chat completions, or None if it would be answered.

    `body` is the request's body if it has been parsed already. Raises ScriptMissing for what the provider can do and the script cannot.
    """
    refusal = refused_by(request, body, check, serial=serial)
    if refusal is None:
        _check_scripted(plain_object(request.body, body) or {})
    return refusal


def refused_by(request: WireRequest, body: Mapping[str, Any] | None, checking: Checking, *, serial: int) -> Exchange | None:
    """The refusal of a request to any of OpenAI's endpoints: its key first, then its JSON, then what `checking` says of the body."""
    try:
        check_key(request)
        parsed = plain_object(request.body, body)
        if parsed is None:
            raise Refused(_BAD_JSON)  # noqa: TRY301  # every refusal is answered below
        checking(parsed, deployed=is_deployment(request), compatible=is_compatible(request, str(parsed.get("model"))))
    except Refused as refused:
        return _answer(refused, serial)
    return None


def _answer(refused: Refused, serial: int) -> Exchange:
    error = {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}
    content = json.dumps({"error": error}, ensure_ascii=False, indent=2).encode()
    return Exchange(refused.status, headers(serial), (content,))


def _check_scripted(body: Mapping[str, Any]) -> None:
    """Things that the provider accepts and a script cannot answer yet."""
    if (n := body.get("n") or 1) != 1:
        raise ScriptMissing(f"The agent asked for {n} choices in one answer (n={n}); a script has one answer, so leave n out.")
    for name in ("functions", "audio"):
        if body.get(name):
            raise ScriptMissing(f"The agent sent `{name}`, which is not scripted; use tools and text.")
