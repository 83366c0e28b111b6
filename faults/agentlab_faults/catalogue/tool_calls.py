"""Faults of the boundary content in the tool calls themselves: their names, ids and number."""

from __future__ import annotations

import copy
from typing import Any, Literal

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY, GEMINI, OPENAI
from agentlab_faults.catalogue.completions import SpoilsChoice
from agentlab_faults.catalogue.rates import CONTENT, HARMLESS, RETRIED, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Row, Served, register

__all__ = ["DuplicateCallIds", "FinishMismatch", "ManyParallelCalls", "MissingCallId", "MissingFunction", "UnknownTool"]


def _blocks(served: Served) -> list[Json]:
    """The calls of an Anthropic message."""
    return [block for block in served.payload["content"] if block["type"] == "tool_use"]


def _function_calls(served: Served) -> list[Json]:
    """The calls of a response of Gemini's."""
    return [part["functionCall"] for part in served.payload["candidates"][0]["content"]["parts"] if "functionCall" in part]


class _SpoilsCalls(SpoilsChoice):
    """Rewrites the list of tool calls of each choice that has one."""

    def calls(self, calls: list[Json]) -> list[Json]:
        """The calls that the agent gets."""
        raise NotImplementedError

    def rewrite(self, choice: Json) -> None:
        """Change the choice's calls, if it has any."""
        calls: Any = choice["message"].get("tool_calls")
        if calls:
            choice["message"]["tool_calls"] = self.calls(calls)


@register(
    Row(
        id="tool_unknown_name",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Told which tools there are, the model names the right one; one that never does must be replaced.",
        happens="Models invent tools, misspell them, or put the namespace `functions.` before the name.",
        agent_should="Return an error that lists the valid names; never guess the tool where it would write.",
        answer="tool_calls",
        **often(CONTENT, 0.02, harm=2),
    )
)
class UnknownTool(_SpoilsCalls):
    """The model calls a tool that nobody offered: the right name behind `prefix`."""

    prefix: str = "functions."

    def calls(self, calls: list[Json]) -> list[Json]:
        for call in calls:
            call["function"]["name"] = self.prefix + call["function"]["name"]
        return calls


@register(
    Row(
        id="tool_dup_call_ids",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=HARMLESS,
        why="Equal calls can be run once and both answered, each time.",
        happens="A gateway repeats a chunk, or a model asks for the same thing twice in one answer.",
        agent_should="Give every call an id of its own before storing it, and run what is equal in name and arguments once.",
        answer="tool_calls",
        **often(CONTENT, 0.01, harm=3),
    )
)
class DuplicateCallIds(_SpoilsCalls):
    """Each tool call comes twice, under one id or (`same_id` false) under two."""

    same_id: bool = True

    def calls(self, calls: list[Json]) -> list[Json]:
        again = copy.deepcopy(calls)
        if not self.same_id:
            for call in again:
                call["id"] += "_again"
        return calls + again


@register(
    Row(
        id="tool_missing_id",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=HARMLESS,
        why="The call is all there; an id can be made up, each time.",
        happens="Compatible servers in front of models that know no ids; the SDK gives None.",
        agent_should="Make up an id, and use it in history for the call and its result alike.",
        answer="tool_calls",
        apis=OPENAI | ANTHROPIC,
        **often(CONTENT, 0.01, harm=2),
    )
)
class MissingCallId(_SpoilsCalls):
    """A tool call has no id, or null or an empty text for one."""

    id: Literal["absent", "null", "empty"] = "absent"

    def calls(self, calls: list[Json]) -> list[Json]:
        for call in calls:
            if self.id == "absent":
                del call["id"]
            else:
                call["id"] = None if self.id == "null" else ""
        return calls

    def spoil(self, served: Served) -> Exchange:
        """Anthropic's calls are blocks among others."""
        if served.api != "anthropic.messages":
            return super().spoil(served)
        self.calls(_blocks(served))
        return served.encoded(served.payload)


@register(
    Row(
        id="tool_missing_function",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Nobody can tell what was meant, so the model is asked again.",
        happens="A gateway loses the first chunk of a call.",
        agent_should="Not touch what is not there; drop the call from history and ask again.",
        answer="tool_calls",
        outcome_unknown=True,
        apis=CHAT_ONLY | ANTHROPIC | GEMINI,
        **often(CONTENT, 0.003, harm=2),
    )
)
class MissingFunction(_SpoilsCalls):
    """A tool call does not say which function it calls."""

    def calls(self, calls: list[Json]) -> list[Json]:
        return [{"id": call["id"], "type": "function"} for call in calls]

    def spoil(self, served: Served) -> Exchange:
        """Anthropic and Gemini have the name in the call itself."""
        if served.api == "openai.chat":
            return super().spoil(served)
        for call in _blocks(served) if served.api == "anthropic.messages" else _function_calls(served):
            for name in ("name", "input", "args"):
                call.pop(name, None)
        return served.encoded(served.payload)


@register(
    Row(
        id="tool_many_parallel",
        boundary="content",
        family="tool calls",
        category="budget",
        scope="model",
        best=HARMLESS,
        why="Equal calls are run once and each id is answered, every time.",
        happens="A model falls into repetition inside one answer.",
        agent_should="Cap the calls of a turn and answer each id, the surplus with an error: a missing result is a 400 next time.",
        answer="tool_calls",
        **often(CONTENT, 0.003, harm=3),
    )
)
class ManyParallelCalls(_SpoilsCalls):
    """The model makes its call `count` times in one answer, each with its own id."""

    count: int = 128

    def calls(self, calls: list[Json]) -> list[Json]:
        return [call if n == 0 else call | {"id": f"{call['id']}_{n}"} for call in calls for n in range(self.count)]


@register(
    Row(
        id="tool_finish_mismatch",
        boundary="content",
        family="tool calls",
        category="transient",
        scope="model",
        best=HARMLESS,
        why="The calls are there, whatever the finish reason says.",
        happens="Compatible servers that say stop for every answer.",
        agent_should="Go by the calls, not by the reason.",
        answer="tool_calls",
        apis=CHAT_ONLY | ANTHROPIC,
        **often(CONTENT, 0.01, harm=2),
    )
)
class FinishMismatch(SpoilsChoice):
    """The answer calls tools but its finish reason says stop."""

    def rewrite(self, choice: Json) -> None:
        choice["finish_reason"] = "stop"
