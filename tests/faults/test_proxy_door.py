"""Connections that fail before there is a request: a port that refuses, and handshakes under real certificates."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import httpx2
import pytest
from agentlab_faults.proxy import NOTHING, Certificates, make_plan
from agentlab_faults.proxy.certificates import FLAWS

from .proxy_sockets import Chaos, chaos, chat, until


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def shut_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentlab_faults.proxy.door.SHUT", 0.1)


def client(certificates: Certificates | None = None, **settings: Any) -> httpx2.AsyncClient:
    trust = ssl.create_default_context(cafile=certificates.authority) if certificates is not None else True
    return httpx2.AsyncClient(trust_env=False, verify=trust, timeout=httpx2.Timeout(5, connect=settings.pop("connect", 5)), **settings)


async def ask(asking: httpx2.AsyncClient, running: Chaos, *, tls: bool = True, **headers: str) -> httpx2.Response | Exception:
    url = f"{'https' if tls else 'http'}://127.0.0.1:{running.server.port}/v1/chat/completions"
    try:
        return await asking.post(url, json=chat(), headers={"authorization": "Bearer k"} | headers)
    except httpx2.HTTPError as error:
        return error


def cause(error: object) -> BaseException:
    """The root of an exception's chain."""
    assert isinstance(error, BaseException), error
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


async def open_again(running: Chaos) -> None:
    """Wait until the port answers."""
    await until(lambda: running.server._listener is not None)


async def test_a_refused_connection_is_refused_by_the_kernel_from_the_first_on() -> None:
    async with chaos(["net_conn_refused"]) as running:
        port = running.server.port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        await open_again(running)
        async with client() as asking:
            answer = await ask(asking, running, tls=False, **{"x-stainless-retry-count": "1"})
            assert isinstance(answer, httpx2.Response)
            assert answer.headers["connection"] == "close"
            refused = await ask(asking, running, tls=False)
            assert isinstance(refused, httpx2.ConnectError)
        [blow, *_] = running.scopes.blows
        assert (blow.point, blow.fault, blow.taken) == ("openai.chat.1", "net_conn_refused", "recovered")
        assert blow.saw.startswith("the port was shut for ")


async def test_a_refusal_that_nobody_tells_of_is_not_known() -> None:
    async with chaos(["net_conn_refused"]) as running, client() as asking:
        assert isinstance(await ask(asking, running, tls=False), httpx2.ConnectError)
        await open_again(running)
        assert isinstance(await ask(asking, running, tls=False), httpx2.Response)
        assert running.scopes.blows[0].taken == "not known"


async def test_the_port_is_held_while_it_is_shut_and_opens_with_another_plan() -> None:
    async with chaos(["net_conn_refused"]) as running, client() as asking:
        with socket.socket() as other, pytest.raises(OSError, match="Address already in use"):
            other.bind(("127.0.0.1", running.server.port))
        running.scopes.switch(NOTHING)
        await open_again(running)
        assert isinstance(await ask(asking, running, tls=False), httpx2.Response)


async def test_a_good_handshake_is_one_that_a_careful_client_accepts(certificates: Certificates) -> None:
    async with chaos(certificates=certificates) as running, client(certificates) as asking:
        answer = await ask(asking, running)
        assert isinstance(answer, httpx2.Response)
        assert answer.json()["choices"][0]["finish_reason"] == "tool_calls"
        assert running.scopes.blows == []
    async with chaos(certificates=certificates) as running, client() as asking:  # without our authority
        assert isinstance(cause(await ask(asking, running)), ssl.SSLCertVerificationError)


async def test_certificates_that_nobody_may_trust_are_refused_each_for_its_own_reason(certificates: Certificates) -> None:
    said = {
        "is signed by itself": "self-signed certificate",
        "has expired": "certificate has expired",
        "is for another host": "IP address mismatch",
    }
    async with chaos(["net_tls_untrusted"], certificates=certificates) as running, client(certificates) as asking:
        for flaw in FLAWS:
            error = cause(await ask(asking, running))
            assert isinstance(error, ssl.SSLCertVerificationError)
            assert said[flaw] in str(error)
            assert isinstance(await ask(asking, running), httpx2.Response)
        blows = running.scopes.blows
        assert [blow.taken for blow in blows] == ["recovered"] * 3
        assert all(blow.saw.startswith("the app refused it (") for blow in blows)
        assert [entry.text for entry in running.scopes.log if entry.kind == "broke"] == [
            f"struck by net_tls_untrusted: shown a certificate that {flaw}" for flaw in FLAWS
        ]


async def test_a_client_that_checks_no_certificates_is_found_out(certificates: Certificates) -> None:
    async with chaos(["net_tls_untrusted"], certificates=certificates) as running:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as careless:
            assert isinstance(await ask(careless, running), httpx2.Response)
        [blow] = running.scopes.blows
        assert (blow.taken, blow.saw) == ("accepted", "the app accepted it")


async def test_a_handshake_is_cut_by_a_reset(certificates: Certificates) -> None:
    async with chaos(["net_tls_reset_in_handshake"], certificates=certificates) as running, client(certificates) as asking:
        error = await ask(asking, running)
        assert isinstance(error, httpx2.ConnectError)
        assert isinstance(cause(error), ConnectionResetError | BrokenPipeError)
        assert isinstance(await ask(asking, running), httpx2.Response)
        assert running.scopes.blows[0].taken == "recovered"


async def test_a_handshake_that_gets_no_answer_lasts_until_the_clients_connect_timeout(certificates: Certificates) -> None:
    async with chaos(["net_tls_plain_http_port"], certificates=certificates) as running, client(certificates, connect=0.2) as asking:
        assert isinstance(await ask(asking, running), httpx2.ConnectTimeout)
        await until(lambda: running.scopes.blows[0].saw != "")
        assert running.scopes.blows[0].saw.startswith("the app hung up after 0.")


async def test_a_mode_that_lasts_strikes_every_handshake(certificates: Certificates) -> None:
    async with chaos(plan=make_plan(mode="expired-certificate", tls=True), certificates=certificates) as running:
        async with client(certificates) as asking:
            for _ in range(3):
                assert isinstance(cause(await ask(asking, running)), ssl.SSLCertVerificationError)
        assert len(running.scopes.blows) == 3


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000], ids=["nothing", "HTTP", "noise"]
)
async def test_what_is_no_tls_is_closed_and_it_goes_on(certificates: Certificates, sent: bytes) -> None:
    async with chaos(certificates=certificates) as running, client(certificates) as asking:
        async with running.client() as raw:
            await raw.send(sent)
            raw.writer.write_eof()
            assert b"HTTP/1.1 200" not in await raw.rest()
        assert isinstance(await ask(asking, running), httpx2.Response)


async def test_closing_ends_handshakes_too(certificates: Certificates) -> None:
    async with chaos(certificates=certificates) as running, running.client() as raw:
        await raw.send(b"\x16\x03\x01")
        await until(lambda: bool(running.server._handshakes))
        await running.server.close()
        assert running.server._handshakes == set()


def test_without_tls_its_faults_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^net_tls_untrusted cannot be made here: the app speaks plain HTTP .* started with --tls\.$"):
        make_plan(["net_tls_untrusted"])
    with pytest.raises(ValueError, match=r"it strikes a connection, before there is a call; leave out the point"):
        make_plan(["net_tls_untrusted"], at="openai.chat.1", tls=True)


def test_no_key_is_left_in_the_folder(certificates: Certificates) -> None:
    folder = Path(certificates.authority).parent
    assert b"".join(path.read_bytes() for path in folder.iterdir()).count(b"PRIVATE KEY") == 0
