"""The examples of the runtime, run as they are written."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from agentlab import Reply

from .conftest import Wire, call, error, say

FOLDER = Path(__file__).parents[2] / "examples"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_first_agent_has_ten_lines_and_answers(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    wire.primary(say("A name for a wish."))
    wire.run(example("first_agent").main())
    assert capsys.readouterr().out == "A name for a wish.\n"
    lines = [line for line in (FOLDER / "first_agent.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 10


def test_tools_and_effects_goes_on_after_a_crash(wire: Wire, tmp_path: Path) -> None:
    desk, path = example("tools_and_effects"), str(tmp_path / "checkpoints.db")
    look = call(("lookup_order", {"id": "5512"}), ids=("call_a",))
    both = call(("refund", {"order": "5512", "amount": 49.9}), ("send_mail", {"to": "Ann", "text": "Hello"}), ids=("call_b", "call_c"))
    wire.primary(look, both, error(400), say("All done."))

    async def work() -> tuple[Reply, Reply]:
        async with desk.build(path) as agent:
            first = await desk.work(agent, "Go.")
        async with desk.build(path) as agent:
            return first, await desk.work(agent, "Go.")

    first, second = wire.run(work())
    assert (first.status, second.text, second.status) == ("degraded", "All done.", "complete")
    assert second.effects == ("refund", "send_mail")
    assert [action.by for step in second.steps for action in step.actions] == ["order_replica", "", ""]


@pytest.mark.parametrize(("answer", "told"), [("yes", "refunded 49.9"), ("no", "A person refused this call and said: Not without")])
def test_approval_waits_for_somebody(
    wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    wire.primary(call(("refund", {"order": "5512", "amount": 49.9}), ids=("call_a",)), say("That is it."))
    wire.run(example("approval").main())
    assert capsys.readouterr().out == "That is it.\n"
    assert told in wire.messages()[-1]["content"]


def test_memory_is_there_the_next_time(wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    waiter = example("memory")
    wire.primary(call(("remember", {"name": "diet", "text": "vegan"}), ids=("call_a",)), say("Noted."), say("The lentils."))
    wire.run(waiter.main("I am vegan."))
    wire.run(waiter.main("What do you recommend?"))
    assert '{"name": "diet", "text": "vegan"}' in wire.messages()[0]["content"]
