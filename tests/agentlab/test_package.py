"""The package: cheap to import, and every exported name is where it says."""

from __future__ import annotations

import subprocess
import sys

import pytest

import agentlab

SDKS = ("openai", "anthropic", "google.genai", "httpx", "httpx2", "pydantic", "opentelemetry")


@pytest.mark.parametrize("statement", ["import agentlab", "from agentlab import Agent, tool", "import agentlab.agent"])
def test_importing_loads_no_sdk(statement: str) -> None:
    code = f"import sys; {statement}; print([name for name in {SDKS!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # our own interpreter
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", agentlab.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    found = getattr(agentlab, name)
    assert getattr(found, "__name__", name) == name  # a union of types has no name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = agentlab.nonsense


def test_the_exported_names_are_listed() -> None:
    assert set(agentlab.__all__) <= set(dir(agentlab))
