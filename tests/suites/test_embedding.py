"""The lab without pytest and without its command line: the examples that show how, run as they are written."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults.catalogue import select

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_engine_alone_plays_a_fault_of_ones_own_and_one_of_the_catalogue() -> None:
    engine = example("engine")
    played = engine.under(engine.Dawdles(), select(["http_503"])[0]())
    assert played.replies == ("From nine to five.",)
    assert [engine.told(strike) for strike in played.strikes] == [
        "  0.0 s  own_dawdles at openai.chat.1, attempt 1",
        " 20.5 s  http_503 at openai.chat.1, attempt 2",
    ]


def test_a_suite_is_played_and_judged_without_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runner = example("own_runner")
    monkeypatch.chdir(tmp_path)
    suite, agent = str(EXAMPLES / "order.suite.yaml"), str(EXAMPLES / "bare_loop.py") + ":build"
    assert runner.main(suite, agent, "refund_order:http_503") == 2
    assert runner.main(suite, agent, "http_503") == 1
    assert "refund_order crashes under http_503 (6 cells)" in capsys.readouterr().out
    assert (tmp_path / runner.RESULTS).exists()


def test_what_cannot_be_used_is_told_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    runner = example("own_runner")
    assert runner.main(str(EXAMPLES / "settings.toml"), "app:build") == 2
    assert "settings.toml, line " in capsys.readouterr().err
    assert runner.main(str(EXAMPLES / "order.suite.yaml"), "no_such_module:build") == 2
    assert "no_such_module" in capsys.readouterr().err
