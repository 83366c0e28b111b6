"""Twenty secrets, planted wherever traffic can carry one, are in nothing that chaos writes or tells, over TLS or without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from agentlab_reports import evaluate, read_results, render_html

PLACES = (
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "x-auth-token", "proxy-authorization",
    "query-key", "query-access-token", "query-client-secret",
    "body-password", "body-nested-token", "body-in-list", "text-form", "text-said",
    "history-arguments", "tool-result", "answer-arguments", "streamed-arguments", "answer-text",
)  # fmt: skip
SECRETS = {
    place: f"sk-{n:02d}-PLANTED-{place}-abcdef" if "text" in place else f"PLANTED{n:02d}{place}xyz" for n, place in enumerate(PLACES)
}

CLIENT = """
import json, os, sys, urllib.request
S = json.loads(os.environ["PLANTED"])
arguments = json.dumps({"user": "a", "password": S["history-arguments"]})
call = {"id": "call_1", "type": "function", "function": {"name": "login", "arguments": arguments}}
messages = [
    {"role": "user", "content": "Log in. My key is " + S["text-form"] + " and the password: " + S["text-said"]},
    {"role": "assistant", "content": None, "tool_calls": [call]},
    {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"session": {"access_token": S["tool-result"]}})},
]
query = "?key={query-key}&access_token={query-access-token}&client_secret={query-client-secret}".format_map(S)
headers = {
    "content-type": "application/json", "authorization": "Bearer " + S["authorization"], "x-api-key": S["x-api-key"],
    "api-key": S["api-key"], "x-goog-api-key": S["x-goog-api-key"], "cookie": "a=1; sid=" + S["cookie"],
    "x-auth-token": S["x-auth-token"], "proxy-authorization": "Basic " + S["proxy-authorization"],
}
for stream in (False, True, True):
    body = {"model": "m", "messages": messages, "stream": stream, "password": S["body-password"],
            "metadata": {"db": {"apiToken": S["body-nested-token"]}, "credentials": [S["body-in-list"]]}}
    request = urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions" + query, json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()
    except OSError:
        pass
told = [urllib.request.urlopen(os.environ["AGENTLAB_CHAOS_URL"] + path, timeout=10).read() for path in ("/log", "/faults")]
open("told.json", "wb").write(b"".join(told))
"""


class Provider(BaseHTTPRequestHandler):
    """Says secrets of its own, in whole answers and in pieces of streams."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if asked["stream"] else "application/json")
        self.send_header("set-cookie", f"session={SECRETS['cookie']}")
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(self.streamed() if asked["stream"] else self.whole())

    def whole(self) -> bytes:
        arguments = json.dumps({"api_key": SECRETS["answer-arguments"]})
        call = {"id": "c", "type": "function", "function": {"name": "login", "arguments": arguments}}
        message = {"role": "assistant", "content": f"Use {SECRETS['answer-text']}.", "tool_calls": [call]}
        return json.dumps({"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}).encode()

    def streamed(self) -> bytes:
        arguments = json.dumps({"client_secret": SECRETS["streamed-arguments"]})
        parts = [arguments[at : at + 7] for at in range(0, len(arguments), 7)]
        deltas: list[Any] = [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in parts]
        chunks = [json.dumps({"model": "m", "choices": [{"index": 0, "delta": delta}]}) for delta in deltas]
        return "".join(f"data: {chunk}\n\n" for chunk in [*chunks, "[DONE]"]).encode()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in http.server)
        """Stay quiet."""


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of a provider on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def chaos(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_", "OPENAI_"))}
    command = [sys.executable, "-m", "agentlab.cli", "chaos", *arguments, "--", sys.executable, "client.py"]
    environment = kept | {"PLANTED": json.dumps(SECRETS)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("tls", [(), ("--tls",)], ids=["plain", "tls"])
def test_twenty_planted_secrets_are_nowhere(tls: tuple[str, ...], provider: str, tmp_path: Path) -> None:
    assert len(set(SECRETS.values())) == 20
    (tmp_path / "client.py").write_text(CLIENT)
    log: list[str] = []
    recorded = chaos(tmp_path, *tls, "--upstream", provider, "--record", "tape.jsonl", "-o", "live.jsonl")
    assert recorded.returncode == 0, recorded.stderr
    (tmp_path / "live_told.json").write_bytes((tmp_path / "told.json").read_bytes())
    log += [recorded.stdout, recorded.stderr]
    runs = (["--faults", "http_500"], ["--faults", "*_json*", "--json"], ["--mode", "flaky-network"])
    for number, options in enumerate([["--faults", "net_tls_*,http_503"]] if tls else runs):
        replayed = chaos(tmp_path, *tls, "--replay", "tape.jsonl", "-o", f"replayed{number}.jsonl", *options)
        assert replayed.returncode == 0, replayed.stderr
        log += [replayed.stdout, replayed.stderr]
    for name in ("live", "replayed0"):
        [results] = read_results(tmp_path / f"{name}.jsonl")
        (tmp_path / f"{name}.html").write_text(render_html([results], evaluate([results])))
    written = {path.name: path.read_text() for path in tmp_path.iterdir() if path.name != "client.py"}
    assert {"tape.jsonl", "live.jsonl", "live.html", "replayed0.jsonl", "told.json", "live_told.json"} <= set(written)
    assert written["tape.jsonl"].count("[secret]") >= 20
    assert written["tape.jsonl"].count('"kind":"take"') == 3
    assert "3 requests in" in recorded.stderr
    found = [
        (place, name) for place, secret in SECRETS.items() for name, text in [*written.items(), ("log", "".join(log))] if secret in text
    ]
    assert found == []
