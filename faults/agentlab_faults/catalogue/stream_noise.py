"""Faults of the boundary stream in what it holds: garbage, noise, the wrong kind of body, events twice or missing."""

from __future__ import annotations

from collections.abc import Sequence

from agentlab_faults.catalogue.events import StrikesEvent, written
from agentlab_faults.catalogue.rates import HARMLESS, HIDDEN, PASSES, RETRIED, STREAM, often
from agentlab_faults.catalogue.wire import HTML, JSON_TYPE, encode, rebodied
from agentlab_faults.exchange import Exchange, Part, Pause
from agentlab_faults.fault import Row, Served, Spoils, register

__all__ = [
    "DuplicateChunk",
    "EmptyData",
    "EmptyStream",
    "GarbageChunk",
    "HtmlInsteadOfStream",
    "InvalidUtf8Chunk",
    "JsonInsteadOfStream",
    "KeepAliveComments",
    "SplitBytes",
]

NOTHING = "Zero events are a failure: no SDK raises for them."


class _SaysMore(StrikesEvent):
    """Puts an event before the struck one."""

    def more(self, like: bytes) -> bytes:
        """The event to put there."""
        raise NotImplementedError

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        """The stream with one event more."""
        del served
        return (*before, self.more(event), event, *after)


@register(
    Row(
        id="stream_garbage_chunk",
        boundary="stream",
        family="unreadable stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="The SDK raises ValueError, which a retry gets over.",
        happens="A gateway cuts an event in two, or writes an error message of its own into the stream.",
        agent_should="Catch ValueError as well as the SDK's errors; discard the partial text and retry.",
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.02, harm=2),
    )
)
class GarbageChunk(_SaysMore):
    """An event holds data that is no JSON."""

    data: str = "{not json"

    def more(self, like: bytes) -> bytes:
        return written(self.data.encode(), like=like)


@register(
    Row(
        id="stream_invalid_utf8",
        boundary="stream",
        family="unreadable stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="The SDK raises UnicodeDecodeError, a ValueError, which a retry gets over.",
        happens="A proxy cuts a character in two, or memory is corrupted on the way.",
        agent_should="Catch ValueError as well as the SDK's errors; discard the partial text and retry.",
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.01, harm=2),
    )
)
class InvalidUtf8Chunk(_SaysMore):
    """An event holds bytes that are no UTF-8."""

    def more(self, like: bytes) -> bytes:
        return written(b"\xff\xfe", like=like)


@register(
    Row(
        id="stream_empty_data",
        boundary="stream",
        family="unreadable stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="Where the SDK raises, it is a ValueError, which a retry gets over.",
        happens="A gateway writes the line and forgets its data, or uses it to keep the connection alive.",
        agent_should="Catch ValueError as well as the SDK's errors; discard the partial text and retry.",
        streamed="only",
        at_event=True,
        outcome_unknown=True,
        **often(STREAM, 0.01, harm=2),
    )
)
class EmptyData(_SaysMore):
    """A line `data:` has nothing behind it."""

    def more(self, like: bytes) -> bytes:
        return b"data:\r\n\r\n" if b"\r\n" in like else b"data:\n\n"


@register(
    Row(
        id="stream_keepalive_comment",
        boundary="stream",
        family="odd stream",
        category="none",
        scope="host",
        best=RETRIED,
        why="Clients of OpenAI and Anthropic pass over comments; google-genai raises at each, and then only a path without them helps.",
        happens="OpenRouter and proxies send comments so that nothing on the way closes a silent connection.",
        agent_should="Nothing, but for google-genai: no proxy that adds comments may stand before Gemini.",
        streamed="only",
        **often(STREAM, 0.03, harm=1),
    )
)
class KeepAliveComments(Spoils):
    """A comment stands before each event, or before the named one alone."""

    comment: str = "keep-alive"

    def spoil(self, served: Served) -> Exchange:
        noisy: list[Part] = []
        number = 0
        for part in served.exchange.body:
            number += isinstance(part, bytes)
            if isinstance(part, bytes) and served.chunk in (None, number):
                noisy.append(f": {self.comment}\n\n".encode())
            noisy.append(part)
        return served.exchange._replace(body=tuple(noisy))


@register(
    Row(
        id="stream_empty_200",
        boundary="stream",
        family="no stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="An answer without a single event is seen to be none; the next one has events.",
        happens="A proxy that cannot stream gives the headers and loses the body.",
        agent_should=NOTHING,
        streamed="only",
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class EmptyStream(Spoils):
    """Status 200 and the headers of a stream, without a byte of body."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange)


@register(
    Row(
        id="stream_html_200",
        boundary="stream",
        family="no stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="An answer without a single event is seen to be none; the next one has events.",
        happens="A captive portal or a company's proxy answers with a page of its own.",
        agent_should=NOTHING,
        streamed="only",
        outcome_unknown=True,
        **often(STREAM, 0.02, harm=3),
    )
)
class HtmlInsteadOfStream(Spoils):
    """Status 200 and an HTML page instead of a stream."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, HTML, content_type="text/html")


@register(
    Row(
        id="stream_json_not_sse",
        boundary="stream",
        family="no stream",
        category="transient",
        scope="host",
        best=PASSES,
        why="An answer without a single event is seen to be none; the next one has events.",
        happens="A gateway that cannot stream, or a cache in it, answers in one piece.",
        agent_should=NOTHING,
        streamed="only",
        outcome_unknown=True,
        **often(STREAM, 0.02, harm=3),
    )
)
class JsonInsteadOfStream(Spoils):
    """The answer comes in one piece of JSON instead of a stream."""

    def spoil(self, served: Served) -> Exchange:
        return rebodied(served.exchange, encode(served.payload), content_type=JSON_TYPE)


@register(
    Row(
        id="stream_dup_chunk",
        boundary="stream",
        family="odd stream",
        category="semantic",
        scope="host",
        best=HIDDEN,
        why="Only Responses numbers its events; elsewhere a text that says something twice looks like any other.",
        happens="A gateway sends an event again after it has reconnected to its upstream.",
        agent_should="Check sequence_number where there is one; validate what the text says where it matters.",
        streamed="only",
        at_event=True,
        **often(STREAM, 0.01, harm=3),
    )
)
class DuplicateChunk(StrikesEvent):
    """An event is sent twice."""

    def strike(self, served: Served, before: Sequence[Part], event: bytes, after: Sequence[Part]) -> Sequence[Part]:
        del served
        return (*before, event, event, *after)


@register(
    Row(
        id="stream_split_bytes",
        boundary="stream",
        family="odd stream",
        category="none",
        scope="host",
        best=HARMLESS,
        why="Every byte comes, in its order.",
        happens="Networks cut where they like: in a line, and in a character.",
        agent_should="Nothing: it is a test of the parser.",
        streamed="only",
        **often(STREAM, 0.02, harm=1),
    )
)
class SplitBytes(Spoils):
    """Each read gives `size` bytes, and each event takes `slower` virtual seconds more for it."""

    size: int = 1
    slower: float = 0.01

    def spoil(self, served: Served) -> Exchange:
        split: list[Part] = []
        for part in served.exchange.body:
            if isinstance(part, bytes):
                split.append(Pause(self.slower))
                split += [part[at : at + self.size] for at in range(0, len(part), self.size)]
            else:
                split.append(part)
        return served.exchange._replace(body=tuple(split))
