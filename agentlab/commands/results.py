"""`agentlab report` and `agentlab gate`: judge results again, without running anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentlab.commands.console import SHIP, CommandError, print_json, stdout

if TYPE_CHECKING:
    from agentlab_reports import SuiteResults, Verdict

__all__ = ["LAST", "gate", "last_results", "load", "print_summary", "report", "write_report"]

LAST = Path(".agentlab") / "last"
"""Where results and report lie unless told otherwise."""

Results = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RESULTS", help=f"Results files; shards of one run are merged. Without any: {LAST / 'results.jsonl'}."),
]
Baseline = Annotated[Path | None, typer.Option(metavar="FILE", help="Results of an earlier run of the same suite, to compare with.")]
Json = Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")]


def report(
    results: Results = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The HTML file to write.")] = Path("report.html"),
    baseline: Baseline = None,
    as_json: Json = False,
) -> int:
    """Render results as one HTML file and print the summary; nothing is run again.

    \b
    Examples:
      agentlab report                                   the last run, to report.html
      agentlab report shard-*.jsonl -o report.html      several shards as one run
      agentlab report new.jsonl --baseline old.jsonl

    \b
    Exit codes: 0 written (whatever the verdict), 2 results that cannot be read.
    """
    suites, before, verdict = _judged(results, baseline)
    write_report(output, suites, verdict, before)
    if as_json:
        print_json(verdict.to_json())
    else:
        print_summary(verdict, output)
    return SHIP


def gate(results: Results = None, baseline: Baseline = None, as_json: Json = False) -> int:
    """Decide whether to ship, from results alone.

    \b
    Examples:
      agentlab gate
      agentlab gate results.jsonl --baseline main.jsonl
      agentlab gate results.jsonl --json

    \b
    Exit codes: 0 ship, 1 don't ship, 2 results that cannot be read, 3 undecidable.
    """
    _, _, verdict = _judged(results, baseline)
    if as_json:
        print_json(verdict.to_json())
    else:
        print_summary(verdict)
    return verdict.exit_code


def _judged(results: list[Path] | None, baseline: Path | None) -> tuple[list[SuiteResults], list[SuiteResults] | None, Verdict]:
    """The results, the baseline's and the verdict on them."""
    from agentlab_reports import evaluate

    suites = load(results)
    before = load([baseline]) if baseline is not None else None
    return suites, before, evaluate(suites, before)


def load(files: list[Path] | None) -> list[SuiteResults]:
    """The suites of results files, by default those of the last run. Raises CommandError with the file and line of what is wrong."""
    from agentlab_reports import ResultsError, read_results

    try:
        return read_results(files or [last_results()])
    except ResultsError as error:
        raise CommandError(str(error)) from error


def last_results() -> Path:
    """The results of the last run, in the current folder or the nearest one above it. Raises CommandError if there are none."""
    for folder in (Path(), *Path.cwd().parents):
        if (folder / LAST / "results.jsonl").is_file():
            return folder / LAST / "results.jsonl"
    raise CommandError(f"There are no results in {LAST}; run `agentlab demo` or `agentlab test`, or name a file.")


def write_report(path: Path, suites: list[SuiteResults], verdict: Verdict, before: list[SuiteResults] | None) -> None:
    """Write the HTML file. Raises CommandError if it cannot be written."""
    from agentlab_reports import render_html

    page = render_html(suites, verdict, before)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"The report cannot be written to {path}: {error.strerror}.") from error


def print_summary(verdict: Verdict, report: Path | None = None) -> None:
    """The summary, with colour on a terminal only."""
    from agentlab_reports import summary

    console = stdout()
    colour = console.is_terminal and not console.no_color
    sys.stdout.write(summary(verdict, report=report, color=colour, width=min(console.width, 120)))
