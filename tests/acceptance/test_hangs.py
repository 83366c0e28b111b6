"""An agent that never comes back ends its own cell, not the run."""

from __future__ import annotations

from typing import Any

PATIENCE = "[pytest]\naddopts = -p no:cacheprovider -p no:randomly -p no:asyncio -p no:langsmith_plugin\nagentlab_watchdog = 3\n"


def test_an_agent_that_spins_hangs_its_cell_and_the_rest_run(project: Any) -> None:
    project.write("pytest.ini", PATIENCE)
    project.suite("http_500")
    done = project.run("agentlab.cli", "test", "shop.suite.yaml", "--agent", "agents.py:spins", "--shapes", "one")
    outcomes = project.outcomes()
    assert outcomes == {
        "refund_order[control]": "success",
        "refund_order[openai.chat.1-http_500]": "success",
        "refund_order[openai.chat.2-http_500-x3]": "hang",
        "refund_order[openai.chat.3-http_500-always]": "hang",
    }, done.stdout + done.stderr
    assert done.returncode == 1


def test_an_agent_that_waits_for_a_real_thread_is_ended_and_the_results_so_far_are_kept(project: Any) -> None:
    project.write("pytest.ini", PATIENCE)
    project.suite("tool_exception")
    done = project.run("agentlab.cli", "test", "shop.suite.yaml", "--agent", "agents.py:waits_for_a_real_thread")
    assert done.returncode == 3, done.stdout + done.stderr
    assert project.outcomes()["refund_order[control]"] == "success"


def test_a_deadlock_is_told_with_its_stacks_and_replayed_with_the_same(project: Any) -> None:
    project.suite("tool_exception")
    done = project.run("agentlab.cli", "test", "shop.suite.yaml", "--agent", "agents.py:waits_for_an_event")
    cell = next(cell for cell in project.cells() if cell["outcome"] == "hang")
    assert "in waits_for_an_event: await asyncio.Event().wait()" in cell["error"]
    assert "in waits_for_an_event: await asyncio.Event().wait()" in done.stdout
    assert str(project.folder) not in cell["error"]
    assert "The same as in the run, byte for byte." in project.run("agentlab.cli", "replay", cell["id"]).stdout
