"""The pytest plugin. Light: without a suite or a `chaos` test it imports nothing, writes nothing and prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from agentlab_suites.fixture import Chaos
    from agentlab_suites.items import SuiteFile
    from agentlab_suites.session import LabSession

__all__ = [
    "agentlab_schedule",
    "chaos",
    "lab_session",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_configure",
    "pytest_generate_tests",
]

_SESSION = pytest.StashKey["LabSession"]()
_OPTIONS = (
    ("agent", "NAME", "the agent: module:attribute or path/to/file.py:attribute (default: the suite's own)"),
    ("faults", "GLOBS", "play these faults and modes only, divided by commas: 'http_429*,tool_*'; the gate is then not evaluated"),
    ("seed", "N", "the seed of everything random (default: 0)"),
    ("shapes", "all|one", "play each fault at each point in all its shapes (default), or in one of them, taken in turn"),
    ("results", "FILE", "where the results go (default: .agentlab/last/results.jsonl)"),
    ("report", "FILE", "where the report goes (default: report.html beside the results)"),
    ("baseline", "FILE", "the results of an earlier run to compare with"),
    ("watchdog", "SECONDS", "real seconds after which a cell that does not end counts as hung (default: 30; 0: never)"),
)
_MARKERS = (
    "chaos(*faults, points=None, shape='once'): play the test with a fault injected, see the chaos fixture",
    "chaos_control: the fault-free run of a scenario",
    "chaos_discovery: a scenario whose fault-free run failed",
    "chaos_mode: a scenario under a degradation mode",
    "chaos_single: a scenario under one fault at one point",
    "chaos_network: cells with a fault of the network",
    "chaos_provider_http: cells with an HTTP error of the provider",
    "chaos_stream: cells with a fault in a stream",
    "chaos_content: cells with a fault in an answer's content",
    "chaos_tool: cells with a fault of a tool",
    "chaos_mcp: cells with a fault of an MCP server",
    "chaos_state: cells with a fault of a store",
    "chaos_semantic: cells with a fault in a model's words",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Long options only, and the same names as settings (`agentlab_seed = 7`)."""
    group = parser.getgroup("agentlab", "agentlab: chaos testing of LLM agents")
    for name, metavar, text in _OPTIONS:
        action = "append" if name == "faults" else "store"
        group.addoption(f"--agentlab-{name}", dest=f"agentlab_{name}", metavar=metavar, default=None, action=action, help=text)
        parser.addini(f"agentlab_{name}", text, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse settings that cannot be used before anything runs."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if any(config.getoption(f"agentlab_{name}") is not None for name, _, _ in _OPTIONS):
        from agentlab_suites.settings import settings_of  # noqa: PLC0415 - the plugin stays light while it is unused

        settings_of(config)
    if getattr(config.option, "tx", None) and not hasattr(config, "workerinput"):
        import uuid  # noqa: PLC0415 - the plugin stays light while it is unused

        config.option.testrunuid = getattr(config.option, "testrunuid", None) or uuid.uuid4().hex
        config.pluginmanager.register(_Controller(config), "agentlab_controller")


def lab_session(config: pytest.Config) -> LabSession:
    """The lab's part of this run, made when it is first needed."""
    found = config.stash.get(_SESSION, None)
    if found is None:
        from agentlab_suites.session import LabSession  # noqa: PLC0415 - the plugin stays light while it is unused

        found = config.stash[_SESSION] = LabSession(config)
        config.pluginmanager.register(found, "agentlab_session")
    return found


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SuiteFile | None:
    """Collect `*.suite.yaml`."""
    if not file_path.name.endswith((".suite.yaml", ".suite.yml")):
        return None
    from agentlab_suites.items import SuiteFile  # noqa: PLC0415 - the plugin stays light while it is unused

    lab_session(parent.config)
    found: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each fault and point of its `chaos` marker. The seams go in now: before any test puts its mocks over them."""
    if "chaos" in metafunc.fixturenames:
        from agentlab_faults.intercept import install  # noqa: PLC0415 - the plugin stays light while it is unused

        install()
    if metafunc.definition.get_closest_marker("chaos") is not None:
        from agentlab_suites.fixture import parametrize  # noqa: PLC0415 - the plugin stays light while it is unused

        parametrize(metafunc)


@pytest.fixture
def agentlab_schedule(request: pytest.FixtureRequest) -> Any:
    """The schedule of a marked test, else None."""
    return getattr(request, "param", None)


@pytest.fixture
def chaos(agentlab_schedule: Any) -> Iterator[Chaos]:
    """Inject faults into the test's own code: `with chaos.inject("http_429_rate", at="openai.chat.1"):`, `chaos.run(agent, "...")`."""
    from agentlab_suites.fixture import Chaos  # noqa: PLC0415 - the plugin stays light while it is unused

    found = Chaos(agentlab_schedule)
    yield found
    found.finish()


class _Controller:
    """Under pytest-xdist the controller collects nothing: it learns from the workers' reports that there are suites."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The first cell's line makes the lab's part of the run, which takes the later ones itself."""
        if hasattr(report, "agentlab_line") and self._config.stash.get(_SESSION, None) is None:
            lab_session(self._config).pytest_runtest_logreport(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """The same for a suite that cannot be used."""
        if hasattr(report, "agentlab_bad_input") and self._config.stash.get(_SESSION, None) is None:
            lab_session(self._config).pytest_collectreport(report)
