"""Faults of the boundary content where a 200 holds something else than a completion, and the SDK raises nothing."""

from __future__ import annotations

from typing import Literal

from agentlab_faults.catalogue.rates import CONTENT, PASSES, RETRIED, often
from agentlab_faults.catalogue.wire import JSON_TYPE, encode, status_answer
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.fault import Replaces, Row, register

__all__ = ["PORTAL", "Body", "EmptyObject", "EmptyText", "ErrorAsSuccess", "HtmlPage", "OtherJson"]

PORTAL = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><form action='/login'>Sign in to continue</form></body></html>"


class Body(Replaces):
    """A 200 with a body of its own, `latency` virtual seconds after the request."""

    latency: float = 0.3

    def body(self) -> bytes:
        """The bytes."""
        raise NotImplementedError

    def content_type(self) -> str:
        """The header Content-Type."""
        return JSON_TYPE

    def answer(self, request: WireRequest) -> Exchange:
        """A 200 with that body."""
        return status_answer(request, 200, self.body(), latency=self.latency, content_type=self.content_type())


@register(
    Row(
        id="body_html_200",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="host",
        best=PASSES,
        why="The page is not the provider's; the next answer is.",
        happens="A captive portal, a login proxy or a maintenance page answers 200 in the provider's place.",
        agent_should="Check what the call returned: the SDK hands the page out as a plain str, without any error.",
        streamed="no",
        **often(CONTENT, 0.04, harm=3),
    )
)
class HtmlPage(Body):
    """A 200 with an HTML page."""

    def body(self) -> bytes:
        return PORTAL

    def content_type(self) -> str:
        return "text/html; charset=utf-8"


@register(
    Row(
        id="body_empty_text_ct",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer has a body.",
        happens="A health check or a misrouted path answers in the provider's place.",
        agent_should="Check what the call returned: the SDK hands out an empty str, without any error.",
        streamed="no",
        **often(CONTENT, 0.01, harm=3),
    )
)
class EmptyText(Body):
    """A 200 of plain text that is empty."""

    def body(self) -> bytes:
        return b""

    def content_type(self) -> str:
        return "text/plain; charset=utf-8"


@register(
    Row(
        id="body_json_null_array_string",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer is a completion.",
        happens="A gateway's plugin or a test double returns its own value in place of the completion.",
        agent_should="Check the type of what the call returned before touching it.",
        streamed="no",
        **often(CONTENT, 0.01, harm=2),
    )
)
class OtherJson(Body):
    """A 200 whose JSON is no object."""

    document: Literal["null", "[]", '"hi"'] = "null"

    def body(self) -> bytes:
        return self.document.encode()


@register(
    Row(
        id="body_empty_object",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer has choices.",
        happens="A gateway drops every field that it does not know.",
        agent_should="Check that there is a choice before touching it; the SDK fills the gaps with None.",
        streamed="no",
        **often(CONTENT, 0.01, harm=2),
    )
)
class EmptyObject(Body):
    """A 200 whose JSON object has nothing in it."""

    def body(self) -> bytes:
        return b"{}"


@register(
    Row(
        id="body_error_in_200",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=PASSES,
        why="The error inside is one that passes.",
        happens="Gateways such as OpenRouter that have sent a success before their upstream failed.",
        agent_should="Look for `error` before using the object: the SDK raises nothing and leaves choices None.",
        streamed="no",
        **often(CONTENT, 0.08, harm=2),
    )
)
class ErrorAsSuccess(Body):
    """A 200 whose body is an error object."""

    code: int = 502
    message: str = "Provider returned error"

    def body(self) -> bytes:
        return encode({"error": {"code": self.code, "message": self.message, "metadata": {"raw": "upstream connect error"}}})
