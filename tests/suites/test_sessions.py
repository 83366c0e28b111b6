"""Sessions: many runs through one agent, modes across them, the worst run's outcome, and what a dead provider was sent."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import openai
import pytest
from agentlab_reports import SuiteResults, evaluate, render_html
from agentlab_reports.schema import CellLine
from agentlab_suites.agents import Agent as Named
from agentlab_suites.cell import play_cell
from agentlab_suites.headers import header_of
from agentlab_suites.load import load_suite
from agentlab_suites.plan import Discovered, Prepared, cells_of, discover, prepare
from agentlab_suites.problems import BadSuite

from agentlab import Agent, BreakerPolicy, Model, RedisBreakers, Reply, tool

SUITE = """\
version: 1
defaults: {deadline: 30s}
fallback: {model: true}
tools:
  look: {effect: read, returns: {status: sent}}
scenarios:
  orders:
    session:
      arrivals: {every: 5s, count: 40}
      windows:
        first-away: {mode: primary-provider-outage, from: 20s, to: 140s}
    prompt: Where is order 42?
    script:
      - call: {look: {order: "42"}}
      - say: Order 42 was sent.
    expect:
      - reply.contains: was sent
"""
PLAIN = SUITE.replace('      - call: {look: {order: "42"}}\n', "").replace("tools:\n  look: {effect: read, returns: {status: sent}}\n", "")
WITHOUT_WINDOWS = SUITE.replace("      windows:\n        first-away: {mode: primary-provider-outage, from: 20s, to: 140s}\n", "")
FALLBACK = "https://llm.fallback.example/v1"


@tool
async def look(order: str) -> dict[str, Any]:
    """Look an order up."""
    raise NotImplementedError


def ours(shared: RedisBreakers | None = None) -> Agent:
    models = [Model(name="first"), Model(name="second", base_url=FALLBACK, limit_field="max_tokens")]
    policy = BreakerPolicy(shared=shared)
    return Agent("orders", instructions="Use the tools.", models=models, tools=[look], model_breaker=policy)


class Fleet:
    """Two workers of one service, which share their breakers through one Redis; whoever arrives goes to the next one."""

    def __init__(self) -> None:
        server = fakeredis.FakeServer()
        workers = [ours(RedisBreakers(fakeredis.FakeAsyncRedis(server=server))) for _ in range(2)]
        self._next = itertools.cycle(workers)

    async def __call__(self, text: str) -> Reply:
        return await next(self._next).new_conversation()(text)


def forgetful(fine: int = 1_000) -> Callable[[str], Any]:
    """No breaker: each run asks the first host, then the second. After so many runs it has nothing to say any more."""
    hosts = [openai.AsyncOpenAI(max_retries=2), openai.AsyncOpenAI(max_retries=0, base_url=FALLBACK)]
    seen: list[str] = []

    async def agent(text: str) -> str | None:
        seen.append(text)
        for client in hosts:
            try:
                answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
            except openai.APIError:
                continue
            return answer.choices[0].message.content if len(seen) <= fine else ""
        raise RuntimeError("nobody answers")

    return agent


def tires_after_one() -> Callable[[str], Any]:
    return forgetful(fine=1)


def blocking() -> Callable[[str], Any]:
    client = openai.OpenAI(max_retries=0)

    def agent(text: str) -> str | None:
        return client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}]).choices[0].message.content

    return agent


class Session:
    """A suite and an agent, and what they come to."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "s.suite.yaml"

    def planned(self, suite: str, factory: Callable[[], Any]) -> tuple[Prepared, list[Discovered]]:
        self._path.write_text(suite)
        prepared = prepare(load_suite(self._path), Named.of(factory))
        return prepared, discover(prepared)

    def play(self, suite: str, factory: Callable[[], Any] = ours) -> dict[str, CellLine]:
        prepared, found = self.planned(suite, factory)
        return {cell.id: play_cell(cell, prepared.agent).line for cell in cells_of(prepared, found, force=True)}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def codes(cell: CellLine) -> dict[str, str]:
    return {finding.code: finding.text for finding in cell.findings}


def test_after_opening_only_probes_reach_the_dead_provider_one_at_a_time_and_it_is_back_within_one_reset(session: Session) -> None:
    cells = session.play(SUITE)
    assert list(cells) == ["orders[control]", "orders[first-away]"]
    cell = cells["orders[first-away]"]
    assert (cell.outcome, cell.passed, len(cell.runs)) == ("success", True, 40)
    assert set(codes(cell)) == {"outage_conduct"}
    told = codes(cell)["outage_conduct"]
    assert "3 requests reached api.openai.com, 3 of them probes, 1 at a time at most" in told
    assert 0 <= float(told.rpartition("; ")[2].split()[0]) <= 30.0
    assert cell.counts.requests - cell.counts.clean_requests == 5  # two to find out, three probes
    strip = [(span.label, span.status) for span in cell.timeline if span.kind == "breaker"]
    assert strip[:3] == [("llm:first", "closed"), ("llm:first", "open"), ("llm:first", "half_open")]
    assert strip[-1] == ("llm:first", "closed")


def test_two_workers_on_one_redis_share_what_they_know_of_a_dead_provider(session: Session) -> None:
    """Five virtual minutes without the first provider; each 20 s one user arrives at each worker, at the same moment."""
    moments = ", ".join(f"{20 * n}s, {20 * n}s" for n in range(23))
    suite = SUITE.replace("{every: 5s, count: 40}", f"[{moments}]").replace("from: 20s, to: 140s", "from: 1m, to: 6m")
    cell = session.play(suite, Fleet)["orders[first-away]"]
    assert (cell.outcome, cell.passed, len(cell.runs)) == ("success", True, 46)
    assert set(codes(cell)) == {"outage_conduct"}
    told = re.search(
        r"(\d+) requests reached api.openai.com, (\d+) of them probes, 1 at a time at most; (\S+) s after", codes(cell)["outage_conduct"]
    )
    assert told is not None
    assert int(told[1]) == int(told[2]) <= 300 / 30
    assert 0 <= float(told[3]) <= 30.0
    assert {run.outcome for run in cell.runs} == {"success"}


def test_an_agent_that_forgets_is_told_that_it_went_on_asking(session: Session) -> None:
    cell = session.play(PLAIN, forgetful)["orders[first-away]"]
    assert cell.outcome == "success"
    assert codes(cell)["no_breaker"].startswith("Went on asking a dead provider: api.openai.com was dead for 1")


def test_the_agent_is_built_once_and_the_session_is_as_good_as_its_worst_run(session: Session) -> None:
    suite = PLAIN.replace("arrivals: {every: 5s, count: 40}", "runs: 3").replace("from: 20s, to: 140s", "to: 1h")
    cell = session.play(suite, tires_after_one)["orders[first-away]"]
    assert cell.outcome == "crash"
    assert [run.outcome for run in cell.runs] == ["success", "crash", "crash"]
    assert cell.why.startswith("Run 2 of 3, which came at ")
    assert cell.why.endswith(" s: the agent returned nothing.")


def test_runs_that_overlap_keep_their_own_place_in_the_script_and_their_own_points(session: Session) -> None:
    cells = session.play(WITHOUT_WINDOWS.replace("{every: 5s, count: 40}", "[0s, 0s, 500ms]") + "    faults: [http_503]\n")
    assert {cell.outcome for cell in cells.values()} == {"success"}
    assert [run.began for run in cells["orders[control]"].runs] == [0.0, 0.0, 0.5]
    struck = cells["orders[r2.openai.chat.2-http_503]"]
    assert struck.fired == 1
    assert {span.label.partition("@")[0] for span in struck.timeline if span.kind == "llm"} == {"r2.openai.chat.1", "r2.openai.chat.2"}


def test_an_agent_that_blocks_has_a_thread_for_each_run(session: Session) -> None:
    suite = PLAIN.replace("{every: 5s, count: 40}", "{every: 100ms, count: 6}").replace("from: 20s, to: 140s", "from: 250ms, to: 1h")
    cells = session.play(suite, blocking)
    assert cells["orders[control]"].virtual_seconds == 1.5
    assert [run.outcome for run in cells["orders[first-away]"].runs] == ["success"] * 3 + ["crash"] * 3


def test_the_same_session_gives_the_same_bytes_and_replay_finds_its_window(session: Session) -> None:
    prepared, found = session.planned(SUITE.replace("count: 40", "count: 8"), ours)
    (cell,) = [cell for cell in cells_of(prepared, found, ["primary-provider-outage"]) if cell.schedule.injections]
    assert cell.id == "orders[first-away]"
    lines = [play_cell(cell, prepared.agent, seed=3).line.model_dump_json() for _ in range(2)]
    assert lines[0] == lines[1]


def test_the_report_shows_every_run(session: Session) -> None:
    prepared, found = session.planned(SUITE.replace("count: 40", "count: 8"), ours)
    planned = cells_of(prepared, found)
    cells = [play_cell(cell, prepared.agent).line for cell in planned]
    results = [SuiteResults(header=header_of(prepared, found, planned, (), Path.cwd()), cells=cells)]
    page = render_html(results, evaluate(results, None), None)
    assert "The session's 8 runs, as they came" in page
    assert page.count('title="Run ') == 16


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("arrivals: {every: 5s, count: 40}", "runs: 1", "must be at least 2"),
        ("arrivals: {every: 5s, count: 40}", "runs: 3\n      arrivals: [0s, 1s]", "needs either 'runs:' or 'arrivals:'"),
        ("to: 140s", "to: 10s", "must end ('to:') after it begins ('from:')"),
        ("mode: primary", "mode: primry", "No mode is named 'primry-provider-outage'; did you mean 'primary-provider-outage'?"),
        ("first-away:", "tool-timeouts:", "The window 'tool-timeouts' has a mode's name; give it one of its own."),
    ],
)
def test_what_makes_no_session_is_refused_with_its_line(session: Session, old: str, new: str, sentence: str) -> None:
    assert old in SUITE
    with pytest.raises(BadSuite) as refused:
        session.planned(SUITE.replace(old, new), ours)
    assert sentence in str(refused.value)
    assert "s.suite.yaml:" in str(refused.value)
