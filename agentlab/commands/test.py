"""`agentlab test`: a thin front for pytest with the plugin."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from agentlab.commands.console import SHIP, CommandError, fix_hash_seed, print_rows
from agentlab.commands.own import load_own
from agentlab.commands.pytest_front import run_pytest, settings_file, with_plugin
from agentlab.commands.suites import find_suite, suite_files
from agentlab.commands.watching import agent_of, agent_speaking, ready

__all__ = ["check", "explained", "pytest_arguments", "run_suite"]

OPTIONS = (
    "--agent",
    "--results",
    "--report",
    "--baseline",
    "--seed",
    "--shapes",
    "--faults",
    "--explain-agent",
    "--collect-only",
    "--help",
)
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
    shapes: Annotated[
        Literal["all", "one"] | None,
        typer.Option(help="Each fault at each point in all its shapes, or in one of them in turn.  [default: all]"),
    ] = None,
    faults: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Only these faults and modes; may be repeated.")] = None,
    explain_agent: Annotated[
        bool, typer.Option("--explain-agent", help="Say what the lab can do with the agent, and run nothing.")
    ] = False,
) -> int:
    """Break an agent everywhere and judge it. Every other option goes to pytest (-k, -x, --lf, -n 2, --junitxml FILE, -q ...).

    \b
    Examples:
      agentlab test customer_support --agent app:build
      agentlab test suites/refunds.suite.yaml --agent app.py:agent -n 2
      agentlab test customer_support --agent app:build --faults 'http_429*' -k refund
      agentlab test customer_support --agent app:build --explain-agent
      agentlab test customer_support --agent app:build --baseline main.jsonl --report report.html

    \b
    Exit codes: 0 ship, 1 don't ship, 2 wrong usage or input, 3 undecidable.
    The same cells under plain pytest: pytest SUITE --agentlab-agent app:build
    """
    fix_hash_seed()
    path = find_suite(suite)
    if explain_agent:
        return explained(path, agent)
    agentless = check(path, agent, faults or [])
    settings = {"agent": agent, "results": results, "report": report, "baseline": baseline, "seed": seed, "shapes": shapes}
    chosen = [f"--agentlab-{name}={value}" for name, value in settings.items() if value is not None]
    chosen += [f"--agentlab-faults={','.join(faults)}"] if faults else []
    return run_pytest(pytest_arguments(suite, path, [*chosen, *context.args]), options=OPTIONS, agentless=agentless)


def check(path: Path, agent: str | None, faults: list[str]) -> Path | None:
    """Refuse what cannot be played before pytest starts, in one sentence. Raises CommandError.

    Returns a suite that names no agent, if there is one: it may stand in pytest's settings.
    """
    from agentlab_suites.load import load_suite
    from agentlab_suites.plan import cells_of
    from agentlab_suites.problems import BadInput

    load_own(Path.cwd(), path if path.is_dir() else path.parent)
    agentless = None
    try:
        for file in suite_files(path):
            if agent is None and load_suite(file).suite.agent is None:
                agentless = file
                continue
            prepared = ready(file, agent, 0)
            prepared.undo()
            cells_of(dataclasses.replace(prepared, scenes=()), [], faults)
    except BadInput as error:
        raise CommandError(str(error)) from error
    return agentless


def explained(path: Path, agent: str | None) -> int:
    """Print what the agent is found to be, for each suite. Raises CommandError."""
    from agentlab_suites.capabilities import explain
    from agentlab_suites.load import load_suite
    from agentlab_suites.problems import BadInput

    for file in suite_files(path):
        try:
            loaded = load_suite(file)
            with agent_speaking():
                rows = list(explain(agent_of(loaded, agent), loaded))
            print_rows(("", str(file)), rows)
        except BadInput as error:
            raise CommandError(str(error)) from error
    return SHIP


def pytest_arguments(suite: str, path: Path, rest: list[str]) -> list[str]:
    """The suite's path (with the node id behind it, if one was given), our plugin, and the rest.

    A shipped suite is played with the settings of the current folder, and its results go there: pytest would take the installed package's.
    """
    _, separator, node = suite.partition("::")
    here = Path.cwd()
    root = [] if path.resolve().is_relative_to(here) else [f"--rootdir={here}", f"--config-file={settings_file(here)}"]
    return [*with_plugin(), f"{path}{separator}{node}", *root, *rest]
