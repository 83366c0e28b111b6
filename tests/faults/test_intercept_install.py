"""Putting the seams in: once, late, without importing anything, and cheaply; with one TLS context for all clients of a run."""

from __future__ import annotations

import ssl
import subprocess
import sys
import textwrap
from typing import Any

import httpcore2
import httpx
import httpx2
import pytest
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept import armed, install


def answer(request: WireRequest) -> tuple[Exchange, None]:
    return Exchange(status=299), None


def python(program: str) -> str:
    """Run a program in a fresh interpreter, warnings being errors; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


PREAMBLE = """
import sys
from agentlab_faults.exchange import Exchange
from agentlab_faults.intercept import armed, install
seen = []
def answer(request):
    seen.append(request.library)
    return Exchange(status=299), None
"""


def test_installing_imports_no_library_and_no_event_loop() -> None:
    program = """
    install(); install()
    print([name for name in ("httpx", "httpx2", "httpcore", "httpcore2", "asyncio", "ssl", "socket") if name in sys.modules])
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "[]"


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_a_library_that_is_imported_later_has_its_seams(library: str) -> None:
    program = f"""
    install()
    with armed(answer):
        import {library}
        print({library}.get("https://api.example.com/").status_code, seen)
    print({library}.__loader__.__class__.__name__, {library}.__spec__.loader.__class__.__name__)
    """
    assert python(PREAMBLE + textwrap.dedent(program)).splitlines() == [f"299 ['{library}']", "SourceFileLoader SourceFileLoader"]


def test_a_library_that_was_imported_before_has_its_seams() -> None:
    program = """
    import httpx, httpx2
    with armed(answer):
        print(httpx.get("https://api.example.com/").status_code, httpx2.get("https://api.example.com/").status_code, seen)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "299 299 ['httpx', 'httpx2']"


@pytest.mark.parametrize("first", ["import httpx2; httpx2.alias_httpx(); install()", "install(); import httpx2; httpx2.alias_httpx()"])
def test_an_aliased_httpx_asks_the_handler_once(first: str) -> None:
    program = f"""
    {first}
    import httpx
    with armed(answer):
        print(httpx is httpx2, httpx.get("https://api.example.com/").status_code, seen)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "True 299 ['httpx2']"


def test_a_library_that_is_imported_afresh_has_its_seams_again() -> None:
    program = """
    install()
    import httpx2
    for name in [name for name in sys.modules if name.startswith("httpx2")]:
        del sys.modules[name]
    import httpx2 as again
    with armed(answer):
        print(again is not httpx2, httpx2.get("https://a.example/").status_code, again.get("https://a.example/").status_code)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "True 299 299"


def test_a_finder_ahead_of_ours_delays_the_seams_only_until_arming() -> None:
    program = """
    install()
    sys.meta_path.insert(0, __import__("importlib.machinery").machinery.PathFinder)
    import httpx2
    with armed(answer):
        print(httpx2.get("https://api.example.com/").status_code)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "299"


def test_stand_ins_for_a_library_are_left_alone() -> None:
    program = """
    import types
    from unittest import mock
    sys.modules["httpx"] = types.ModuleType("httpx")
    sys.modules["httpx2"] = mock.MagicMock()
    with armed(answer):
        print("fine")
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "fine"


def test_an_import_that_fails_fails_as_before() -> None:
    program = """
    import os, tempfile
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "httpx2.py"), "w") as file:
        file.write("raise RuntimeError('broken')")
    sys.path.insert(0, folder)
    install()
    try:
        import httpx2
    except RuntimeError as error:
        print(error, "httpx2" in sys.modules)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "broken False"


def test_a_look_for_an_installed_library_still_finds_it() -> None:
    program = """
    import importlib.util, importlib.resources
    install()
    print(importlib.util.find_spec("httpx2").loader.is_package("httpx2"), "httpx2" in sys.modules)
    print(importlib.resources.files("httpx2").joinpath("py.typed").is_file())
    """
    assert python(PREAMBLE + textwrap.dedent(program)).splitlines() == ["True False", "True"]


def test_a_process_that_never_arms_has_no_guard() -> None:
    program = """
    install()
    print("agentlab_faults.intercept.guard" in sys.modules)
    """
    assert python(PREAMBLE + textwrap.dedent(program)) == "False"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where certificates were loaded from, each time that a context was filled; empty variables, since they change the way there."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    loaded: list[str] = []
    load = ssl.SSLContext.load_verify_locations

    def counting(self: ssl.SSLContext, *args: Any, **kwargs: Any) -> None:
        loaded.append("load")
        load(self, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counting)
    return loaded


def clients(library: Any, count: int) -> None:
    for _ in range(count):
        library.Client().close()


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_clients_of_a_run_share_one_tls_context(library: Any, made: list[str]) -> None:
    with armed(answer):
        clients(library, 1)
        made.clear()
        clients(library, 5)
    assert made == []
    clients(library, 2)
    assert len(made) == 2


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_clients_for_real_traffic_have_their_own(library: Any, made: list[str]) -> None:
    with armed(answer, memoise=False):
        clients(library, 3)
    assert len(made) == 3


def test_a_context_is_kept_for_its_own_arguments_and_environment_only(monkeypatch: pytest.MonkeyPatch, made: list[str]) -> None:
    with armed(answer):
        plain = ssl.create_default_context()
        assert ssl.create_default_context() is plain
        assert ssl.create_default_context(ssl.Purpose.CLIENT_AUTH) is not plain
        ours = httpcore2.default_ssl_context()
        assert httpcore2.default_ssl_context() is ours
        monkeypatch.setenv("SSL_CERT_FILE", ssl.get_default_verify_paths().openssl_cafile)
        assert ssl.create_default_context() is not plain
    assert ssl.create_default_context() is not plain


def test_a_context_that_somebody_has_changed_is_not_handed_out_again() -> None:
    with armed(answer):
        changed = ssl.create_default_context()
        changed.check_hostname = False
        changed.verify_mode = ssl.CERT_NONE
    with armed(answer):
        fresh = ssl.create_default_context()
        assert (fresh.check_hostname, fresh.verify_mode) == (True, ssl.CERT_REQUIRED)
        assert ssl.create_default_context() is fresh
        fresh.minimum_version = ssl.TLSVersion.TLSv1_3
        assert ssl.create_default_context() is not fresh


def test_arguments_that_cannot_be_told_apart_have_their_own_context() -> None:
    pem = ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(binary_form=True)[0])
    certificate = bytearray(ssl.PEM_cert_to_DER_cert(pem))
    with armed(answer):
        contexts = [ssl.create_default_context(cadata=certificate) for _ in range(2)]
    assert contexts[0] is not contexts[1]
    assert [len(context.get_ca_certs()) for context in contexts] == [1, 1]


def test_installing_again_changes_nothing() -> None:
    with armed(answer):
        pass
    before = httpx2.HTTPTransport.handle_request, ssl.create_default_context, list(sys.meta_path)
    install()
    with armed(answer):
        pass
    assert (httpx2.HTTPTransport.handle_request, ssl.create_default_context, list(sys.meta_path)) == before


@pytest.mark.parametrize("library", [httpx2, httpx])
def test_the_public_face_of_a_transport_is_unchanged(library: Any) -> None:
    method = library.HTTPTransport.handle_request
    assert (method.__name__, method.__module__) == ("handle_request", f"{library.__name__}._transports.default")
