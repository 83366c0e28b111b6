"""Where nothing was proved, nothing is green."""

from __future__ import annotations

from typing import Any

UNARMED = """
import contextlib

import pytest

from agentlab_faults import intercept
from agentlab_faults.intercept.arming import Watch


@contextlib.contextmanager
def armed(handler, **settings):
    yield Watch()


intercept.armed = armed
"""

SAME_BYTES = '''
from agentlab_faults import Exchange, Rate, Row, Served, Spoils, register


@register(
    Row(
        id="same_bytes", boundary="content", family="test", category="none", scope="call", best={"once": "recoverable"},
        why="nothing happens", happens="never", agent_should="notice nothing", rate=Rate(0.0, "none"),
    )
)
class SameBytes(Spoils):
    """Answers with the very bytes of the clean answer."""

    def spoil(self, served: Served) -> Exchange:
        return served.exchange
'''


def test_with_the_interceptor_switched_off(project: Any) -> None:
    project.write("conftest.py", UNARMED)
    done = project.run("agentlab.cli", "test", "shop.suite.yaml", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "passed" not in done.stdout
    assert not [cell for cell in project.cells() if cell["outcome"] not in ("error", "not_exercised")]


def test_with_an_agent_that_never_calls_its_provider(project: Any) -> None:
    done = project.run("agentlab.cli", "test", "shop.suite.yaml", "--agent", "agents.py:deaf")
    assert done.returncode == 3, done.stdout + done.stderr
    assert not [cell for cell in project.cells() if cell["outcome"] not in ("error", "not_exercised")]


def test_with_a_fault_whose_bytes_equal_the_clean_ones(project: Any) -> None:
    project.write("conftest.py", SAME_BYTES)
    project.suite("same_bytes")
    done = project.run("pytest", "shop.suite.yaml")
    faulted = [cell for cell in project.cells() if cell["schedule"]]
    assert {cell["outcome"] for cell in faulted} == {"not_exercised"}
    assert done.returncode == 16, done.stdout + done.stderr
