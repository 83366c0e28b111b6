"""What `run` and `replay` share: one scenario made ready, and a played run shown with its virtual times."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agentlab.commands.console import CommandError, print_rows, stdout
from agentlab.commands.own import load_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentlab_reports.schema import CellLine, Span
    from agentlab_suites.agents import Agent
    from agentlab_suites.load import LoadedSuite
    from agentlab_suites.plan import Prepared

__all__ = ["agent_of", "print_cell", "print_timeline", "ready", "stories"]


def ready(suite: Path, agent: str | None, seed: int) -> Prepared:
    """The suite and its agent, seen to fit together. `agent` None takes the suite's own. Raises CommandError."""
    from agentlab_suites.load import load_suite
    from agentlab_suites.plan import prepare
    from agentlab_suites.problems import BadInput

    load_own(Path.cwd(), suite.parent)
    try:
        loaded = load_suite(suite)
        return prepare(loaded, agent_of(loaded, agent), seed=seed)
    except BadInput as error:
        raise CommandError(str(error)) from error


def agent_of(loaded: LoadedSuite, agent: str | None) -> Agent:
    """The agent by its name, else the suite's own. Raises CommandError or BadInput; a name in the suite is refused with its line."""
    from agentlab_suites.agents import load_agent
    from agentlab_suites.problems import BadAgent

    if agent is not None:
        return load_agent(agent, folder=Path.cwd(), suite_folder=loaded.path.parent)
    if loaded.suite.agent is None:
        raise CommandError(f"{loaded.path} names no agent; give one with --agent module:attribute.")
    try:
        return load_agent(loaded.suite.agent, folder=Path.cwd(), suite_folder=loaded.path.parent, trusted=False)
    except BadAgent as error:
        raise loaded.bad(str(error), "agent") from error


def print_timeline(spans: Sequence[Span]) -> None:
    """One line a span: when, how long, what, how it ended."""
    print_rows(("AT", "FOR", "WHAT", "HOW IT ENDED", ""), list(stories(spans)))


def stories(spans: Sequence[Span]) -> Iterator[tuple[str, str, str, str, str]]:
    """The columns of each span; times in virtual seconds."""
    for span in spans:
        lasted = f"{span.end - span.start:.2f} s" if span.end > span.start else ""
        status = f"{span.status} [{span.fault}]" if span.fault and span.kind != "fault" else span.status
        yield f"{span.start:.2f} s", lasted, f"{span.kind} {span.label}".strip(), status, " ".join(span.detail.split())[:80]


def print_cell(line: CellLine) -> None:
    """What became of a cell, in a few lines."""
    console = stdout()
    style = "green" if line.passed else "red"
    console.print(f"{line.outcome} (row {line.row} of the table): {line.why}", style=style, markup=False)
    if line.reply:
        console.print(f"reply: {line.reply}", markup=False)
    if line.error:
        console.print(f"error: {line.error}", markup=False)
    for finding in line.findings:
        console.print(f"{finding.severity}: {finding.text} (agentlab explain {finding.code})", markup=False)
