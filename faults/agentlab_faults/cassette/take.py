"""A cassette's file: one recorded exchange a line, readable, and without secrets."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentlab_faults.exchange import Exchange, Part, Pause

__all__ = ["BadCassette", "Piece", "Take", "Tape", "load", "piece", "save"]

_MOST = 256 * 1024 * 1024
"""Bytes of a cassette that is read."""


class BadCassette(ValueError):  # noqa: N818 - it says what is so
    """The file is no cassette that can be played; the text is one sentence."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tape(_Line):
    """The first line."""

    kind: Literal["cassette"] = "cassette"
    version: Literal[1] = 1
    upstream: str
    """Host of the provider that was recorded."""


class Piece(_Line):
    """Some bytes of a body, `after` seconds of silence. What is no UTF-8 is written as Base64."""

    after: Annotated[float, Field(ge=0, le=86_400)] = 0.0
    text: str | None = None
    base64: str | None = None

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.text.encode() if self.text is not None else base64.b64decode(self.base64 or "")


class Take(_Line):
    """One exchange: what was asked, and what the provider answered."""

    kind: Literal["take"] = "take"
    api: str
    method: str
    path: str
    query: str = ""
    request: Any
    """The request's body: JSON where it is JSON, else text."""
    status: Annotated[int, Field(ge=100, le=599)]
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[Piece, ...] = ()

    @property
    def exchange(self) -> Exchange:
        """The answer, with the silences that it had."""
        before = (Pause(self.pieces[0].after),) if self.pieces and self.pieces[0].after else ()
        body: list[Part] = []
        for number, piece in enumerate(self.pieces):
            if number and piece.after:
                body.append(Pause(piece.after))
            body.append(piece.data)
        return Exchange(self.status, self.headers, tuple(body), before)


def piece(after: float, data: bytes) -> Piece:
    """Some bytes as they are written."""
    try:
        return Piece(after=round(after, 3), text=data.decode())
    except UnicodeDecodeError:
        return Piece(after=round(after, 3), base64=base64.b64encode(data).decode())


def load(path: Path | str) -> tuple[Tape, list[Take]]:
    """Read a cassette. Raises BadCassette with the file, the line and what is wrong."""
    path = Path(path)
    try:
        if not path.is_file():
            raise BadCassette(f"{path}: There is no such cassette; record one with `agentlab chaos --upstream URL --record {path.name}`.")
        if path.stat().st_size > _MOST:
            raise BadCassette(f"{path}: The cassette is larger than {_MOST:,} bytes; record fewer requests.")
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadCassette(f"{path}: The cassette cannot be read: {error.strerror}.") from error
    parsed = [_parse(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not parsed or not isinstance(parsed[0], Tape):
        raise BadCassette(f"{path}:1: The first line of a cassette says its version; is this one?")
    return parsed[0], [line for line in parsed if isinstance(line, Take)]


def _parse(path: Path, number: int, line: bytes) -> Tape | Take:
    try:
        return (Tape if b'"kind":"cassette"' in line[:40] else Take).model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise BadCassette(f"{path}:{number}: {where or 'This line'} is wrong: {first['msg']}; record the cassette again.") from None


def save(path: Path | str, tape: Tape, takes: Sequence[Take]) -> None:
    """Write a cassette whole: a reader sees the old one or the new one. Raises OSError."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text("".join(_line(line) for line in (tape, *takes)), encoding="utf-8")
    fresh.replace(path)


def _line(line: _Line) -> str:
    plain = line.model_dump(mode="json", exclude_none=True)
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")) + "\n"
