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


RUNS = '__import__("pathlib").Path("ran").write_text(order * (1 + __import__("os").path.exists("ran")))'


def dispatching(shop: Any, registry: str) -> None:
    """The agent looks its tools up in a registry of its module; the real refund leaves a file behind."""
    shop.edit("agent.py", 'raise RuntimeError("the real refund ran")', RUNS)
    shop.edit("agent.py", "def build():", f"{registry}\n\n\ndef build():")
    shop.edit("agent.py", "result = refund(", 'result = TOOLS[call["function"]["name"]](')


OTHER = f"def _do_refund(order):\n    {RUNS}\n\n\nclass Desk:\n    def pay(self, order):\n        {RUNS}\n\n\n"


@pytest.mark.parametrize(
    "registry",
    [
        "import functools\nTOOLS = {'refund': functools.partial(_do_refund)}",
        "import functools\nTOOLS = {'refund': functools.partial(functools.partial(Desk().pay))}",
        "TOOLS = {'refund': Desk().pay}",
        "TOOLS = {'refund': refund}",
        "SCHEMAS = [{'name': 'refund', 'order': 'string'}]\nTOOLS = {'refund': refund}",
    ],
)
def test_a_registrys_partial_or_method_is_hooked_in_place_of_the_function_of_that_name(shop: Any, registry: str) -> None:
    dispatching(shop, OTHER + registry)
    result = shop.pytest("-q", "shop.suite.yaml::refund_order[control]")
    result.assert_outcomes(passed=1)
    assert not (shop.folder / "ran").exists()


@pytest.mark.parametrize(
    "registry",
    [
        "TOOLS = {'refund': _do_refund}",
        "TOOLS = {'refund': lambda order: _do_refund(order)}",
        "TOOLS = {}\nTABLE = [('refund', _do_refund)]\nTOOLS.update(TABLE)",
        "LISTED = [{'name': 'refund', 'run': _do_refund}]\nTOOLS = {'refund': lambda **given: LISTED[0]['run'](**given)}",
        "class Pay:\n    def __call__(self, order):\n        _do_refund(order)\n\n\nTOOLS = {'refund': Pay()}",
        "import functools\nTOOLS = {'refund': functools.partial(print)}",
    ],
)
def test_a_registry_that_holds_another_callable_is_refused_before_anything_runs(shop: Any, registry: str) -> None:
    dispatching(shop, OTHER + registry)
    result = shop.pytest("-q", "--collect-only")
    assert result.ret == 4
    assert any("shop.suite.yaml:5: A registry of agent has" in line and "say which one runs" in line for line in result.outlines)
    assert not (shop.folder / "ran").exists()


def test_the_place_that_the_suite_names_settles_which_one_of_a_registry_is_the_tool(shop: Any) -> None:
    dispatching(shop, OTHER + "TOOLS = {'refund': _do_refund}")
    shop.edit("shop.suite.yaml", "identity: [order]", "identity: [order], at: 'agent:_do_refund'")
    shop.pytest("-q", "shop.suite.yaml::refund_order[control]").assert_outcomes(passed=1)
    assert not (shop.folder / "ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        '"""My agent.\n\nimport agentlab is how we used to do it.\n"""',
        "import agentlab",
        "from agentlab import tool",
        "import agentlab_faults",
    ],
)
def test_words_and_imports_of_the_runtime_are_no_seam(shop: Any, line: str) -> None:
    dispatching(shop, "TOOLS = {'refund': _do_refund}")
    shop.edit("agent.py", "def refund(order):", "def _do_refund(order):")
    shop.write("agent.py", f"{line}\n{(shop.folder / 'agent.py').read_text()}")
    result = shop.pytest("-q", "--collect-only")
    assert result.ret == 4
    assert not (shop.folder / "ran").exists()


@pytest.mark.parametrize(
    ("held", "used"),
    [
        ("refund = tool(refund)", "refund"),
        ("class Desk:\n    refund = tool(refund)\n\n\ndel refund", "Desk.refund"),
        ("ALL = [tool(refund)]\ndel refund", "ALL[0]"),
        ("ALL = {'refund': tool(refund)}", "ALL['refund']"),
    ],
)
def test_a_tool_of_our_runtime_has_its_seam(shop: Any, held: str, used: str) -> None:
    shop.edit("agent.py", "def refund(order):", "def refund(order: str):")
    shop.edit("agent.py", "def build():", f"import asyncio\nfrom agentlab.tools import tool\n{held}\n\n\ndef build():")
    given = 'json.loads(call["function"]["arguments"])'
    shop.edit("agent.py", f"refund(**{given})", f"asyncio.run({used}.call({given}))")
    shop.pytest("-q", "shop.suite.yaml::refund_order[control]").assert_outcomes(passed=1)


def test_a_place_may_be_a_tool_of_our_runtime(shop: Any) -> None:
    shop.write("desk_tools.py", "from agentlab.tools import tool\n\n\n@tool\ndef refund(order: str):\n    raise RuntimeError\n")
    shop.edit("agent.py", "def refund(order):", "import asyncio\nimport desk_tools\n\n\ndef _other(order):")
    given = 'json.loads(call["function"]["arguments"])'
    shop.edit("agent.py", f"refund(**{given})", f"asyncio.run(desk_tools.refund.call({given}))")
    assert shop.pytest("-q", "--collect-only").ret == 4
    shop.edit("shop.suite.yaml", "identity: [order]", "identity: [order], at: 'desk_tools:refund'")
    shop.pytest("-q", "shop.suite.yaml::refund_order[control]").assert_outcomes(passed=1)


def test_a_real_tool_that_no_module_shows_is_stopped_at_its_first_result(shop: Any) -> None:
    shop.edit("agent.py", 'raise RuntimeError("the real refund ran")', "pass")
    shop.edit(
        "agent.py",
        "    def agent(text):",
        f"    def hidden(order):\n        {RUNS}\n        return {{'error': 'try again'}}\n\n    def agent(text):",
    )
    shop.edit("agent.py", "result = refund(", "result = hidden(")
    shop.pytest("-q", "--collect-only")
    assert (shop.folder / "ran").read_text() == "5512"
    result = shop.pytest("-q", "shop.suite.yaml::refund_order")
    told = " ".join(result.stdout.str().split())
    assert "no tool of that name passed the lab" in told
    assert 'at: "your.module:function"' in told
