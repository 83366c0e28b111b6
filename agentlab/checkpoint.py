"""What is kept of a conversation so that any worker can go on with it: plain JSON with a version, checked when it is read."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

from agentlab.approval import ApprovalRequest, Decision
from agentlab.bounds import Usage
from agentlab.effects import Effect
from agentlab.errors import ResumeRefusedError
from agentlab.history import Kept
from agentlab.planning.plan import PlanState
from agentlab.result import Step
from agentlab.turn import FailedCall, Observation, Turn

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["Checkpoint", "Progress", "decode", "encode", "owner_of", "progress_of", "renamed"]

VERSION = 1
LARGEST = 16_000_000
"""Characters; a larger record is refused unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a turn is that has not completed. `stood_at` is the length of the history that is the turn's own work so far."""

    text: str
    stood_at: int
    steps: list[Step]
    usage: Usage
    withdrawn: dict[str, str]
    failed: dict[str, FailedCall]
    used: list[str]
    succeeded: list[str]
    observed: dict[str, Observation]
    decisions: dict[str, Decision]
    questioned: list[str]
    waiting: ApprovalRequest | None = None
    plan: PlanState | None = None
    again: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One conversation of one agent: `owner` is the worker that wrote it, `progress` is None if its last turn is complete."""

    version: int = VERSION
    agent: str
    conversation: str
    owner: str
    turn: int
    history: Kept
    effects: list[Effect]
    progress: Progress | None


def progress_of(turn: Turn, stood_at: int, waiting: ApprovalRequest | None = None) -> Progress:
    """How far the turn is."""
    return Progress(
        text=turn.text,
        stood_at=stood_at,
        steps=turn.steps,
        usage=turn.usage,
        withdrawn=turn.withdrawn,
        failed=turn.failed,
        used=sorted(turn.used),
        succeeded=sorted(turn.succeeded),
        observed=turn.observed,
        decisions=turn.decisions,
        questioned=sorted(turn.questioned),
        waiting=waiting,
        plan=turn.plan,
        again=sorted(turn.again),
    )


def renamed(progress: Progress, ids: Mapping[str, str]) -> Progress:
    """The same progress in a history where some calls have other ids."""
    waiting = progress.waiting
    return replace(
        progress,
        observed={ids.get(call_id, call_id): found for call_id, found in progress.observed.items()},
        decisions={ids.get(name, name): decision for name, decision in progress.decisions.items()},
        waiting=replace(waiting, call_id=ids.get(waiting.call_id, waiting.call_id)) if waiting else None,
        again=[ids.get(call_id, call_id) for call_id in progress.again],
    )


def encode(checkpoint: Checkpoint) -> str:
    """The checkpoint as JSON."""
    return json.dumps(checkpoint, default=_plain, skipkeys=True, separators=(",", ":"))


def decode(text: object, *, agent: str, conversation: str) -> Checkpoint:
    """The checkpoint of this agent's conversation. Raises ResumeRefusedError for whatever is none."""
    if not isinstance(text, str) or len(text) > LARGEST:
        raise _refused(conversation, "it is no text of a possible size")
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise _refused(conversation, "it is not valid JSON") from None
    version = raw.get("version") if isinstance(raw, dict) else None
    if version != VERSION:
        raise _refused(conversation, f"it has the format {str(version)[:20]!r}, and this agentlab reads format {VERSION}")
    checkpoint = _validated(raw, conversation)
    if (checkpoint.agent, checkpoint.conversation) != (agent, conversation):
        raise _refused(conversation, "it belongs to another agent or conversation")
    progress = checkpoint.progress
    if progress is not None and not 0 <= progress.stood_at <= len(checkpoint.history.messages):
        raise _refused(conversation, "its turn is longer than its history")
    return checkpoint


def owner_of(text: str) -> str:
    """Who wrote a checkpoint; empty if it is none."""
    try:
        found = json.loads(text)["owner"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return ""
    return found if isinstance(found, str) else ""


def _validated(raw: Any, conversation: str) -> Checkpoint:
    from pydantic import ValidationError  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    try:
        return _adapter().validate_python(raw)
    except (ValidationError, RecursionError) as error:
        where = ".".join(map(str, error.errors(include_input=False)[0]["loc"])) if isinstance(error, ValidationError) else "its nesting"
        raise _refused(conversation, f"{where[:100]} is not what it must be") from None


@functools.cache
def _adapter() -> TypeAdapter[Checkpoint]:
    from pydantic import TypeAdapter  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    return TypeAdapter(Checkpoint)


def _plain(value: Any) -> Any:
    """What JSON lacks: a dataclass as its fields, anything else as its text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return str(value)


def _refused(conversation: str, why: str) -> ResumeRefusedError:
    return ResumeRefusedError(f"The checkpoint of conversation {conversation} cannot be used: {why}; start a new conversation.")
