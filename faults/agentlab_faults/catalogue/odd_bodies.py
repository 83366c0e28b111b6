"""Faults of the boundary content that leave the answer usable, if it is taken with care: odd characters, odd numbers, odd spacing."""

from __future__ import annotations

import math
from dataclasses import replace

from agentlab_faults.catalogue.rates import CONTENT, HARMLESS, often
from agentlab_faults.catalogue.wire import rebodied
from agentlab_faults.dialects import Answer, Usage
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Rewrites, Row, Served, Spoils, register

__all__ = ["ByteOrderMark", "LeadingWhitespace", "LoneSurrogate", "NotANumber", "NulCharacter", "TenMegabytes"]


def _appended(answer: Answer, text: str) -> Answer:
    """The answer with `text` at the end of its content."""
    return replace(answer, content=(answer.content or "") + text)


@register(
    Row(
        id="body_bom",
        boundary="content",
        family="odd body",
        category="transient",
        scope="model",
        best=HARMLESS,
        why="The answer is all there behind three bytes; the SDK takes it, a bare json.loads of text does not.",
        happens="A gateway on Windows writes its answers with a byte order mark.",
        agent_should="Read the body as the SDK does, or decode it as utf-8-sig.",
        streamed="no",
        **often(CONTENT, 0.005, harm=1),
    )
)
class ByteOrderMark(Spoils):
    """The answer's JSON begins with a UTF-8 byte order mark."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, b"\xef\xbb\xbf" + served.exchange.content)


@register(
    Row(
        id="body_leading_whitespace",
        boundary="content",
        family="odd body",
        category="none",
        scope="model",
        best=HARMLESS,
        why="White space before JSON is JSON.",
        happens="Gateways such as OpenRouter and DeepSeek send newlines to keep the connection alive while the model thinks.",
        agent_should="Nothing.",
        streamed="no",
        **often(CONTENT, 0.03, harm=1),
    )
)
class LeadingWhitespace(Spoils):
    """The answer's JSON follows `newlines` line ends."""

    newlines: int = 40

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, b"\n" * self.newlines + served.exchange.content)


@register(
    Row(
        id="body_nan",
        boundary="content",
        family="odd body",
        category="transient",
        scope="model",
        best=HARMLESS,
        why="The answer itself is good; only a sum of tokens that takes the number in is spoiled.",
        happens="A gateway's own token counting divides by zero.",
        agent_should="Check that counts are whole numbers: one NaN makes every later budget check pass.",
        **often(CONTENT, 0.002, harm=3),
    )
)
class NotANumber(Rewrites):
    """The answer's token counts are NaN."""

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, usage=Usage(math.nan, math.nan, math.nan))


@register(
    Row(
        id="body_lone_surrogate",
        boundary="content",
        family="odd body",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="The answer is good once the half character is replaced; left in the history it stops every later call before it is sent.",
        happens="A tokenizer or a proxy cuts an emoji in two.",
        agent_should="Clean model output on receipt (encode with errors='replace'), before it enters history, logs or a store.",
        **often(CONTENT, 0.01, harm=3),
    )
)
class LoneSurrogate(Spoils):
    """The answer's text ends in half of a surrogate pair."""

    def spoil(self, served: Served) -> Exchange:
        mark = "\ue000"  # stands for the half, which no encoder of ours lets through
        escaped = served.rendered(_appended(served.answer, f" {mark}"))
        body = tuple(part.replace(mark.encode(), b"\\ud83d") if isinstance(part, bytes) else part for part in escaped.body)
        return escaped._replace(body=body)


@register(
    Row(
        id="body_10mb",
        boundary="content",
        family="odd body",
        category="context",
        scope="model",
        best=HARMLESS,
        why="The answer stands before the blanks, which can be cut off.",
        happens="A model falls into repeating line ends or blanks until its output limit, mostly where JSON was asked for.",
        agent_should="Cap what enters the history and the reply: at most so many bytes a message.",
        answer="text",
        streamed="no",
        **often(CONTENT, 0.002, harm=2),
    )
)
class TenMegabytes(Rewrites):
    """Behind the answer's text come `megabytes` million blanks."""

    megabytes: int = 10

    def rewrite(self, answer: Answer) -> Answer:
        return _appended(answer, " " * (self.megabytes * 1_000_000))


@register(
    Row(
        id="body_nul_char",
        boundary="content",
        family="odd body",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="The answer is good once the character is taken out.",
        happens="A model repeats binary rubbish from a tool's result.",
        agent_should="Take NUL out before the text goes to PostgreSQL or anything written in C.",
        **often(CONTENT, 0.005, harm=2),
    )
)
class NulCharacter(Rewrites):
    """The answer's text ends in a NUL character."""

    def rewrite(self, answer: Answer) -> Answer:
        return _appended(answer, "\x00")
