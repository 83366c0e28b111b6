"""`agentlab faults`: browse the catalogue."""

from __future__ import annotations

import inspect
import math
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agentlab.commands.console import CommandError, nearest, print_json, print_rows, stdout
from agentlab.commands.own import load_own

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["app", "catalogue"]

app = typer.Typer(no_args_is_help=False, invoke_without_command=True, rich_markup_mode=None)


@app.callback()
def _faults(context: typer.Context) -> None:
    """Browse the catalogue of faults and degradation modes.

    \b
    Examples:
      agentlab faults
      agentlab faults list 'http_429*'
      agentlab faults list --boundary tool --json
      agentlab faults show http_429_rate
      agentlab faults show rate-limit-storm
    """
    if context.invoked_subcommand is None:
        _list_faults()


@app.command("list")
def _list_faults(
    globs: Annotated[list[str] | None, typer.Argument(metavar="GLOB", help="Which faults and modes: 'http_429*'.")] = None,
    boundary: Annotated[str | None, typer.Option(metavar="NAME", help="One boundary: network, provider-http, content, tool.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List faults and modes, one a line.

    \b
    Examples:
      agentlab faults list
      agentlab faults list 'http_429*' 'tool_*'
      agentlab faults list --boundary network --json
    """
    entries = catalogue()
    boundaries = sorted({entry["boundary"] for entry in entries.values()})
    if boundary is not None and boundary not in boundaries:
        raise CommandError(f"There is no boundary {boundary!r}.{nearest(boundary, boundaries)} There are: {', '.join(boundaries)}.")
    for glob in globs or []:
        if not any(fnmatchcase(name, glob) for name in entries):
            raise CommandError(f"No fault or mode is named {glob!r}.{nearest(glob.replace('*', ''), entries)}")
    chosen = [
        entry
        for name, entry in entries.items()
        if (not globs or any(fnmatchcase(name, glob) for glob in globs)) and boundary in {None, entry["boundary"]}
    ]
    if as_json:
        print_json(chosen)
        return
    print_rows(
        ("FAULT", "BOUNDARY", "SHAPES", "SIMULATES"),
        [(entry["id"], entry["boundary"], " ".join(entry["best"]), entry["simulates"]) for entry in chosen],
    )


@app.command("show")
def _show(
    name: Annotated[str, typer.Argument(metavar="ID", help="A fault's id or a mode's name.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say everything about one fault or mode: what it simulates, when it happens for real, what a good agent does.

    \b
    Examples:
      agentlab faults show http_429_rate
      agentlab faults show primary-provider-outage --json
    """
    entries = catalogue()
    if name not in entries:
        raise CommandError(f"No fault or mode is named {name!r}.{nearest(name, entries)} `agentlab faults list` names them all.")
    if as_json:
        print_json(entries[name])
        return
    console = stdout()
    for key, value in entries[name].items():
        console.print(f"[bold]{key.replace('_', ' '):<16}[/bold]", end=" ")
        console.print(_plain(value), markup=False)


def _plain(value: Any) -> str:
    """A value of the catalogue as words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)


def catalogue() -> Mapping[str, dict[str, Any]]:
    """Every fault by id, then every mode by name, as plain data."""
    from agentlab_faults.catalogue import all_modes
    from agentlab_faults.fault import all_faults

    load_own(Path.cwd())
    entries = {name: _describe_fault(fault) for name, fault in all_faults().items()}
    return entries | {name: _describe_mode(mode) for name, mode in all_modes().items()}


def _describe_fault(fault: Any) -> dict[str, Any]:
    """A fault's row, sentence and settings."""
    from agentlab_faults.points import WHERE

    row = fault.row
    return {
        "id": row.id,
        **({"cannot_fire": row.unready} if row.unready else {}),
        "simulates": " ".join((inspect.getdoc(fault) or "").split()),
        "boundary": row.boundary,
        "family": row.family,
        "category": row.category,
        "scope": row.scope,
        "acts_on": sorted(row.kinds),
        **({"wire_apis": sorted(row.apis)} if row.apis is not None else {}),
        **({"streams": row.streamed} if row.streamed != "any" else {}),
        **({"only": sorted(row.methods)} if row.methods else {}),
        **({"only_where": [WHERE[trait] for trait in sorted(row.needs)]} if row.needs else {}),
        "best": dict(row.best),
        "why": row.why,
        "happens": row.happens,
        "how_often": f"{row.rate.share * 100:.2g} % of calls ({row.rate.source})",
        "agent_should": row.agent_should,
        "weight": row.weight,
        "settings": {name: field.default for name, field in fault.model_fields.items()},
    }


def _describe_mode(mode: Any) -> dict[str, Any]:
    """A mode's sentences and rows."""
    rows = [
        {
            "fault": row.fault.row.id,
            "kind": row.kind,
            "primary_only": row.primary,
            "from_seconds": row.window.start,
            "to_seconds": None if math.isinf(row.window.end) else row.window.end,
        }
        for row in mode.injections
    ]
    return {
        "id": mode.name,
        "simulates": mode.summary,
        "boundary": "mode",
        "best": {"mode": mode.best},
        "why": mode.why,
        "happens": mode.happens,
        "rows": rows,
    }
