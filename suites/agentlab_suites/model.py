"""The suite file as types. Unknown keys are errors; `agentlab_suites.load` turns each error into a sentence with its line."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal, Self

from agentlab_reports.schema import Outcome
from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, JsonValue, Tag, WithJsonSchema, model_validator

from agentlab_suites.units import Duration, LimitField, Moment, Pattern, Share

__all__ = [
    "Budget",
    "Check",
    "Defaults",
    "Fallback",
    "GateKeys",
    "JsonCheck",
    "LimitsKeys",
    "McpKeys",
    "McpToolKeys",
    "OutsideKeys",
    "Prompt",
    "ProviderKeys",
    "Scenario",
    "SessionKeys",
    "Skip",
    "Steady",
    "StoreKeys",
    "Suite",
    "ToolKeys",
    "Turn",
    "Under",
    "WindowKeys",
]

Count = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Layer = Literal["full", "reduced", "cached", "static", "safety_net"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Text = Annotated[str, Field(min_length=1)]
"""An empty text is in every reply: a check of it would check nothing."""
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed), Field(min_length=1)]
Counts = Annotated[dict[str, Count], Field(min_length=1)]
Patterns = Annotated[tuple[Pattern, ...], BeforeValidator(_listed), Field(min_length=1)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Budget(_Keys):
    """When the lab stops an agent: so many requests or tokens, absolute or as a multiple of the fault-free run."""

    requests: LimitField = None
    tokens: LimitField = None


class LimitsKeys(_Keys):
    """What the scripted provider enforces, as a real one does."""

    context: Annotated[int, Field(strict=True, ge=1)] | None = None
    requests_per_minute: Annotated[int, Field(strict=True, ge=1)] | None = None
    tokens_per_minute: Annotated[int, Field(strict=True, ge=1)] | None = None


class Defaults(_Keys):
    """What holds for every scenario that says nothing else."""

    deadline: Duration = 120.0
    budget: Budget = Budget()
    latency: Duration = 1.0
    """How long the scripted model takes for an answer."""


class Fallback(_Keys):
    """Which fallbacks the agent has; without one, the best that is left is an honest answer."""

    model: Flag = False
    tools: tuple[str, ...] = ()
    store: Flag = False
    """It can do its work without its store."""


class OutsideKeys(_Keys):
    """An agent that runs outside the lab's process: a command, an HTTP endpoint on loopback, or both (the command is its server)."""

    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """Run for each turn, the prompt where `{prompt}` stands, else as its last argument; it prints the reply."""
    url: Text | None = None
    """Where each turn is posted to; `{port}` is a free one, which the command is told by `{port}` or PORT."""
    body: Annotated[dict[str, JsonValue], Field(min_length=1)] | None = None
    """What is posted, as JSON, with `{prompt}` and `{conversation}` in it."""
    proxy: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    """The port on loopback at which an endpoint without a command finds its provider."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.command is None and self.url is None:
            raise ValueError("needs 'command:' or 'url:', or both")
        if self.url is None and (self.body is not None or self.proxy is not None):
            raise ValueError("has 'body:' or 'proxy:', which belong to a 'url:'")
        if self.command is not None and self.proxy is not None:
            raise ValueError("has 'proxy:' beside 'command:', which is told a free port; leave it out")
        return self


class StoreKeys(_Keys):
    """A store of the agent's."""

    body: Literal["fake", "real"] = "fake"
    """`fake` answers every client from a server in memory, a fresh one for each run; `real` lets them through to where they connect."""
    data: dict[str, str | list[str] | dict[str, str]] = {}
    """What the server in memory holds at first, by key: texts, lists, and hashes."""


class McpToolKeys(_Keys):
    """How an MCP server of the lab's shows a tool."""

    description: str = ""
    input: dict[str, JsonValue] = {"type": "object"}
    """The JSON schema of its arguments."""
    output: dict[str, JsonValue] | None = None
    """The JSON schema of its structured content; the official client checks results against it."""


def _named(value: Any) -> Any:
    return {name: {} for name in value} if isinstance(value, list) else value


class McpKeys(_Keys):
    """An MCP server that the lab answers for."""

    tools: Annotated[
        dict[str, McpToolKeys],
        BeforeValidator(_named),
        Field(min_length=1),
        WithJsonSchema({"type": ["object", "array"], "examples": [["lookup_order", "refund"]]}),
    ]
    at: Text = "*"
    """A glob of its URL's host, or of its program's name and first argument."""


class ToolKeys(_Keys):
    """A tool of the agent, as the lab needs to know it."""

    effect: Literal["read", "write", "external"]
    identity: tuple[str, ...] = ()
    """Arguments that make two commits the same effect."""
    key: str | None = None
    """The argument that carries an idempotency key."""
    body: Literal["fake", "real"] = "fake"
    returns: JsonValue = {"ok": True}
    """What the tool answers with `body: fake`; the user's function never runs then."""
    at: Annotated[str, Field(pattern=r"^[\w.]+:[\w.]+$")] | None = None
    """`module:function` of a bare function."""


class JsonCheck(_Keys):
    """A value inside a reply that is JSON."""

    path: Annotated[str, Field(pattern=r"^\$(\.[A-Za-z_][\w-]*|\[\d+\])*$")]
    equals: JsonValue


class Check(_Keys):
    """One thing that must hold; exactly one key is given."""

    reply_contains: Texts | None = Field(None, alias="reply.contains")
    reply_not_contains: Texts | None = Field(None, alias="reply.not_contains")
    reply_matches: Pattern | None = Field(None, alias="reply.matches")
    reply_equals: Text | None = Field(None, alias="reply.equals")
    json_: JsonCheck | None = Field(None, alias="json")
    ledger_exactly: Counts | None = Field(None, alias="ledger.exactly")
    ledger_at_least: Counts | None = Field(None, alias="ledger.at_least")
    ledger_at_most: Counts | None = Field(None, alias="ledger.at_most")
    ledger_none: Texts | None = Field(None, alias="ledger.none")
    ledger_called: Texts | None = Field(None, alias="ledger.called")
    ledger_with: Annotated[dict[str, dict[str, JsonValue]], Field(min_length=1)] | None = Field(None, alias="ledger.with")

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if len(self.model_fields_set) != 1:
            raise ValueError("must hold exactly one check; give each its own '- '")
        return self

    @property
    def tools(self) -> set[str]:
        """The tools that the check names."""
        named = (self.ledger_exactly, self.ledger_at_least, self.ledger_at_most, self.ledger_none, self.ledger_called, self.ledger_with)
        return {tool for group in named if group for tool in group}


Calls = Annotated[
    tuple[Annotated[dict[str, dict[str, JsonValue]], Field(min_length=1)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
    WithJsonSchema({"type": ["object", "array"], "examples": [{"lookup_order": {"id": "5512"}}]}),
]


def _said(value: Any) -> Any:
    if not isinstance(value, str | dict):
        raise ValueError(f"must be text, or a mapping where a structured answer is asked for, not {value!r}; put it in quotes")  # noqa: TRY004 - pydantic shows ValueError only
    return value


class Turn(_Keys):
    """One answer of the scripted model: it calls tools (a list where one tool is called twice at once), or says something, or both.

    Or it is a plan that the agent asks for in a form; `call` then has the calls that the agent makes to carry it out.
    """

    call: Calls | None = None
    plan: dict[str, JsonValue] | None = None
    say: Annotated[JsonValue, BeforeValidator(_said)] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.call is None and self.say is None and self.plan is None:
            raise ValueError("needs 'call:', 'plan:' or 'say:'")
        if self.plan == {}:
            raise ValueError("has a plan without members, which would be the answer to anything")
        if self.plan is not None and self.say is not None:
            raise ValueError("is a plan and says something; make two turns of it")
        if self.call is not None and isinstance(self.say, dict):
            raise ValueError("can say text only beside its 'call:'")
        return self

    @property
    def ends(self) -> bool:
        """Whether it is the last word on a prompt."""
        return self.call is None and self.plan is None

    @property
    def calls(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """(tool, arguments) in order."""
        return tuple((tool, dict(arguments)) for group in self.call or () for tool, arguments in group.items())


class Prompt(_Keys):
    """A user's turn, and what must hold of the reply to it."""

    prompt: str
    expect: tuple[Check, ...] = ()


def _prompted(value: Any) -> Any:
    return {"prompt": value} if isinstance(value, str) else value


PromptField = Annotated[Prompt, BeforeValidator(_prompted)]


class Under(_Keys):
    """What else holds under a mode or fault."""

    allow: tuple[Outcome, ...] | None = None
    never: tuple[Check, ...] = ()


class Skip(_Keys):
    """Cells taken out on purpose, until a day."""

    reason: Annotated[str, Field(min_length=3)]
    until: dt.date


MOST_RUNS = 1_000
"""Runs of one session."""


class Steady(_Keys):
    """Arrivals at a steady rate, the first one at once."""

    every: Duration
    count: Annotated[int, Field(strict=True, ge=1, le=MOST_RUNS)]


def _kind_of_arrivals(value: Any) -> str:
    return "<times>" if isinstance(value, list | tuple) else "<rate>"


Arrivals = Annotated[
    Annotated[Steady, Tag("<rate>")] | Annotated[tuple[Moment, ...], Field(min_length=2, max_length=MOST_RUNS), Tag("<times>")],
    Discriminator(_kind_of_arrivals),
]


class WindowKeys(_Keys):
    """A mode that strikes between two moments of the session."""

    mode: str
    start: Moment = Field(0.0, alias="from")
    to: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.to <= self.start:
            raise ValueError("must end ('to:') after it begins ('from:')")
        return self


class SessionKeys(_Keys):
    """Many runs through one agent, which is built once: so many `runs` one after another, or `arrivals` at their own times."""

    runs: Annotated[int, Field(strict=True, ge=2, le=MOST_RUNS)] | None = None
    arrivals: Arrivals | None = None
    windows: dict[Name, WindowKeys] = {}
    """Modes across the runs; each is a cell."""

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.runs is None) == (self.arrivals is None):
            raise ValueError("needs either 'runs:' or 'arrivals:'")
        return self

    @property
    def times(self) -> tuple[float, ...] | None:
        """When each run arrives, in order; None where each waits for the one before."""
        if isinstance(self.arrivals, Steady):
            return tuple(number * self.arrivals.every for number in range(self.arrivals.count))
        return None if self.arrivals is None else tuple(sorted(self.arrivals))

    @property
    def count(self) -> int:
        """How many runs there are."""
        return self.runs or len(self.times or ())


class ProviderKeys(_Keys):
    """Who answers the agent, where it is no script."""

    cassette: Annotated[str, Field(min_length=1)]
    """A file below the suite's folder, recorded with `agentlab chaos --record`."""


class Scenario(_Keys):
    """One prompt or several turns, the model's script, and what must hold."""

    weight: Annotated[Number, Field(gt=0, le=100)] = 1.0
    modes: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    """What this scenario is played under, instead of the suite's choice."""
    prompt: str | None = None
    turns: Annotated[tuple[PromptField, ...], Field(min_length=1)] | None = None
    session: SessionKeys | None = None
    """Played many times through one agent, instead of once."""
    script: Annotated[tuple[Turn, ...], Field(min_length=1)] = ()
    provider: ProviderKeys | None = None
    """A recorded provider instead of a script; what it calls and says is then read into `script`."""
    say_failed: str = "I'm sorry, I could not complete this: a system I need is not available right now."
    say_without: dict[str, str] = {}
    failed_when: Pattern | None = None
    expect: tuple[Check, ...] = ()
    claims: dict[str, Patterns] = {}
    denies: dict[str, Patterns] = {}
    admits: Patterns | None = None
    under: dict[str, Under] = {}
    skip: dict[str, Skip] = {}
    deadline: Duration | None = None
    budget: Budget | None = None
    latency: Duration | None = None

    @model_validator(mode="after")
    def _prompt_or_turns(self) -> Self:
        if (self.prompt is None) == (self.turns is None):
            raise ValueError("needs either 'prompt:' or 'turns:'")
        return self

    @model_validator(mode="after")
    def _script_or_provider(self) -> Self:
        if bool(self.script) == (self.provider is not None):
            raise ValueError("needs either 'script:' or 'provider: {cassette: FILE}'")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """What the user says, turn by turn."""
        if self.turns is None:
            return (self.prompt or "",)
        return tuple(turn.prompt for turn in self.turns)

    @property
    def turn_checks(self) -> tuple[tuple[Check, ...], ...]:
        """Each turn's own checks."""
        if self.turns is None:
            return ((),)
        return tuple(turn.expect for turn in self.turns)


class GateKeys(_Keys):
    """What the suite must reach for the gate to say ship; a condition that is null is off."""

    score: Annotated[Number, Field(ge=0, le=100)] | None = None
    critical: Count | None = 0
    below_best: Count | None = None
    regressed: Count | None = 0
    coverage: Share | None = None


def _allowed(value: Any) -> Any:
    return {"*": value} if isinstance(value, list) else value


def _kind_of_agent(value: Any) -> str:
    return "<keys>" if isinstance(value, dict | OutsideKeys) else "<name>"


AgentField = Annotated[Annotated[str, Tag("<name>")] | Annotated[OutsideKeys, Tag("<keys>")], Discriminator(_kind_of_agent)]


class Suite(_Keys):
    """A suite file, version 1."""

    version: Literal[1]
    name: Name | None = None
    agent: AgentField | None = None
    defaults: Defaults = Defaults()
    modes: tuple[str, ...] | None = None
    faults: tuple[str, ...] | None = None
    explore: Literal["singles"] | None = None
    fallback: Fallback = Fallback()
    limits: LimitsKeys = LimitsKeys()
    layers: tuple[Layer, ...] = ()
    tools: dict[Name, ToolKeys] = {}
    stores: dict[Literal["redis"], StoreKeys] = {}
    mcp: dict[Name, McpKeys] = {}
    scenarios: Annotated[dict[Name, Scenario], Field(min_length=1)]
    claims: dict[str, Patterns] = {}
    denies: dict[str, Patterns] = {}
    admits: Patterns | None = None
    gate: GateKeys = GateKeys()
    errors: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    allow: Annotated[dict[str, tuple[Outcome, ...]], BeforeValidator(_allowed)] = {}
    """Outcomes that pass, by mode or fault; a plain list holds for all."""
