"""The demo as a user runs it: `agentlab demo` with two workers in an empty folder. Cells, pairs, seconds (the bar is 30)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from typing import Any

from benchmarks.measure import Figure, publish


def demo(folder: str) -> tuple[int, float, dict[str, Any]]:
    """Exit code, wall seconds and verdict of one demo."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "agentlab.cli", "demo", "--json"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, time.perf_counter() - begin, json.loads(done.stdout)


def figures() -> list[Figure]:
    """The demo's figures, each from the verdict that it printed."""
    with tempfile.TemporaryDirectory() as folder:
        code, seconds, verdict = demo(folder)
    exercised = verdict["exercised"]
    return [
        Figure("agentlab demo, two workers", seconds, "s", bar=30.0, note=f"exit {code}, {exercised / seconds:.0f} cells a second"),
        Figure("exercised cells", exercised, "cells"),
        Figure("different pairs of point and fault", verdict["pairs"], "pairs"),
    ]


if __name__ == "__main__":
    publish(figures())
