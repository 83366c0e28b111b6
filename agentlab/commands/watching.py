"""What `run` and `replay` share: one scenario made ready, and a played run shown with its virtual times."""

from __future__ import annotations

import io
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from agentlab.commands.console import CommandError, print_rows, stdout
from agentlab.commands.own import load_own

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentlab_reports.schema import CellLine, Span
    from agentlab_suites.agents import Agent
    from agentlab_suites.load import LoadedSuite
    from agentlab_suites.plan import Prepared

__all__ = ["agent_of", "agent_speaking", "print_cell", "print_timeline", "ready", "stories"]


class _Masked(io.TextIOBase):
    """Hands whole lines on without secrets: one in two pieces would not be seen."""

    def __init__(self, stream: TextIO) -> None:
        from agentlab_suites.masking import Masker

        self._stream, self._mask = stream, Masker()
        self._begun: list[str] = []
        """The pieces of the line that has not ended."""

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun that has not ended."""
        return bool(self._begun)

    def fileno(self) -> int:
        """The stream's own: a child process of the agent's (an MCP server on stdio) takes it for its errors."""
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        lines, end, begun = text.rpartition("\n")
        if end:
            self._stream.write(self._mask("".join((*self._begun, lines))) + end)
            self._stream.flush()
            self._begun.clear()
        if begun:
            self._begun.append(begun)
        return len(text)


@contextmanager
def agent_speaking() -> Iterator[None]:
    """What the agent prints meanwhile goes to standard error, without secrets; standard output is for what the command prints."""
    masked = _Masked(sys.stderr)
    with redirect_stdout(masked), redirect_stderr(masked):
        try:
            yield
        finally:
            masked.write("\n" if masked.unfinished else "")


def ready(suite: Path, agent: str | None, seed: int, *, recorded: str | None = None) -> Prepared:
    """The suite and its agent, seen to fit together. `agent` None takes the `recorded` one, else the suite's own. Raises CommandError."""
    from agentlab_suites.load import load_suite
    from agentlab_suites.plan import prepare
    from agentlab_suites.problems import BadInput

    load_own(Path.cwd(), suite.parent)
    try:
        loaded = load_suite(suite)
        with agent_speaking():
            return prepare(loaded, agent_of(loaded, agent, recorded), seed=seed)
    except BadInput as error:
        raise CommandError(str(error)) from error


def agent_of(loaded: LoadedSuite, agent: str | None, recorded: str | None = None) -> Agent:
    """The agent by its name, else the one that results name, else the suite's own. Raises CommandError or BadInput.

    A name in the suite is refused with its line. A results file may be anybody's, so the command of an agent that it names is no more
    trusted than one in a suite.
    """
    from agentlab_suites.agents import load_agent
    from agentlab_suites.masking import MASK
    from agentlab_suites.outside_agents import is_outside, names
    from agentlab_suites.problems import BadAgent

    if agent is not None or (recorded is not None and not names(loaded.suite.agent, recorded)):
        name = agent or recorded or ""
        if agent is None and MASK in name:
            raise CommandError(f"The results name the agent without its secrets, as {name!r}; say with --agent which one it is.")
        trusted = agent is not None or not is_outside(name)
        return load_agent(name, folder=Path.cwd(), suite_folder=loaded.path.parent, trusted=trusted)
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
    for outcome, count in Counter(run.outcome for run in line.runs).items():
        console.print(f"{count} of {len(line.runs)} runs: {outcome}", markup=False)
    for finding in line.findings:
        console.print(f"{finding.severity}: {finding.text} (agentlab explain {finding.code})", markup=False)
