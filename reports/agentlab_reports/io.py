"""Reading and writing `results.jsonl`.

What is written is canonical (keys sorted, no spaces, cells by id), so equal results are equal bytes. What is read is checked line by line;
a refusal names the file, the line and what is wrong in one sentence.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Discriminator, TypeAdapter, ValidationError

from agentlab_reports.merge import Origin, ResultsError, gather
from agentlab_reports.schema import SCHEMA_VERSION, CellLine, Header, SuiteResults

__all__ = ["append_line", "dump_results", "read_results", "write_results"]

_MAJOR = int(SCHEMA_VERSION.split(".", maxsplit=1)[0])
_LONGEST = 80
"""Letters of a file's own words that a refusal repeats."""
_LINE: TypeAdapter[Header | CellLine] = TypeAdapter(Annotated[Header | CellLine, Discriminator("kind")])


def read_results(paths: str | Path | Iterable[str | Path]) -> list[SuiteResults]:
    """Suites of one or several results files (shards are merged), by name, each with its cells by id.

    Fields that a later minor version added are kept. Raises ResultsError for anything that cannot be read: no such file, bad JSON, a line
    of the wrong shape, a later major version, cells without a header, one cell with two contents.
    """
    files = [paths] if isinstance(paths, str | Path) else list(paths)
    headers: list[tuple[Header, Origin]] = []
    cells: list[tuple[CellLine, Origin]] = []
    for file in files:
        _read_file(Path(file), headers, cells)
    return gather(headers, cells)


def dump_results(suites: Sequence[SuiteResults]) -> bytes:
    """The results as the bytes of a file: for each suite by name its header, then its cells by id."""
    ordered = sorted(suites, key=lambda suite: suite.header.suite)
    lines: list[bytes] = []
    for suite in ordered:
        lines.append(_line(suite.header))
        lines += [_line(cell) for cell in sorted(suite.cells, key=lambda cell: cell.id)]
    return b"".join(lines)


def write_results(path: str | Path, suites: Sequence[SuiteResults]) -> None:
    """Write a results file whole: a reader sees the old one or the new one, never half of it. Raises OSError."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    fresh.write_bytes(dump_results(suites))
    fresh.replace(target)


def append_line(path: str | Path, row: Header | CellLine) -> None:
    """Add one line to a results file that is still growing; several processes may do so at once. Raises OSError."""
    with Path(path).open("ab", buffering=0) as file:
        file.write(_line(row))


def _line(row: Header | CellLine) -> bytes:
    return (
        json.dumps(row.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    )


def _read_file(path: Path, headers: list[tuple[Header, Origin]], cells: list[tuple[CellLine, Origin]]) -> None:
    known: set[str] = set()
    found: list[tuple[CellLine, Origin]] = []
    for number, line in enumerate(_content(path).split(b"\n"), 1):
        if not line.strip():
            continue
        origin = Origin(str(path), number)
        row = _parse(line, origin)
        if isinstance(row, Header):
            _check_version(row.schema_version, origin)
            known.add(row.suite)
            headers.append((row, origin))
        else:
            found.append((row, origin))
    if not known and not found:
        raise ResultsError("there are no results in this file; run `agentlab test` to write some", Origin(str(path), 1))
    for cell, origin in found:
        if cell.suite not in known:
            raise ResultsError(f"cell {cell.id!r} belongs to suite {cell.suite!r}, which has no header in this file", origin)
    cells.extend(found)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ResultsError(f"cannot read the results: {error.strerror or error}", Origin(str(path))) from error


def _parse(line: bytes, origin: Origin) -> Header | CellLine:
    try:
        return _LINE.validate_json(line, strict=True)
    except ValidationError as error:
        _explain(line, error, origin)
        raise


def _explain(line: bytes, error: ValidationError, origin: Origin) -> None:
    """Raise ResultsError with one sentence for a line that does not fit."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        raise _no_json(first["msg"].removeprefix("Invalid JSON: ").replace(" at line 1 column", " at column"), origin) from error
    data: Any = None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as bad:
        raise _no_json(str(bad), origin) from error
    if not isinstance(data, dict):
        raise ResultsError(f"expected a JSON object, found {type(data).__name__}", origin) from error
    if data.get("kind") == "header" and isinstance(data.get("schema_version"), str):
        _check_version(data["schema_version"], origin)
    if data.get("kind") not in ("header", "cell"):  # a tuple: what the line says may not be hashable
        raise ResultsError(f"`kind` is {_cut(repr(data.get('kind')))}; a line is a 'header' or a 'cell'", origin) from error
    field = ".".join(str(part) for part in first["loc"][1:])
    words = first["msg"].removeprefix("Value error, ")
    subject = f"`{_cut(field)}` of this {data['kind']}" if field else f"this {data['kind']}"
    raise ResultsError(f"{subject} is wrong: {words[0].lower()}{words[1:]}", origin) from error


def _no_json(why: str, origin: Origin) -> ResultsError:
    return ResultsError(f"this line is not JSON ({why}); was the run that wrote it stopped?", origin)


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}..."


def _check_version(version: str, origin: Origin) -> None:
    if not re.fullmatch(r"\d{1,4}\.\d{1,4}", version, re.ASCII):
        raise ResultsError(f"schema_version {_cut(repr(version))} is not a version such as {SCHEMA_VERSION!r}", origin)
    if int(version.split(".", maxsplit=1)[0]) != _MAJOR:
        raise ResultsError(
            f"the results are of version {version}, this agentlab reads version {_MAJOR}; use the agentlab that wrote them", origin
        )
