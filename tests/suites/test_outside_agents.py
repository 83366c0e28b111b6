"""Agents outside the process: a command and an HTTP endpoint, broken on a socket in real time and judged by what they say."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from agentlab_reports.schema import CellLine
from agentlab_suites.agents import load_agent
from agentlab_suites.capabilities import CAPABILITIES, explain
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.plan import Discovered, cells_of, discover, prepare
from agentlab_suites.problems import BadAgent, BadInput, BadSuite

from agentlab import cli
from agentlab.commands.console import CommandError
from agentlab.commands.watching import agent_of
from tests.processes import are_gone
from tests.suites.outside_shop import AGENT, ENDPOINT, SUITE

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an agent as a command, one as an endpoint, and a suite."""
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "endpoint.py").write_text(ENDPOINT)
    (tmp_path / "shop.suite.yaml").write_text(SUITE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


class Lab:
    """A suite and its agent, ready to play."""

    def __init__(self, suite: Path, agent: str | None = None) -> None:
        loaded = load_suite(suite)
        named = agent or loaded.suite.agent
        assert named is not None
        self.agent = load_agent(named, folder=suite.parent, suite_folder=suite.parent, trusted=agent is not None)
        self.prepared = prepare(loaded, self.agent)
        self.found: list[Discovered] = discover(self.prepared)
        self.cells = {cell.id: cell for cell in cells_of(self.prepared, self.found)}

    def play(self, cell: str) -> CellLine:
        return play_cell(self.cells[cell], self.agent).line


@pytest.mark.parametrize(
    ("manner", "cell", "outcome"),
    [
        ("retries", "openai.chat.2-http_503", "success"),
        ("raises", "openai.chat.1-http_503", "crash"),
        ("admits", "openai.chat.2-http_503-always", "degraded_honest"),
        ("lies", "openai.chat.1-http_503", "silent_wrong"),
        ("quiet", "openai.chat.1-http_503", "crash"),
        ("storms", "openai.chat.1-http_503-always", "budget"),
    ],
)
def test_a_command_is_judged_by_the_same_table(shop: Path, manner: str, cell: str, outcome: str) -> None:
    edit(shop / "agent.py", 'MANNER = "retries"', f'MANNER = "{manner}"')
    edit(shop / "shop.suite.yaml", "{deadline: 4s}", "{deadline: 8s, budget: {requests: 4}}")
    line = Lab(shop / "shop.suite.yaml").play(f"refund_order[{cell}]")
    assert (line.outcome, line.time) == (outcome, "real"), line.why
    assert line.fired >= 1
    assert (line.counts.tool_runs, line.counts.commits) == (0, 0)


def test_the_control_is_green_and_is_not_asked_to_be_the_same_twice(shop: Path) -> None:
    lab = Lab(shop / "shop.suite.yaml")
    assert [found.failure for found in lab.found] == [""]
    assert {point.name for point in lab.found[0].points} == {"openai.chat.1", "openai.chat.2"}
    line = lab.play("refund_order[control]")
    assert (line.outcome, line.findings, line.reply) == ("success", [], "I refunded order 5512.")


def test_only_what_a_server_can_make_is_planned(shop: Path) -> None:
    edit(shop / "shop.suite.yaml", "faults: [http_503, net_read_timeout]", "")
    lab = Lab(shop / "shop.suite.yaml")
    rows = [injection.fault.row for cell in lab.cells.values() for injection in cell.schedule.injections]
    assert {"http_503", "net_conn_refused", "content_null"} <= {row.id for row in rows}
    assert not {row.id for row in rows} & {"net_pool_timeout", "net_dns_nxdomain", "net_tls_cert_verify"}
    assert all("llm" in row.kinds for row in rows)
    with pytest.raises(BadInput, match=r"^tool_timeout\w* cannot strike an agent outside this process: it strikes inside the app"):
        cells_of(lab.prepared, lab.found, ["tool_timeout*"])
    assert [cell.schedule.mode for cell in cells_of(lab.prepared, lab.found, ["tool-timeouts", "flaky-network"])] == ["", "flaky-network"]


def test_a_hung_command_is_ended_with_all_that_it_started(shop: Path) -> None:
    edit(shop / "agent.py", 'MANNER = "retries"', 'MANNER = "waits"')
    lab = Lab(shop / "shop.suite.yaml")
    cell = lab.cells["refund_order[openai.chat.1-net_read_timeout]"]
    short = replace(cell, scene=replace(cell.scene, setup=replace(cell.scene.setup, deadline=1.5)))
    line = play_cell(short, lab.agent).line
    assert re.match(r"Still going after [\d.]+ real seconds, past its deadline and grace\.", line.why)
    assert (line.outcome, line.deadline) == ("hang", 1.5)
    assert are_gone(*map(int, (shop / "pids").read_text().split()))


def test_a_failing_command_says_its_code_and_its_last_words(shop: Path) -> None:
    edit(shop / "agent.py", 'MANNER = "retries"', 'MANNER = "raises"')
    lab = Lab(shop / "shop.suite.yaml")
    line = lab.play("refund_order[openai.chat.1-http_503]")
    assert line.error.startswith("CommandFailed: exit code 1: urllib.error.HTTPError: HTTP Error 503")
    edit(shop / "shop.suite.yaml", "version: 1\n", "version: 1\nerrors: [CommandFailed]\n")
    assert Lab(shop / "shop.suite.yaml").play("refund_order[openai.chat.1-http_503]").outcome == "clean_failure"


def test_no_real_key_goes_to_an_agent_that_a_script_answers(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "sk-real-real-real-real")
    Lab(shop / "shop.suite.yaml")
    told = json.loads((shop / "environment").read_text())
    assert "sk-real-real-real-real" not in told.values()
    assert told["OPENAI_API_KEY"] == told["GOOGLE_API_KEY"] == "sk-agentlab-scripted-provider"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", told["OPENAI_BASE_URL"])


def test_a_command_that_never_calls_its_provider_proves_nothing(shop: Path) -> None:
    edit(shop / "agent.py", 'MANNER = "retries"', 'MANNER = "idle"')
    found = Lab(shop / "shop.suite.yaml").found[0]
    assert re.search(r"ended in error: The agent never called the scripted provider; it must take its address from OPENAI_", found.failure)
    edit(shop / "agent.py", 'MANNER = "idle"', "import no_such_module; MANNER = 1")
    assert "(exit code 1: ModuleNotFoundError: No module named 'no_such_module')" in Lab(shop / "shop.suite.yaml").found[0].failure


@pytest.mark.parametrize(("manner", "outcome"), [("retries", "success"), ("raises", "crash")])
def test_an_endpoint_is_started_for_each_conversation_and_remembers_its_turns(shop: Path, manner: str, outcome: str) -> None:
    edit(shop / "agent.py", 'MANNER = "retries"', f'MANNER = "{manner}"')
    edit(shop / "shop.suite.yaml", "{command: [python, agent.py]}", '{command: [python, endpoint.py], url: "http://127.0.0.1:{port}/ask"}')
    edit(shop / "shop.suite.yaml", "    prompt: Refund 5512.\n", "    turns: [Refund 5512., Thank you.]\n")
    edit(shop / "shop.suite.yaml", "      - say: I refunded order 5512.\n", "      - say: Done.\n      - say: I refunded order 5512.\n")
    lab = Lab(shop / "shop.suite.yaml")
    assert [point.name for point in lab.found[0].points] == ["openai.chat.1", "openai.chat.2", "openai.chat.3"]
    line = lab.play("refund_order[openai.chat.3-http_503]")
    assert line.outcome == outcome, line.why
    assert [span.label for span in line.timeline if span.kind == "turn"] == ["user", "user"]
    assert line.error.startswith("EndpointFailed: HTTP 500") if manner == "raises" else not line.error


class Endpoint:
    """An endpoint in this process that was started before the lab: it looks for its provider at a port that was agreed on."""

    def __init__(self, provider: int) -> None:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.asked.append(asked)
                body = json.dumps({"model": "m", "messages": [{"role": "user", "content": asked["question"]}]})
                head = "POST /v1/chat/completions HTTP/1.0\r\nhost: 127.0.0.1\r\nauthorization: Bearer k\r\ncontent-type: application/json"
                request = f"{head}\r\ncontent-length: {len(body)}\r\n\r\n{body}"
                with socket.create_connection(("127.0.0.1", provider)) as provided:
                    provided.sendall(request.encode())
                    answer = b"".join(iter(lambda: provided.recv(65536), b""))
                head, _, rest = answer.partition(b"\r\n\r\n")
                ok = b" 200 " in head.splitlines()[0]
                text = json.loads(rest)["choices"][0]["message"]["content"] if ok else "I'm sorry, that is not available right now."
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_request(self, *_: object) -> None:
                pass

        self.asked: list[dict[str, Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/ask"

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def running() -> Iterator[tuple[Endpoint, int]]:
    """A running endpoint, and the port at which it looks for its provider."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    endpoint = Endpoint(port)
    yield endpoint, port
    endpoint.end()


def test_an_endpoint_that_runs_already_finds_its_provider_at_an_agreed_port(shop: Path, running: tuple[Endpoint, int]) -> None:
    endpoint, port = running
    suite = shop / "shop.suite.yaml"
    edit(suite, "{command: [python, agent.py]}", f'{{url: "{endpoint.url}", proxy: {port}, body: {{question: "{{prompt}}"}}}}')
    edit(suite, "      - call: {refund: {order: '5512'}}\n", "")
    lab = Lab(suite)
    assert lab.play("refund_order[control]").outcome == "success"
    assert lab.play("refund_order[openai.chat.1-http_503]").outcome == "degraded_honest"
    assert endpoint.asked[0] == {"question": "Refund 5512."}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the provider's port is still open"


def test_an_agreed_port_that_is_taken_and_an_endpoint_that_is_not_there_are_told(shop: Path, running: tuple[Endpoint, int]) -> None:
    endpoint, port = running
    suite = shop / "shop.suite.yaml"
    edit(suite, "{command: [python, agent.py]}", f'{{url: "{endpoint.url}", proxy: {endpoint.server.server_port}}}')
    with pytest.raises(BadAgent, match=rf"port {endpoint.server.server_port} is in use; end who has it, play without -n"):
        Lab(suite)
    edit(suite, endpoint.url, f"http://127.0.0.1:{port}/ask")
    edit(suite, f"proxy: {endpoint.server.server_port}", f"proxy: {port + 1 if port < 65535 else port - 1}")
    with pytest.raises(BadAgent, match=r"cannot be asked: Nothing listens at 127\.0\.0\.1:\d+; start the agent first"):
        Lab(suite)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "body: real}",
            "body: fake}",
            r":\d+: The script calls 'refund', which an agent outside this process runs by itself, for real; say th",
        ),
        (
            "reply.contains: '5512'",
            "ledger.exactly: {refund: 1}",
            r"'ledger.exactly' is a check of the ledger of tools, which an agent outs",
        ),
        (
            "version: 1\n",
            "version: 1\nclaims: {refund: [refunded]}\n",
            r":2: 'claims:' is held against the ledger of tools, which an agent",
        ),
        ("version: 1\n", "version: 1\nstores: {redis: {body: fake}}\n", r":2: 'stores:' is answered inside the agent's process, which an"),
        (
            "version: 1\n",
            "version: 1\nmcp: {shop: {tools: [refund]}}\n",
            r":2: 'mcp:' is answered inside the agent's process, which an agent",
        ),
        ("[python, agent.py]", "[python, -c, pass]", r"would run 'python -c pass', and nothing but a file below the suite's folder is run"),
        ("[python, agent.py]", "[sh, ../agent.sh]", r"would run 'sh ../agent.sh', and nothing but a file below"),
        ("[python, agent.py]", "[rm, -r, x]", r"would run 'rm -r x', and nothing but a file below"),
        ("[python, agent.py]", "[]", r"'agent.command' is empty; give it at least one entry"),
        ("{command: [python, agent.py]}", "{}", r"'agent' needs 'command:' or 'url:', or both\."),
        ("{command: [python, agent.py]}", "{comand: [x]}", r"'comand' is not a key under 'agent'; did you mean 'command'\?"),
        ("{command: [python, agent.py]}", "{url: 'https://127.0.0.1:1/x'}", r"is not plain HTTP on this machine, and nothing further away"),
        (
            "{command: [python, agent.py]}",
            "{url: 'http://example.org:80/x'}",
            r"is not plain HTTP on this machine, and nothing further away",
        ),
        (
            "{command: [python, agent.py]}",
            "{url: 'http://127.0.0.1:{port}/x'}",
            r"has {port} in its address, which only a command can be told",
        ),
        (
            "{command: [python, agent.py]}",
            "{url: 'http://127.0.0.1/x'}",
            r"has no port in its address; write it as in http://127\.0\.0\.1:8000",
        ),
        ("agent.py]}", "agent.py], proxy: 9}", r"'agent' has 'body:' or 'proxy:', which belong to a 'url:'"),
        ("{command: [python, agent.py]}", "5", r"'agent' must be text; put it in quotes, not 5\."),
    ],
)
def test_what_no_agent_outside_can_have_is_refused_before_anything_runs(shop: Path, old: str, new: str, sentence: str) -> None:
    edit(shop / "shop.suite.yaml", old, new)
    with pytest.raises((BadSuite, BadAgent), match=sentence):
        Lab(shop / "shop.suite.yaml")
    assert not (shop / "pids").exists()


def test_the_command_line_may_name_any_command(shop: Path) -> None:
    line = Lab(shop / "shop.suite.yaml", agent=f"cmd:{sys.executable} -S agent.py '{{prompt}}'").play(
        "refund_order[openai.chat.1-http_503]"
    )
    assert line.outcome == "success"
    with pytest.raises(BadAgent, match=r"cannot be asked: 'no-such-program' cannot be run: No such file"):
        Lab(shop / "shop.suite.yaml", agent="cmd:no-such-program")
    with pytest.raises(BadAgent, match=r"names no command; write it behind"):
        load_agent("cmd:")
    with pytest.raises(BadAgent, match=r"is no command: No closing quotation; quote it as a shell would"):
        load_agent("cmd:python 'agent.py")


def test_a_reply_of_any_size_is_cut_and_one_that_is_no_text_is_read(shop: Path) -> None:
    edit(
        shop / "agent.py",
        'MANNER = "retries"',
        'import atexit; atexit.register(lambda: sys.stdout.buffer.write(b"\\xff" * 3_000_000)); MANNER = "retries"',
    )
    assert len(Lab(shop / "shop.suite.yaml").play("refund_order[control]").reply) == 4_000


def replayed() -> object:
    """The exit code of `agentlab replay`."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["replay", "refund_order[openai.chat.1-http_503]"])
    return ended.value.code


def test_results_report_and_replay_say_that_time_was_real(
    shop: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shop)
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    edit(shop / "agent.py", 'MANNER = "retries"', 'MANNER = "raises"')
    (shop / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    ran = pytester.runpytest_inprocess(
        "-p", "no:randomly", "-p", "no:cacheprovider", str(shop), "--rootdir", str(shop), "-k", "chat.1-http_503"
    )
    ran.stdout.re_match_lines([r"  cost .* 1 requests \(2 without faults\), 0 tool runs, 0 commits, [\d.]+ real s of 4"])
    header, *lines = map(json.loads, Path(".agentlab/last/results.jsonl").read_text().splitlines())
    assert header["extra"]["time"] == "real"
    assert {line["time"] for line in lines} == {"real"}
    page = Path(".agentlab/last/report.html").read_text()
    assert "<dt>Real time</dt>" in page
    assert "<dt>Virtual time</dt>" not in page
    capsys.readouterr()
    assert replayed() == 1
    assert "The same outcome as in the run; its times are real and never equal." in capsys.readouterr().out
    results = Path(".agentlab/last/results.jsonl")
    results.write_text(results.read_text().replace("cmd:python agent.py", "cmd:sh -c pwned"))
    assert replayed() == 2
    assert "nothing but a file below the suite's folder is run" in " ".join(capsys.readouterr().err.split())


def test_an_agent_whose_name_holds_a_secret_is_replayed_from_the_suite_or_asked_for(shop: Path) -> None:
    suite, key = shop / "shop.suite.yaml", "sk-abcdefghijklmnop"
    edit(suite, "agent.py]", f"agent.py, --key, {key}]")
    told = "cmd:python agent.py --key [secret]"
    assert agent_of(load_suite(suite), None, told).name == told.replace("[secret]", key)
    with pytest.raises(CommandError, match="say with --agent which one it is"):
        agent_of(load_suite(suite), None, told.replace("agent", "other"))


def test_what_the_lab_can_do_with_each_is_told(shop: Path) -> None:
    told = dict(explain(load_agent("cmd:python agent.py", folder=shop), load_suite(shop / "shop.suite.yaml")))
    assert told["kind"] == CAPABILITIES["command"].kind
    assert told["time"] == "real, bounded"
    assert told["tool refund"] == "write; run by the agent itself, for real, and not seen"
    told = dict(explain(load_agent("http://127.0.0.1:8000/ask"), load_suite(shop / "shop.suite.yaml")))
    assert (told["kind"], told["provider"]) == (CAPABILITIES["endpoint"].kind, "http://127.0.0.1:8787")


def test_the_examples_are_agents_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert [found.failure for found in Lab(EXAMPLES / "order_endpoint.suite.yaml").found] == [""]
    assert Lab(EXAMPLES / "order_command.suite.yaml").play("refund_order[openai.chat.2-http_503]").outcome == "success"
