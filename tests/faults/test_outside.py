"""Agents outside the process: whatever was started has ended, however the run ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from agentlab_faults.catalogue import select
from agentlab_faults.outside import CannotAsk, CannotRun, CommandFailed, EndpointFailed, Outside, app_environment, play_outside
from agentlab_faults.played import Setup
from agentlab_faults.schedule import Injection, Schedule
from agentlab_faults.script import Say, ScriptSpec

from tests.processes import are_gone, is_alive

SETUP = Setup(scripts=(ScriptSpec(turns=(Say("Hello."),), latency=0.0),), prompts=("Hi.",), deadline=20.0)
ASK = """
import json, os, subprocess, sys, urllib.request
from pathlib import Path
here = Path(sys.argv[1])
sleeper = subprocess.Popen(["sleep", "60"])
here.write_text(json.dumps([os.getpid(), sleeper.pid, os.environ["OPENAI_BASE_URL"]]))
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": sys.argv[-1]}]}).encode()
headers = {"authorization": "Bearer k", "content-type": "application/json"}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
with opener.open(urllib.request.Request(os.environ["OPENAI_BASE_URL"] + "/chat/completions", body, headers)) as answer:
    print(json.load(answer)["choices"][0]["message"]["content"])
"""
PLAY = """
import sys
from agentlab_faults.catalogue import select
from agentlab_faults.outside import Outside, play_outside
from agentlab_faults.played import Setup
from agentlab_faults.schedule import Injection, Schedule
from agentlab_faults.script import Say, ScriptSpec
setup = Setup(scripts=(ScriptSpec(turns=(Say("Hello."),)),), prompts=("Hi.",), deadline=60.0)
silence = Schedule("s", (Injection(fault=select(["net_read_timeout"])[0](), at="openai.chat.1"),))
play_outside(Outside(command=(sys.executable, sys.argv[1], sys.argv[2])), setup, silence)
"""


def is_open(origin: str) -> bool:
    """Whether anything listens at the port of `http://127.0.0.1:PORT/v1`."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(re.findall(r":(\d+)", origin)[0]))) == 0


@pytest.fixture
def asker(tmp_path: Path) -> tuple[Path, Path]:
    """An agent that starts a process of its own, and the file in which it writes down who they are."""
    script = tmp_path / "ask.py"
    script.write_text(ASK)
    return script, tmp_path / "told"


def test_a_command_is_asked_and_what_it_left_behind_is_ended(asker: tuple[Path, Path]) -> None:
    script, told = asker
    played = play_outside(Outside(command=(sys.executable, str(script), str(told))), SETUP)
    assert (played.ending, played.replies, played.time, played.requests) == ("returned", ("Hello.",), "real", 1)
    agent, sleeper, origin = json.loads(told.read_text())
    assert not is_alive(agent)
    assert are_gone(sleeper)
    assert not is_open(origin)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_leaves_no_process_and_no_port(asker: tuple[Path, Path], number: signal.Signals) -> None:
    script, told = asker
    left = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    lab = subprocess.Popen([sys.executable, "-c", PLAY, str(script), str(told)], env=left, stderr=subprocess.PIPE)
    while not told.exists() or not told.read_text():
        assert lab.poll() is None, lab.communicate()
        threading.Event().wait(0.02)
    lab.send_signal(number)
    lab.communicate(timeout=30)
    agent, sleeper, origin = json.loads(told.read_text())
    assert are_gone(agent, sleeper)
    assert not is_open(origin)


def test_a_refused_connection_is_one_for_the_next_too(tmp_path: Path) -> None:
    script = tmp_path / "again.py"
    script.write_text("""
import os, socket
from urllib.parse import urlsplit
place = urlsplit(os.environ["OPENAI_BASE_URL"])
body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi."}]}'
head = f"POST /v1/chat/completions HTTP/1.1\\r\\nhost: 127.0.0.1\\r\\ncontent-length: {len(body)}\\r\\n\\r\\n".encode()
for _ in range(2):
    try:
        with socket.create_connection((place.hostname, place.port)) as there:
            there.sendall(head + body)
            there.recv(1)
    except OSError as error:
        print(type(error).__name__)
""")
    refused = Schedule("s", (Injection(fault=select(["net_conn_refused"])[0](), at="openai.chat.1"),))
    played = play_outside(Outside(command=(sys.executable, str(script))), SETUP, refused)
    assert played.replies == ("ConnectionResetError\nConnectionRefusedError",)
    assert [strike.fault for strike in played.strikes] == ["net_conn_refused"]


@pytest.mark.parametrize(
    ("agent", "error", "sentence"),
    [
        (Outside(command=("no-such-program",)), CannotRun, "'no-such-program' cannot be run: No such file or directory."),
        (Outside(command=("sh", "a\0b")), CannotRun, "'sh' cannot be run: embedded null byte."),
        (Outside(command=("sh", "-c", "echo no >&2; exit 3")), CommandFailed, "exit code 3: no"),
        (Outside(command=("sh", "-c", "kill -9 $$")), CommandFailed, "ended by signal 9"),
        (Outside(url="http://127.0.0.1:1/ask"), CannotAsk, "Nothing listens at 127.0.0.1:1; start the agent first, or name the command th"),
        (
            Outside(command=("sh", "-c", "exit 4"), url="http://127.0.0.1:{port}/"),
            CommandFailed,
            "exit code 4, before it listened at 127.0",
        ),
    ],
)
def test_what_kept_the_agent_from_answering_is_told(agent: Outside, error: type[Exception], sentence: str) -> None:
    played = play_outside(agent, SETUP)
    assert isinstance(played.error, error)
    assert str(played.error).startswith(sentence)


def test_an_endpoint_that_hangs_up_has_failed(tmp_path: Path) -> None:
    script = tmp_path / "hang_up.py"
    script.write_text("""
import os, socket
server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
while True:
    server.accept()[0].close()
""")
    played = play_outside(Outside(command=(sys.executable, str(script)), url="http://localhost:{port}/"), SETUP)
    assert isinstance(played.error, EndpointFailed)
    assert played.problems[0].startswith(
        f"The agent never called the scripted provider ({played.error}); it must take its address from OPENAI_"
    )


def test_keys_stay_here_unless_they_are_the_apps_own() -> None:
    given = {"OPENAI_API_KEY": "sk-mine", "GOOGLE_API_KEY": "mine"}
    kept = app_environment(given, "http://127.0.0.1:1")
    assert (kept["OPENAI_API_KEY"], kept["GOOGLE_API_KEY"], kept.get("GEMINI_API_KEY")) == ("sk-mine", "mine", None)
    hidden = app_environment(given, "http://127.0.0.1:1", own_keys=False)
    assert not {"sk-mine", "mine"} & set(hidden.values())
    assert "GEMINI_API_KEY" not in hidden
    assert app_environment({}, "http://127.0.0.1:1")["GEMINI_API_KEY"]
