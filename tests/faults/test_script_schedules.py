"""Random schedules of what can go wrong between a model and an agent, judged from a ledger and not from the script's own book-keeping."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, Called, Say, ScriptedModel, ScriptSpec, Serving
from hypothesis import event, given, settings
from hypothesis import strategies as st

PROMPT = "Refund order 5512, it arrived broken."
DONE = "All of it is done."
FAILED = "I could not complete this: a tool kept failing."
TURNS = (
    Call((("lookup_order", {"id": "5512"}), ("search_kb", {"query": "refunds"}))),
    Call((("refund", {"order": "5512"}),)),
    Call((("note", {"text": "a"}), ("note", {"text": "b"}), ("note", {"text": "c"}))),
    Say(DONE),
)
SCRIPTED = {(name, json.dumps(arguments)) for turn in TURNS if isinstance(turn, Call) for name, arguments in turn.calls}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in sorted({name for name, _ in SCRIPTED})
]

ANSWER = ("good", "good", "good", "lost", "spoiled", "spoiled_without_ids")
"""What becomes of an answer on its way to the agent."""
OFFERED = ("everything", "everything", "everything", "lookup_order", "refund")
"""The tool that the agent does not offer this once."""
RUN = ("ok", "ok", "ok", "raised", "unknown", "cancelled", "error_value")
"""What becomes of an execution."""
KEEP = ("all", "all", "compact", "last_exchange", "elide", "restart")
"""What the agent does with its history after a step."""


@dataclass
class Ledger:
    """What this life of the agent has done for certain, as the model has been told."""

    confirmed: set[tuple[str, str]] = field(default_factory=set)
    failures: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Agent:
    """A tool loop whose every misfortune is drawn."""

    draw: Any
    seam_ids: bool
    wording: str
    parallel: bool
    calm: bool = False
    model: ScriptedModel = field(init=False)
    history: list[dict[str, Any]] = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        self.model = ScriptedModel([ScriptSpec(turns=TURNS)], [PROMPT], seamed={name for name, _ in SCRIPTED})
        self.start()

    def start(self) -> None:
        self.history = [{"role": "system", "content": "You help."}, {"role": "user", "content": PROMPT}]
        self.ledger = Ledger()

    def pick(self, options: tuple[str, ...]) -> str:
        return options[0] if self.calm else self.draw(st.sampled_from(options))

    def ask(self) -> Serving:
        withdrawn = self.pick(OFFERED)
        tools = [tool for tool in TOOLS if tool["function"]["name"] != withdrawn]
        serving = self.model.serve(
            read({"model": "m", "messages": list(self.history), "tools": tools, "parallel_tool_calls": self.parallel})
        )
        for call in serving.tool_calls:
            key = (call.name, as_key(call))
            assert key in SCRIPTED
            assert call.name != withdrawn, "called a tool that was not offered"
            assert key not in self.ledger.confirmed, f"{key} is done, and was served again"
            assert self.ledger.failures.get(key, 0) <= 2, f"{key} failed three times, and was served again"
        if serving.content == DONE:
            assert self.ledger.confirmed == SCRIPTED, "the success text without its calls done"
        if serving.kind == "failed":
            assert max(self.ledger.failures.values(), default=0) == 3, "gave up on a call that had not failed three times"
        return serving

    def step(self) -> str | None:
        """One turn of the loop; returns the model's last words when there are any."""
        serving = self.ask()
        fate = self.pick(ANSWER)
        if fate == "lost" or serving.kind == "aside":
            return None
        if not serving.tool_calls:
            return serving.content
        if fate.startswith("spoiled"):
            self.model.spoiled(serving.ids)
        if fate == "spoiled_without_ids":
            self.history.append({"role": "user", "content": "Your tool arguments were no JSON. Fix them."})
            return None
        self.take(serving)
        texts = {call.id: "Error: no JSON" if fate == "spoiled" else self.execute(call) for call in serving.tool_calls}
        order = list(texts) if self.calm else self.draw(st.permutations(list(texts)))
        self.history += [{"role": "tool", "tool_call_id": call_id, "content": texts[call_id]} for call_id in order]
        self.keep(self.pick(KEEP))
        return None

    def take(self, serving: Serving) -> None:
        calls = [{"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}} for c in serving.tool_calls]
        self.history.append({"role": "assistant", "content": None, "tool_calls": calls})

    def execute(self, call: Called) -> str:
        key, fate = (call.name, as_key(call)), self.pick(RUN)
        execution = self.model.tool_started(call.name, json.loads(call.arguments), call.id if self.seam_ids else None)
        value = {"error": "backend unavailable"} if fate == "error_value" else {"result": call.name} if fate == "ok" else None
        self.model.tool_ended(execution, "ok" if fate in {"ok", "error_value"} else fate, value)  # type: ignore[arg-type]  # RUN's other words are ends
        if fate == "ok":
            self.ledger.confirmed.add(key)
            return json.dumps(value)
        self.ledger.failures[key] = self.ledger.failures.get(key, 0) + 1
        return self.wording.format(json.dumps(value))

    def keep(self, what: str) -> None:
        event(what)
        if what == "restart":
            self.start()
        elif what == "compact":
            self.history[1:] = [{"role": "user", "content": f"{PROMPT} Progress so far: {self.history[-1]['content']}"}]
        elif what == "last_exchange":
            last = max(i for i, message in enumerate(self.history) if message["role"] == "assistant")
            self.history[1:last] = [{"role": "user", "content": "Summary of earlier steps."}]
        elif what == "elide":
            last = max(i for i, message in enumerate(self.history) if message["role"] == "assistant")
            for message in self.history[:last]:
                if message["role"] == "tool":
                    message["content"] = "Error: [old tool result cleared]"


def as_key(call: Called) -> str:
    return json.dumps(json.loads(call.arguments))


@settings(max_examples=400, deadline=None)
@given(
    data=st.data(),
    seam_ids=st.booleans(),
    wording=st.sampled_from(["Error: {}", "oops {}", "{}"]),
    parallel=st.booleans(),
    rough=st.integers(0, 12),
)
def test_no_confirmed_call_is_served_again_and_no_success_is_told_too_early(
    data: st.DataObject, seam_ids: bool, wording: str, parallel: bool, rough: int
) -> None:
    agent = Agent(data.draw, seam_ids, wording, parallel)
    said = None
    for _ in range(rough):
        said = agent.step()
        if said is not None:
            break
    agent.calm = True
    for _ in range(20):
        if said is not None:
            break
        said = agent.step()
    assert said in {DONE, FAILED}
