"""A real Chromium, driven over its DevTools pipe with nothing but the standard library.

`AGENTLAB_CHROMIUM` names the program; else `chromium`, `chromium-browser` or `google-chrome` is looked for. `make browser` installs one.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Tab", "chromium", "open_page"]

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync --disable-default-apps --disable-extensions --mute-audio --remote-debugging-pipe"
)
LAUNCHER = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 10) for fd in sys.argv[1:3]]
os.dup2(pipes[0], 3)
os.dup2(pipes[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Puts the two ends of the pipe where the browser looks for them: it reads commands from 3 and answers on 4."""


def chromium() -> str:
    """The browser's program. Raises LookupError where there is none."""
    names = (os.environ.get("AGENTLAB_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise LookupError("No Chromium here: run `make browser`, or name one in AGENTLAB_CHROMIUM.")
    return found


class Tab:
    """One open page. `problems`: console errors, exceptions and violations of its policy; `requests`: addresses it asked for."""

    def __init__(self, out: int, into: int) -> None:
        self._out, self._into = out, into
        self._ids = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self.problems: list[str] = []
        self.requests: list[str] = []

    def attach(self) -> None:
        """Use the browser's first tab."""
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send one command and wait for its answer. Raises RuntimeError if the browser refuses it."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._into, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer.get("result", {}))

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], 60)
            if not ready:
                raise TimeoutError("The browser has been silent for a minute.")
            piece = os.read(self._out, 1 << 20)
            if not piece:
                raise EOFError("The browser went away.")
            self._buffer += piece
        line, self._buffer = self._buffer.split(b"\0", 1)
        event: dict[str, Any] = json.loads(line)
        self._note(event.get("method", ""), event.get("params", {}))
        return event

    def _note(self, method: str, params: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(params["exceptionDetails"].get("exception", {}).get("description", params["exceptionDetails"]["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.problems.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in {"error", "assert"}:
            self.problems.append(str([argument.get("value") for argument in params["args"]]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def go(self, path: Path, *, fragment: str = "") -> None:
        """Open a file and wait until it is loaded."""
        self.call("Page.navigate", url="about:blank")  # else a new fragment of the same file would not load it afresh
        self.until("location.href === 'about:blank'")
        self.problems.clear()
        self.requests.clear()
        self.call("Page.navigate", url=path.as_uri() + fragment)
        self.until("location.protocol === 'file:' && document.readyState === 'complete'")

    def eval(self, expression: str) -> Any:
        """The value of an expression in the page (promises are awaited). Raises RuntimeError if it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression is true. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while not self.eval(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise TimeoutError(f"It never came true in the page: {expression}")

    def press(self, key: str) -> None:
        """Press and release one key."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=codes[key], **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=codes[key])


@contextmanager
def open_page() -> Iterator[Tab]:
    """A fresh browser with one empty tab; it is closed at the end."""
    into_read, into = os.pipe()
    out, out_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [sys.executable, "-c", LAUNCHER, str(into_read), str(out_write), chromium(), *FLAGS.split(), f"--user-data-dir={profile}"]
        with (Path(profile) / "log").open("wb") as log:
            process = subprocess.Popen(command, pass_fds=(into_read, out_write), stdout=log, stderr=log)
        os.close(into_read)
        os.close(out_write)
        tab = Tab(out, into)
        try:
            tab.attach()
            yield tab
        finally:
            os.close(into)
            os.close(out)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
