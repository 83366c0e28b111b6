"""A suite's cassettes: each is read with the suite, and what was recorded becomes the scenario's script for every check of names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agentlab_faults.cassette import BadCassette, Take, load
from agentlab_faults.dialects.understanding import understood

from agentlab_suites.model import Scenario, Suite, Turn
from agentlab_suites.nodes import Node, line_of
from agentlab_suites.problems import BadSuite

__all__ = ["below", "with_cassettes"]


def below(suite: Path, node: Node, named: str) -> Path:
    """The file that a suite names. Raises BadSuite if it does not lie below the suite's folder, links followed."""
    folder = suite.resolve().parent
    target = (folder / named).resolve()
    if not named or not target.is_relative_to(folder):
        raise BadSuite(suite, node.line, f"{node.value!r} lies outside the suite's folder; keep the file below {folder.name}/.")
    return target


def with_cassettes(path: Path, node: Node, suite: Suite, sha: Any) -> tuple[Suite, dict[str, tuple[Take, ...]]]:
    """The suite with the recorded turns as scripts, and the takes by scenario; `sha` is fed with every cassette."""
    cassettes: dict[str, tuple[Take, ...]] = {}
    scenarios = dict(suite.scenarios)
    for name, scenario in suite.scenarios.items():
        if scenario.provider is None:
            continue
        trail = ("scenarios", name, "provider", "cassette")
        target = below(path, Node(scenario.provider.cassette, line_of(node, trail), {}), scenario.provider.cassette)
        try:
            _, takes = load(target)
        except BadCassette as error:
            raise BadSuite(path, line_of(node, trail), str(error).removeprefix(f"{target}: ").replace(f"{target}:", "Line ")) from None
        sha.update(target.read_bytes())
        cassettes[name] = tuple(takes)
        scenarios[name] = _with_turns(scenario, takes)
    return suite.model_copy(update={"scenarios": scenarios}), cassettes


def _with_turns(scenario: Scenario, takes: Sequence[Take]) -> Scenario:
    turns = []
    for number, take in enumerate(takes, 1):
        answer = understood(take.api, take.exchange.content, serial=number) if take.status < 300 else None
        if answer is not None and answer.calls:
            turns.append(Turn.model_validate({"call": [{called.name: _arguments(called.arguments)} for called in answer.calls]}))
    return scenario.model_copy(update={"script": tuple(turns)})


def _arguments(text: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
