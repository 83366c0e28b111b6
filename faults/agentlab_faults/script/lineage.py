"""One script played to one conversation: where a request stands among all answers so far, and what comes next.

Every answer is a node with fresh call ids. A request is placed by the ids that its history shows, never by counting requests: retries,
fallbacks, restarts and compaction change how often a model is asked, and not what it knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentlab_faults.script.asked import Asked, Signature
from agentlab_faults.script.form import Form, form_of, plan_form, to_json
from agentlab_faults.script.judge import failure_test
from agentlab_faults.script.prompts import Prompts, segments
from agentlab_faults.script.seam import Seam, Verdict
from agentlab_faults.script.spec import Call, Called, Kind, Plan, Say, ScriptSpec, Serving

__all__ = ["Lineage", "Node", "Slot"]

Slot = tuple[int, int]
"""(turn, place in the turn) of a scripted call."""
Results = dict[str, Verdict]


@dataclass(slots=True, eq=False)
class Node:
    """One answer. `results` holds what was known of earlier calls when it was given; `segment` is the prompt that it answered."""

    serial: int
    parent: Node | None
    results: Results
    segment: int
    last_user_text: str
    said: bool = False
    ids: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request stands: after which node, with which results, and on which of the user's prompts."""

    parent: Node | None
    results: Results
    segment: int


class Lineage:
    """The answers that one script has given, and the rule for the next one."""

    def __init__(self, spec: ScriptSpec, seam: Seam, prompts: Prompts, scripted: Collection[str]) -> None:
        self._spec, self._seam, self._prompts, self._scripted = spec, seam, prompts, scripted
        self._failed = failure_test(spec.failed_when)
        self._segments = segments(spec)
        self._nodes: list[Node] = []
        self._node_of: dict[str, Node] = {}
        self._slot_of: dict[str, Slot] = {}
        self._plan_calls: dict[str, int] = {}
        """The turn of each plan that was made as a tool's call."""
        self._planned_after: dict[int, int] = {}
        """By prompt: how many tools had run when its first plan was made."""
        self._in_json_mode: dict[int, int] = {}
        """By turn: how many tools had run when the plan was made in JSON mode; less than 0 for one that was made in a form."""
        self._served: set[Slot] = set()
        self._seen: Results = {}
        self._starts: dict[tuple[int, Signature], _Place] = {}
        self._asides: dict[tuple[Signature, frozenset[str]], str] = {}

    def owns(self, call_id: str) -> bool:
        """Whether this script served the call."""
        return call_id in self._node_of

    def serve(self, asked: Asked, serial: int) -> Serving:
        """The next answer; `serial` numbers it."""
        if self._asides and (text := self._asides.get(_aside_key(asked))) is not None:
            return self._aside(asked, serial, text)
        place = self._place(asked)
        if (planned := self._planned(asked, serial, place.segment)) is not None:
            return planned
        missing = self._missing(place, asked)
        if (planned := self._planned_in_json_mode(asked, serial, place.segment, missing)) is not None:
            return planned
        if not missing:
            turn = self._segments[place.segment][-1]
            done = self._carried_out(place.segment, turn)
            return self._say(asked, serial, place, turn, "say") if done else self._say(asked, serial, place, -1, "failed")
        lacking = [name for name in map(self._tool, missing) if name not in asked.callable]
        if lacking:
            return self._aside(asked, serial, self._aside_text(lacking[0], place, missing))
        if any(self._given_up(place.results, slot) for slot in missing):
            return self._say(asked, serial, place, -1, "failed")
        return self._call(asked, serial, place, missing if asked.parallel else missing[:1])

    def _place(self, asked: Asked) -> _Place:
        shown = {call_id: text for call_id, text in asked.shown().items() if call_id in self._node_of}
        if shown:
            parent = max((self._node_of[call_id] for call_id in shown), key=lambda node: node.serial)
            results = self._told(parent, shown)
            if len(shown) < len(asked.shown()) and (renamed := self._renamed(parent)) is not None:
                parent, results = renamed, results | self._ran(renamed)
            return _Place(parent, results, self._segment(asked, parent))
        segment = self._segment(asked, None)
        if not self._nodes:
            return _Place(None, {}, segment)
        if (start := self._starts.get((segment, asked.signature))) is not None:
            return start
        parent = self._nodes[-1]
        return _Place(parent, self._ran(parent), self._segment(asked, parent))

    def _segment(self, asked: Asked, parent: Node | None) -> int:
        if parent is None:
            return self._prompts.segment(asked, self._spec, len(self._segments), 0, said=False, last="")
        return self._prompts.segment(asked, self._spec, len(self._segments), parent.segment, said=parent.said, last=parent.last_user_text)

    def _renamed(self, parent: Node) -> Node | None:
        """The latest answer after `parent`, if its calls ran although the history shows them under ids that the agent made up itself."""
        latest = self._nodes[-1]
        if latest is parent or parent not in _upwards(latest):
            return None
        ran = self._ran(latest)
        return latest if any(call_id in ran for call_id in latest.ids) else None

    def _told(self, parent: Node, shown: Mapping[str, str | None]) -> Results:
        """What the history says of our calls. The first sight of a result decides; what becomes of its text later changes nothing."""
        fresh = {i: text for i, text in shown.items() if text is not None and i not in self._seen and i in self._slot_of}
        self._seam.claim(fresh)
        for call_id, text in fresh.items():
            self._seen[call_id] = self._seam.judge(call_id, text, self._failed)
        results = dict(parent.results)
        results.update((i, self._seen[i]) for i, text in shown.items() if text is not None and i in self._seen)
        return results

    def _ran(self, parent: Node) -> Results:
        """What the tool seam says of our calls, where the history was rewritten and shows none."""
        self._seam.claim(i for i in parent.ids if i in self._slot_of and i not in self._seen)
        results = dict(parent.results)
        for call_id in _ids_upwards(parent):
            if call_id in results or call_id not in self._slot_of:
                continue
            if call_id in self._seen:
                results[call_id] = self._seen[call_id]
            elif self._seam.ran(call_id):
                results[call_id] = self._seam.judge(call_id, None, self._failed)
        return results

    def _missing(self, place: _Place, asked: Asked) -> list[Slot]:
        """The calls not yet done of the first turn that has any; of a forced tool, the first one not yet done."""
        done = {self._slot_of[i] for i, verdict in place.results.items() if verdict == "done"}
        first: list[Slot] = []
        for turn in self._segments[place.segment]:
            left = [slot for slot in self._slots(turn) if slot not in done]
            if left and asked.forced is None:
                return left
            forced = [slot for slot in left if self._tool(slot) == asked.forced]
            if forced:
                return forced[:1]
            first = first or left
        return first

    def _slots(self, turn: int) -> Iterator[Slot]:
        step = self._spec.turns[turn]
        return ((turn, place) for place in range(len(step.calls))) if isinstance(step, Call) else iter(())

    def _planned(self, asked: Asked, serial: int, segment: int) -> Serving | None:
        """A plan, if the request asks for one. One that the agent took from a tool is made again only where some tool must be called."""
        taken: set[int] = set()
        if self._plan_calls and not asked.required and asked.forced is None:
            whole = {i for i, text in asked.shown().items() if text is not None} - self._seam.spoiled
            taken = {turn for call_id, turn in self._plan_calls.items() if call_id in whole}
        found: tuple[int, Form] | None = None
        for turn, plan in self._plans(segment):
            form = plan_form(plan.form, asked, self._scripted)
            if form is None or (form.tool is not None and turn in taken):
                continue
            self._planned_after.setdefault(segment, self._seam.runs)
            self._in_json_mode[turn] = -1
            found = (turn, form)
            if not (plan.calls and self._carried_out(segment, turn)):
                break
        if found is None:
            return None
        serving = self._formed(found[1], asked, serial, found[0], "plan")
        self._plan_calls.update(dict.fromkeys(serving.ids, found[0]))
        return serving

    def _planned_in_json_mode(self, asked: Asked, serial: int, segment: int, missing: Sequence[Slot]) -> Serving | None:
        """A plan for a request of any JSON object, until a tool has run: what is asked for after that may be the answer."""
        if not asked.json_object or asked.required:
            return None
        for turn, plan in self._plans(segment):
            if (missing and missing[0][0] < turn) or self._in_json_mode.get(turn, 0) < 0:
                return None
            self._planned_after.setdefault(segment, self._seam.runs)
            if plan.calls and self._carried_out(segment, turn):
                continue
            if self._in_json_mode.setdefault(turn, self._seam.runs) != self._seam.runs:
                return None
            return self._formed(Form(content=to_json(plan.form)), asked, serial, turn, "plan")
        return None

    def _plans(self, segment: int) -> Iterator[tuple[int, Plan]]:
        return ((turn, step) for turn in self._segments[segment] if isinstance(step := self._spec.turns[turn], Plan))

    def _carried_out(self, segment: int, until: int) -> bool:
        """Whether the agent has made all calls of its plans up to that turn, and each went well. What it did is seen at the tool seam."""
        planned = Counter(name for turn, plan in self._plans(segment) if turn <= until for name, _ in plan.calls)
        after = self._planned_after.get(segment, 0)
        return all(self._seam.worked(name, self._failed, after) >= times for name, times in planned.items())

    def _given_up(self, results: Results, slot: Slot) -> bool:
        """The call ran and failed, or was refused by the agent, once more often than it may be called again. Lost calls never count."""
        verdicts = [verdict for i, verdict in results.items() if self._slot_of[i] == slot]
        return max(verdicts.count("failed"), verdicts.count("refused")) > self._spec.retries

    def _tool(self, slot: Slot) -> str:
        return self._scripted_call(slot)[0]

    def _scripted_call(self, slot: Slot) -> tuple[str, dict[str, Any]]:
        step = self._spec.turns[slot[0]]
        if not isinstance(step, Call):
            raise TypeError(f"Turn {slot[0]} is no call.")
        return step.calls[slot[1]]

    def _node(self, asked: Asked, serial: int, place: _Place) -> Node:
        if place.parent is None or place.parent.segment != place.segment:
            self._starts.setdefault((place.segment, asked.signature), place)
        last = asked.user_texts[-1] if asked.user_texts else ""
        node = Node(serial, place.parent, place.results, place.segment, last)
        self._nodes.append(node)
        return node

    def _call(self, asked: Asked, serial: int, place: _Place, slots: Sequence[Slot]) -> Serving:
        node = self._node(asked, serial, place)
        calls = []
        for turn, k in slots:
            name, arguments = self._scripted_call((turn, k))
            called = Called(f"{asked.ids}{serial}_{turn}_{k}", name, to_json(arguments))
            self._slot_of[called.id] = (turn, k)
            self._seam.called(called.id, name, arguments)
            self._node_of[called.id] = node
            calls.append(called)
        node.ids = [called.id for called in calls]
        self._served.update(slots)
        turn = slots[0][0]
        step = self._spec.turns[turn]
        content = step.say if isinstance(step, Call) else None
        return Serving(content, tuple(calls), "tool_calls", tuple(node.ids), turn, "call", self._spec.latency)

    def _say(self, asked: Asked, serial: int, place: _Place, turn: int, kind: Kind) -> Serving:
        step = self._spec.turns[turn]
        words = step.text if kind == "say" and isinstance(step, Say) else self._spec.say_failed
        form = form_of(words, asked, self._scripted)
        node = self._node(asked, serial, place)
        node.said = True
        serving = self._formed(form, asked, serial, turn, kind)
        node.ids = list(serving.ids)
        self._node_of.update(dict.fromkeys(serving.ids, node))
        return serving

    def _formed(self, form: Form, asked: Asked, serial: int, turn: int, kind: Kind) -> Serving:
        if form.tool is None:
            return Serving(form.content, (), "stop", (), turn, kind, self._spec.latency)
        called = Called(f"{asked.ids}{serial}_{'out' if turn < 0 else turn}_0", form.tool, form.arguments)
        return Serving(None, (called,), "tool_calls", (called.id,), turn, kind, self._spec.latency)

    def _aside(self, asked: Asked, serial: int, text: str) -> Serving:
        """Words beside the script. They are no node, and the same request gets them again."""
        self._asides[_aside_key(asked)] = text
        return self._formed(form_of(text, asked, self._scripted), asked, serial, -1, "aside")

    def _aside_text(self, tool: str, place: _Place, missing: Sequence[Slot]) -> str:
        if (text := self._spec.say_without.get(tool)) is not None:
            return text
        here = set(self._segments[place.segment])
        progress = any(self._slot_of[i][0] in here for i in place.results) or not self._served.isdisjoint(missing)
        return self._spec.say_failed if progress else self._plan(place.segment)

    def _plan(self, segment: int) -> str:
        steps = [self._tool(slot) for turn in self._segments[segment] for slot in self._slots(turn)]
        return f"Plan: {', then '.join(steps)}, then answer. Nothing of it has been done yet."


def _aside_key(asked: Asked) -> tuple[Signature, frozenset[str]]:
    return asked.signature, frozenset(asked.callable)


def _ids_upwards(node: Node) -> Iterator[str]:
    return (call_id for above in _upwards(node) for call_id in above.ids)


def _upwards(node: Node | None) -> Iterator[Node]:
    while node is not None:
        yield node
        node = node.parent
