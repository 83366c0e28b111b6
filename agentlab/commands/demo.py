"""`agentlab demo`: the shipped suites against the reference agent."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agentlab.commands.console import INTERRUPTED, UNDECIDABLE, CommandError, fix_hash_seed, print_json, stderr
from agentlab.commands.progress import CellProgress
from agentlab.commands.pytest_front import run_pytest, with_plugin
from agentlab.commands.results import LAST, print_summary
from agentlab.commands.suites import shipped_suites

if TYPE_CHECKING:
    import pytest
    from agentlab_reports import Verdict

__all__ = ["demo"]


def demo(
    workers: Annotated[int, typer.Option("--workers", "-n", metavar="N", min=0, help="Processes; 0 plays all cells in this one.")] = 2,
    report: Annotated[Path, typer.Option("--report", "-o", metavar="FILE", help="The HTML file to write.")] = Path("report.html"),
    shapes: Annotated[
        Literal["one", "all"],
        typer.Option(
            help="Play each fault at each point in one of its shapes (once, three times, always), taken in turn, or in all of them."
        ),
    ] = "one",
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> int:
    """Break the reference agent at every point with every fault: the shipped suites, a verdict, and a report.

    \b
    Examples:
      agentlab demo
      agentlab demo --workers 4 --report /srv/reports/today.html
      agentlab demo --shapes all                   twice as many cells, twice as long
      agentlab demo --json

    \b
    Exit codes: 0 ship, 1 don't ship, 2 wrong usage or input, 3 undecidable.
    """
    fix_hash_seed()
    begin = time.perf_counter()
    results = Path.cwd() / LAST / "results.jsonl"
    results.unlink(missing_ok=True)
    progress, decision = CellProgress(stderr()), _Decision()
    try:
        code = run_pytest([*_arguments(workers, results, report), f"--agentlab-shapes={shapes}"], plugins=[progress.plugin(), decision])
    finally:
        progress.close()
    if code == INTERRUPTED:
        return code
    verdict = _tell(decision.verdict, report, as_json=as_json)
    if not as_json:
        sys.stdout.write(f"{progress.played:,} cells in {time.perf_counter() - begin:.1f} s; results: {os.path.relpath(results)}\n")
    return code if code == verdict.exit_code else UNDECIDABLE


def _arguments(workers: int, results: Path, report: Path) -> list[str]:
    """pytest's arguments: no settings and no plugins of the user's, and no output but ours."""
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    suites = [str(path) for path in shipped_suites().values()]
    alone = [f"--config-file={os.devnull}", f"--rootdir={Path.cwd()}", "-p", "no:terminal", "-p", "no:cacheprovider"]
    spread = ["-p", "xdist", f"--numprocesses={workers}"] if workers else []
    return [*suites, *alone, *with_plugin(), f"--agentlab-results={results}", f"--agentlab-report={report}", *spread]


class _Decision:
    """A pytest plugin that keeps the run's verdict."""

    verdict: Verdict | None = None

    def pytest_unconfigure(self, config: pytest.Config) -> None:
        session = config.pluginmanager.get_plugin("agentlab_session")
        if session is not None:
            self.verdict = session.recorder.verdict


def _tell(verdict: Verdict | None, report: Path, *, as_json: bool) -> Verdict:
    """Print the verdict. Raises CommandError if the run came to none."""
    if verdict is None:
        raise CommandError("The run wrote no results; `agentlab test customer_support` shows why.", code=UNDECIDABLE)
    if as_json:
        print_json(verdict.to_json())
    else:
        print_summary(verdict, report)
    return verdict
