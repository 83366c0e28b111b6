"""A made-up but realistic run: the support agent's suite with hundreds of cells, every outcome among them, and its better baseline.

Everything is drawn from a seeded generator, so equal arguments give equal results.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from agentlab_reports.schema import (
    CellLine,
    Control,
    Counts,
    FaultInfo,
    Finding,
    Fingerprint,
    GateSettings,
    Header,
    Outcome,
    Pair,
    ScenarioInfo,
    Span,
    SuiteResults,
)
from agentlab_reports.score import weights_hash

SCENARIOS = {"refund_order": 3.0, "order_status": 1.0, "refund_once": 3.0, "change_address": 2.0, "answer_policy": 1.0, "long_talk": 2.0}
POINTS = {
    "refund_order": ["openai.chat.1", "tool.lookup_order.1", "openai.chat.2", "tool.refund.1", "openai.chat.3"],
    "order_status": ["openai.chat.1", "tool.lookup_order.1", "openai.chat.2"],
    "refund_once": ["openai.chat.1", "tool.refund.1", "openai.chat.2"],
    "change_address": ["openai.chat.1", "tool.update_address.1", "openai.chat.2"],
    "answer_policy": ["openai.chat.1", "tool.search_kb.1", "openai.chat.2"],
    "long_talk": ["openai.chat.1", "tool.lookup_order.1", "openai.chat.2", "openai.chat.3", "openai.chat.4"],
}
FAULTS = {
    "network": ["net_connect_timeout", "net_read_timeout", "net_dns_failure", "net_reset", "net_tls_failure", "net_pool_timeout"],
    "provider-http": [
        "http_429_rate",
        "http_429_quota",
        "http_500",
        "http_502_html",
        "http_503",
        "http_529_overloaded",
        "http_408",
        "http_401",
        "http_403",
        "http_404_model",
        "http_400_context",
        "http_400_content_filter",
        "http_504",
        "http_slow",
    ],
    "content": [
        "content_truncated",
        "content_empty",
        "content_refusal",
        "content_bad_json_arguments",
        "content_unknown_tool",
        "content_length_cut",
        "content_no_choices",
        "content_null",
        "content_wrong_fact",
        "content_html",
    ],
    "tool": [
        "tool_timeout",
        "tool_timeout_after_commit",
        "tool_raises",
        "tool_empty",
        "tool_bad_schema",
        "tool_stale",
        "tool_huge",
        "tool_twice",
    ],
}
MODES = ["primary-provider-outage", "all-providers-outage", "rate-limit-storm", "tool-timeouts", "malformed-json"]
AGENT_SHOULD = {
    "network": "Retry with backoff inside the deadline, then fail over to another provider.",
    "provider-http": "Honour Retry-After, retry transient codes only, and fail over when the provider stays down.",
    "content": "Validate the answer before using it; ask again, and say so when it stays unusable.",
    "tool": "Give writes an idempotency key, bound each tool by a timeout, and tell the user what could not be done.",
}
HARM: dict[tuple[str, str, str], Outcome] = {
    ("refund_order", "tool.refund.1", "tool_timeout_after_commit"): "duplicate_effect",
    ("order_status", "openai.chat.2", "content_truncated"): "silent_wrong",
    ("long_talk", "openai.chat.3", "net_read_timeout"): "hang",
    ("change_address", "openai.chat.1", "content_no_choices"): "crash",
    ("change_address", "openai.chat.2", "content_no_choices"): "crash",
    ("answer_policy", "openai.chat.1", "http_529_overloaded"): "budget",
    ("answer_policy", "tool.search_kb.1", "tool_huge"): "not_exercised",
}


def suite(
    *, healthy: bool = False, shapes: Iterable[str] = ("once", "x3", "always"), seed: int = 1729, name: str = "customer_support"
) -> SuiteResults:
    """The whole suite: some 900 cells with three shapes. `healthy`: no cell does harm."""
    random_ = random.Random(seed)  # noqa: S311  # made-up data, no secret
    faults = {fault: _info(fault, boundary) for boundary, names in FAULTS.items() for fault in names}
    pairs = [
        Pair(scenario=scenario, point=point, fault=fault, weight=SCENARIOS[scenario])
        for scenario, points in POINTS.items()
        for point in points
        for fault, info in faults.items()
        if (info.boundary == "tool") == point.startswith("tool.")
    ]
    cells = [_control(scenario, name) for scenario in SCENARIOS]
    cells += [_cell(random_, pair, faults[pair.fault], shape, healthy, name) for pair in pairs for shape in shapes]
    cells += [_mode(random_, scenario, mode, name) for scenario in SCENARIOS for mode in MODES]
    pairs += [Pair(scenario=scenario, point="", fault=mode, weight=SCENARIOS[scenario]) for scenario in SCENARIOS for mode in MODES]
    scenarios = [
        ScenarioInfo(name=scenario, weight=weight, prompt=f"Please handle {scenario}.", line=10) for scenario, weight in SCENARIOS.items()
    ]
    header = Header(
        suite=name,
        path=f"suites/{name}.suite.yaml",
        suite_hash="3fd1" * 16,
        agent="agentlab.examples.support:build",
        seed=0,
        weights_hash=weights_hash(scenarios, faults.values()),
        python="3.11.7",
        versions={"openai": "3.54.0", "httpx2": "2.16.2"},
        fingerprint=Fingerprint(
            models=["gpt-4o-mini", "backup-large"], system_prompt="9c41e7b0", tools={"refund": "aa", "lookup_order": "bb"}
        ),
        scenarios=scenarios,
        faults=faults,
        pairs=pairs,
        layers=["full", "reduced", "cached", "static", "safety_net"],
        gate=GateSettings(score=70, critical=0, below_best=None, regressed=0, coverage=0.85),
        control=Control(passed=len(SCENARIOS), total=len(SCENARIOS)),
        planned=len(cells),
    )
    return SuiteResults(header=header, cells=sorted(cells, key=lambda cell: cell.id))


def _info(fault: str, boundary: str) -> FaultInfo:
    return FaultInfo(
        id=fault,
        boundary=boundary,
        family=fault.rsplit("_", 1)[0] if fault.count("_") > 1 else fault,
        category="transient",
        simulates=f"What {fault.replace('_', ' ')} looks like on the wire.",
        happens="On busy days.",
        agent_should=AGENT_SHOULD[boundary],
        rate=0.008 if fault == "http_429_rate" else 0.0005,
        source="provider status pages, 2025",
        weight=2.0 if fault in {"http_429_rate", "net_read_timeout"} else 1.0,
    )


def _control(scenario: str, name: str) -> CellLine:
    return CellLine(
        suite=name,
        id=f"{scenario}[]",
        scenario=scenario,
        schedule="",
        outcome="success",
        row=8,
        why="Every check holds.",
        passed=True,
        answered_by="full",
        weight=SCENARIOS[scenario],
        reply="Done as asked.",
        timeline=_timeline("", "", "success", 3.4),
    )


def _cell(random_: random.Random, pair: Pair, info: FaultInfo, shape: str, healthy: bool, name: str) -> CellLine:
    best = "undetectable" if pair.fault in {"content_wrong_fact", "tool_stale"} else "success"
    if (
        best == "success"
        and shape == "always"
        and (info.boundary == "tool" or pair.fault in {"http_400_content_filter", "http_401", "content_refusal"})
    ):
        best = "degraded_honest"
    outcome: Outcome = "success" if best == "success" else "degraded_honest"
    if best == "undetectable":
        outcome = "silent_wrong"
    if not healthy:
        outcome = HARM.get((pair.scenario, pair.point, pair.fault), outcome)
    suffix = {"once": "", "x3": "-x3", "always": "-always"}[shape]
    return _line(
        random_, pair.scenario, f"{pair.point}-{pair.fault}{suffix}", outcome, best, pair.weight * info.weight, name,
        faults=[pair.fault], point=pair.point, shape=shape, boundary=info.boundary, family=info.family,
    )  # fmt: skip


def _mode(random_: random.Random, scenario: str, mode: str, name: str) -> CellLine:
    outcome: Outcome = "success" if mode in {"primary-provider-outage", "malformed-json"} else "degraded_honest"
    faults = ["http_503"] if "outage" in mode else ["tool_timeout"]
    return _line(random_, scenario, mode, outcome, outcome, SCENARIOS[scenario] * 2, name, faults=faults, mode=mode, boundary="", family="")


def _line(
    random_: random.Random, scenario: str, schedule: str, outcome: Outcome, best: str, weight: float, name: str, **more: object
) -> CellLine:
    silent = outcome == "not_exercised"
    faults = more["faults"]
    assert isinstance(faults, list)
    seconds = 132.0 if outcome == "hang" else round(random_.uniform(2.5, 18.0), 3)
    layer = {"success": "full", "degraded_honest": random_.choice(["reduced", "cached", "static", "safety_net"])}.get(outcome, "unknown")
    requests = 24 if outcome == "budget" else random_.choice([3, 4, 4, 5])
    return CellLine(
        suite=name,
        id=f"{scenario}[{schedule}]",
        scenario=scenario,
        schedule=schedule,
        outcome=outcome,
        row=8 if outcome == "success" else 11,
        why=_why(outcome, faults[0]),
        best=best,
        best_why="A retry or the fallback can still do it all." if best == "success" else "Nothing else can do this part.",
        allowed=["success"] if best == "success" else ["success", "degraded_honest", "clean_failure"],
        passed=outcome in {best, "success"} or (best == "undetectable"),
        answered_by=layer,
        confidence=None if layer == "unknown" else {"full": 1.0, "reduced": 0.7, "cached": 0.6, "static": 0.4, "safety_net": 0.1}[layer],
        weight=weight,
        fired=0 if silent else 1,
        seen=0 if silent else 1,
        counts=Counts(requests=requests, tokens=requests * 260, clean_requests=3, clean_tokens=780, tool_runs=2, commits=1),
        virtual_seconds=seconds,
        deadline=120.0,
        reply="" if outcome in {"hang", "crash"} else "I refunded EUR 49.90 for order 5512.",
        error="TypeError: 'NoneType' object is not subscriptable" if outcome == "crash" else "",
        findings=_findings(outcome),
        timeline=_timeline(str(more.get("point", "")) or "openai.chat.1", faults[0], outcome, seconds),
        replay=f"agentlab replay '{scenario}[{schedule}]'",
        **more,
    )  # fmt: skip


def _why(outcome: Outcome, fault: str) -> str:
    return {
        "success": "Every check holds and no claim is unsupported by the ledger.",
        "degraded_honest": "The reply says what could not be done, and claims nothing that did not happen.",
        "duplicate_effect": "The ledger holds two commits of refund(order=5512); the scenario allows one.",
        "silent_wrong": "The reply states EUR 4.99 where the order says EUR 49.90, and admits nothing.",
        "hang": "No reply within the deadline of 120 s and 12 s of grace.",
        "crash": "TypeError left the agent; the suite does not declare it.",
        "budget": "Stopped by the lab at 24 requests, 8 times the fault-free run.",
        "not_exercised": f"{fault} was armed, but the call was never made.",
    }.get(outcome, "See the timeline.")


def _findings(outcome: Outcome) -> list[Finding]:
    if outcome == "duplicate_effect":
        return [Finding(code="retry_without_key", severity="error", text="refund was retried after a timeout without an idempotency key.")]
    if outcome == "hang":
        return [Finding(code="deadline_missed", severity="error", text="Three attempts of 44 s each ran past the deadline of 120 s.")]
    if outcome == "budget":
        return [Finding(code="retry_storm", severity="error", text="24 requests at one point within 9 s, with no backoff.")]
    return [Finding(code="fallback_used", severity="info", text="The second provider answered.")] if outcome == "success" else []


def _timeline(point: str, fault: str, outcome: Outcome, seconds: float) -> list[Span]:
    part = seconds / 6
    spans = [
        Span(kind="turn", start=0, end=seconds, label="turn 1", detail="Refund order 5512, it arrived broken."),
        Span(kind="llm", start=0, end=part, label="openai.chat.1", status="200", detail="210 -> 70 tokens"),
        Span(kind="tool", start=part, end=part * 1.5, label="tool.lookup_order.1", status="ok"),
        Span(kind="breaker", start=0, end=part * 2, label="openai", status="closed"),
    ]
    if fault:
        kind = "tool" if point.startswith("tool.") else "llm"
        spans += [
            Span(kind=kind, start=part * 1.5, end=part * 3, label=f"{point}", status="timeout", detail="no answer", fault=fault),
            Span(kind="wait", start=part * 3, end=part * 3.4, label="backoff"),
            Span(kind=kind, start=part * 3.4, end=part * 4, label=f"{point}@2", status="200"),
            Span(kind="breaker", start=part * 2, end=seconds, label="openai", status="open"),
        ]
    if outcome == "duplicate_effect":
        spans += [Span(kind="commit", start=part * x, end=part * x, label="refund", status="committed") for x in (2.8, 3.9)]
    if outcome not in {"hang", "crash"}:
        spans.append(Span(kind="reply", start=part * 5.8, end=seconds, label="reply", detail="I refunded EUR 49.90 for order 5512."))
    return sorted(spans, key=lambda span: (span.start, span.end))
