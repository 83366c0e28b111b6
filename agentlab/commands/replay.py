"""`agentlab replay`: one cell of an earlier run again, verbosely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentlab.commands import watching
from agentlab.commands.console import DONT_SHIP, SHIP, UNDECIDABLE, CommandError, fix_hash_seed, nearest, print_json, stdout
from agentlab.commands.results import LAST, last_results, load
from agentlab.commands.suites import shipped_suites

if TYPE_CHECKING:
    from agentlab_reports import CellLine, Header, SuiteResults

__all__ = ["replay"]

_SAME = "The same as in the run, byte for byte."
_NOT_TIMED = ("outcome", "row", "passed", "faults")
"""What can be equal in two runs in real time."""


def replay(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="A cell's id or a part of it, or a results file with one failing cell.")],
    results: Annotated[Path | None, typer.Option(metavar="FILE", help=f"The run's results, else {LAST / 'results.jsonl'}.")] = None,
    suite: Annotated[Path | None, typer.Option(metavar="FILE", help="The suite's file, if it has moved since.")] = None,
    agent: Annotated[str | None, typer.Option(metavar="NAME", help="Another agent than the run's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the cell's line as JSON.")] = False,
) -> int:
    """Play one cell again with the run's seed, and show every step with its time.

    \b
    Examples:
      agentlab replay 'refund_order[openai.chat.2-http_429_rate]'
      agentlab replay refund_order[tool-timeouts] --results shard-1.jsonl
      agentlab replay failing.jsonl

    \b
    Exit codes: 0 the cell passes, 1 it fails, 2 wrong usage or input, 3 it ended otherwise than in the run.
    """
    fix_hash_seed()
    path = Path(cell)
    source = path if path.is_file() else results or last_results()
    header, recorded = _failing(load([source]), cell) if path.is_file() else _matching(load([source]), cell, source)
    line = _again(header, recorded, suite, agent)
    if as_json:
        print_json(line.model_dump(mode="json"))
    else:
        _show(header, line)
    return _compare(recorded, line, quiet=as_json) if agent is None else (SHIP if line.passed else DONT_SHIP)


def _matching(suites: list[SuiteResults], wanted: str, results: Path) -> tuple[Header, CellLine]:
    """The one cell that `wanted` names. Raises CommandError if there are none or several."""
    cells = [(suite.header, cell) for suite in suites for cell in suite.cells]
    exact = [found for found in cells if wanted in {found[1].id, f"{found[0].suite}::{found[1].id}"}]
    found = exact or [found for found in cells if wanted in found[1].id]
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandError(f"{results} has no cell {wanted!r}.{nearest(wanted, [cell.id for _, cell in cells])}")
    several = len({header.suite for header, _ in found}) > 1
    names = [f"{header.suite}::{cell.id}" if several else cell.id for header, cell in found]
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    raise CommandError(f"{wanted!r} names {len(names)} cells; choose one: {', '.join(names[:8])}{more}.")


def _failing(suites: list[SuiteResults], file: str) -> tuple[Header, CellLine]:
    """The only failing cell of a results file. Raises CommandError if there are none or several."""
    cells = [(suite.header, cell) for suite in suites for cell in suite.cells if not cell.passed]
    if len(cells) == 1:
        return cells[0]
    if not cells:
        raise CommandError(f"{file} holds no failing cell; name one by its id: agentlab replay CELL --results {file}.")
    names = ", ".join(cell.id for _, cell in cells[:8])
    raise CommandError(f"{file} holds {len(cells)} failing cells; choose one: agentlab replay CELL --results {file} ({names} ...).")


def _again(header: Header, recorded: CellLine, suite: Path | None, agent: str | None) -> CellLine:
    """Play the cell once more; its line."""
    from agentlab_suites.cell import play_cell
    from agentlab_suites.plan import cells_of, discover
    from agentlab_suites.problems import BadInput

    prepared = watching.ready(suite or _suite_of(header), agent, header.seed, recorded=header.agent)
    try:
        globs = [recorded.mode] if recorded.mode else [recorded.schedule] if ".chunk." in recorded.point else recorded.faults
        with watching.agent_speaking():
            for cell in cells_of(prepared, discover(prepared), globs):
                if cell.id == recorded.id:
                    return play_cell(cell, prepared.agent, seed=header.seed).line
    except BadInput as error:
        raise CommandError(str(error)) from error
    finally:
        prepared.undo()
    raise CommandError(f"{recorded.id} is not a cell of this suite and agent any more; the agent's calls have changed since the run.")


def _suite_of(header: Header) -> Path:
    """The suite's file: where the header says, below the current folder, or a shipped one. Raises CommandError."""
    for path in (Path(header.path), shipped_suites().get(header.suite, Path())):
        if header.path and path.is_file():
            return path
    raise CommandError(f"The suite {header.suite!r} is not at {header.path or 'any known place'}; say where it is with --suite FILE.")


def _show(header: Header, line: CellLine) -> None:
    """The cell, step by step."""
    console = stdout()
    console.print(f"{line.id}  (suite {header.suite}, agent {header.agent}, seed {header.seed})", style="bold", markup=False)
    watching.print_timeline(line.timeline)
    watching.print_cell(line)


def _compare(recorded: CellLine, line: CellLine, *, quiet: bool) -> int:
    """The exit code, and a sentence on whether the run was the recorded one."""
    before, after = recorded.model_dump(mode="json"), line.model_dump(mode="json")
    compared = _NOT_TIMED if line.time == "real" else after
    differing = sorted(name for name in compared if before.get(name) != after[name])
    if not quiet:
        same = "The same outcome as in the run; its times are real and never equal." if line.time == "real" else _SAME
        told = f"It is not the recorded run: {', '.join(differing)} differ." if differing else same
        stdout().print(told, style="yellow" if differing else "dim", markup=False)
    if differing:
        return UNDECIDABLE
    return SHIP if line.passed else DONT_SHIP
