"""Faults of the boundary mcp on the way to a server: HTTP, streams of events, and the process behind stdio."""

from __future__ import annotations

import math
from typing import Final, Literal

from agentlab_faults.catalogue.rates import MCP, RETRIED, STAYS, often
from agentlab_faults.exchange import Break, Exchange, Pause
from agentlab_faults.fault import BreaksMcp, McpCall, McpStrike, Row, register
from agentlab_faults.mcp.http import LOST_EVENT, as_json, as_sse

__all__ = [
    "AcceptedOnly",
    "BadJson",
    "HtmlPage",
    "HttpStatus",
    "ProcessExits",
    "ProcessHangs",
    "ProcessPrints",
    "ProgramMissing",
    "ServerUnreachable",
    "SessionLost",
    "StreamCut",
    "StreamCutResumable",
]

STARTS: Final = frozenset({"initialize"})


@register(
    Row(
        id="mcp_http_401_403_429_5xx",
        boundary="mcp",
        family="mcp http",
        category="transient",
        scope="server",
        best=RETRIED,
        why="The client makes the same MCPError of every status and drops Retry-After, so a bounded retry is all that can be done.",
        happens="The gateway in front of the server limits, refuses or is overloaded.",
        agent_should="Retry a few times with a pause; where it matters, look at the server's status by another way.",
        kinds=frozenset({"mcp"}),
        transport="http",
        **often(MCP, 0.12, harm=2),
    )
)
class HttpStatus(BreaksMcp):
    """The server answers with an HTTP error and a body that is no JSON-RPC."""

    status: Literal[401, 403, 429, 500, 502, 503] = 503

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, http=self._refused)

    def _refused(self, body: bytes) -> Exchange:
        del body  # nothing of the server's own answer is left
        later = (("retry-after", "2"),) if self.status == 429 else ()
        text = b"upstream unavailable"
        headers = (("content-type", "text/plain"), ("content-length", str(len(text))), *later)
        return Exchange(status=self.status, headers=headers, body=(text,))


@register(
    Row(
        id="mcp_session_lost",
        boundary="mcp",
        family="mcp session",
        category="transient",
        scope="server",
        best=RETRIED,
        why="A new session can be opened at once; the old one stays dead.",
        happens="The server was restarted, or a balancer leads to another instance.",
        agent_should="Open a new session (initialize) and call again if that does no harm.",
        kinds=frozenset({"mcp"}),
        methods=frozenset({"tools/list", "tools/call"}),
        transport="http",
        **often(MCP, 0.05, harm=2),
    )
)
class SessionLost(BreaksMcp):
    """The server does not know the session any more: HTTP 404."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, http=lambda _: Exchange(status=404, headers=(("content-length", "0"),)))


@register(
    Row(
        id="mcp_sse_cut",
        boundary="mcp",
        family="mcp stream",
        category="transient",
        scope="server",
        best=RETRIED,
        why="The client says that the stream ended without a response; whether the tool ran is not known.",
        happens="A proxy ends idle streams, or the server dies while a tool runs.",
        agent_should="Retry if it does no harm; read back before repeating a write.",
        kinds=frozenset({"mcp"}),
        transport="http",
        outcome_unknown=True,
        **often(MCP, 0.06, harm=3),
    )
)
class StreamCut(BreaksMcp):
    """The stream of events ends, or is reset, before the answer; it cannot be resumed."""

    ends: Literal["closed", "reset"] = "closed"

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(http=self._cut)

    def _cut(self, body: bytes) -> Exchange:
        del body  # it never comes
        stream = as_sse(b": ping\n\n")
        end = Break("ReadError", "[Errno 104] Connection reset by peer", ConnectionResetError(104, "Connection reset by peer"))
        return stream if self.ends == "closed" else stream._replace(body=(*stream.body, end))


@register(
    Row(
        id="mcp_sse_cut_resumable",
        boundary="mcp",
        family="mcp stream",
        category="transient",
        scope="server",
        best=RETRIED,
        why="The client comes back by itself with Last-Event-ID after a second, and gets its answer if the server still has it.",
        happens="As a cut stream, with a server that numbers its events.",
        agent_should="Nothing: the client resumes twice by itself.",
        kinds=frozenset({"mcp"}),
        methods=frozenset({"tools/list", "tools/call"}),
        transport="http",
        outcome_unknown=True,
        **often(MCP, 0.03, harm=1),
    )
)
class StreamCutResumable(BreaksMcp):
    """The stream ends before the answer, after an event with an id: the client comes back for the rest."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(http=lambda _: as_sse(f"id: {LOST_EVENT}\ndata:\n\n".encode()))


@register(
    Row(
        id="mcp_bad_json",
        boundary="mcp",
        family="mcp http",
        category="transient",
        scope="server",
        best=RETRIED,
        why="The next answer is whole again.",
        happens="A proxy cuts the body, or two answers run into each other.",
        agent_should="Retry once if that does no harm.",
        kinds=frozenset({"mcp"}),
        transport="http",
        outcome_unknown=True,
        **often(MCP, 0.02, harm=2),
    )
)
class BadJson(BreaksMcp):
    """The body, or the event of the stream, is no JSON."""

    body: Literal["garbage", "empty", "event"] = "garbage"

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(http=self._spoiled)

    def _spoiled(self, body: bytes) -> Exchange:
        if self.body == "event":
            return as_sse(b"data: {not json\n\n")
        return as_json(b"" if self.body == "empty" else body[: len(body) // 2])


@register(
    Row(
        id="mcp_html_200",
        boundary="mcp",
        family="mcp http",
        category="permanent",
        scope="server",
        best=STAYS,
        why="A page is what the address gives, at every try.",
        happens="A login page or a captive portal stands before the server, or the path is wrong.",
        agent_should="Take it for a wrong configuration and say so.",
        kinds=frozenset({"mcp"}),
        transport="http",
        **often(MCP, 0.02, harm=2),
    )
)
class HtmlPage(BreaksMcp):
    """The server's address answers 200 with an HTML page."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, http=self._page)

    def _page(self, body: bytes) -> Exchange:
        del body  # nothing of the server's own answer is left
        page = b"<!doctype html><title>Sign in</title>"
        return Exchange(headers=(("content-type", "text/html; charset=utf-8"), ("content-length", str(len(page)))), body=(page,))


@register(
    Row(
        id="mcp_202_to_request",
        boundary="mcp",
        family="mcp http",
        category="permanent",
        scope="server",
        best=STAYS,
        why="A server that takes requests for notifications does so each time.",
        happens="A bug of the server, or a queue in front of it that answers at once.",
        agent_should="Report it as the server's bug; the work may have been done.",
        kinds=frozenset({"mcp"}),
        transport="http",
        outcome_unknown=True,
        **often(MCP, 0.01, harm=2),
    )
)
class AcceptedOnly(BreaksMcp):
    """The server answers a request with 202 and no body."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(http=lambda _: Exchange(status=202, headers=(("content-length", "0"),)))


@register(
    Row(
        id="mcp_connect_error",
        boundary="mcp",
        family="mcp connection",
        category="transient",
        scope="server",
        best=RETRIED,
        why="The session dies with its transport; a new one can be opened when the server is back.",
        happens="The server is down, or the network to it.",
        agent_should="Wrap the whole session, use except*, open a new one; call_tool raises CancelledError, which is no Exception.",
        kinds=frozenset({"mcp"}),
        transport="http",
        **often(MCP, 0.04, harm=3),
    )
)
class ServerUnreachable(BreaksMcp):
    """The connection to the server is refused, or no answer comes within the HTTP client's own timeout."""

    how: Literal["refused", "read_timeout"] = "refused"

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, http=self._unreachable)

    def _unreachable(self, body: bytes) -> Exchange:
        del body  # nobody answers
        if self.how == "read_timeout":
            return Exchange(before=(Pause(math.inf),))
        return Exchange(
            before=(Break("ConnectError", "All connection attempts failed", ConnectionRefusedError(111, "Connection refused")),)
        )


@register(
    Row(
        id="mcp_stdio_exit",
        boundary="mcp",
        family="mcp process",
        category="permanent",
        scope="server",
        best=RETRIED,
        why="A process that crashed once may start at the next try; if it exits each time, its tools are not to be had.",
        happens="A missing dependency, a bad configuration, a port that is taken.",
        agent_should="Restart it with a pause, then give up and do without its tools.",
        kinds=frozenset({"mcp"}),
        methods=STARTS,
        transport="stdio",
        **often(MCP, 0.02, harm=2),
    )
)
class ProcessExits(BreaksMcp):
    """The server's process exits at once."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, exits=True)


@register(
    Row(
        id="mcp_stdio_garbage",
        boundary="mcp",
        family="mcp process",
        category="permanent",
        scope="server",
        best=RETRIED,
        why="The client skips such lines; the answer does not come, and the process ends some seconds later.",
        happens="A print() or a banner on the stdout that belongs to the protocol, and then a crash.",
        agent_should="Set timeouts; have servers log to stderr.",
        kinds=frozenset({"mcp"}),
        methods=STARTS,
        transport="stdio",
        **often(MCP, 0.01, harm=2),
    )
)
class ProcessPrints(BreaksMcp):
    """The server's process prints lines that are no messages, answers nothing and exits."""

    line: str = "Loading plugins ..."
    seconds: float = 3.0

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, lines=(self.line,), exits=True, delay=self.seconds)


@register(
    Row(
        id="mcp_stdio_missing_binary",
        boundary="mcp",
        family="mcp process",
        category="permanent",
        scope="server",
        best=STAYS,
        why="A program that is not installed is not there at the next try either.",
        happens="The image or the machine lacks npx, uvx or the server itself.",
        agent_should="Catch OSError where the session is opened, and say which tools are missing.",
        kinds=frozenset({"mcp"}),
        methods=STARTS,
        transport="stdio",
        **often(MCP, 0.01, harm=2),
    )
)
class ProgramMissing(BreaksMcp):
    """The server's program is not there."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, missing=True)


@register(
    Row(
        id="mcp_stdio_hang",
        boundary="mcp",
        family="mcp process",
        category="permanent",
        scope="server",
        best=RETRIED,
        why="Killed and started again the process may answer; without a timeout nobody notices.",
        happens="The server waits for a lock, a network or a prompt while it starts.",
        agent_should="Set a timeout on initialize, kill the process, start it once more.",
        kinds=frozenset({"mcp"}),
        methods=STARTS,
        transport="stdio",
        **often(MCP, 0.01, harm=3),
    )
)
class ProcessHangs(BreaksMcp):
    """The server's process starts and never answers initialize."""

    def strike(self, call: McpCall) -> McpStrike:
        del call  # every request fares alike
        return McpStrike(runs=False, silent=True)
