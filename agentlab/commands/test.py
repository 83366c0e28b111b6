"""`agentlab test`: a thin front for pytest with the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agentlab.commands.console import fix_hash_seed
from agentlab.commands.pytest_front import run_pytest
from agentlab.commands.suites import find_suite

__all__ = ["pytest_arguments", "run_suite"]

OPTIONS = ("--agent", "--results", "--report", "--baseline", "--seed", "--faults", "--collect-only", "--help")
"""The options that a mistyped one is compared with."""


def run_suite(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="SUITE", help="A suite's file, a folder of suites, or a shipped suite's name.")],
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="module:attribute or path/to/file.py:attribute.  [default: the suite's]")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write results.  [default: .agentlab/last/results.jsonl]")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the report.  [default: .agentlab/last/report.html]")
    ] = None,
    baseline: Annotated[Path | None, typer.Option(metavar="FILE", help="Results of an earlier run, to compare with.")] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Seed of every random choice.  [default: 0]")] = None,
    faults: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these faults and modes; may be repeated.")] = None,
) -> int:
    """Break an agent everywhere and judge it. Every other option goes to pytest (-k, -x, --lf, -n 2, --junitxml FILE, -q ...).

    \b
    Examples:
      agentlab test customer_support --agent app:build
      agentlab test suites/refunds.suite.yaml --agent app.py:agent -n 2
      agentlab test customer_support --agent app:build --faults 'http_429*' -k refund
      agentlab test customer_support --agent app:build --baseline main.jsonl --report report.html

    \b
    Exit codes: 0 ship, 1 don't ship, 2 wrong usage or input, 3 undecidable.
    The same cells under plain pytest: pytest SUITE --agentlab-agent app:build
    """
    fix_hash_seed()
    path = find_suite(suite)
    settings = {"agent": agent, "results": results, "report": report, "baseline": baseline, "seed": seed}
    chosen = [f"--agentlab-{name}={value}" for name, value in settings.items() if value is not None]
    chosen += [f"--agentlab-faults={glob}" for glob in faults or []]
    return run_pytest(pytest_arguments(suite, path, [*chosen, *context.args]), options=OPTIONS)


def pytest_arguments(suite: str, path: Path, rest: list[str]) -> list[str]:
    """The suite's path (with the node id behind it, if one was given), our plugin, and the rest."""
    _, separator, node = suite.partition("::")
    return ["-p", "agentlab_suites.plugin", f"{path}{separator}{node}", *rest]
