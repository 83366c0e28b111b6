"""Faults of the boundary provider-http that are the provider's own trouble: they pass, so a retry with backoff is right."""

from __future__ import annotations

from agentlab_faults.catalogue.rates import OVERLOAD, PASSES, often
from agentlab_faults.catalogue.wire import JSON, Answers, error_body
from agentlab_faults.exchange import WireRequest
from agentlab_faults.fault import Row, register

__all__ = ["ServerError", "ServiceUnavailable"]


@register(
    Row(
        id="http_500",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=PASSES,
        why="A server error says nothing about the request; a later try meets another server.",
        happens="A bug or a crashed worker behind the provider's API.",
        agent_should="Retry with backoff, count it for the breaker, and fail over if it stays.",
        **often(OVERLOAD, 0.35, harm=2),
    )
)
class ServerError(Answers):
    """The provider answers 500 with its JSON error body."""

    status: int = 500

    def payload(self, request: WireRequest) -> JSON:
        return error_body("The server had an error while processing your request. Sorry about that!", kind="server_error")


@register(
    Row(
        id="http_503",
        boundary="provider-http",
        family="overload",
        category="transient",
        scope="host",
        best=PASSES,
        why="Overload passes; the answer after it is as good as any.",
        happens="A model's capacity is used up at a peak hour or after a launch.",
        agent_should="Wait as long as Retry-After says when it is there, back off, and fail over while the provider stays overloaded.",
        **often(OVERLOAD, 0.3, harm=2),
    )
)
class ServiceUnavailable(Answers):
    """The provider answers 503 because the model is overloaded."""

    status: int = 503
    retry_after: float | None = None

    def payload(self, request: WireRequest) -> JSON:
        return error_body("The model is overloaded; try again later.", kind="service_unavailable_error", code="server_is_overloaded")

    def extra_headers(self) -> tuple[tuple[str, str], ...]:
        return () if self.retry_after is None else (("retry-after", f"{self.retry_after:g}"),)
