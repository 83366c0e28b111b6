"""`agentlab explain`: what a finding means and how it is usually fixed."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from agentlab.commands.console import CommandError, nearest, print_json, print_rows, stdout

__all__ = ["explain"]


def explain(
    code: Annotated[str | None, typer.Argument(metavar="CODE", help="A finding's code; all are listed without one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Explain a finding of a cell: what it means, why it hurts, how it is usually fixed.

    \b
    Examples:
      agentlab explain
      agentlab explain ignored_retry_after
    """
    from agentlab_suites.findings import EXPLAIN

    if code is not None and code not in EXPLAIN:
        raise CommandError(f"There is no finding {code!r}.{nearest(code, EXPLAIN)} `agentlab explain` lists them all.")
    chosen = {name: entry for name, entry in EXPLAIN.items() if code in {None, name}}
    if as_json:
        print_json([{"code": name, **dataclasses.asdict(entry)} for name, entry in chosen.items()])
    elif code is None:
        print_rows(("CODE", "SEVERITY", "MEANS"), [(name, entry.severity, entry.title) for name, entry in chosen.items()])
    else:
        entry = chosen[code]
        console = stdout()
        console.print(f"{entry.title} ({code}, {entry.severity})", style="bold", markup=False)
        console.print(f"Why it hurts: {entry.hurts}", markup=False)
        console.print(f"Usual fix:    {entry.fix}", markup=False)
