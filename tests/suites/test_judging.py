"""Checks, best outcomes, findings, timelines and masking."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults.catalogue import all_modes, mode_schedule, singles
from agentlab_faults.fault import all_faults
from agentlab_faults.journal import Answered, Event, FaultStruck, Replied, Requested, ToolEnded, ToolStarted, TurnBegan
from agentlab_faults.ledger import Execution, Ledger
from agentlab_faults.played import Clean, Played
from agentlab_faults.points import Point
from agentlab_faults.schedule import FAULT_FREE, Schedule
from agentlab_suites.best import best_of
from agentlab_suites.checks import failed
from agentlab_suites.findings import EXPLAIN, STORM, find
from agentlab_suites.load import load_suite
from agentlab_suites.masking import MASK, Masker
from agentlab_suites.model import Check, Fallback
from agentlab_suites.scene import scenes
from agentlab_suites.timeline import MAX_SPANS, timeline

LLM = Point("openai.chat.1", "llm", "openai.chat", 1, calls_tools=True)
TOOL = Point("tool.refund.1", "tool", "refund", 1, effect="write")


def single(fault: str, point: Point = LLM, shape: str = "once") -> Schedule:
    wanted = f"{point.name}-{fault}" + ("" if shape == "once" else f"-{shape}")
    [found] = [schedule for schedule in singles([point], [all_faults()[fault]]) if schedule.name == wanted]
    return found


def commits(*tools: str) -> Ledger:
    made = Ledger()
    for n, tool in enumerate(tools):
        made.commit(tool, {"order": str(n)}, identity=["order"], key="", seconds=1.0)
        made.executions.append(Execution(str(n), tool, {"order": str(n), "amount": 49.9}, f"tool.{tool}.1", 1, 0.5))
    return made


# Checks


@pytest.mark.parametrize(
    ("key", "value", "reply", "told"),
    [
        ("reply.contains", "refunded", "It was REFUNDED.", ""),
        ("reply.contains", ["a", "b"], "a", "does not contain 'b'"),
        ("reply.not_contains", "sorry", "I'm Sorry.", "contains 'sorry'"),
        ("reply.matches", r"\d{4}", "order 5512", ""),
        ("reply.matches", r"^\d{4}$", "order 5512", "does not match"),
        ("reply.equals", "yes", " yes\n", ""),
        ("reply.equals", "yes", "yes!", "is not 'yes'"),
        ("json", {"path": "$.queue", "equals": "billing"}, '{"queue": "billing"}', ""),
        ("json", {"path": "$.a[1].b", "equals": 2}, '{"a": [0, {"b": 2}]}', ""),
        ("json", {"path": "$.queue", "equals": "billing"}, '{"queue": "spam"}', "has 'spam' at $.queue"),
        ("json", {"path": "$.a.b", "equals": 1}, '{"a": []}', "has nothing at $.a.b"),
        ("json", {"path": "$", "equals": 1}, "not json", "is not JSON"),
        ("json", {"path": "$", "equals": 1}, "[" * 100_000, "is not JSON"),
        ("json", {"path": "$.a", "equals": 1}, '{"a": "' + "word " * 100_000 + '"}', "word word ... at $.a, not 1"),
        ("ledger.exactly", {"refund": 2}, "", ""),
        ("ledger.exactly", {"refund": 1, "mail": 0}, "", "holds 2 commits of refund, not 1"),
        ("ledger.at_least", {"refund": 3}, "", "fewer than 3"),
        ("ledger.at_most", {"refund": 1}, "", "more than 1"),
        ("ledger.none", "refund", "", "holds 2 commits of refund"),
        ("ledger.none", ["mail"], "", ""),
        ("ledger.called", "mail", "", "mail was never run"),
        ("ledger.called", ["refund"], "", ""),
        ("ledger.with", {"refund": {"order": "1", "amount": 49.90}}, "", ""),
        ("ledger.with", {"refund": {"order": "9"}}, "", 'never run with {"order": "9"}'),
    ],
)
def test_a_check_holds_or_says_why_not(key: str, value: Any, reply: str, told: str) -> None:
    found = failed(Check.model_validate({key: value}), reply, commits("refund", "refund"))
    assert (told in found) if told else found == ""


# Best outcomes


@pytest.mark.parametrize(
    ("schedule", "fallback", "best"),
    [
        (FAULT_FREE, Fallback(), "success"),
        (single("http_503"), Fallback(), "success"),
        (single("http_503", shape="always"), Fallback(), "degraded_honest"),
        (single("http_503", shape="always"), Fallback(model=True), "success"),
        (single("http_413", shape="always"), Fallback(model=True), "degraded_honest"),
        (single("tool_exception", TOOL, "always"), Fallback(model=True), "degraded_honest"),
        (single("tool_exception", TOOL, "always"), Fallback(tools=("refund",)), "success"),
        (mode_schedule("primary-provider-outage"), Fallback(), "degraded_honest"),
        (mode_schedule("primary-provider-outage"), Fallback(model=True), "success"),
        (mode_schedule("all-providers-outage"), Fallback(model=True), "degraded_honest"),
        (mode_schedule("tool-timeouts"), Fallback(model=True), "degraded_honest"),
        (mode_schedule("tool-timeouts"), Fallback(tools=("refund", "lookup")), "success"),
    ],
)
def test_the_best_outcome_follows_from_the_fault_and_the_fallbacks(schedule: Schedule, fallback: Fallback, best: str) -> None:
    assert best_of(schedule, fallback, {"refund", "lookup"})[0] == best


@pytest.mark.parametrize("mode", list(all_modes()))
def test_every_mode_has_a_best_outcome_with_a_reason(mode: str) -> None:
    for fallback in (Fallback(), Fallback(model=True)):
        best, why = best_of(mode_schedule(mode), fallback, {"refund"})
        assert best in ("success", "degraded_honest", "undetectable")
        assert why


# Allowed outcomes


SUITE = """\
version: 1
agent: app:build
tools: {refund: {effect: write}}
allow: {http_429*: [success, degraded_honest]}
scenarios:
  one:
    prompt: Refund it.
    script: [{call: {refund: {}}}, {say: done}]
    under:
      http_503: {allow: [crash]}
      all-providers-outage: {never: [{reply.contains: refunded}]}
    skip: {"tool_*": {reason: not ours, until: 2030-01-31}}
"""


def test_a_suite_widens_and_narrows_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.suite.yaml"
    path.write_text(SUITE)
    [scene] = scenes(load_suite(path), watchdog=None, hooked={})
    assert scene.allowed(FAULT_FREE, "success") == ["success"]
    assert scene.allowed(single("http_500"), "success") == ["success"]
    assert scene.allowed(single("http_500", shape="always"), "degraded_honest") == ["success", "degraded_honest", "clean_failure"]
    assert scene.allowed(single("http_503"), "success") == ["crash"]
    assert scene.allowed(single("http_429_rate"), "success") == ["success", "degraded_honest"]
    assert len(scene.never(mode_schedule("all-providers-outage"))) == 1
    assert scene.never(single("http_503")) == ()


def test_limits_follow_from_the_fault_free_run(tmp_path: Path) -> None:
    path = tmp_path / "a.suite.yaml"
    path.write_text(SUITE + "    budget: {tokens: 3x}\n")
    [scene] = scenes(load_suite(path), watchdog=None, hooked={})
    limited = scene.limited(Clean({}, requests=2, tokens=100))
    assert limited.max_requests == 32
    assert limited.max_tokens == 300
    assert scene.limited(Clean({}, requests=10, tokens=100)).max_requests == 100


# Findings


def asked(serial: int, seconds: float, attempt: int = 1, host: str = "api.openai.com", **changes: Any) -> Requested:
    return Requested(
        seconds, serial, "openai.chat.1", attempt, host, "gpt", "httpx2", 10, changes.get("digest", "d"), changes.get("sdk_retry", 0)
    )


def answered(serial: int, seconds: float, fault: str, *, status: int = 503, end: str = "delivered", wait: float | None = None) -> Answered:
    return Answered(seconds, serial, "openai.chat.1", 1, end, status, 0, fault, wait)


def run_of(*journal: Event, seconds: float = 10.0) -> Played:
    return Played(
        ending="returned",
        replies=(),
        error=None,
        detail="",
        journal=journal,
        ledger=Ledger(),
        points=(),
        strikes=(),
        requests=0,
        tokens=0,
        seconds=seconds,
        problems=(),
        clean=Clean({}, 0, 0),
        models=(),
        system_prompts=(),
        tool_schemas={},
    )


@pytest.mark.parametrize(
    ("code", "journal"),
    [
        ("retried_permanent", [asked(1, 0), answered(1, 0.2, "http_401_revoked_key"), asked(2, 3, 2)]),
        ("repeated_context_overflow", [asked(1, 0), answered(1, 0.2, "http_400_context_length"), asked(2, 3, 2)]),
        ("ignored_retry_after", [asked(1, 0), answered(1, 0.2, "retry_after_seconds", wait=7), asked(2, 3, 2)]),
        ("no_backoff", [asked(1, 0), answered(1, 0.2, "http_503"), asked(2, 0.2, 2)]),
        ("retry_storm", [event for n in range(STORM) for event in (asked(n, n * 9, n + 1), answered(n, n * 9 + 1, "http_503"))]),
        (
            "nested_retries",
            [
                event
                for n, retry in enumerate([0, 1, 2, 0, 1, 2])
                for event in (asked(n, n * 9, n + 1, sdk_retry=retry), answered(n, n * 9 + 1, "http_503"))
            ],
        ),
    ],
)
def test_bad_conduct_on_the_wire_is_found(code: str, journal: list[Event]) -> None:
    assert [finding.code for finding in find(run_of(*journal), 60)] == [code]


@pytest.mark.parametrize(
    "journal",
    [
        [asked(1, 0), answered(1, 1, "", status=200)],
        [asked(1, 0), answered(1, 0.2, "http_503"), asked(2, 0.9, 2)],
        [asked(1, 0), answered(1, 0.2, "http_401_revoked_key"), asked(2, 0.2, 2, host="llm.fallback.example")],
        [asked(1, 0), answered(1, 0.2, "retry_after_seconds", wait=7), asked(2, 7.3, 2)],
        [asked(1, 0), answered(1, 0.2, "http_400_context_length"), asked(2, 1, 2, digest="shorter")],
        [asked(1, 0), answered(1, 30, "net_read_timeout", end="timeout"), asked(2, 30, 2)],
    ],
)
def test_good_conduct_has_no_finding(journal: list[Event]) -> None:
    assert find(run_of(*journal), 60) == []


def test_a_late_answer_misses_its_deadline() -> None:
    assert [finding.code for finding in find(run_of(seconds=61), 60)] == ["deadline_missed"]


def test_real_threads_and_sockets_are_told() -> None:
    threaded = dataclasses.replace(run_of(), real_threads=("poller",), real_io=True)
    assert [finding.text for finding in find(threaded, 60)] == [
        "Part of the agent ran in real time: it used poller, a real socket or pipe."
    ]


def test_every_finding_is_explained() -> None:
    for explanation in EXPLAIN.values():
        assert explanation.title
        assert explanation.hurts.endswith(".")
        assert explanation.fix.endswith(".")


# Timeline


def test_a_timeline_tells_the_run_in_order() -> None:
    journal = [
        TurnBegan(0.0, "Refund it."),
        asked(1, 0.0),
        FaultStruck(0.0, "http_503", "openai.chat.1", 1, changed=True),
        answered(1, 0.2, "http_503"),
        asked(2, 1.0, 2),
        answered(2, 2.0, "", status=200),
        ToolStarted(2.0, "exec_0", "refund", "tool.refund.1", 1, '{"order": "sk-abcdefghijklmnop"}'),
        ToolEnded(2.5, "exec_0", "refund", "tool.refund.1", "ok", "{}", ""),
        Replied(3.0, ""),
    ]
    spans = timeline(journal, ["Refunded."], 3.0, Masker({}))
    assert [span.kind for span in spans] == ["turn", "llm", "fault", "wait", "llm", "tool", "reply"]
    assert [(span.label, span.status) for span in spans if span.kind == "llm"] == [("openai.chat.1", "503"), ("openai.chat.1@2", "200")]
    assert (spans[3].start, spans[3].end) == (0.2, 1.0)
    assert spans[5].detail == f'{{"order": "{MASK}"}} -> {{}}'
    assert spans[-1].detail == "Refunded."


def test_what_never_ended_ends_with_the_run_and_a_long_timeline_is_cut() -> None:
    spans = timeline([asked(n, n) for n in range(MAX_SPANS + 50)], [], 999.0, Masker({}))
    assert spans[0].end == 999.0
    assert len(spans) == MAX_SPANS + 1
    assert spans[-1].label == "50 more spans left out"


# Masking


def test_secrets_of_the_environment_and_known_forms_are_masked() -> None:
    mask = Masker({"OPENAI_API_KEY": "my-secret-value", "HOME": "not-a-secret", "DB_PASSWORD": "hunter2hunter2", "TOKEN": "short"})
    text = mask("key my-secret-value, pw hunter2hunter2, sk-proj-0123456789abcdef, Bearer abcdefghijkl.mnop, not-a-secret, short")
    assert text == f"key {MASK}, pw {MASK}, {MASK}, Bearer {MASK}, not-a-secret, short"


def test_text_that_no_file_can_hold_is_mended() -> None:
    assert Masker({})("a\udc80b").encode() == b"a?b"
