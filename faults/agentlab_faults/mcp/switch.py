"""The switch: which run watches the MCP clients of the process now."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from agentlab_faults.fault import McpStrike
from agentlab_faults.played import McpServer

__all__ = ["Board", "Message", "Request", "address_of", "completed", "current", "watching"]

Message = dict[str, Any]

_ENVELOPE: Final = "io.modelcontextprotocol/protocolVersion"
"""What each request says since MCP of 2026-07-28, which has no handshake any more."""


class Request(Protocol):
    """One attempt at a request to a server, as the run sees it."""

    message: Message
    strike: McpStrike | None

    def answered(self) -> Message:
        """The lab's own answer; a tool commits here."""
        ...

    def struck(self, *, changed: bool) -> None:
        """The fault has acted."""
        ...

    def ended(self, end: str, detail: str = "", *, spoiled: bool = False) -> None:
        """The attempt is over."""
        ...


class Board(Protocol):
    """A run of the lab, as the transports see it."""

    def served(self, address: str) -> McpServer | None:
        """The suite's server at this address; None lets the client through to a real one."""
        ...

    def begin(self, message: Message, address: str, transport: str) -> Request | None:
        """A new attempt; None for what is no point (notifications, `ping` ...) and after the run."""
        ...

    def plainly(self, message: Message, address: str) -> Message:
        """The lab's answer to what is no point."""
        ...


class _Current:
    __slots__ = ("board",)

    def __init__(self) -> None:
        self.board: Board | None = None


_current = _Current()


@contextlib.contextmanager
def watching(board: Board) -> Iterator[None]:
    """Let `board` see every request while the block lasts."""
    before, _current.board = _current.board, board
    try:
        yield
    finally:
        _current.board = before


def current() -> Board | None:
    """The run that watches now."""
    return _current.board


def address_of(command: str, arguments: Sequence[str]) -> str:
    """A server that is a program: its name and its first argument's, without the folders that they lie in."""
    words = [command, *arguments[:1]]
    return " ".join(word.replace("\\", "/").rstrip("/").rpartition("/")[2] for word in words)


def completed(shown: Message, asked: Message) -> Message:
    """An answer in a real server's name, with what the newest protocol wants of each result, if the request is of that protocol."""
    result, params = shown.get("result"), asked.get("params")
    about = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(result, dict) or not isinstance(about, dict) or _ENVELOPE not in about:
        return shown
    return shown | {"result": {"resultType": "complete"} | result}
