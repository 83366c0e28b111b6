"""The seam of urllib3 2, and with it of requests, botocore and google-auth: one attempt of one request.

The user's `Retry` lies above and runs for real. The connection gets a socket in memory, so that urllib3 and http.client do all the rest.
Mocks: vcrpy's connections are told by where their `connect` comes from; `responses` takes requests' adapter, requests-mock puts in its own.
"""

from __future__ import annotations

import functools
import inspect
import ssl
import weakref
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.intercept.arming import Armed, current
from agentlab_faults.intercept.asking import LeftToMock, ask, over_a_mock
from agentlab_faults.intercept.headers import RawHeaders
from agentlab_faults.intercept.seam import Cover, Door, Method, Place, Seam, bound, package_of
from agentlab_faults.intercept.urllib3_socket import Refusals, SocketInMemory

__all__ = ["requests_mock_seams", "requests_seams", "urllib3_seams"]

_CONNECTIONS: Final = frozenset({"urllib3", "botocore"})
"""Packages whose connections go to the network."""
_PORTS: Final = {"http": 80, "https": 443}


def urllib3_seams(module: ModuleType) -> list[Place]:
    """Put the seams into urllib3 2 and return them; none into a stand-in or an older one (the guard sees what it sends)."""
    pools: Any = getattr(module, "connectionpool", None)
    pool: Any = getattr(pools, "HTTPConnectionPool", object)
    if "_make_request" not in vars(pool) or "response_conn" not in inspect.signature(pool._make_request).parameters:
        return []
    attempts = _Attempts(module)
    return [
        Seam("urllib3", pool, "_make_request", attempts.seam),
        Seam("urllib3", pools.HTTPSConnectionPool, "_prepare_proxy", attempts.tunnel_seam),
    ]


def requests_seams(module: ModuleType) -> list[Place]:
    """Where `responses` and others put their mock for requests."""
    adapter = getattr(getattr(module, "adapters", None), "HTTPAdapter", object)
    session = getattr(module, "Session", object)
    if "send" not in vars(adapter) or "send" not in vars(session):
        return []
    cover = Cover("requests", adapter, "send", _over_mock)
    return [cover, Door("requests", session, "send", [cover])]


def requests_mock_seams(module: ModuleType) -> list[Place]:
    """The adapter of requests-mock."""
    adapter = getattr(module, "Adapter", object)
    return [Seam("requests_mock", adapter, "send", _over_adapter, mock=True)] if "send" in vars(adapter) else []


class _Attempts:
    """Attempts at requests, played instead of sent."""

    def __init__(self, module: Any) -> None:
        self._urllib3 = module
        self._kinds = {"http": module.connection.HTTPConnection, "https": module.connection.HTTPSConnection}
        self._untunnelled: weakref.WeakSet[Any] = weakref.WeakSet()
        """Connections that have been spared the way to their proxy, in case that the lab answers."""
        self._prepare_proxy: Method | None = None

    def seam(self, below: Method, mocked: bool) -> Method:
        """The wrapper of `HTTPConnectionPool._make_request`."""
        del mocked  # told by the connection

        @functools.wraps(below)
        def make_request(pool: Any, conn: Any, method: str, url: str, **how: Any) -> Any:
            armed = current.armed
            if armed is None or _left_to_mock(armed, pool, conn, method, url):
                return below(pool, conn, method, url, **how)
            how["body"] = _whole(how.get("body"))
            wire = _wire(self._urllib3, pool, method, url, how)
            answer = ask(armed, wire)
            if answer is None:
                return self._let_through(below, pool, conn, method, url, how)
            if _is_mocks(conn):
                conn = self._kinds[pool.scheme](pool.host, pool.port)
            refusals = Refusals(self._urllib3.exceptions, pool, conn, wire.timeouts.connect)
            return _played(below, pool, conn, method, url, how, SocketInMemory(wire, *answer, armed, refusals))

        return make_request

    def tunnel_seam(self, below: Method, mocked: bool) -> Method:
        """The wrapper of `HTTPSConnectionPool._prepare_proxy`, which connects before there is a request."""
        del mocked
        self._prepare_proxy = below

        @functools.wraps(below)
        def prepare_proxy(pool: Any, conn: Any) -> None:
            if current.armed is None or _is_mocks(conn):
                below(pool, conn)
            else:
                self._untunnelled.add(conn)

        return prepare_proxy

    def _let_through(self, below: Method, pool: Any, conn: Any, method: str, url: str, how: dict[str, Any]) -> Any:
        if conn in self._untunnelled and self._prepare_proxy is not None:
            self._untunnelled.discard(conn)
            self._prepare_proxy(pool, conn)
        return below(pool, conn, method, url, **how)


def _played(below: Method, pool: Any, conn: Any, method: str, url: str, how: dict[str, Any], line: SocketInMemory) -> Any:
    timeout = how["timeout"] = _timeout(pool, how)
    timeout.start_connect()
    line.connect()
    if timeout.total is not None:  # the time that connecting took is gone from it
        how["timeout"] = type(timeout)(max(timeout.total - timeout.get_connect_duration(), 0.0), timeout.connect_timeout, timeout._read)
    if conn.sock is not None:
        conn.close()
    conn.sock = line
    conn.is_verified = getattr(pool, "cert_reqs", None) not in {"CERT_NONE", ssl.CERT_NONE}
    conn._has_connected_to_proxy = bool(conn.proxy)
    try:
        return below(pool, conn, method, url, **how)
    finally:
        if conn.sock is line:  # the response has its own file; the pool must not ask the socket whether it is still open
            conn.sock = None


def _is_mocks(conn: Any) -> bool:
    return package_of(type(conn).connect) not in _CONNECTIONS


def _left_to_mock(armed: Armed, pool: Any, conn: Any, method: str, url: str) -> bool:
    if armed.mocks != "win" or not _is_mocks(conn):
        return False
    armed.watch.mocked.append(f"{method} {pool.host}{url.partition('?')[0]}")
    return True


def _whole(body: Any) -> Any:
    """A body that can be read only once, read."""
    if body is None or isinstance(body, bytes | str | bytearray | memoryview):
        return body
    pieces: Iterable[Any] = iter(lambda: body.read(65_536), body.read(0)) if hasattr(body, "read") else body
    return b"".join(piece.encode() if isinstance(piece, str) else bytes(piece) for piece in pieces)


def _wire(urllib3: Any, pool: Any, method: str, url: str, how: Mapping[str, Any]) -> WireRequest:
    """The request as data, without user and password of its URL."""
    absolute = urllib3.util.parse_url(url if "://" in url else f"{pool.scheme}://{_bracketed(pool.host)}:{pool.port}{url}")
    port = None if absolute.port == _PORTS.get(absolute.scheme) else absolute.port
    clean = absolute._replace(auth=None, port=port, fragment=None)
    body = how["body"]
    return WireRequest(
        library="urllib3",
        method=method,
        url=clean.url,
        host=(clean.host or "").strip("[]"),
        path=clean.path or "/",
        headers=_headers(pool.headers if how.get("headers") is None else how["headers"]),
        body=b"" if body is None else body.encode() if isinstance(body, str) else bytes(body),
        timeouts=_timeouts(urllib3, pool, how),
        sync=True,
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _headers(headers: Mapping[Any, Any]) -> RawHeaders:
    return RawHeaders([(_bytes(name), _bytes(value)) for name, value in headers.items()])


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _timeout(pool: Any, how: Mapping[str, Any]) -> Any:
    """urllib3's own timeout of this attempt; its clock has not started."""
    return pool._get_timeout(how["timeout"]) if "timeout" in how else pool.timeout.clone()


def _timeouts(urllib3: Any, pool: Any, how: Mapping[str, Any]) -> Timeouts:
    timeout = _timeout(pool, how)
    timeout.start_connect()
    resolve = urllib3.Timeout.resolve_default_timeout
    return Timeouts(connect=resolve(timeout.connect_timeout), read=resolve(timeout.read_timeout))


def _over_mock(own: Method, mock: Method) -> Method:
    @functools.wraps(own)
    def send(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        found, answer = _sent(own, adapter, request, args, kwargs)
        return answer if found else bound(mock, adapter)(request, *args, **kwargs)

    return send


def _over_adapter(below: Method, mocked: bool) -> Method:
    del mocked  # it is one

    @functools.wraps(below)
    def send(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        armed = current.armed
        if armed is not None and armed.mocks == "win":
            _note(armed, request)
        elif armed is not None:
            from requests.adapters import HTTPAdapter  # noqa: PLC0415 - the agent has imported it

            found, answer = _sent(HTTPAdapter.send, HTTPAdapter(), request, args, kwargs)
            if found:
                return answer
        return below(adapter, request, *args, **kwargs)

    return send


def _sent(own: Method, adapter: Any, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
    """(True, the handler's answer) by way of requests' own adapter; (False, None) if the mock is to answer."""
    if current.armed is None:
        return False, None
    with over_a_mock() as call:
        try:
            return True, own(adapter, request, *args, **kwargs)
        except LeftToMock:
            return False, None
        except Exception:  # before it came to the wire: a host or scheme that only the mock knows
            if call.asked:
                raise
            return False, None


def _note(armed: Armed, request: Any) -> None:
    host, _, path = str(request.url).partition("://")[2].partition("?")[0].partition("/")
    armed.watch.mocked.append(f"{request.method} {host.rpartition('@')[2]}/{path}")
