"""The heat map's contents: scenario by fault, grouped by boundary. A square is the worst outcome over its points and shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from agentlab_reports.changes import Changes
from agentlab_reports.schema import CellLine, SuiteResults
from agentlab_reports.score import cell_score
from agentlab_reports.words import is_control, strike_name, worseness

__all__ = ["BOUNDARIES", "Band", "Group", "HeatMap", "Row", "Square", "boundary_of", "heat_map"]

BOUNDARIES: dict[str, str] = {
    "network": "Network",
    "provider-http": "Provider HTTP",
    "stream": "Stream",
    "content": "Content",
    "tool": "Tools",
    "mcp": "MCP",
    "state": "State",
    "queue": "Queue",
    "semantic": "Semantic",
    "other": "Other",
    "mode": "Modes",
}
"""Boundaries in the order of the map, by the name shown."""

Key = tuple[str, str]
"""Suite and scenario, or boundary and fault."""


@dataclass(slots=True)
class Square:
    """Some cells taken together. `score` is the lowest of them, 0 to 1; `cell` is the worst one."""

    cells: list[CellLine] = field(default_factory=list)
    change: str = ""
    """`regressed` or `fixed`, if one of the cells is."""
    worst: CellLine | None = None
    score: float | None = None

    def settle(self) -> Self:
        """Find the worst cell and the lowest score, once all cells are in."""
        self.worst = max(self.cells, key=_badness)
        self.score = min((score for cell in self.cells if (score := cell_score(cell)) is not None), default=None)
        return self

    @property
    def cell(self) -> CellLine:
        """The worst cell. Raises ValueError before `settle`."""
        if self.worst is None:
            raise ValueError("The square is not settled yet.")
        return self.worst

    @property
    def exposed(self) -> bool:
        """Whether the worst that counts here is a fault that no agent can detect."""
        return self.cell.best == "undetectable"


@dataclass(frozen=True, slots=True)
class Group:
    """The faults of one boundary, in the catalogue's order, with their mean scores (0 to 100)."""

    boundary: str
    title: str
    faults: tuple[str, ...]
    means: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario: a square for each fault of each group (None where the fault does not apply), and one for each whole group."""

    suite: str
    scenario: str
    weight: float
    squares: tuple[tuple[Square | None, ...], ...]
    wholes: tuple[Square | None, ...]
    mean: float | None
    """Over the whole map, as is `worst`."""
    worst: float | None


@dataclass(frozen=True, slots=True)
class Band:
    """As many groups as fit beside each other, with every scenario that they apply to; the first band has all scenarios."""

    groups: tuple[Group, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class HeatMap:
    """The whole map, in bands that fit a page; `columns` counts the faults of all of them."""

    bands: tuple[Band, ...]
    columns: int


_FIRST_BAND, _BAND = 108, 118
"""How broad a band may be on a page of 1280 pixels, in half columns of 8.5 pixels; beside the first stand a mean and a worst."""

_Figures = tuple[float | None, float | None]
_Squares = Mapping[tuple[Key, Key], Square]


def heat_map(suites: Sequence[SuiteResults], changes: Changes | None) -> HeatMap:
    """Lay every cell but the controls into the map."""
    squares: dict[tuple[Key, Key], Square] = {}
    moved = {(change.suite, change.id): change.kind for change in changes.cells} if changes else {}
    for suite in suites:
        for cell in suite.cells:
            if not is_control(cell):
                square = squares.setdefault(((cell.suite, cell.scenario), _column(cell)), Square())
                square.cells.append(cell)
                kind = moved.get((cell.suite, cell.id), "")
                if kind == "regressed" or (kind == "fixed" and not square.change):
                    square.change = kind
    for square in squares.values():
        square.settle()
    groups = _groups(suites, squares)
    scenarios = _scenarios(suites)
    parts = _bands(groups)
    figures = _figures(squares)
    rows = [[_row(key, weight, part, squares, figures.get(key, (None, None))) for key, weight in scenarios.items()] for part in parts]
    bands = tuple(
        Band(part, tuple(row for row in mine if any(row.wholes) or place == 0))
        for place, (part, mine) in enumerate(zip(parts, rows, strict=True))
    )
    return HeatMap(bands, sum(len(group.faults) for group in groups))


def boundary_of(cell: CellLine) -> str:
    """The part of the map in which the cell stands: a key of `BOUNDARIES`."""
    return "mode" if cell.mode else cell.boundary if cell.boundary in BOUNDARIES else "other"


def _bands(groups: Sequence[Group]) -> list[tuple[Group, ...]]:
    bands: list[list[Group]] = []
    for group in groups:
        if not bands or _breadth([*bands[-1], group]) > (_FIRST_BAND if len(bands) == 1 else _BAND):
            bands.append([])
        bands[-1].append(group)
    return [tuple(band) for band in bands]


def _breadth(groups: Sequence[Group]) -> int:
    """In half columns: two for each fault, and one that sets the group apart."""
    return sum(2 * len(group.faults) + 1 for group in groups)


def _badness(cell: CellLine) -> tuple[bool, int, float, str]:
    """What no agent can detect is never shown before what it can."""
    return (cell.best != "undetectable", worseness(cell.outcome), -(cell_score(cell) or 0.0), cell.id)


def _column(cell: CellLine) -> Key:
    return boundary_of(cell), strike_name(cell)


def _groups(suites: Sequence[SuiteResults], squares: _Squares) -> tuple[Group, ...]:
    order: dict[str, int] = {}
    for suite in suites:
        for fault in suite.header.faults:
            order.setdefault(fault, len(order))
    columns: dict[Key, list[CellLine]] = {}
    for (_, column), square in squares.items():
        columns.setdefault(column, []).extend(square.cells)
    groups: list[Group] = []
    for boundary, title in BOUNDARIES.items():
        faults = sorted((fault for where, fault in columns if where == boundary), key=lambda fault: (order.get(fault, len(order)), fault))
        most = ((_BAND if groups else _FIRST_BAND) - 1) // 2
        even = math.ceil(len(faults) / math.ceil(len(faults) / most)) if faults else most
        for start in range(0, len(faults), even):
            part = tuple(faults[start : start + even])
            name = f"{title}, continued" if start else title
            groups.append(Group(boundary, name, part, tuple(_mean(columns[boundary, fault]) for fault in part)))
    return tuple(groups)


def _scenarios(suites: Sequence[SuiteResults]) -> dict[Key, float]:
    """Every scenario with its weight, in the suites' order; those that only cells name come last."""
    found: dict[Key, float] = {}
    for suite in suites:
        found |= {(suite.header.suite, scenario.name): scenario.weight for scenario in suite.header.scenarios}
        for cell in suite.cells:
            found.setdefault((cell.suite, cell.scenario), 1.0)
    return found


def _row(key: Key, weight: float, groups: Sequence[Group], squares: _Squares, figures: _Figures) -> Row:
    mine = tuple(tuple(squares.get((key, (group.boundary, fault))) for fault in group.faults) for group in groups)
    wholes = tuple(_whole([square for square in group if square]) for group in mine)
    return Row(key[0], key[1], weight, mine, wholes, *figures)


def _figures(squares: _Squares) -> dict[Key, _Figures]:
    """(mean, worst) of each scenario over the whole map, 0 to 100."""
    scored: dict[Key, list[tuple[float, float]]] = {}
    for (key, _), square in squares.items():
        mine = scored.setdefault(key, [])
        mine += [(score, cell.weight) for cell in square.cells if (score := cell_score(cell)) is not None]
    return {key: (_weighted(pairs), 100 * min(pairs)[0] if pairs else None) for key, pairs in scored.items()}


def _whole(squares: Sequence[Square]) -> Square | None:
    if not squares:
        return None
    changes = {square.change for square in squares}
    change = "regressed" if "regressed" in changes else "fixed" if "fixed" in changes else ""
    return Square([square.cell for square in squares], change).settle()


def _mean(cells: Sequence[CellLine]) -> float | None:
    return _weighted([(score, cell.weight) for cell in cells if (score := cell_score(cell)) is not None])


def _weighted(scores: Sequence[tuple[float, float]]) -> float | None:
    weight = math.fsum(weight for _, weight in scores)
    return 100 * math.fsum(score * weight for score, weight in scores) / weight if weight else None
