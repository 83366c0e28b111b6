"""Whether processes that a test has started, or made something start, have ended."""

from __future__ import annotations

import threading
from pathlib import Path

__all__ = ["are_gone", "is_alive"]


def is_alive(pid: int) -> bool:
    """Whether the process runs: one that has ended and was not asked for its code yet does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def are_gone(*pids: int) -> bool:
    """Whether none of them runs; one that was killed a moment ago is given five seconds."""
    for _ in range(250):
        if not any(map(is_alive, pids)):
            return True
        threading.Event().wait(0.02)
    return False
