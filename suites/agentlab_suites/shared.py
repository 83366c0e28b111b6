"""A plan made once for all workers of a run: the first one to come makes it under a file lock, the others read it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agentlab_faults.played import Clean
from agentlab_faults.points import Point
from agentlab_reports.schema import CellLine, Header

from agentlab_suites.plan import Discovered

__all__ = ["PlanFolder"]


class PlanFolder:
    """The folder in which the workers of one run share their plans, keyed by the run's id."""

    def __init__(self, home: Path, run: str) -> None:
        self._folder = home / "plans" / hashlib.sha256(run.encode()).hexdigest()[:16]

    def discovered(self, suite: Path, make: Callable[[], list[Discovered]]) -> list[Discovered]:
        """What discovery found: made here, or by a worker that came before."""
        with self._locked(suite) as path:
            if path.exists():
                return [_read(found) for found in json.loads(path.read_text("utf-8"))]
            found = make()
            _write(path, json.dumps([asdict(one) for one in found]))
            return found

    def add_header(self, suite: Path, header: Header) -> None:
        """Leave a suite's header for the controller."""
        with self._locked(suite) as path:
            _write(path.with_suffix(".header"), header.model_dump_json())

    def headers(self) -> list[Header]:
        """Every suite's header."""
        found = [Header.model_validate_json(path.read_text("utf-8")) for path in self._folder.glob("*.header")]
        return sorted(found, key=lambda header: header.suite)

    def add_stuck(self, line: CellLine) -> None:
        """Leave the line of a cell that ends its worker."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(f"{line.suite}\0{line.id}".encode()).hexdigest()[:16]
        _write(self._folder / f"{name}.stuck", line.model_dump_json())

    def stuck(self) -> list[CellLine]:
        """The lines of all cells that ended their workers."""
        return [CellLine.model_validate_json(path.read_text("utf-8")) for path in sorted(self._folder.glob("*.stuck"))]

    def remove(self) -> None:
        """The run is over."""
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.parent.is_dir() and not any(self._folder.parent.iterdir()):
            self._folder.parent.rmdir()

    @contextmanager
    def _locked(self, suite: Path) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{hashlib.sha256(str(suite.resolve()).encode()).hexdigest()[:16]}.json"
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


def _read(data: dict[str, Any]) -> Discovered:
    data["points"] = tuple(
        Point(**point | {"shows": tuple(point["shows"]), "unmoved": tuple(point["unmoved"])}) for point in data["points"]
    )
    data["clean"] = Clean(**data["clean"])
    data["models"] = tuple(data["models"])
    data["system_prompts"] = tuple(data["system_prompts"])
    return Discovered(**data)
