"""`agentlab chaos`: an app on real sockets, in any language, and nothing left behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import termios
import textwrap
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentlab import cli

ROOT = Path(__file__).parent.parent.parent
ORDER = str(ROOT / "examples" / "order.yaml")
BARE = str(ROOT / "examples" / "bare_loop.py")
ASK = {"model": "m", "messages": [{"role": "user", "content": "Refund order 5512."}]}


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what pytest and a user's keys put there."""
    left = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTEST_", "COV_", "ANTHROPIC_"))}
    return {**left, **more}


def chaos(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `agentlab chaos` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "agentlab.cli", "chaos", *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Running:
    """`agentlab chaos` while it runs."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agentlab.cli", "chaos", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.greeting = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", self.greeting)
        assert found is not None, self.greeting
        self.port = int(found[1])

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """One request to the server; status and JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        for name, value in ({"content-type": "application/json", "authorization": "Bearer k"} | headers).items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def end(self, number: int = signal.SIGINT) -> tuple[int, str, str]:
        """Send a signal; exit code and what it printed."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def kill(self) -> None:
        """End it the hard way, if it is still there."""
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def server() -> Iterator[Running]:
    """The server alone, with nothing to break."""
    running = Running("--script", ORDER)
    yield running
    running.kill()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], r"^Say who answers the app: --script FILE answers by itself, --replay FILE from a recording, --upstream URL asks a real"),
        (["--script", ORDER, "--upstream", "https://x.example"], r"^--script and --upstream exclude each other"),
        (["--upstream", "api.openai.com"], r"^'api\.openai\.com' is no address of a provider; write it as https://"),
        (["--upstream", "https://key@x.example"], r"must hold no user, password or query"),
        (["--upstream", "https://x.example", "--max-cost", "1"], r"^--max-cost needs the provider's --price IN/OUT"),
        (["--upstream", "https://x.example", "--max-cost", "1", "--price", "dear"], r"^'dear' is no price; write dollars"),
        (["--script", ORDER, "--record", "x.jsonl"], r"^--record, --max-cost and --price are for a real provider"),
        (["--upstream", "https://x.example", "--record", "."], r"^\. is a folder; name a file for the cassette\."),
        (["--script", ORDER, "--output", "."], r"^\. is a folder; name a file for the results\."),
        (["--replay", ORDER], r"order\.yaml:1: "),
        (["--script", "nowhere.yaml"], r"The suite cannot be read: No such file"),
        (["--script", ORDER, "--faults", "http_42"], r"^No fault of the catalogue is named 'http_42'; did you mean"),
        (["--script", ORDER, "--mode", "outage-recover"], r"^No mode is named 'outage-recover'; did you mean 'outage-recovers'"),
        (["--script", ORDER, "--mode", "tool-timeouts"], r"^The mode 'tool-timeouts' cannot be made here: it strikes inside the app"),
        (["--script", ORDER, "--faults", "net_pool_timeout"], r"^net_pool_timeout cannot be made here: it is the client's own"),
        (["--script", ORDER, "--faults", "http_*", "--rate", "2"], r"^The rate is a share of requests from 0 to 1, not 2\."),
        (["--script", ORDER, "--", "no-such-program"], r"^'no-such-program' cannot be run: No such file or directory\."),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments: list[str], sentence: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["chaos", *arguments])
    assert ended.value.code == 2
    said = capfd.readouterr().err.strip().splitlines()[-1]
    assert re.search(sentence, said), said


def test_a_scripts_limits_are_enforced_on_the_socket(tmp_path: Path) -> None:
    script = tmp_path / "limited.yaml"
    script.write_text("script: [{say: Hello.}]\nlimits: {context: 50, requests_per_minute: 1}\n")
    running = Running("--script", str(script))
    try:
        long = {"model": "m", "messages": [{"role": "user", "content": "Where is it? " * 50}]}
        asked = [running.call("POST", "/v1/chat/completions", body) for body in (long, ASK, ASK)]
        assert [(status, body.get("error", {}).get("code")) for status, body in asked] == [
            (400, "context_length_exceeded"),
            (200, None),
            (429, "rate_limit_exceeded"),
        ]
    finally:
        running.kill()


def test_the_bare_loop_meets_429_and_recovers() -> None:
    done = chaos("--script", ORDER, "--faults", "http_429*", "--", sys.executable, BARE)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "I refunded EUR 49.90 for order 5512.\n"
    assert "openai.chat.1: attempt 1 struck by http_429_insufficient_quota" in done.stderr
    assert re.search(r"openai\.chat\.2: tried again after 5\.\d\d s \(told to wait 5 s\), by the SDK", done.stderr)
    assert "6 requests in" in done.stderr
    assert "How the app took it: 3 recovered." in done.stderr


def test_a_fault_of_ones_own_is_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples" / "own_fault")
    asks = textwrap.dedent(RAW).replace("range(2)", "range(1)")
    done = chaos("--script", ORDER, "--faults", "gateway_maintenance", "--", sys.executable, "-c", asks, ASK=json.dumps(ASK))
    assert done.stdout == "200\n", done.stderr
    assert "openai.chat.1  gateway_maintenance: 200: kept it" in done.stderr


TLS_CLIENT = """
import json, os, ssl, urllib.request
for _ in range(2):
    url, ask = os.environ["OPENAI_BASE_URL"] + "/chat/completions", os.environ["ASK"].encode()
    request = urllib.request.Request(url, ask, {"authorization": "Bearer k"})
    try:
        print(urllib.request.urlopen(request, timeout=10).status)
    except OSError as error:
        print(error.reason.verify_message)
"""


def test_an_app_that_speaks_https_meets_a_bad_certificate_and_trusts_the_good_one(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    options = ["--tls", "--script", ORDER, "--faults", "net_tls_untrusted", "-o", str(results)]
    done = chaos(*options, "--", sys.executable, "-c", TLS_CLIENT, ASK=json.dumps(ASK), TMPDIR=str(tmp_path))
    assert done.stdout == "self-signed certificate\n200\n", done.stderr
    assert "0 of them broken, and 1 connection." in done.stderr
    [_, cell] = [json.loads(line) for line in results.read_text().splitlines()]
    assert (cell["id"], cell["outcome"]) == ("order[openai.chat.1-net_tls_untrusted]", "success")
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_an_app_that_gives_up_is_told_with_its_own_exit_code() -> None:
    done = chaos("--script", ORDER, "--faults", "http_401_revoked_key", "--json", "--", sys.executable, BARE)
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["kind"] for line in lines[-2:]] == ["gave up", "summary"]
    [blow] = lines[-1]["blows"]
    assert (blow["point"], blow["fault"], blow["saw"], blow["taken"]) == ("openai.chat.1", "http_401_revoked_key", "401", "gave up")


CURL = """
for n in 1 2; do
  curl --silent --noproxy '*' --max-time 10 --write-out '%{http_code}\\n' --output answer.json \\
    --header 'authorization: Bearer k' --header 'content-type: application/json' --data "$ASK" "$OPENAI_BASE_URL/chat/completions"
done
"""
NODE = """
const ask = () => fetch(process.env.OPENAI_BASE_URL + "/chat/completions", {
  method: "POST", headers: {authorization: "Bearer k", "content-type": "application/json"}, body: process.env.ASK});
(async () => { for (let n = 0; n < 2; n++) { const answer = await ask(); console.log(answer.status); await answer.text(); } })();
"""
RAW = """
import http.client, os, urllib.parse
base = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"])
for _ in range(2):
    connection = http.client.HTTPConnection(base.hostname, base.port)
    connection.request("POST", base.path + "/chat/completions", os.environ["ASK"], {"authorization": "Bearer k"})
    print(connection.getresponse().status)
"""
CLIENTS = {"raw": [sys.executable, "-c", RAW]}
if shutil.which("curl"):
    CLIENTS["curl"] = ["/bin/sh", "-c", CURL]
if shutil.which("node"):
    CLIENTS["node"] = ["node", "-e", NODE]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_client_in_any_language_is_broken_alike(client: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = chaos("--script", ORDER, "--faults", "http_500", "--", *client, ASK=json.dumps(ASK))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["500", "200"]
    assert "How the app took it: 1 recovered." in done.stderr


def test_a_script_that_lacks_what_is_asked_makes_a_good_end_undecidable(tmp_path: Path) -> None:
    app = "import os, urllib.request as u\ntry: u.urlopen(os.environ['OPENAI_BASE_URL'] + '/x')\nexcept OSError as e: print(e)"
    assert chaos("--script", ORDER, "--", sys.executable, "-c", app).returncode == 0
    body = json.dumps(ASK | {"n": 3})
    asks = textwrap.dedent(RAW).replace("range(2)", "range(1)")
    done = chaos("--script", ORDER, "--", sys.executable, "-c", asks, ASK=body)
    assert done.returncode == 3
    assert "What was asked could not be answered: The agent asked for 3 choices" in done.stderr


def test_the_app_gets_every_address_and_no_key_of_ours_replaces_its_own() -> None:
    names = "OPENAI_BASE_URL ANTHROPIC_BASE_URL GOOGLE_GEMINI_BASE_URL AGENTLAB_CHAOS_URL OPENAI_API_KEY ANTHROPIC_API_KEY NO_PROXY"
    show = f"import os; print(*(os.environ[n] for n in '{names}'.split()))"
    done = chaos("--script", ORDER, "--", sys.executable, "-c", show, OPENAI_API_KEY="sk-mine-0123456789", NO_PROXY="a.example")
    shown = re.sub(r"\d{4,5}(?=/| )", "PORT", done.stdout.strip(), count=4)
    assert shown == (
        "http://127.0.0.1:PORT/v1 http://127.0.0.1:PORT http://127.0.0.1:PORT http://127.0.0.1:PORT/_agentlab "
        "sk-mine-0123456789 sk-agentlab-scripted-provider a.example,127.0.0.1,localhost,::1"
    )


@pytest.mark.parametrize(("code", "wanted"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_the_exit_code_is_the_apps(code: str, wanted: int) -> None:
    assert chaos("--script", ORDER, "--", sys.executable, "-c", code).returncode == wanted


def test_the_results_are_rendered_by_agentlab_report(tmp_path: Path) -> None:
    results, page = tmp_path / "results.jsonl", tmp_path / "report.html"
    refused = ["--faults", "http_401_revoked_key", "-o", str(results), "--", sys.executable, BARE]
    assert chaos("--script", ORDER, *refused).returncode == 1
    [header, cell] = [json.loads(line) for line in results.read_text().splitlines()]
    assert header["extra"] == {"kind": "conformance", "time": "real"}
    assert (cell["id"], cell["outcome"]) == ("order[openai.chat.1-http_401_revoked_key]", "crash")
    assert cell["why"] == "The call was never answered well, and the app ended with exit code 1."
    with pytest.raises(SystemExit) as ended:
        cli.main(["report", str(results), "-o", str(page)])
    assert ended.value.code == 0
    text = page.read_text()
    assert "http_401_revoked_key" in text
    assert "nknown" not in text, "nobody outside can tell which layer of the app answered"


STREAM = """
import http.client, json, os, urllib.parse
base = urllib.parse.urlsplit(os.environ["OPENAI_BASE_URL"])
connection = http.client.HTTPConnection(base.hostname, base.port)
connection.request("POST", base.path + "/chat/completions", os.environ["ASK"], {"authorization": "Bearer k"})
print(connection.getresponse().read().count(b"total_tokens"))
"""


@pytest.mark.parametrize("fault", ["usage_bogus", "stream_usage_missing"])
def test_a_stream_that_tells_no_usage_cannot_be_struck_in_it(fault: str, tmp_path: Path) -> None:
    results, app = tmp_path / "results.jsonl", (sys.executable, "-c", STREAM)
    options = ["--script", ORDER, "--faults", fault, "-o", str(results), "--"]
    untold = chaos(*options, *app, ASK=json.dumps(ASK | {"stream": True}))
    assert untold.stdout == "0\n"
    assert "1 request in" in untold.stderr
    assert f"Nothing was broken: {fault} found nothing to act on in what the app asked for." in untold.stderr
    assert len(results.read_text().splitlines()) == 1, "a header alone"
    told = chaos(*options, *app, ASK=json.dumps(ASK | {"stream": True, "stream_options": {"include_usage": True}}))
    assert told.stdout == ("0\n" if "missing" in fault else "1\n")
    assert f"openai.chat.1  {fault}: 200: kept it" in told.stderr


def test_switches_while_it_runs(server: Running) -> None:
    chat = "/v1/chat/completions"
    assert server.call("POST", chat, ASK)[0] == 200
    status, state = server.call("POST", "/_agentlab/faults", {"faults": ["http_503"]})
    assert (status, state["plan"]["faults"]) == (200, ["http_503"])
    assert server.call("POST", chat, ASK | {"messages": [{"role": "user", "content": "Another."}]})[0] == 503
    assert server.call("POST", "/_agentlab/faults", {"paused": True})[1]["paused"] is True
    assert server.call("POST", chat, ASK | {"messages": [{"role": "user", "content": "A third."}]})[0] == 200
    assert server.call("DELETE", "/_agentlab/faults")[1]["plan"]["faults"] == []
    log = server.call("GET", "/_agentlab/log")[1]["entries"]
    assert [entry["fault"] for entry in log] == ["http_503", "http_503"]
    code, _, err = server.end()
    assert code == 0
    assert "3 requests in" in err


def test_scopes_do_not_meet(server: Running) -> None:
    chat = "/v1/chat/completions"
    server.call("POST", "/_agentlab/faults", {"mode": "all-providers-outage"}, x_agentlab_scope="one")
    assert server.call("POST", chat, ASK, x_agentlab_scope="one")[0] == 503
    assert server.call("POST", chat, ASK, x_agentlab_scope="two")[0] == 200
    assert server.call("POST", chat, ASK)[0] == 200
    assert server.call("GET", "/_agentlab/faults", x_agentlab_scope="one")[1]["requests"] == 1
    assert {entry["scope"] for entry in server.call("GET", "/_agentlab/log")[1]["entries"]} == {"one"}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"origin": "https://evil.example"}, {"faults": ["http_503"]}, 403),
        ({"host": "evil.example"}, {"faults": ["http_503"]}, 421),
        ({"content_type": "text/plain"}, {"faults": ["http_503"]}, 415),
        ({}, {"faults": ["nonsense"]}, 400),
        ({}, {"fault": ["http_503"]}, 400),
        ({}, ["http_503"], 400),
    ],
)
def test_the_switches_are_for_this_machine_and_for_known_words(server: Running, headers: dict[str, str], body: Any, status: int) -> None:
    got, answer = server.call("POST", "/_agentlab/faults", body, **headers)
    assert got == status
    assert answer["error"]["message"].startswith("agentlab chaos: ")
    assert server.call("GET", "/_agentlab/faults")[1]["plan"]["faults"] == []


def test_keys_at_the_terminal_switch_and_leave_it_as_it_was() -> None:
    ours, theirs = os.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-m", "agentlab.cli", "chaos", "--script", ORDER, "--faults", "http_503"]
    process = subprocess.Popen(command, env=environment(), stdin=theirs, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        said: list[str] = []
        for wanted, key in (
            ("keys: p pause", b"p"),
            ("paused: nothing is broken", b"p"),
            ("going on", b"n"),
            ("breaking primary-provider-outage", b"m"),
            ("breaking ", b"f"),
            ("breaking http_503", b"x"),
            ("breaking nothing", b"q"),
        ):
            while wanted not in "".join(said):
                said.append(process.stderr.readline())
            said.clear()
            os.write(ours, key)
        assert process.wait(30) == 0
        assert "0 requests in" in process.stderr.read()
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(theirs)


SDKS = """
import anthropic, openai
from google import genai
ask = "Refund order 5512."
told = []
chat = [{"role": "user", "content": ask}]
o = openai.OpenAI()
told.append(o.chat.completions.create(model="gpt-4o-mini", messages=chat).choices[0].message.content)
chunks = o.chat.completions.create(model="gpt-4o-mini", messages=chat, stream=True)
told.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
told.append(o.responses.create(model="gpt-4o-mini", input=ask).output_text)
events = o.responses.create(model="gpt-4o-mini", input=ask, stream=True)
told.append("".join(event.delta for event in events if event.type == "response.output_text.delta"))
a = anthropic.Anthropic()
told.append(a.messages.create(model="claude-sonnet-4-5", max_tokens=100, messages=chat).content[0].text)
with a.messages.stream(model="claude-sonnet-4-5", max_tokens=100, messages=chat) as stream:
    told.append("".join(stream.text_stream))
retrying = genai.types.HttpOptions(retry_options=genai.types.HttpRetryOptions(attempts=3, initial_delay=0.1))
g = genai.Client(http_options=retrying)
told.append(g.models.generate_content(model="gemini-2.5-flash", contents=ask).text)
told.append("".join(c.text or "" for c in g.models.generate_content_stream(model="gemini-2.5-flash", contents=ask)))
print(len(told), set(told))
"""


def test_every_sdk_finds_the_server_and_is_told_the_same(tmp_path: Path) -> None:
    script = tmp_path / "hello.yaml"
    script.write_text("script:\n  - say: It is refunded.\n")
    done = chaos("--script", str(script), "--faults", "http_503", "--", sys.executable, "-W", "ignore", "-c", SDKS)
    assert done.stdout == "8 {'It is refunded.'}\n", done.stderr
    for point in ("openai.chat.1", "openai.responses.1", "anthropic.messages.1", "gemini.generate.1"):
        assert f"{point}: attempt 1 struck by http_503" in done.stderr


LINGERS = """
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
child.stdout.readline()
print(os.getpid(), child.pid, flush=True)
signal.pause()
"""


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_ended_in_any_way_it_leaves_no_process_and_no_port(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running("--script", ORDER, "--", sys.executable, "-c", LINGERS)
    try:
        assert running.process.stdout is not None
        pids = [int(word) for word in running.process.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(alive, pids))
        running.process.send_signal(number)
        running.process.stdout.read()  # its end: nobody holds the pipe any more
        code = running.process.wait(30)
        assert code == (-number if number == signal.SIGKILL else 128 + number)
        while any(map(alive, pids)):  # a process closes its files shortly before it is gone; the test's own time-out ends this
            os.sched_yield()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", running.port))
    finally:
        running.kill()
