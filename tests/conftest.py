"""What holds for every test of the house."""

from __future__ import annotations

import re
import signal

import pytest
from _pytest import timing
from agentlab_faults.sim import real
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")  # a law does not fail because the machine is busy

timing.perf_counter, timing.time = real.perf_counter, real.wall
"""pytest measures in real time, also a phase that ends inside of a fixture's simulation."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background jobs ignore Ctrl-C, and so would all that the tests interrupt
    signal.signal(signal.SIGINT, signal.default_int_handler)

ALLOWED_SKIPS: dict[str, str] = {}
"""A pattern of the reason that a test may be skipped for, and why that is right. Any other skip fails the run."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A skip that nobody has allowed is a test that nobody runs: fail the run."""
    if hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = [(report.nodeid, skip_reason(report)) for report in reporter.stats.get("skipped", [])]
    unlisted = [f"{node}: {reason}" for node, reason in skipped if not any(re.search(pattern, reason) for pattern in ALLOWED_SKIPS)]
    if unlisted:
        reporter.write_line("")
        for line in unlisted:
            reporter.write_line(f"Skipped for a reason that tests/conftest.py does not list: {line}", red=True)
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that a skipped test gave."""
    longrepr = report.longrepr
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
