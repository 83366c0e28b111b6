"""The guard: what no seam sees is stopped and recorded, and only while armed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx
import httpx2
import pytest
from agentlab_faults.exchange import WireRequest
from agentlab_faults.intercept import armed

DOCUMENTATION_ADDRESS = "192.0.2.1"
"""TEST-NET-1 of RFC 5737: never routed."""


def nothing(request: WireRequest) -> None:
    """Lets everything through."""


def look_up(host: str | bytes, port: int | str) -> None:
    """What a look-up announces, without one."""
    sys.audit("socket.getaddrinfo", host, port, 0, 0, 0)


def connect(host: str, port: int) -> None:
    """What a connection announces, without one."""
    with socket.socket() as unconnected:
        sys.audit("socket.connect", unconnected, (host, port))


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a listener on loopback that answers one HTTP request after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nlocal")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_a_request_that_is_let_through_is_stopped_at_the_look_up(library: Any) -> None:
    with armed(nothing) as watch, pytest.raises(library.ConnectError, match="agentlab stopped"):
        library.get("https://api.example.com/")
    assert watch.escaped == ["lookup api.example.com:443"]


async def test_an_async_request_that_is_let_through_is_stopped_too() -> None:
    with armed(nothing) as watch:
        async with httpx2.AsyncClient() as client:
            with pytest.raises(httpx2.ConnectError):
                await client.get("https://api.example.com/")
    assert watch.escaped == ["lookup api.example.com:443"]


def test_a_library_without_a_seam_is_stopped() -> None:
    with armed(nothing) as watch, pytest.raises(OSError, match="agentlab stopped"):
        urllib.request.urlopen("http://api.example.com/v1")
    assert watch.escaped == ["lookup api.example.com:80"]


def test_a_connection_to_an_address_is_stopped_and_retries_are_recorded_once() -> None:
    with armed(nothing) as watch:
        for _ in range(3):
            with pytest.raises(ConnectionError, match=r"agentlab stopped a connection to 192\.0\.2\.1:443"):
                socket.create_connection((DOCUMENTATION_ADDRESS, 443), timeout=0.01)
    assert watch.escaped == [f"connect {DOCUMENTATION_ADDRESS}:443"]


@pytest.mark.parametrize("host", [DOCUMENTATION_ADDRESS.encode(), bytearray(DOCUMENTATION_ADDRESS.encode())], ids=["bytes", "bytearray"])
def test_a_host_in_bytes_is_a_host_too(host: bytes | bytearray) -> None:
    with armed(nothing) as watch, socket.socket() as caller:
        caller.settimeout(0.01)
        with pytest.raises(ConnectionError, match="agentlab stopped"):
            caller.connect((host, 443))
    assert watch.escaped == [f"connect {DOCUMENTATION_ADDRESS}:443"]


def test_loopback_in_bytes_passes(server: int) -> None:
    with armed(nothing) as watch, socket.socket() as caller:
        caller.connect((b"127.0.0.1", server))
    assert watch.escaped == []


def test_datagrams_are_stopped() -> None:
    with armed(nothing) as watch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", ("127.0.0.1", 9))
        with pytest.raises(ConnectionError):
            sender.sendto(b"x", (DOCUMENTATION_ADDRESS, 8125))
        with pytest.raises(ConnectionError):
            sender.sendmsg([b"x"], [], 0, (DOCUMENTATION_ADDRESS, 8126))
    assert watch.escaped == [f"send {DOCUMENTATION_ADDRESS}:8125", f"send {DOCUMENTATION_ADDRESS}:8126"]


def test_other_threads_are_watched_as_well() -> None:
    def leave() -> None:
        with contextlib.suppress(OSError):
            socket.create_connection((DOCUMENTATION_ADDRESS, 25), timeout=0.01)

    with armed(nothing) as watch:
        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
    assert watch.escaped == [f"connect {DOCUMENTATION_ADDRESS}:25"]


def test_loopback_unix_and_datagram_sockets_pass(server: int) -> None:
    with armed(nothing) as watch:
        assert httpx2.get(f"http://127.0.0.1:{server}/").text == "local"
        assert httpx2.get(f"http://localhost:{server}/").text == "local"
        left, right = socket.socketpair()
        left.close()
        right.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.connect((DOCUMENTATION_ADDRESS, 9))  # sends nothing: how programs ask for their own address
        socket.getaddrinfo(None, 80)
    assert watch.escaped == []


def test_loopback_requests_never_reach_the_handler_unless_they_call_a_provider(server: int) -> None:
    seen: list[str] = []

    def handler(request: WireRequest) -> None:
        seen.append(request.path)

    with armed(handler):
        httpx2.post(f"http://127.0.0.1:{server}/v1/things", json={"model": "m"})
        httpx2.post(f"http://127.0.0.1:{server}/v1/chat/completions", json={"model": "m", "messages": []})
    assert seen == ["/v1/chat/completions"]


def test_telemetry_that_no_seam_sees_is_stopped_but_spoils_nothing() -> None:
    with armed(nothing) as watch, pytest.raises(OSError, match="agentlab stopped"):
        urllib.request.urlopen("https://us.i.posthog.com/batch/")
    assert watch.telemetry == ["lookup us.i.posthog.com:443"]
    assert watch.escaped == []


def test_allowed_hosts_are_let_through() -> None:
    with armed(nothing, allow_hosts=frozenset({"COLLECTOR.invalid", DOCUMENTATION_ADDRESS})) as watch:
        look_up("Collector.invalid.", 4318)
        connect(DOCUMENTATION_ADDRESS, 443)
    assert watch.escaped == []


def test_an_address_behind_an_allowed_name_is_let_through_at_its_port_only() -> None:
    with armed(nothing, allow_hosts=frozenset({"collector.invalid"})) as watch:
        look_up("collector.invalid", 4318)
        look_up(b"collector.invalid", "https")
        connect(DOCUMENTATION_ADDRESS, 4318)
        connect(DOCUMENTATION_ADDRESS, 443)
        with pytest.raises(ConnectionError):
            connect(DOCUMENTATION_ADDRESS, 4319)
    assert watch.escaped == [f"connect {DOCUMENTATION_ADDRESS}:4319"]


def test_idle_the_guard_sees_nothing() -> None:
    with armed(nothing) as watch:
        pass
    look_up("api.example.com", 443)
    connect(DOCUMENTATION_ADDRESS, 443)
    assert watch.escaped == []


async def test_an_event_loops_own_look_up_is_stopped() -> None:
    with armed(nothing) as watch, pytest.raises(socket.gaierror, match="agentlab stopped"):
        await asyncio.get_running_loop().getaddrinfo("api.example.com", 443)
    assert watch.escaped == ["lookup api.example.com:443"]
