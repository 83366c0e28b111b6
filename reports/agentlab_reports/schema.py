"""The results file, version 1: one JSON object a line, a header for each suite and a line for each cell.

Unknown fields of a later minor version are kept when a file is read and written again; a later major version is refused (`read_results`).
All times are virtual seconds since the cell began; nothing in a results file comes from a real clock, so the same run gives the same bytes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

__all__ = [
    "OUTCOMES",
    "SCHEMA_VERSION",
    "Best",
    "CellLine",
    "Control",
    "Counts",
    "FaultInfo",
    "Finding",
    "Fingerprint",
    "GateSettings",
    "Header",
    "Outcome",
    "Pair",
    "ScenarioInfo",
    "Span",
    "SuiteResults",
    "Waiver",
]

SCHEMA_VERSION = "1.0"

Outcome = Literal[
    "success",
    "degraded_honest",
    "clean_failure",
    "budget",
    "crash",
    "hang",
    "silent_wrong",
    "duplicate_effect",
    "not_exercised",
    "error",
]
OUTCOMES: tuple[Outcome, ...] = (
    "duplicate_effect",
    "silent_wrong",
    "hang",
    "crash",
    "budget",
    "clean_failure",
    "degraded_honest",
    "success",
    "not_exercised",
    "error",
)
"""Judged outcomes worst first, then the two that judge nothing: `not_exercised` and `error` (the lab's own failure)."""

Best = Literal["success", "degraded_honest", "undetectable"]
"""The best reachable outcome of a cell; `undetectable` is reported as exposure and never scored."""


def _whole(value: Any) -> Any:
    """Text without lone surrogates, which an agent can say and no UTF-8 file can hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value


Text = Annotated[str, BeforeValidator(_whole)]
"""What an agent or a tool said: any text at all."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class Span(_Model):
    """One bar or mark of a cell's timeline, in virtual seconds.

    A report draws `llm`, `tool`, `wait`, `reply` and `note` as rows in order. A call with a `fault` is hatched; a `fault` of its own gets a
    row only where no call shows it. `commit` is a mark in the lane of effects, `breaker` a part of a breaker's strip (`label`: its name,
    `status`: closed, open or half_open), `turn` a line where there are several.
    """

    kind: Literal["turn", "llm", "tool", "wait", "fault", "commit", "breaker", "reply", "note"]
    start: float
    end: float
    label: Text
    """What the bar is called: a point's name with its attempt, a tool, `backoff`."""
    status: Text = ""
    """How it ended: an HTTP status, an exception's name, `committed`, `open` ..."""
    detail: Text = ""
    fault: str = ""
    """The fault that struck here, if one did."""


class Finding(_Model):
    """Something wrong that was seen in a cell's journal."""

    code: str
    severity: Literal["error", "warning", "info"]
    text: Text


class Counts(_Model):
    """What the cell cost and did; `clean_*` are the fault-free run's figures."""

    requests: int = 0
    tokens: int = 0
    clean_requests: int = 0
    clean_tokens: int = 0
    tool_runs: int = 0
    commits: int = 0
    suppressed: int = 0
    """Repeated commits that carried the same idempotency key, and so did not happen twice."""


class CellLine(_Model):
    """One cell: a scenario under a schedule, and what became of it."""

    kind: Literal["cell"] = "cell"
    suite: str
    id: str
    scenario: str
    schedule: str
    """The part of the id in brackets; empty for the fault-free control."""
    faults: list[str] = Field(default_factory=list)
    point: str = ""
    shape: str = ""
    mode: str = ""
    boundary: str = ""
    family: str = ""
    outcome: Outcome
    row: int
    """The row of the deciding table (1 to 11) that matched."""
    why: Text
    """One sentence: the evidence for the outcome."""
    best: Best = "success"
    best_why: str = ""
    allowed: list[Outcome] = Field(default_factory=list)
    passed: bool
    answered_by: str = "unknown"
    """The layer that answered: full, reduced, cached, static, safety_net; unknown for agents that do not say."""
    confidence: float | None = None
    weight: float = 1.0
    """Scenario weight x fault weight."""
    fired: int = 0
    """How often a fault struck."""
    seen: int = 0
    """How often a strike changed the bytes or times that the agent saw."""
    judged: bool = True
    """The scenario had something to check the reply against."""
    counts: Counts = Field(default_factory=Counts)
    scores: dict[str, float] = Field(default_factory=dict)
    virtual_seconds: float = 0.0
    deadline: float = 120.0
    reply: Text = ""
    error: Text = ""
    """The exception that left the agent, as `Type: text`, secrets masked."""
    findings: list[Finding] = Field(default_factory=list)
    timeline: list[Span] = Field(default_factory=list)
    replay: str = ""
    """The command that plays this cell again."""


class FaultInfo(_Model):
    """A catalogue row as the run used it, so that a report needs no catalogue."""

    id: str
    boundary: str
    family: str
    category: str
    simulates: str
    happens: str
    agent_should: str
    rate: float
    source: str
    weight: float = 1.0


class ScenarioInfo(_Model):
    """A scenario of the suite."""

    name: str
    weight: float = 1.0
    prompt: str = ""
    line: int = 0


class Pair(_Model):
    """An applicable pair of point and fault (or a mode, without a point), found by discovery."""

    scenario: str
    point: str
    fault: str
    weight: float = 1.0


class Waiver(_Model):
    """Cells taken out of a suite on purpose, with a reason and the day on which the waiver ends (ISO 8601)."""

    scenario: str
    fault: str
    reason: str
    until: str


class Control(_Model):
    """The fault-free runs: how many were played, how many passed."""

    passed: int = 0
    total: int = 0


class GateSettings(_Model):
    """What a suite must reach; None switches a condition off."""

    score: float | None = None
    critical: int | None = 0
    failed: int | None = 0
    """Cells that were exercised and whose outcome is not allowed."""
    below_best: int | None = None
    regressed: int | None = 0
    coverage: float | None = None
    """Share of applicable pairs by weight, 0 to 1."""


class Fingerprint(_Model):
    """What the agent was, read off discovery's requests."""

    models: list[str] = Field(default_factory=list)
    system_prompt: str = ""
    """SHA-256 of the system prompts, in order of first use."""
    tools: dict[str, str] = Field(default_factory=dict)
    """Tool name to the SHA-256 of its schema."""


class Header(_Model):
    """What was run; one for each suite in the file."""

    kind: Literal["header"] = "header"
    schema_version: str = SCHEMA_VERSION
    suite: str
    path: str = ""
    suite_hash: str = ""
    agent: str = ""
    seed: int = 0
    weights_hash: str = ""
    python: str = ""
    versions: dict[str, str] = Field(default_factory=dict)
    fingerprint: Fingerprint = Field(default_factory=Fingerprint)
    scenarios: list[ScenarioInfo] = Field(default_factory=list)
    faults: dict[str, FaultInfo] = Field(default_factory=dict)
    pairs: list[Pair] = Field(default_factory=list)
    layers: list[str] = Field(default_factory=list)
    """Layers that must each be the answering, judged one in at least one cell."""
    gate: GateSettings = Field(default_factory=GateSettings)
    control: Control = Field(default_factory=Control)
    waivers: list[Waiver] = Field(default_factory=list)
    planned: int = 0
    """Lines in the whole plan, controls included, whatever was selected of it, so that a partial run shows; 0: not known."""
    narrowed: str = ""
    """Why the run was narrowed (`-k`, node ids, `-x`, `--lf`); empty for a whole one."""
    discovery_errors: dict[str, str] = Field(default_factory=dict)
    """Scenario to the sentence that says why its fault-free run failed."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)


class SuiteResults(BaseModel):
    """One suite's part of a results file."""

    header: Header
    cells: list[CellLine] = Field(default_factory=list)
