"""An exchange in real time: nobody wants to wait for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from agentlab_faults.exchange import Break, Exchange, Pause, Timeouts, TransportError

__all__ = ["hurried"]


def hurried(exchange: Exchange, timeouts: Timeouts) -> Exchange:
    """The exchange without its waits: where the client would have given up, it does so at once.

    Raises ValueError for a wait without end in a client without a timeout, which real time cannot show.
    """
    return exchange._replace(before=tuple(_hurry(exchange.before, timeouts)), body=tuple(_hurry(exchange.body, timeouts)))


def _hurry(parts: Sequence[Any], timeouts: Timeouts) -> Iterator[Any]:
    for part in parts:
        if not isinstance(part, Pause):
            yield part
            continue
        limit = getattr(timeouts, part.phase)
        if limit is not None and part.seconds >= limit:
            names: dict[str, TransportError] = {"connect": "ConnectTimeout", "read": "ReadTimeout", "pool": "PoolTimeout"}
            yield Break(names[part.phase])
            return
        if math.isinf(part.seconds):
            raise ValueError("The fault waits for ever and the client has no timeout; use chaos.arun, which plays in virtual time.")
