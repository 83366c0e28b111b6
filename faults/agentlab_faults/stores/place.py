"""A connection of redis-py as a fault sees it: its facts, and the exceptions that redis-py raises there."""

from __future__ import annotations

import errno
import sys
from typing import Any

__all__ = ["Place"]

_LOST = "Connection closed by server."


class Place:
    """A connection as a fault sees it: its facts, and the exceptions that redis-py raises there."""

    def __init__(self, connection: Any, *, sync: bool) -> None:
        self._sync = sync
        self._connection = connection
        self._errors: Any = sys.modules["redis.exceptions"]
        self.timeout: float | None = connection.socket_timeout

    @property
    def address(self) -> str:
        """Where the server is: `host:port`, or a socket's path."""
        connection = self._connection
        if type(connection).__module__.startswith("fakeredis") and not hasattr(connection, "agentlab_served"):
            return "fakeredis"
        path = getattr(connection, "path", None)
        return str(path) if path else f"{getattr(connection, 'host', 'localhost')}:{getattr(connection, 'port', 6379)}"

    def refused(self) -> OSError:
        """What the operating system says where nobody listens."""
        host, port = getattr(self._connection, "host", "localhost"), getattr(self._connection, "port", 6379)
        return ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused" if self._sync else f"Connect call failed ('{host}', {port})")

    def replied(self, line: str) -> Exception:
        """The exception of an error reply, found by redis-py's own table."""
        parser: Any = sys.modules["redis._parsers.base"]
        made: Exception = parser.BaseParser.parse_error(line)
        return made

    def timed_out(self) -> Exception:
        """The reply did not come in time."""
        return self._made("TimeoutError", "Timeout reading from socket" if self._sync else f"Timeout reading from {self.address}")

    def closed(self) -> Exception:
        """The server closed the connection."""
        return self._made("ConnectionError", _LOST)

    def reset(self) -> Exception:
        """The connection was reset."""
        return self._made("ConnectionError", f"Error while reading from {self.address} : (104, 'Connection reset by peer')")

    def unreadable(self, garbage: bytes) -> Exception:
        """Bytes that are no reply."""
        return self._made("InvalidResponse", f"Protocol Error: {garbage!r}")

    def is_reply(self, error: BaseException) -> bool:
        """Whether the server replied with an error and the connection is kept."""
        return isinstance(error, self._errors.ResponseError)

    def _made(self, name: str, text: str) -> Exception:
        made: Exception = getattr(self._errors, name)(text)
        return made
