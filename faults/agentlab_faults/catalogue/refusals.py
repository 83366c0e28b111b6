"""Faults of the boundary provider-http that are verdicts: the same request to the same provider must not be sent again."""

from __future__ import annotations

from agentlab_faults.catalogue.rates import REFUSED, STAYS, often
from agentlab_faults.catalogue.wire import JSON, Answers, error_body
from agentlab_faults.exchange import WireRequest
from agentlab_faults.fault import Row, register

__all__ = ["RevokedKey"]


@register(
    Row(
        id="http_401_revoked_key",
        boundary="provider-http",
        family="authentication",
        category="auth",
        scope="key",
        best=STAYS,
        why="No retry makes a bad key good; another provider has its own key.",
        happens="A key is rotated or revoked while the agent runs, or a secret is deployed wrong.",
        agent_should="Never retry; read the secret again once if it has a secret store, else leave this provider and page someone.",
        **often(REFUSED, 0.2, harm=2),
    )
)
class RevokedKey(Answers):
    """The provider answers 401 because the API key is not valid any more."""

    status: int = 401

    def payload(self, request: WireRequest) -> JSON:
        message = "Incorrect API key provided: sk-...abcd. You can find your API key in your account settings."
        return error_body(message, kind="invalid_request_error", code="invalid_api_key")
