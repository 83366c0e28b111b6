"""Tools of hand-written loops: hooked at collection, and still so whatever else hooks and unhooks them in between."""

from __future__ import annotations

from typing import Any

import agentlab_suites.items
import httpx2
import pytest

pytest_plugins = ["pytester"]

LOADED = (httpx2, agentlab_suites.items)
"""Loaded here, so that the runs inside the tests need not load them again."""

CHAOS_TEST = """
import agent

def test_chaos(chaos):
    assert chaos.run(agent.build(), "Hello.", script="Good day.", fault="http_503", at="openai.chat.1", tools=[agent.refund]) == "Good day."

def test_chaos_block(chaos):
    with chaos.inject("http_503", at="openai.chat.1", script="Good day.", tools=[agent.refund]):
        assert agent.build()("Hello.") == "Good day."
"""


@pytest.mark.parametrize("named", ["refund", "pay_back"])
def test_a_tool_that_a_chaos_test_hooks_too_never_runs_from_a_suite(shop: Any, named: str) -> None:
    shop.edit("agent.py", 'raise RuntimeError("the real refund ran")', 'open("ran", "a").write(order)')
    shop.edit("agent.py", "answer.raise_for_status()", "if answer.status_code == 503:\n                continue")
    suite = (shop.folder / "shop.suite.yaml").read_text().replace("refund: {", f"{named}: {{")
    suite = suite.replace("{refund: ", f"{{{named}: ").replace("identity: [order]", "identity: [order], at: 'agent:refund'")
    shop.write("shop.suite.yaml", suite)
    shop.edit("agent.py", '"name": "refund"', f'"name": "{named}"')
    shop.write("test_chaos.py", CHAOS_TEST)
    result = shop.pytest("-q", "test_chaos.py", "shop.suite.yaml::refund_order[control]", "shop.suite.yaml::greet[control]")
    result.assert_outcomes(passed=4)
    assert not (shop.folder / "ran").exists()
    assert shop.cells()["refund_order[control]"]["outcome"] == "success"


def test_two_suites_may_have_one_tool_by_two_names(shop: Any) -> None:
    shop.edit(
        "agent.py",
        "    def agent(text):",
        "    tools.append({'type': 'function', 'function': {'name': 'pay_back', 'parameters': schema}})\n\n    def agent(text):",
    )
    suite = (shop.folder / "shop.suite.yaml").read_text()
    other = suite.replace("refund: {", "pay_back: {").replace("{refund: ", "{pay_back: ")
    shop.write("other.suite.yaml", other.replace("identity: [order]", "identity: [order], at: 'agent:refund'"))
    result = shop.pytest("-q", "shop.suite.yaml::refund_order[control]", "other.suite.yaml::refund_order[control]")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize("second", ["{effect: read, at: 'agent:refund'}", "{effect: read}"])
def test_two_tools_of_one_suite_at_one_function_are_refused(shop: Any, second: str) -> None:
    shop.edit("agent.py", "def build():", "pay_back = refund\n\n\ndef build():")
    shop.edit("shop.suite.yaml", "  refund: {effect: write, identity: [order]}", f"  refund: {{effect: write}}\n  pay_back: {second}")
    result = shop.pytest("-q")
    assert result.ret == 4
    [told] = {line for line in result.outlines if "are one function" in line}
    assert "shop.suite.yaml:6: " in told
    assert "'refund' and 'pay_back' are one function, agent:" in told
