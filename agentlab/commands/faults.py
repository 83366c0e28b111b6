"""`agentlab faults`: browse the catalogue."""

from __future__ import annotations

import fnmatch
import inspect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer
from typer.core import TyperCommand

from agentlab.commands.console import CommandError, nearest, print_json, print_rows, stdout
from agentlab.commands.modes import describe_mode
from agentlab.commands.own import load_own

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["app", "catalogue"]

_WIDTH: Final = 17
"""Of the names of `faults show`, with the blank after them."""

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


class _ListCommand(TyperCommand):
    """Its help names the boundaries of the catalogue, which is loaded for it only."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write how many faults each boundary has."""
        del ctx
        import agentlab_faults.catalogue  # noqa: F401 - it registers what is counted
        from agentlab_faults.fault import all_faults

        counts: Counter[str] = Counter(fault.row.boundary for fault in all_faults().values())
        with formatter.section("Boundaries"):
            formatter.write_dl([(name, f"{counts[name]} faults") for name in _boundaries()])


@app.command("list", cls=_ListCommand)
def _list_faults(
    globs: Annotated[list[str] | None, typer.Argument(metavar="GLOB", help="Which faults and modes: 'http_429*'.")] = None,
    boundary: Annotated[str | None, typer.Option(metavar="NAME", help="The faults of one boundary (below).")] = None,
    modes: Annotated[bool, typer.Option("--modes", help="List the modes alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the faults, or with --modes the modes.")] = False,
) -> None:
    """List faults, one a line, and below them the modes: schedules of faults with a name.

    \b
    Examples:
      agentlab faults list
      agentlab faults list 'http_429*' 'tool_*'
      agentlab faults list --boundary network --json
      agentlab faults list --modes --json
    """
    if boundary is not None and modes:
        raise CommandError("A mode has no boundary, as its faults may have several: leave out --boundary or --modes.")
    if boundary is not None and boundary not in _boundaries():
        raise CommandError(f"There is no boundary {boundary!r}.{nearest(boundary, _boundaries())} There are: {', '.join(_boundaries())}.")
    faults = {} if modes else {id_: entry for id_, entry in _faults_by_id().items() if boundary in {None, entry["boundary"]}}
    named = {} if boundary is not None or (as_json and not modes) else _modes_by_name()
    for glob in globs or []:
        if not fnmatch.filter(faults | named, glob):
            raise CommandError(_nothing_named(glob, faults | named, boundary))
    faults, named = _named_so(globs, faults), _named_so(globs, named)
    if as_json:
        print_json([*faults.values(), *named.values()])
        return
    if faults:
        print_rows(
            ("FAULT", "BOUNDARY", "SHAPES", "SIMULATES"),
            [(name, entry["boundary"], " ".join(entry["best"]), entry["simulates"]) for name, entry in faults.items()],
        )
    if faults and named:
        stdout().print()
    if named:
        print_rows(("MODE", "BEST", "SIMULATES"), [(name, entry["best"], entry["simulates"]) for name, entry in named.items()])


def _nothing_named(glob: str, listed: Mapping[str, object], boundary: str | None) -> str:
    """The sentence for a glob that fits nothing of what is to be listed."""
    elsewhere = fnmatch.filter(catalogue(), glob)
    if not elsewhere:
        return f"No fault or mode is named {glob!r}.{nearest(glob.replace('*', ''), listed)}"
    if boundary is not None:
        return f"Nothing of the boundary {boundary!r} is named {glob!r}, but {elsewhere[0]!r} is elsewhere: leave out --boundary."
    if elsewhere[0] in _modes_by_name():
        return f"Only modes are named {glob!r}: add --modes."
    return f"Only faults are named {glob!r}: leave out --modes."


def _named_so(globs: Sequence[str] | None, entries: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: entry for name, entry in entries.items() if not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs)}


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
    for key, value in entries[name].items():
        if key == "rows":
            _print_field("strikes", "\n".join(_strike(row) for row in value))
        else:
            _print_field(key.replace("_", " "), _plain(value))


def _print_field(name: str, text: str) -> None:
    """A name and what it stands for; further lines of the text stand below the first."""
    console = stdout()
    console.print(f"[bold]{name:<{_WIDTH}}[/bold]", end="")
    console.print(text.replace("\n", "\n" + " " * _WIDTH), markup=False)


def _strike(row: Mapping[str, Any]) -> str:
    """A row of a mode: `http_429_rate (retry after: 8.0): every request ...`."""
    settings = f" ({_plain(row['settings'])})" if row["settings"] else ""
    return f"{row['fault']}{settings}: {row['strikes']}"


def _plain(value: Any) -> str:
    """A value of the catalogue as words."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(_plain(inner) for inner in value)
    return str(value)


def catalogue() -> Mapping[str, dict[str, Any]]:
    """Every fault by id, then every mode by name, as plain data."""
    return _faults_by_id() | _modes_by_name()


def _faults_by_id() -> dict[str, dict[str, Any]]:
    import agentlab_faults.catalogue  # noqa: F401 - it registers the shipped ones
    from agentlab_faults.fault import all_faults

    load_own(Path.cwd())
    return {name: _describe_fault(fault) for name, fault in all_faults().items()}


def _modes_by_name() -> dict[str, dict[str, Any]]:
    from agentlab_faults.catalogue import all_modes

    load_own(Path.cwd())
    return {name: describe_mode(mode) for name, mode in all_modes().items()}


def _boundaries() -> tuple[str, ...]:
    from agentlab_faults.fault import Boundary

    return get_args(Boundary)


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
