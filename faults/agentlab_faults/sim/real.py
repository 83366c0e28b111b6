"""The real clock, threads and locks, for the lab's own use: these stay what they are when the process is patched."""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from typing import Any, Final

from agentlab_faults.sim.splice import twin

__all__ = ["acquire", "get_ident", "monotonic", "perf_counter", "release", "wall"]

get_ident: Final[Callable[[], int]] = twin(_thread.get_ident)
monotonic: Final[Callable[[], float]] = twin(time.monotonic)
perf_counter: Final[Callable[[], float]] = twin(time.perf_counter)
wall: Final[Callable[[], float]] = twin(time.time)
acquire: Final[Callable[..., bool]] = _thread.LockType.acquire
release: Final[Callable[[Any], None]] = _thread.LockType.release
