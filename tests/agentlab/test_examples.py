"""The examples of the runtime, run as they are written."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from agentlab import RedisBreakers, Reply, SettingsError
from agentlab.telemetry import names

from .collecting import collector
from .conftest import Wire, call, error, say
from .telemetry_capture import Told, told

__all__ = ["collector", "told"]

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


ANSWERED = """
import httpx2, json, runpy, sys

async def answer(transport, request):
    message = {"role": "assistant", "content": "It was delivered."}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": choices, "usage": usage}
    return httpx2.Response(200, json=body)

httpx2.AsyncHTTPTransport.handle_async_request = answer
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
"""Runs a file as a script in a process of its own, whose provider is played: telemetry is set up once in a process."""


def as_a_script(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", ANSWERED, str(FOLDER / f"{name}.py")],
        env={**os.environ, "OPENAI_API_KEY": "sk-test", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_what_an_agent_does_is_seen_on_the_terminal() -> None:
    done = as_a_script("observed")
    assert (done.returncode, done.stdout) == (0, "It was delivered.\n"), done.stderr
    assert [line.split()[2] for line in done.stderr.splitlines()] == ["chat", "step", "invoke_agent"]


def test_what_an_agent_does_is_seen_in_a_collector(collector: tuple[str, dict[str, bytes]]) -> None:
    address, bodies = collector
    done = as_a_script("observed", OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_EXPORTER_OTLP_COMPRESSION="none", OTEL_SERVICE_NAME="shop")
    assert (done.returncode, done.stderr) == (0, "")
    [spans] = ExportTraceServiceRequest.FromString(bodies["/v1/traces"]).resource_spans
    assert "invoke_agent orders" in {span.name for span in spans.scope_spans[0].spans}
    assert any(found.key == "service.name" and found.value.string_value == "shop" for found in spans.resource.attributes)


def test_workers_share_their_breakers(wire: Wire, capsys: pytest.CaptureFixture[str]) -> None:
    server, workers = fakeredis.FakeServer(), example("shared_breakers")

    def worker() -> Any:
        return workers.main("When are you open?", RedisBreakers(fakeredis.FakeAsyncRedis(server=server)))

    wire.primary(error(503))
    wire.run(worker())
    found_out = len(wire.requests)
    wire.run(worker())
    assert len(wire.requests) == found_out > 0
    wire.primary(say("From nine to five."))
    wire.simulation.settle(_later(31.0, worker))
    assert capsys.readouterr().out.splitlines()[-1] == "From nine to five. [by full]"


async def _later(seconds: float, work: Any) -> None:
    await asyncio.sleep(seconds)
    await work()


def test_real_runs_are_scored(wire: Wire, told: Told) -> None:
    desk = example("evaluator")

    async def ask() -> None:
        async with desk.build(share=1.0) as agent:
            assert str(await agent("How do I send a parcel back?")) == "With the label."
        await desk.JUDGE.aclose()

    wire.primary(say("With the label."), say('{"helpful": 3.5}'))
    wire.run(ask())
    scores = {point[0][names.EVALUATION_NAME]: point[1][1] for point in told.points(names.SCORE)}
    assert scores == {"brief": 5.0, "helpful": 3.5}


def test_settings_are_those_of_the_file_and_the_environment(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = example("settings")
    monkeypatch.setenv("AGENTLAB_BOUNDS__SECONDS", "10")
    wire.primary(say("From nine to five."))
    wire.run(settings.main("When are you open?"))
    assert capsys.readouterr().out == "From nine to five. [within 10 s, 0.000021 dollars]\n"
    monkeypatch.setenv("AGENTLAB_BOUNDS__SECOND", "10")
    with pytest.raises(SettingsError, match="there is no such setting"):
        wire.run(settings.main("When are you open?"))
