"""A hand-driven agent for the scripted model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Called, End, Say, ScriptedModel, ScriptSpec, Serving

__all__ = ["BOTH", "DONE", "FAILED", "LOOKUP", "PROMPT", "REFUND", "Bench", "names", "offer"]

PROMPT = "Refund order 5512, it arrived broken."
LOOKUP = Call((("lookup_order", {"id": "5512"}),))
REFUND = Call((("refund", {"order": "5512", "amount": 49.9}),))
BOTH = Call((("lookup_order", {"id": "5512"}), ("search_kb", {"query": "refunds"})))
DONE = Say("I refunded EUR 49.90 for order 5512.")
FAILED = "I could not complete this: a tool kept failing."
TOOLS = ("lookup_order", "search_kb", "refund")


def offer(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}} for name in names]


class Bench:
    """A hand-driven agent: it asks, takes answers into its history, and runs tools past the seam."""

    def __init__(
        self, *turns: Call | Say, prompts: Sequence[str] = (PROMPT,), seam_ids: bool = True, tools: Iterable[str] = TOOLS, **spec: Any
    ):
        self.model = ScriptedModel([ScriptSpec(turns=turns or (LOOKUP, REFUND, DONE), **spec)], prompts)
        self.tools = offer(*tools)
        self.seam_ids = seam_ids
        self.history: list[dict[str, Any]] = [{"role": "system", "content": "You help."}, {"role": "user", "content": prompts[0]}]

    def ask(self, history: Sequence[Mapping[str, Any]] | None = None, **extra: Any) -> Serving:
        body = {"model": "gpt-4o-mini", "messages": list(self.history if history is None else history), "tools": self.tools, **extra}
        return self.model.serve(read({name: value for name, value in body.items() if value is not None}))

    def take(self, serving: Serving) -> Serving:
        calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in serving.tool_calls]
        self.history.append({"role": "assistant", "content": serving.content, **({"tool_calls": calls} if calls else {})})
        return serving

    def execute(self, call: Called, end: End = "ok", value: Any = None) -> None:
        arguments = json.loads(call.arguments)
        execution = self.model.tool_started(call.name, arguments, call.id if self.seam_ids else None)
        self.model.tool_ended(execution, end, {"ok": True} if value is None and end == "ok" else value)

    def result(self, call_id: str, text: str = '{"ok": true}') -> None:
        self.history.append({"role": "tool", "tool_call_id": call_id, "content": text})

    def step(self, text: str = '{"ok": true}', end: End = "ok", value: Any = None) -> Serving:
        """Ask, run every call, and take the results."""
        serving = self.take(self.ask())
        for call in serving.tool_calls:
            self.execute(call, end, value)
            self.result(call.id, text)
        return serving


def names(serving: Serving) -> list[str]:
    return [call.name for call in serving.tool_calls]
