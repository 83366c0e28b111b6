"""Whether the kernel may have refused a connection: the only trace that a shut port leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["kernel_refusals"]

_COUNTERS: Final = Path("/proc/net/snmp")


def kernel_refusals() -> int | None:
    """TCP resets that the kernel has sent in this network namespace, refused connections among them; None where it does not tell."""
    try:
        names, values = (line.split() for line in _COUNTERS.read_text().splitlines() if line.startswith("Tcp:"))
        return int(values[names.index("OutRsts")])
    except (OSError, ValueError):
        return None
