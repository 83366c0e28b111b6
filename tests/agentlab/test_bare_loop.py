"""The example that knows nothing of us runs by itself against anything that speaks OpenAI's API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "bare_loop.py"


class Provider(BaseHTTPRequestHandler):
    """Calls a tool first, and then says what the tool returned."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        results = [message["content"] for message in body["messages"] if message["role"] == "tool"]
        call = {"id": "call_1", "type": "function", "function": {"name": "lookup_order", "arguments": '{"id": "5512"}'}}
        message: dict[str, Any] = {"role": "assistant", "content": results[-1]} if results else {"role": "assistant", "tool_calls": [call]}
        choice = {"index": 0, "finish_reason": "stop" if results else "tool_calls", "message": message}
        answer = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in http.server)
        """Stay quiet."""


@pytest.fixture
def provider() -> Iterator[str]:
    """The address of a provider on loopback."""
    server = HTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_bare_loop_answers_a_line_of_standard_input(provider: str) -> None:
    environment = {**os.environ, "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider, "NO_PROXY": "127.0.0.1"}
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE)], input="Where is order 5512?\n", env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout)["total"] == 49.9
