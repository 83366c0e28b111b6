"""The type of a fault: its row in the catalogue, its settings as fields, and one behaviour.

A fault is one small class in one place::

    @register(Row(id="http_500", boundary="provider-http", ...))
    class ServerError(Replaces):
        '''The provider answers 500 with its JSON error body.'''

        status: int = 500

        def answer(self, request: WireRequest) -> Exchange: ...

`Replaces` answers instead of the provider, `Spoils` changes the provider's answer on its way, `BreaksTool` acts round a tool's body,
`BreaksStore` round a store's command, `BreaksMcp` round a request to an MCP server.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict

from agentlab_faults.dialects.answer import Answer
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.points import Point, PointKind, Trait
from agentlab_faults.script.asked import Asked

__all__ = [
    "Best",
    "Boundary",
    "BreaksMcp",
    "BreaksQueue",
    "BreaksStore",
    "BreaksTool",
    "Category",
    "Fault",
    "McpCall",
    "McpStrike",
    "Rate",
    "Replaces",
    "Rewrites",
    "Row",
    "Scope",
    "Served",
    "Shape",
    "Spoils",
    "StoreCall",
    "StoreStrike",
    "Strike",
    "ToolCall",
    "all_faults",
    "register",
]

EMBEDDINGS = "embeddings"
"""The wire API that says nothing: faults of content and of words have nothing to act on there."""
Boundary = Literal["network", "provider-http", "stream", "content", "tool", "mcp", "state", "queue", "semantic"]
Category = Literal["transient", "rate_limit", "permanent", "context", "budget", "auth", "content_filter", "semantic", "none"]
Shape = Literal["once", "x3", "always"]
Scope = Literal["call", "model", "key", "host", "tool", "store", "server"]
Best = Literal["recoverable", "needs_fallback", "fatal", "undetectable"]
"""The best outcome an agent can reach: by itself, only with a fallback, honest degradation only, or no agent can tell."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often it happens for real: a share of calls (0 to 1) and where the figure comes from."""

    share: float
    source: str


_ID: Final = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault's row in the catalogue: everything about it that is not a setting."""

    id: str
    boundary: Boundary
    family: str
    category: Category
    scope: Scope
    best: Mapping[Shape, Best]
    """Also says which shapes the fault has: one without a best outcome is not offered."""
    why: str
    """Why the best outcome is what it is."""
    happens: str
    """When it happens for real."""
    agent_should: str
    rate: Rate
    weight: float = 1.0
    kinds: frozenset[PointKind] = frozenset({"llm"})
    answer: Literal["any", "tool_calls", "text"] = "any"
    """Which fault-free answers it can act on (an LLM point only)."""
    apis: frozenset[str] | None = None
    """The wire APIs whose answers it can act on (an LLM point only); None: all. `anthropic.messages/stream` is an API's streams alone,
    `anthropic.messages/whole` its answers in one piece."""
    streamed: Literal["any", "no", "only"] = "any"
    """Whether it acts on streams (an LLM point only)."""
    needs: frozenset[Trait] = frozenset()
    """What the request must show, so that there is something to get wrong (an LLM point only)."""
    at_event: bool = False
    """It strikes one event of the stream, and fares differently at each: its cells name the event (an LLM point only)."""
    tools: tuple[str, ...] = ()
    """Globs of the names of tools that it can act on; empty for all (a tool point only)."""
    unready: str = ""
    """What is missing before it can fire; it is never offered then."""
    effect: Literal["any", "read", "write"] = "any"
    """Which tools, or which commands of a store, it can act on (tool and store points only)."""
    methods: frozenset[str] = frozenset()
    """The store's commands, or the MCP methods, that it can act on; empty for all (store and MCP points only)."""
    transport: Literal["any", "http", "stdio"] = "any"
    """The MCP servers that it can act on, by how they are reached (an MCP point only)."""
    outcome_unknown: bool = False
    """The work may have been done although the agent saw a failure."""

    def __post_init__(self) -> None:
        """Refuse an id that cannot stand in a cell's id, and words that the lab does not know: such a fault would never strike."""
        if not _ID.fullmatch(self.id):
            raise ValueError(f"{self.id!r} cannot be a fault's id: write it in small letters, digits and underscores.")
        for name, known in _WORDS.items():
            told = getattr(self, name)
            for word in [told] if isinstance(told, str) else told:
                if word not in known:
                    raise ValueError(f"The fault {self.id!r} has {word!r} as `{name}`, which is none of: {', '.join(known)}.")
        for best in self.best.values():
            if best not in get_args(Best):
                raise ValueError(f"The fault {self.id!r} has {best!r} in `best`, which is none of: {', '.join(get_args(Best))}.")

    def applies(self, point: Point) -> bool:
        """Whether the fault can go to this point."""
        if point.kind not in self.kinds:
            return False
        if point.kind != "llm":
            tool = point.target if point.kind == "tool" else ""
            return self.id not in point.unmoved and self.strikes_on(
                effect=point.effect, method=point.method, transport=point.transport, tool=tool
            )
        return self.needs <= set(point.shows) and self.acts_on(point.target, calls_tools=point.calls_tools, streamed=point.streamed)

    def acts_on(self, api: str, *, calls_tools: bool, streamed: bool) -> bool:
        """Whether it has something to act on in an answer of this wire API."""
        return (
            (api != EMBEDDINGS or self.boundary in ("network", "provider-http"))
            and (self.apis is None or api in self.apis or f"{api}/{'stream' if streamed else 'whole'}" in self.apis)
            and (self.streamed == "any" or streamed == (self.streamed == "only"))
            and (self.answer == "any" or calls_tools == (self.answer == "tool_calls"))
        )

    def strikes_on(self, *, effect: str, method: str = "", transport: str = "", tool: str = "") -> bool:
        """Whether it has something to act on at a tool, a store's command or an MCP method of this sort."""
        return (
            self.effect in ("any", "write" if effect == "external" else effect)
            and (not self.methods or method in self.methods)
            and self.transport in ("any", transport)
            and (not self.tools or any(fnmatchcase(tool, glob) for glob in self.tools))
        )


def _words(hint: Any) -> tuple[str, ...]:
    """The words that a field of this type may hold, of a mapping as its keys; none where any text will do."""
    if get_origin(hint) is Literal:
        return get_args(hint)
    return _words(get_args(hint)[0]) if get_origin(hint) in {frozenset, Mapping} else ()


_WORDS: Final = {name: words for name, hint in get_type_hints(Row).items() if (words := _words(hint))}


class Fault(BaseModel):
    """One named way to fail. Fields are its settings; `row` is its entry in the catalogue; the docstring says what it simulates.

    >>> from agentlab_faults.catalogue import select
    >>> limited: Fault = select(["http_429_rate"])[0](retry_after=30.0)
    >>> limited.row.category, limited.row.best["always"]
    ('rate_limit', 'needs_fallback')
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
    row: ClassVar[Row]


class Replaces(Fault):
    """Answers instead of the provider; the scripted model is never asked."""

    def answer(self, request: WireRequest) -> Exchange:
        """The exchange that the agent gets."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A provider's good answer before it is spoiled. `payload` is the spoiler's own copy, to change as it likes."""

    payload: dict[str, Any]
    """The answer in its dialect, as the body of a response that is not streamed."""
    exchange: Exchange
    request: WireRequest
    api: str
    """The wire API: `openai.chat` ..."""
    answer: Answer
    asked: Callable[[], Asked]
    """What the request asks of the model, its history in the form of chat messages."""
    streams: bool
    """The exchange is a stream of events, one part of the body each."""
    chunk: int | None = None
    """The event of the stream that was named to be struck, from 1; None leaves it to the fault."""
    encoded: Callable[[dict[str, Any]], Exchange]
    """Another payload, on its way as this one is, streamed or not."""
    rendered: Callable[[Answer], Exchange]
    """Another answer in this dialect, on its way as this one is."""


class Spoils(Fault):
    """Changes a good answer on its way to the agent, or loses it."""

    def spoil(self, served: Served) -> Exchange:
        """The exchange that the agent gets instead of `served.exchange`."""
        raise NotImplementedError


class Rewrites(Spoils):
    """Changes what the model says, in whatever dialect it says it.

    >>> from dataclasses import replace
    >>> class Shouts(Rewrites):
    ...     def rewrite(self, answer: Answer) -> Answer:
    ...         return replace(answer, content=answer.content.upper())
    >>> said = Answer(content="Good day.", finish="stop", usage=None, model="gpt-4o-mini", created=0, serial=1)
    >>> Shouts().rewrite(said).content
    'GOOD DAY.'
    """

    def rewrite(self, answer: Answer) -> Answer:
        """The answer that the agent gets instead."""
        raise NotImplementedError

    def spoil(self, served: Served) -> Exchange:
        """The rewritten answer in its dialect; the very same exchange if it is the same."""
        rewritten = self.rewrite(served.answer)
        return served.exchange if rewritten == served.answer else served.rendered(rewritten)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One execution at the tool seam: the tool's name, its arguments, and which attempt at this logical call it is (from 1)."""

    name: str
    arguments: Mapping[str, Any]
    attempt: int


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to one execution of a tool: the body runs first or never, then silence, then an error or another result."""

    runs: bool
    """The tool's body runs (and so commits) before the rest; False: it never starts."""
    delay: float = 0.0
    """Virtual seconds of silence; `math.inf` for ever (the caller's own timeout ends it)."""
    error: Exception | None = None
    rewrite: Callable[[Any], Any] | None = field(default=None)
    """Maps the body's result to the one that the agent gets."""
    twice: bool = False
    """The body runs a second time with the same arguments (delivered twice)."""


class BreaksQueue(Fault):
    """Acts on the delivery of a job; a unit without behaviour as long as no queue's deliveries pass the lab."""


class BreaksTool(Fault):
    """Acts round the body of a tool.

    >>> class LosesConfirmation(BreaksTool):
    ...     def strike(self, call: ToolCall) -> Strike:
    ...         return Strike(runs=True, error=TimeoutError()) if call.attempt == 1 else Strike(runs=True)
    >>> LosesConfirmation().strike(ToolCall("refund", {"order": "5512"}, attempt=1)).error
    TimeoutError()
    """

    def strike(self, call: ToolCall) -> Strike:
        """What happens to this execution."""
        raise NotImplementedError

    def moves(self, result: Any) -> bool:
        """Whether there is something for it to change in this result; the plan leaves it out where there is not."""
        del result  # most act on any
        return True


@dataclass(frozen=True, slots=True)
class StoreCall:
    """One attempt at a store's command: its name in lower case, its arguments as text, the key it acts on, and which attempt (from 1)."""

    command: str
    arguments: tuple[str, ...]
    key: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStrike:
    """What happens to one attempt at a store's command, in the order of the fields."""

    refused: bool = False
    """Nobody listens: the client cannot connect, nothing is sent."""
    runs: bool = True
    """The server executes the command; False: it reads it and does nothing."""
    first: tuple[tuple[str, ...], ...] = ()
    """Commands that the server executes on its own just before."""
    then: tuple[tuple[str, ...], ...] = ()
    """Commands that the server executes on its own just after."""
    forgets: bool = False
    """Soon after the reply the key is as it was before the command."""
    delay: float = 0.0
    """Virtual seconds of silence before the reply; `math.inf` for ever (the client's own timeout ends it)."""
    error: str = ""
    """The reply is this error: `READONLY You can't write against a read only replica.`"""
    lost: Literal["", "closed", "reset", "truncated"] = ""
    """The connection ends instead of the reply: closed, reset, or closed in the middle of it."""
    garbage: bytes = b""
    """These bytes, which are no reply, come instead."""
    rewrite: Callable[[Any], Any] | None = None
    """Maps the command's reply to the one that the client gets."""


class BreaksStore(Fault):
    """Acts round a command of a store.

    >>> class Replica(BreaksStore):
    ...     def strike(self, call: StoreCall) -> StoreStrike:
    ...         return StoreStrike(runs=False, error="READONLY You can't write against a read only replica.")
    >>> Replica().strike(StoreCall("set", ("cart:7", "{}"), "cart:7", attempt=1)).runs
    False
    """

    def strike(self, call: StoreCall) -> StoreStrike:
        """What happens to this attempt."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class McpCall:
    """One attempt at a request to an MCP server: its JSON-RPC id and method, the tool for `tools/call`, and which attempt (from 1)."""

    id: int | str
    method: str
    tool: str
    transport: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class McpStrike:
    """What happens to one attempt at a request to an MCP server."""

    runs: bool = True
    """The server handles the request (and so a tool commits); False: it never starts."""
    message: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Maps the server's JSON-RPC answer to the one that the client gets. With `runs=False` it is given an empty result."""
    silent: bool = False
    """The answer never comes."""
    delay: float = 0.0
    """Virtual seconds until the process ends (stdio only)."""
    http: Callable[[bytes], Exchange] | None = None
    """Maps the JSON of the answer to the HTTP exchange that carries it, or that comes instead (HTTP only)."""
    lines: tuple[str, ...] = ()
    """What the server's process prints before the answer, and is no JSON-RPC (stdio only)."""
    exits: bool = False
    """The server's process ends instead of answering (stdio only)."""
    missing: bool = False
    """The server's program is not there (stdio only)."""


class BreaksMcp(Fault):
    """Acts round a request to an MCP server.

    >>> class Forgets(BreaksMcp):
    ...     def strike(self, call: McpCall) -> McpStrike:
    ...         return McpStrike(silent=call.tool == "refund")
    >>> Forgets().strike(McpCall(3, "tools/call", "refund", "http", attempt=1)).silent
    True
    """

    def strike(self, call: McpCall) -> McpStrike:
        """What happens to this attempt."""
        raise NotImplementedError


_WRITTEN: Final[tuple[tuple[type[Fault], str], ...]] = (
    (Replaces, "answer"),
    (Rewrites, "rewrite"),
    (Spoils, "spoil"),
    (BreaksTool, "strike"),
)
"""What a fault of each kind must write."""
F = TypeVar("F", bound=type[Fault])
_registry: dict[str, type[Fault]] = {}


def register(row: Row) -> Callable[[F], F]:
    """Put a fault into the catalogue under its row's id. Raises ValueError if the id is taken, the docstring missing or nothing done."""

    def add(cls: F) -> F:
        if row.id in _registry and not _same(cls, _registry[row.id]):
            raise ValueError(
                f"A fault named {row.id!r} is registered already, as {_registry[row.id].__qualname__}; give this one another id."
            )
        if not cls.__doc__:
            raise ValueError(f"The fault {row.id!r} has no docstring; say in one sentence what it simulates.")
        for kind, method in _missing(cls):
            raise ValueError(f"The fault {row.id!r} does nothing: write its `{method}`, as {kind.__name__} has it.")
        cls.row = row
        _registry[row.id] = cls
        return cls

    return add


def _missing(cls: type[Fault]) -> list[tuple[type[Fault], str]]:
    """The methods that it has to write and has not, each with the kind of fault that asks for it."""
    return [(kind, method) for kind, method in _WRITTEN if issubclass(cls, kind) and getattr(cls, method) is getattr(kind, method)]


def _same(one: type[Fault], other: type[Fault]) -> bool:
    """Whether both are the class of one file, which was read again (a `conftest.py` that a command and pytest both load)."""

    def place(cls: type[Fault]) -> tuple[str, str | None]:
        return cls.__qualname__, getattr(sys.modules.get(cls.__module__), "__file__", None)

    return place(one) == place(other) and place(one)[1] is not None and one.__module__ != other.__module__


def all_faults() -> Mapping[str, type[Fault]]:
    """Every registered fault by id, in order of registration (import `agentlab_faults.catalogue` for the shipped ones)."""
    return dict(_registry)
