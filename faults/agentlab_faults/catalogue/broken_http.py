"""Faults of the boundary network in HTTP itself: what comes back is no HTTP that a client can read."""

from __future__ import annotations

from agentlab_faults.catalogue.rates import PASSES, RETRIED, STAYS, TRANSPORT, often
from agentlab_faults.catalogue.wire import rebodied, status_answer
from agentlab_faults.exchange import Break, Exchange, Pause, WireRequest
from agentlab_faults.fault import Replaces, Row, Served, Spoils, register

__all__ = ["BadChunkHeader", "BadContentEncoding", "BadStatusLine", "HugeHeader", "RedirectNowhere"]


@register(
    Row(
        id="net_bad_status_line",
        boundary="network",
        family="broken http",
        category="transient",
        scope="host",
        best=RETRIED,
        why="Another connection meets a sane server.",
        happens="A port is shared with another protocol for a moment, or a middlebox answers in its own words.",
        agent_should="Retry, then fail over.",
        **often(TRANSPORT, 0.005, harm=1),
    )
)
class BadStatusLine(Replaces):
    """The server answers with bytes that are not HTTP."""

    latency: float = 0.05

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        broken = Break("RemoteProtocolError", "illegal status line: bytearray(b'garbage')", raw=b"garbage\r\n\r\n")
        return Exchange(before=(Pause(self.latency), broken))


@register(
    Row(
        id="net_bad_chunk_header",
        boundary="network",
        family="broken http",
        category="transient",
        scope="host",
        best=RETRIED,
        why="The answer is lost, the next one is framed well.",
        happens="A proxy rewrites a chunked body and gets a chunk's size wrong.",
        agent_should="Retry, then fail over.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.005, harm=1),
    )
)
class BadChunkHeader(Spoils):
    """A chunked body begins with a size that is no number."""

    def spoil(self, served: Served) -> Exchange:
        broken = Break("RemoteProtocolError", "illegal chunk header: bytearray(b'ZZZ\\r\\n')", raw=b"ZZZ\r\n")
        return rebodied(served.exchange, broken, length=None)


@register(
    Row(
        id="net_huge_header",
        boundary="network",
        family="broken http",
        category="permanent",
        scope="host",
        best=RETRIED,
        why="One odd answer is worth one retry; a host that always sends it is of no use.",
        happens="A gateway puts a debug trace or a cookie of 200 KB into its headers.",
        agent_should="Stop after a retry: the answer will be the same. Fail over and tell someone.",
        **often(TRANSPORT, 0.002, harm=1),
    )
)
class HugeHeader(Replaces):
    """The answer's headers are larger than the client's buffer."""

    latency: float = 0.2

    def answer(self, request: WireRequest) -> Exchange:
        del request  # every request fares alike
        raw = b"HTTP/1.1 200 OK\r\nx-debug-trace: " + b"x" * 200_000 + b"\r\n\r\n"
        return Exchange(before=(Pause(self.latency), Break("RemoteProtocolError", "Receive buffer too long", raw=raw)))


@register(
    Row(
        id="net_bad_content_encoding",
        boundary="network",
        family="broken http",
        category="transient",
        scope="host",
        best=PASSES,
        why="The bytes cannot be read, the next ones can.",
        happens="A proxy decompresses a body and forgets to drop the header that says gzip.",
        agent_should="Retry, then fail over.",
        outcome_unknown=True,
        **often(TRANSPORT, 0.005, harm=1),
    )
)
class BadContentEncoding(Spoils):
    """The headers say gzip but the body is plain text."""

    def spoil(self, served: Served) -> Exchange:
        plain = rebodied(served.exchange, served.exchange.content)
        return Exchange(plain.status, (*plain.headers, ("content-encoding", "gzip")), plain.body, plain.before)


@register(
    Row(
        id="net_redirect_no_location",
        boundary="network",
        family="broken http",
        category="permanent",
        scope="host",
        best=STAYS,
        why="A redirect to nowhere is configuration; asking again changes nothing.",
        happens="A base URL lost its path or its trailing slash, or a login proxy stands in front of the gateway.",
        agent_should="Do not retry; name the URL and fail over.",
        **often(TRANSPORT, 0.003, harm=2),
    )
)
class RedirectNowhere(Replaces):
    """The host answers with a redirect that names no place to go."""

    status: int = 302
    latency: float = 0.1

    def answer(self, request: WireRequest) -> Exchange:
        return status_answer(request, self.status, b"", latency=self.latency, content_type="text/html")
