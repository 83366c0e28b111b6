"""What one cell is given and what comes out of it: the set-up before, the played run after."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agentlab_faults.cassette.take import Take
from agentlab_faults.dialects.limits import Limits
from agentlab_faults.journal import Event
from agentlab_faults.ledger import Ledger
from agentlab_faults.points import Point
from agentlab_faults.script import ScriptSpec

__all__ = ["Clean", "Conversation", "Ending", "McpServer", "McpTool", "Played", "PlayedRun", "Setup", "Store", "Struck", "Talk", "Tool"]

Effect = Literal["read", "write", "external"]

Ending = Literal["returned", "raised", "deadline", "deadlock", "watchdog", "stopped", "lab"]
"""How a run ended: the agent returned or raised; it was still going at its deadline plus grace; nothing could go on; real time ran out;
the lab stopped it at its limits; the lab itself failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What the lab knows of a tool."""

    name: str
    effect: Effect = "read"
    identity: tuple[str, ...] = ()
    """Arguments that make two commits the same effect."""
    key: str | None = None
    """The argument that carries an idempotency key."""
    body: Literal["fake", "real"] = "fake"
    """`fake` answers `returns` and never runs the user's function."""
    returns: Any = field(default_factory=lambda: {"ok": True})
    at: str | None = None
    """`module:function` of a bare function, hooked without touching it."""
    served: bool = False
    """The lab's MCP server answers it: its fake body is played there, at the end of the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What the lab knows of a store."""

    body: Literal["fake", "real"] = "fake"
    """`fake` answers every client from a server in memory, a fresh one for each run; `real` lets them through to where they connect."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """What the server in memory holds at first, by key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class McpTool:
    """How an MCP server of the lab's shows a tool."""

    description: str = ""
    input: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})
    output: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class McpServer:
    """An MCP server that the lab answers for."""

    at: str = "*"
    """A glob of its URL's host, or of its program's name and first argument (`python shop.py`)."""
    tools: Mapping[str, McpTool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that a scenario's runs have in common."""

    scripts: tuple[ScriptSpec, ...] = ()
    prompts: tuple[str, ...] = ()
    cassette: tuple[Take, ...] | None = None
    """A recorded provider instead of a scripted one."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    stores: Mapping[str, Store] = field(default_factory=dict)
    """By kind; `redis` is the one there is. A store that is not named here is broken where the agent really uses it."""
    mcp: Mapping[str, McpServer] = field(default_factory=dict)
    """Servers that the lab answers for, by name; clients of others get through to them."""
    deadline: float = 120.0
    """Virtual seconds."""
    max_requests: int | None = None
    max_tokens: int | None = None
    limits: Limits | None = None
    """What the provider enforces: the model's window, requests and tokens per minute."""
    allow_hosts: frozenset[str] = frozenset()
    mocks: Literal["win", "inject", "replace"] = "win"
    watchdog: float | None = 30.0
    """Real seconds."""
    session: bool = False
    """The agent is built once and has several runs, each in the block of `Talk.run`."""

    @property
    def grace(self) -> float:
        """Virtual seconds after the deadline before the run counts as hung: 10 %, at least 1 s."""
        return max(1.0, self.deadline * 0.1)


class Talk(Protocol):
    """What a conversation is handed: the way into the simulation."""

    def settle(self, value: Any) -> Any:
        """The value, or what the awaitable comes to in virtual time."""
        ...

    def turn(self, prompt: str) -> None:
        """A user's turn begins."""
        ...

    def reply(self, value: Any) -> None:
        """The agent answered the turn with `value`."""
        ...

    def run(self, number: int) -> AbstractContextManager[Talk]:
        """Run `number` (from 1) of a session, in the task that calls it. What the agent raises in it is kept, and ends it alone."""
        ...


@dataclass(slots=True)
class PlayedRun:
    """One run of a session, in virtual seconds since the session began."""

    number: int
    began: float
    ended: float | None = None
    """None if it was still going when the session ended."""
    replies: list[Any] = field(default_factory=list)
    error: BaseException | None = None


Conversation = Callable[[Talk], None]
"""Builds the agent and plays every turn through it."""


@dataclass(frozen=True, slots=True)
class Struck:
    """One strike of a fault."""

    fault: str
    point: str
    attempt: int
    seconds: float
    changed: bool
    """The agent saw other bytes or times than without the fault."""


@dataclass(frozen=True, slots=True)
class Clean:
    """What later cells of a scenario need of its fault-free run."""

    answers: Mapping[str, str]
    """Point name to a digest of the bytes and seconds of its clean answer."""
    requests: int
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One run, played to its end."""

    ending: Ending
    replies: tuple[Any, ...]
    """What the agent returned, one value for each finished turn."""
    error: BaseException | None
    detail: str
    """More about the ending: stacks of a deadlock, the limit that was passed, the lab's own error."""
    journal: tuple[Event, ...]
    ledger: Ledger
    points: tuple[Point, ...]
    """Logical calls in the order in which they were first made."""
    strikes: tuple[Struck, ...]
    requests: int
    tokens: int
    seconds: float
    """From start to end, in `time`."""
    time: Literal["virtual", "real"] = "virtual"
    """`real` for an agent outside this process."""
    real_threads: tuple[str, ...] = ()
    """Real threads that the agent started or handed work to: they are not in virtual time."""
    real_io: bool = False
    """A loop of the agent's watched a real socket or pipe, which is not in virtual time either."""
    telemetry: int = 0
    """Requests of the agent's own telemetry, answered 202 and otherwise left alone."""
    problems: tuple[str, ...]
    """What makes the run the lab's own failure: requests that left un-intercepted, a script asked for what it lacks."""
    clean: Clean
    models: tuple[str, ...]
    system_prompts: tuple[str, ...]
    tool_schemas: Mapping[str, str]
    """Tool name to its schema as canonical JSON, read off the requests."""
    runs: tuple[PlayedRun, ...] = ()
    """The runs of a session, in the order of their arrival."""
