"""The results file, version 1: one JSON object a line, a header for each suite and a line for each cell.

Unknown fields of a later minor version are kept when a file is read and written again; a later major version is refused (`read_results`).
Times are seconds since the cell began: virtual ones, so that the same run gives the same bytes, or real ones where a cell says `time: real`
(an agent outside the lab's process, whose provider was played on a socket).
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationInfo, model_validator

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
    "RunLine",
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


Weight = Annotated[float, Field(ge=0, le=1e6)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
"""Up to some thirty years."""
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**12)]


def _is_finite(value: Any) -> bool:
    """Whether every number in it is one that JSON can say."""
    if isinstance(value, float):
        return math.isfinite(value)
    return all(map(_is_finite, value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()))


def _finite(value: Any) -> Any:
    if not _is_finite(value):
        raise ValueError("it holds a number that is not finite")
    return value


def _whole(value: Any) -> Any:
    """str without lone surrogates, which an agent can say and no UTF-8 file can hold; lists and dicts of text likewise."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list | tuple) else value


def _is_whole(value: Any) -> bool:
    """Whether `_whole` would change nothing, which is nearly always so, and quickly told."""
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, dict):
        return all(map(_is_whole, value)) and all(map(_is_whole, value.values()))
    return all(map(_is_whole, value)) if isinstance(value, list | tuple) else True


class _Model(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _can_be_written(cls, data: Any, info: ValidationInfo) -> Any:
        """Whatever was said, in whatever field, it can be written to a file: text is mended, unknown fields hold finite numbers."""
        if not isinstance(data, dict):
            return data
        unknown = data.keys() - cls.__pydantic_fields__.keys()
        for name in sorted(unknown):
            if not _is_finite(data[name]):
                raise ValueError(f"`{name}` holds a number that is not finite")
        if info.mode == "json" or (all(map(_is_whole, data.values())) and all(map(_is_whole, unknown))):
            return data  # a JSON reader lets no lone surrogate through
        return _whole(data)


class Span(_Model):
    """One bar or mark of a cell's timeline, in the cell's seconds.

    A report draws `llm`, `tool`, `store`, `mcp`, `wait`, `reply` and `note` as rows in order. A call with a `fault` is hatched; a `fault`
    of its own gets a row only where no call shows it. `commit` is a mark in the lane of effects, `breaker` a part of a breaker's strip
    (`label`: its name, `status`: closed, open or half_open), `turn` a line where there are several.
    """

    kind: Literal["turn", "llm", "tool", "store", "mcp", "wait", "fault", "commit", "breaker", "reply", "note"]
    start: Seconds
    end: Seconds
    label: str
    """What the bar is called: a point's name with its attempt, a tool, `backoff`."""
    status: str = ""
    """How it ended: an HTTP status, an exception's name, `committed`, `open` ..."""
    detail: str = ""
    fault: str = ""
    """The fault that struck here, if one did."""


class Finding(_Model):
    """Something wrong that was seen in a cell's journal."""

    code: str
    severity: Literal["error", "warning", "info"]
    text: str


class Counts(_Model):
    """What the cell cost and did; `clean_*` are the fault-free run's figures."""

    requests: Count = 0
    tokens: Count = 0
    clean_requests: Count = 0
    clean_tokens: Count = 0
    tool_runs: Count = 0
    commits: Count = 0
    suppressed: Count = 0
    """Repeated commits that carried the same idempotency key, and so did not happen twice."""


class RunLine(_Model):
    """One run of a session, in virtual seconds since the session began."""

    number: Count
    began: Seconds
    ended: Seconds
    outcome: Outcome
    why: str = ""
    answered_by: str = "unknown"


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
    row: Count
    """The row of the deciding table (1 to 11) that matched."""
    why: str
    """One sentence: the evidence for the outcome."""
    best: Best = "success"
    best_why: str = ""
    allowed: list[Outcome] = Field(default_factory=list)
    passed: bool
    answered_by: str = "unknown"
    """The layer that answered: full, reduced, cached, static, safety_net; unknown for agents that do not say."""
    confidence: Share | None = None
    weight: Weight = 1.0
    """Scenario weight x fault weight."""
    fired: Count = 0
    """How often a fault struck."""
    seen: Count = 0
    """How often a strike changed the bytes or times that the agent saw."""
    judged: bool = True
    """The scenario had something to check the reply against."""
    counts: Counts = Field(default_factory=Counts)
    scores: dict[str, float] = Field(default_factory=dict)
    time: Literal["virtual", "real"] = "virtual"
    """Which clock the cell's seconds are told by."""
    virtual_seconds: Seconds = 0.0
    """How long the run took, real seconds if `time` says so."""
    deadline: Seconds = 120.0
    reply: str = ""
    error: str = ""
    """The exception that left the agent, as `Type: text`, secrets masked."""
    findings: list[Finding] = Field(default_factory=list)
    timeline: list[Span] = Field(default_factory=list)
    """Of a session, that of its worst run, and every breaker."""
    runs: list[RunLine] = Field(default_factory=list)
    """The runs of a session; empty for all else."""
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
    rate: Share
    source: str
    weight: Weight = 1.0


class ScenarioInfo(_Model):
    """A scenario of the suite."""

    name: str
    weight: Weight = 1.0
    prompt: str = ""
    line: Count = 0


class Pair(_Model):
    """An applicable pair of point and fault (or a mode, without a point), found by discovery."""

    scenario: str
    point: str
    fault: str
    weight: Weight = 1.0


class Waiver(_Model):
    """Cells taken out of a suite on purpose, with a reason and the day on which the waiver ends (ISO 8601)."""

    scenario: str
    fault: str
    reason: str
    until: str


class Control(_Model):
    """The fault-free runs: how many were played, how many passed."""

    passed: Count = 0
    total: Count = 0


class GateSettings(_Model):
    """What a suite must reach; None switches a condition off."""

    score: Annotated[float, Field(ge=0, le=100)] | None = None
    critical: Count | None = 0
    failed: Count | None = 0
    """Cells that were exercised and whose outcome is not allowed."""
    below_best: Count | None = None
    regressed: Count | None = 0
    coverage: Share | None = None
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
    schema_version: Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,4}$")] = SCHEMA_VERSION
    suite: str
    path: str = ""
    suite_hash: str = ""
    agent: str = ""
    seed: int = 0
    shapes: Literal["all", "one"] = "all"
    """Whether each pair of point and fault was played in all its shapes, or in one of them, taken in turn."""
    left_out: Count = 0
    """Cells of the shapes that this choice leaves out; they are no part of the plan."""
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
    planned: Count = 0
    """Lines in the whole plan, controls included, whatever was selected of it, so that a partial run shows; 0: not known."""
    narrowed: str = ""
    """Why the run was narrowed (`-k`, node ids, `-x`, `--lf`); empty for a whole one."""
    discovery_errors: dict[str, str] = Field(default_factory=dict)
    """Scenario to the sentence that says why its fault-free run failed."""
    extra: dict[str, Annotated[JsonValue, AfterValidator(_finite)]] = Field(default_factory=dict)

    @property
    def watched(self) -> bool:
        """Whether an app was only watched (`agentlab chaos`): there are no replies to judge, and no fault-free run."""
        return self.extra.get("kind") == "conformance"


class SuiteResults(BaseModel):
    """One suite's part of a results file."""

    header: Header
    cells: list[CellLine] = Field(default_factory=list)
