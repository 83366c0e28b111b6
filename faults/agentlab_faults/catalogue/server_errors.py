"""Faults of the boundary provider-http that are the provider's own trouble: they pass, so a retry with backoff is right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from agentlab_faults.catalogue.errors import Answers, Words
from agentlab_faults.catalogue.rates import OVERLOAD, PASSES, RETRIED, often
from agentlab_faults.catalogue.wire import HTML, rebodied, status_answer
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Replaces, Row, Served, Spoils, register

__all__ = [
    "BadGateway",
    "Conflict",
    "EdgeTimeout",
    "EmptyServerError",
    "GatewayTimeout",
    "OddSuccess",
    "Overloaded",
    "ServerError",
    "ServiceUnavailable",
]


@register(
    Row(
        id="http_408",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The edge gave up on this try, not on the request.",
        happens="A slow upload, or an edge server that waits too long for its own upstream.",
        agent_should="Retry with backoff.",
        **often(OVERLOAD, 0.03, harm=1),
    )
)
class EdgeTimeout(Answers):
    """The provider's edge answers 408."""

    status: int = 408
    message: str = "Request timeout."
    kind: str | None = "timeout"
    words: ClassVar[Mapping[str, Words]] = {"anthropic": Words("Request timed out.")}


@register(
    Row(
        id="http_409",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The lock is released within moments.",
        happens="Two requests change the same resource, or a lock in the provider's store times out.",
        agent_should="Retry; if it stays, read the state again and plan anew.",
        **often(OVERLOAD, 0.02, harm=1),
    )
)
class Conflict(Answers):
    """The provider answers 409 because another request holds the resource."""

    status: int = 409
    message: str = "The resource is being modified by another request."
    kind: str | None = "invalid_request_error"
    code: str | int | None = "conflict"
    words: ClassVar[Mapping[str, Words]] = {"anthropic": Words("The resource is in a conflicting state.")}


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
        **often(OVERLOAD, 0.3, harm=2),
    )
)
class ServerError(Answers):
    """The provider answers 500 with its JSON error body."""

    status: int = 500
    message: str = "The server had an error while processing your request. Sorry about that!"
    kind: str | None = "server_error"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("Internal server error"),
        "gemini": Words(
            "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
        ),
    }


@register(
    Row(
        id="http_502_html",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=PASSES,
        why="The page is the gateway's; the provider behind it answers the next try.",
        happens="A deploy or a crash behind nginx or a CDN; it also comes with 503, 504 and 520.",
        agent_should="Retry, and never let the page into a prompt or an answer: the SDK carries it in the error's body.",
        **often(OVERLOAD, 0.15, harm=2),
    )
)
class BadGateway(Replaces):
    """The gateway answers 502 with an HTML page."""

    status: int = 502
    latency: float = 0.2

    def answer(self, request: WireRequest) -> Exchange:
        return status_answer(request, self.status, HTML, latency=self.latency, content_type="text/html")


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
        **often(OVERLOAD, 0.25, harm=2),
    )
)
class ServiceUnavailable(Answers):
    """The provider answers 503 because the model is overloaded."""

    status: int = 503
    message: str = "The model is overloaded; try again later."
    kind: str | None = "service_unavailable_error"
    code: str | int | None = "server_is_overloaded"
    words: ClassVar[Mapping[str, Words]] = {"gemini": Words("The model is overloaded. Please try again later.")}


@register(
    Row(
        id="http_504",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=PASSES,
        why="The next try may be quicker; asking again for a model's answer does no harm.",
        happens="The answer takes longer than a gateway in between allows.",
        agent_should="Retry with backoff, knowing that the first try may still run and be billed; stream long answers.",
        outcome_unknown=True,
        **often(OVERLOAD, 0.08, harm=2),
    )
)
class GatewayTimeout(Answers):
    """A gateway answers 504 after `latency` virtual seconds because the provider took too long."""

    status: int = 504
    message: str = "Gateway timeout."
    kind: str | None = "server_error"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("Request timed out"),
        "gemini": Words("Deadline expired before operation could complete."),
    }
    latency: float = 10.0


@register(
    Row(
        id="http_529_overloaded",
        boundary="provider-http",
        family="overload",
        category="transient",
        scope="host",
        best=PASSES,
        why="Overload passes, if more slowly than a server error.",
        happens="A provider sheds load for all its customers; gateways pass the status on.",
        agent_should="Back off for longer than after a 500, and fail over.",
        **often(OVERLOAD, 0.1, harm=2),
    )
)
class Overloaded(Answers):
    """The provider, or a gateway that passes it on, answers 529."""

    status: int = 529
    message: str = "Overloaded"
    kind: str | None = "overloaded_error"


@register(
    Row(
        id="http_5xx_empty",
        boundary="provider-http",
        family="server error",
        category="transient",
        scope="host",
        best=RETRIED,
        why="As with any server error, a later try meets another server.",
        happens="A process dies while it writes its error, or a proxy drops the body.",
        agent_should="Retry; go by the status, since there is no body to read.",
        **often(OVERLOAD, 0.03, harm=1),
    )
)
class EmptyServerError(Replaces):
    """The provider answers a 5xx status without any body."""

    status: int = 500
    latency: float = 0.2

    def answer(self, request: WireRequest) -> Exchange:
        return status_answer(request, self.status, b"", latency=self.latency)


@register(
    Row(
        id="http_204_206",
        boundary="provider-http",
        family="invalid body",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The next answer is a whole 200.",
        happens="A cache or gateway turns an answer into 204 No Content, or into a 206 that is whole.",
        agent_should="Treat a success without a body as no success; catch ValueError round the call.",
        outcome_unknown=True,
        **often(OVERLOAD, 0.01, harm=2),
    )
)
class OddSuccess(Spoils):
    """The provider answers with a success that is not 200: 204 without a body, or 206 with all of it."""

    status: Literal[204, 206] = 204

    def spoil(self, served: Served) -> Exchange:
        body = (served.exchange.content,) if self.status == 206 else ()
        return rebodied(served.exchange, *body)._replace(status=self.status)
