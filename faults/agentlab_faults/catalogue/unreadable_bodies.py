"""Faults of the boundary content where a 200 has a body that cannot be parsed: the SDK lets the parser's error out raw."""

from __future__ import annotations

from agentlab_faults.catalogue.rates import CONTENT, PASSES, RETRIED, often
from agentlab_faults.catalogue.wire import halves, rebodied
from agentlab_faults.catalogue.wrong_bodies import PORTAL, Body
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Row, Served, Spoils, register

__all__ = ["DeepNesting", "EmptyJson", "HtmlAsJson", "InvalidUtf8", "TrailingGarbage", "TruncatedJson"]


@register(
    Row(
        id="body_html_200_as_json",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The page is not the provider's; the next answer is.",
        happens="A gateway sets its usual content type on its upstream's error page.",
        agent_should="Catch ValueError round the call as well as the SDK's errors, and retry.",
        streamed="no",
        **often(CONTENT, 0.01, harm=2),
    )
)
class HtmlAsJson(Body):
    """A 200 that says it is JSON and is an HTML page."""

    def body(self) -> bytes:
        return PORTAL


@register(
    Row(
        id="body_truncated_json",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=PASSES,
        why="The next answer is whole; the half one is never usable.",
        happens="A gateway or proxy cuts a body at its buffer's end and sets Content-Length to what is left.",
        agent_should="Catch ValueError round the call as well as the SDK's errors (the SDK lets the JSON error out raw), and retry.",
        outcome_unknown=True,
        streamed="no",
        **often(CONTENT, 0.05, harm=2),
    )
)
class TruncatedJson(Spoils):
    """The answer's JSON ends in the middle, with a Content-Length that fits."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, halves(served.exchange.content)[0])


@register(
    Row(
        id="body_empty_json_ct",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer has a body.",
        happens="A gateway loses its upstream after it has sent the headers of a success.",
        agent_should="Treat it as a failed try and retry.",
        outcome_unknown=True,
        streamed="no",
        **often(CONTENT, 0.03, harm=2),
    )
)
class EmptyJson(Body):
    """A 200 that says it is JSON and has no byte of it."""

    def body(self) -> bytes:
        return b""


@register(
    Row(
        id="body_trailing_garbage",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer ends where it should.",
        happens="A proxy appends a comment or a second document to the body.",
        agent_should="Catch ValueError round the call and retry.",
        outcome_unknown=True,
        streamed="no",
        **often(CONTENT, 0.01, harm=2),
    )
)
class TrailingGarbage(Spoils):
    """The answer's JSON is followed by other text."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, served.exchange.content + b"\n<!-- served by cache-7 -->\n")


@register(
    Row(
        id="body_invalid_utf8",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer is text again.",
        happens="A gateway cuts a character in two where it joins chunks, or mixes up encodings.",
        agent_should="Catch ValueError round the call (UnicodeDecodeError is one) and retry.",
        outcome_unknown=True,
        streamed="no",
        **often(CONTENT, 0.005, harm=2),
    )
)
class InvalidUtf8(Spoils):
    """The answer's bytes are not UTF-8."""

    def spoil(self, served: Served) -> Exchange:
        whole = served.exchange.content
        at = _inside(whole, served)
        return rebodied(served.exchange, whole[:at] + b"\xff" + whole[at:])


def _inside(whole: bytes, served: Served) -> int:
    """The middle of the body; of Gemini's, a place inside a text, since its SDK reads such a byte as a character of its own."""
    if served.api != "gemini.generate":
        return len(whole) // 2
    text = served.answer.content or served.answer.calls[0].name
    return whole.index(text[:8].encode()) + 1


@register(
    Row(
        id="body_deep_nesting",
        boundary="content",
        family="invalid body",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The next answer is a completion.",
        happens="A hostile or broken gateway sends JSON that is deeper than any parser's stack.",
        agent_should="Catch RecursionError round the call: it is a RuntimeError, neither a ValueError nor the SDK's.",
        streamed="no",
        **often(CONTENT, 0.001, harm=2),
    )
)
class DeepNesting(Body):
    """A 200 whose JSON is `depth` arrays inside each other."""

    depth: int = 100_000

    def body(self) -> bytes:
        return b"[" * self.depth + b"]" * self.depth
