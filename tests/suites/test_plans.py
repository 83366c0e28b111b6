"""A model's plan as a turn of the script: served in the form that the agent asks for, in every wire API, and carried out by the agent."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.script import Call, End, Plan, Say, ScriptedModel, ScriptSpec, Serving, Turn
from agentlab_reports.schema import CellLine
from agentlab_suites.agents import Agent as Named
from agentlab_suites.agents import load_agent
from agentlab_suites.cell import play_cell
from agentlab_suites.load import load_suite
from agentlab_suites.plan import Shapes, cells_of, discover, prepare
from agentlab_suites.problems import BadSuite

from agentlab import Agent, Model
from agentlab.models import Api

EXAMPLES = Path(__file__).parents[2] / "examples"
SUITE = EXAMPLES / "onboarding.suite.yaml"
create_account, find_desk, order_laptop, send_welcome = runpy.run_path(str(EXAMPLES / "onboarding.py"))["TOOLS"]
PLAN = {"goal": "See.", "steps": [{"tool": "look", "input": {"id": 7}}]}
SCHEMA = {
    "type": "object",
    "properties": {
        "goal": {"type": "string"},
        "steps": {"type": "array", "items": {"type": "object", "properties": {"tool": {"type": "string"}, "input": {"type": "string"}}}},
        "dollars": {"type": "number"},
    },
    "required": ["goal", "steps", "dollars"],
}
PLANNING = {"response_format": {"type": "json_schema", "json_schema": {"name": "plan", "schema": SCHEMA}}}


class Conversation:
    """One agent's requests to the scripted model, and what its tool does."""

    def __init__(
        self, turns: Sequence[Turn] = (Plan(PLAN, (("look", {"id": 7}),)), Say("Seen.")), prompts: Sequence[str] = ("Look.",)
    ) -> None:
        self._model = ScriptedModel([ScriptSpec(turns=tuple(turns), say_failed="Not seen.")], prompts, seamed=["look"])

    def ask(self, **extra: Any) -> Serving:
        return self._model.serve(read({"model": "m", "messages": [{"role": "user", "content": "Look."}]} | extra))

    def look(self, end: End, call_id: str | None = None) -> None:
        self._model.tool_ended(self._model.tool_started("look", {"id": 7}, call_id), end, "a view")


def test_a_plan_is_the_answer_to_a_request_for_its_form_however_often_it_comes() -> None:
    talk = Conversation()
    for _ in range(2):
        written = json.loads(talk.ask(**PLANNING).content or "")
        assert written == {"goal": "See.", "steps": [{"tool": "look", "input": '{"id": 7}'}], "dollars": 0}


def test_a_plan_is_given_to_an_output_tool_that_has_its_members() -> None:
    tool = {"type": "function", "function": {"name": "make_plan", "parameters": SCHEMA}}
    (called,) = Conversation().ask(tools=[tool]).tool_calls
    assert (called.name, json.loads(called.arguments)["goal"]) == ("make_plan", "See.")


def test_a_plan_that_the_agent_took_from_a_tool_is_not_made_again_while_the_tool_is_still_offered() -> None:
    talk, tool = Conversation(), {"type": "function", "function": {"name": "make_plan", "parameters": SCHEMA}}
    (called,) = talk.ask(tools=[tool]).tool_calls
    function = {"name": called.name, "arguments": called.arguments}
    past = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": called.id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": called.id, "content": "noted"},
    ]
    talk.look("ok")
    assert talk.ask(messages=past, tools=[tool]).content == "Seen."
    forced = {"type": "function", "function": {"name": "make_plan"}}
    (again,) = talk.ask(messages=past, tools=[tool], tool_choice=forced).tool_calls
    assert json.loads(again.arguments)["goal"] == "See."


def test_the_last_words_depend_on_what_was_carried_out() -> None:
    done, failed, never = Conversation(), Conversation(), Conversation()
    done.look("raised")
    done.look("ok")
    failed.look("unknown")
    assert [talk.ask().content for talk in (done, failed, never)] == ["Seen.", "Not seen.", "Not seen."]


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [(["unknown"], ["ok"], "Seen again."), (["ok", "ok"], ["unknown"], "Not seen."), (["ok", "ok"], [], "Not seen.")],
)
def test_the_last_words_on_a_prompt_depend_on_its_own_plan(first: list[End], second: list[End], words: str) -> None:
    plans = [Plan(PLAN, (("look", {"id": 7}),)) for _ in range(2)]
    turns = (plans[0], Say("Seen."), plans[1], Say("Seen again."))
    talk = Conversation(turns, ["Look.", "Look again."])
    said = ""
    past: list[dict[str, str]] = []
    for prompt, ends in (("Look.", first), ("Look again.", second)):
        past.append({"role": "user", "content": prompt})
        talk.ask(messages=past, **PLANNING)
        for end in ends:
            talk.look(end)
        said = talk.ask(messages=past).content or ""
        past.append({"role": "assistant", "content": said})
    assert said == words


def test_a_second_plan_of_the_same_members_is_made_once_the_first_is_carried_out() -> None:
    later = {"goal": "See again.", "steps": []}
    talk = Conversation((Plan(PLAN, (("look", {"id": 7}),)), Plan(later, (("look", {"id": 7}),)), Say("Seen twice.")))

    def goal() -> str:
        return str(json.loads(talk.ask(**PLANNING).content or "")["goal"])

    assert [goal(), goal()] == ["See."] * 2
    talk.look("raised")
    assert goal() == "See."
    talk.look("ok")
    assert [goal(), goal()] == ["See again."] * 2
    assert talk.ask().content == "Not seen."
    talk.look("ok")
    assert talk.ask().content == "Seen twice."
    assert goal() == "See again."


def test_in_json_mode_the_plan_is_made_until_a_tool_has_run() -> None:
    talk, mode = Conversation(), {"response_format": {"type": "json_object"}}
    assert [json.loads(talk.ask(**mode).content or "") for _ in range(2)] == [PLAN] * 2
    assert talk.ask().content == "Not seen."
    talk.look("raised")
    assert json.loads(talk.ask(**mode).content or "") == {"text": "Not seen."}
    talk.look("ok")
    assert json.loads(talk.ask(**mode).content or "") == {"text": "Seen."}


def test_a_plan_that_was_made_in_its_form_is_not_made_again_in_json_mode() -> None:
    talk = Conversation()
    talk.ask(**PLANNING)
    assert json.loads(talk.ask(response_format={"type": "json_object"}).content or "") == {"text": "Not seen."}


def test_what_the_model_had_called_itself_is_no_part_of_a_plan() -> None:
    talk = Conversation((Call((("look", {"id": 7}),)), Plan(PLAN, (("look", {"id": 8}),)), Say("Seen.")))
    (called,) = talk.ask(tools=[{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]).tool_calls
    talk.look("ok", called.id)
    function = {"name": called.name, "arguments": called.arguments}
    past = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [{"id": called.id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": called.id, "content": "a view"},
    ]
    talk.look("unknown")
    assert talk.ask(messages=past).content == "Not seen."


def onboarding(api: Api, *, stream: bool) -> Callable[[], Agent]:
    def build() -> Agent:
        tools = [create_account, find_desk, order_laptop, send_welcome]
        model = Model(name="a-model", api=api, stream=stream)
        return Agent("onboarding", instructions="You set up new colleagues.", models=[model], tools=tools, pattern="plan_dag")

    return build


def played(agent: Named, *faults: str, shapes: Shapes = "all") -> dict[str, CellLine]:
    prepared = prepare(load_suite(SUITE), agent)
    found = discover(prepared)
    return {cell.id: play_cell(cell, prepared.agent).line for cell in cells_of(prepared, found, faults, shapes=shapes)}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("api", get_args(Api))
def test_an_agent_that_plans_is_broken_over_every_wire_api(api: Api, stream: bool) -> None:
    cells = played(Named.of(onboarding(api, stream=stream)), "tool_exception", "content_null")
    assert {cell.outcome for cell in cells.values()} <= {"success", "degraded_honest"}
    assert all(cell.passed for cell in cells.values())
    assert cells["ada_starts[control]"].outcome == "success"
    assert cells["ada_starts[tool.order_laptop.1-tool_exception-always]"].outcome == "degraded_honest"


def test_the_example_ends_as_well_as_it_can_under_every_fault_of_its_suite() -> None:
    cells = played(load_agent("onboarding.py:build", folder=EXAMPLES), shapes="one")
    assert len(cells) > 40
    assert [cell.id for cell in cells.values() if not cell.passed] == []
    assert {cell.answered_by for cell in cells.values()} == {"full", "reduced", "safety_net"}


def test_a_plan_is_no_last_word(tmp_path: Path) -> None:
    lines = SUITE.read_text().splitlines(keepends=True)
    (tmp_path / "s.suite.yaml").write_text("".join(line for line in lines if not line.lstrip().startswith("- say:")))
    with pytest.raises(BadSuite, match="ends with a call or a plan"):
        load_suite(tmp_path / "s.suite.yaml")


def test_a_plan_without_members_is_refused(tmp_path: Path) -> None:
    text = re.sub(r"plan:\n(\s+)goal:.*?\n(\s+)call:", r"plan: {}\n\2call:", SUITE.read_text(), count=1, flags=re.DOTALL)
    (tmp_path / "s.suite.yaml").write_text(text)
    with pytest.raises(BadSuite, match="has a plan without members"):
        load_suite(tmp_path / "s.suite.yaml")
