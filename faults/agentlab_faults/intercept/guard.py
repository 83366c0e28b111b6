"""The guard: connections and look-ups that no seam has seen are stopped and recorded while armed.

An audit hook sees every socket of the interpreter, in every thread. It does not see native code (a Rust or C++ client). Raising alone would
not be loud, because SDKs catch and retry it; the record in `Watch.escaped` is what counts. Loopback and unix sockets pass, and so does the
connecting of a datagram socket, which sends nothing (programs ask for their own address that way).
"""

from __future__ import annotations

import errno
import socket
import sys
from functools import cache
from typing import Any, Final

from agentlab_faults.intercept.arming import Armed, current
from agentlab_faults.intercept.endpoints import is_address, is_loopback, is_telemetry_host
from agentlab_faults.sim.active import is_leftover

__all__ = ["EscapedConnectError", "EscapedLookupError", "stand_guard"]


_WATCHED: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"})
"""Looked at first: the hook is called for every audit event of the interpreter."""


class EscapedConnectError(ConnectionError):
    """A connection that the lab did not intercept was stopped."""


class EscapedLookupError(socket.gaierror):
    """A look-up of a host that the lab does not intercept was stopped."""


@cache
def stand_guard() -> None:
    """Put the hook in, once a process (an audit hook can never be taken out)."""
    own_name = socket.gethostname()

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event not in _WATCHED or (armed := current.armed) is None:
            return
        if event == "socket.connect" and args[0].type != socket.SOCK_DGRAM:
            _connect(armed, "connect", args[1])
        elif event in {"socket.sendto", "socket.sendmsg"}:
            _connect(armed, "send", args[1])
        elif event == "socket.getaddrinfo" and args[0] != own_name:
            _lookup(armed, args[0], args[1])

    sys.addaudithook(hook)


def _connect(armed: Armed, what: str, address: Any) -> None:
    if not isinstance(address, tuple) or not isinstance(address[0], str | bytes | bytearray):
        return
    host, port = _text(address[0]), address[1]
    if is_loopback(host) or host in armed.allow_hosts or port in armed.allowed_ports:
        return
    _record(armed, what, host, port)
    raise EscapedConnectError(errno.ECONNREFUSED, f"agentlab stopped a connection to {host}:{port} that it does not intercept")


def _lookup(armed: Armed, host: str | bytes | None, port: Any) -> None:
    name = _text(host or "").rstrip(".").lower()
    if is_loopback(name) or is_address(name):
        return
    if name in armed.allow_hosts:
        armed.allowed_ports.add(_number(port))
        return
    _record(armed, "lookup", name, port)
    raise EscapedLookupError(socket.EAI_NONAME, f"agentlab stopped a look-up of {name} that it does not intercept")


def _text(host: str | bytes | bytearray) -> str:
    """A host's name, which sockets take as bytes too."""
    return host if isinstance(host, str) else host.decode("latin-1")


def _number(port: int | str | bytes | None) -> int:
    """A port, which a look-up may give by the name of its service."""
    text = _text(port) if isinstance(port, bytes) else str(port or 0)
    return int(text) if text.isdigit() else socket.getservbyname(text)


def _record(armed: Armed, what: str, host: str, port: Any) -> None:
    if is_leftover():
        return
    seen = armed.watch.telemetry if is_telemetry_host(host) else armed.watch.escaped
    text = f"{what} {host}:{port}" if port else f"{what} {host}"
    if text not in seen:
        seen.append(text)
