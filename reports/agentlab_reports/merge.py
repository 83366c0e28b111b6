"""Joining shards of one run. Merging is associative, commutative and idempotent, so shards may come in any order and twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from agentlab_reports.schema import CellLine, Control, Header, SuiteResults

__all__ = ["Origin", "ResultsError", "gather", "merge"]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a line was read: a file's name and the number of the line, counted from 1 (0: not from a file)."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class ResultsError(ValueError):
    """Results that cannot be used. `str()` is `file:line: one sentence`."""

    def __init__(self, sentence: str, origin: Origin) -> None:
        super().__init__(f"{origin}: {sentence}")
        self.sentence = sentence
        self.origin = origin


def merge(*runs: Sequence[SuiteResults]) -> list[SuiteResults]:
    """The shards as one run: suites by name, cells by id.

    Raises ResultsError if two shards are of different runs, or hold the same cell with different contents.
    """
    headers = [(suite.header, Origin(f"run {n}")) for n, run in enumerate(runs, 1) for suite in run]
    cells = [(cell, Origin(f"run {n}")) for n, run in enumerate(runs, 1) for suite in run for cell in suite.cells]
    return gather(headers, cells)


def gather(headers: Iterable[tuple[Header, Origin]], cells: Iterable[tuple[CellLine, Origin]]) -> list[SuiteResults]:
    """Suites from their headers and cells, each with the place it was read at. Raises ResultsError as `merge` does."""
    joined: dict[str, Header] = {}
    for header, origin in headers:
        known = joined.get(header.suite)
        joined[header.suite] = header if known is None else _join(known, header, origin)
    placed: dict[str, dict[str, tuple[CellLine, Origin]]] = {name: {} for name in joined}
    for cell, origin in cells:
        if cell.suite not in placed:
            raise ResultsError(
                f"cell {cell.id!r} belongs to suite {cell.suite!r}, which has no header; the file's beginning is missing", origin
            )
        first, place = placed[cell.suite].setdefault(cell.id, (cell, origin))
        if first is not cell and _canonical(first.model_dump(mode="json")) != _canonical(cell.model_dump(mode="json")):
            raise ResultsError(f"cell {cell.id!r} stands at {place} too, with other contents; merge shards of one run only", origin)
    return [SuiteResults(header=joined[name], cells=[placed[name][key][0] for key in sorted(placed[name])]) for name in sorted(joined)]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _smaller(one: Any, other: Any) -> Any:
    return min(one, other, key=_canonical)


def _union(one: Any, other: Any) -> Any:
    if _canonical(one) == _canonical(other):
        return one
    rows = {_canonical(row): row for row in (*one, *other)}
    return [rows[key] for key in sorted(rows)]


def _union_by_key(one: Any, other: Any) -> Any:
    both = {**one, **other}
    return {key: _smaller(one.get(key, both[key]), other.get(key, both[key])) for key in both}


def _reasons(one: Any, other: Any) -> Any:
    return "; ".join(sorted({*one.split("; "), *other.split("; ")} - {""}))


def _most(one: Any, other: Any) -> Any:
    """The greater count of each that this version knows; fields of a later version as any other that is not known."""
    known = {key: max(one[key], other[key]) for key in Control.model_fields}
    return {**_union_by_key(one, other), **known}


def _version(one: Any, other: Any) -> Any:
    return max(one, other, key=lambda text: ([int(part) for part in text.split(".")], text))


_MUST_AGREE = ("agent", "suite_hash", "seed", "shapes", "weights_hash", "python", "versions", "fingerprint", "gate", "layers")
_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "schema_version": _version,
    "scenarios": _union,
    "pairs": _union,
    "waivers": _union,
    "faults": _union_by_key,
    "discovery_errors": _union_by_key,
    "extra": _union_by_key,
    "narrowed": _reasons,
    "planned": max,
    "left_out": max,
    "control": _most,
}


def _join(one: Header, other: Header, origin: Origin) -> Header:
    left, right = one.model_dump(mode="json"), other.model_dump(mode="json")
    if _canonical(left) == _canonical(right):  # not `==`, by which 1 is 1.0 and the order of the shards would show
        return one
    for name in _MUST_AGREE:
        if left[name] != right[name]:
            raise ResultsError(
                f"suite {one.suite!r} has another {name} here ({right[name]!r} instead of {left[name]!r}); merge shards of one run only",
                origin,
            )
    both = {**left, **right}
    fields = {name: _RULES.get(name, _smaller)(left.get(name, both[name]), right.get(name, both[name])) for name in both}
    return Header.model_validate(fields)
