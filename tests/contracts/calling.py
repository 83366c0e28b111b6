"""One call of a client inside the lab, and what has to hold for every one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from agentlab_faults.exchange import Exchange
from agentlab_faults.intercept import armed
from agentlab_faults.sim import Simulation

from .answers import Wire

__all__ = ["DOWN", "Call", "called"]

Call = Callable[[], Any]
"""Makes the client and the call; what it returns may be awaitable."""

DOWN = Exchange(status=503, headers=(("content-type", "application/json"),), body=(b'{"error":{"message":"down","type":"server_error"}}',))
"""The fault that has to arrive as the client's own exception."""


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def called(call: Call, wire: Wire, *, cap: float = 3600.0) -> Any:
    """What the call returns or raises. Nothing may escape the lab, be left over, or be complained about by asyncio at the end."""
    heard = _Heard()
    logging.getLogger("asyncio").addHandler(heard)
    try:
        with armed(wire) as watch, Simulation(seed=1, cap=cap) as simulation:
            try:
                return simulation.settle(call())
            finally:
                assert watch.escaped == []
    finally:
        logging.getLogger("asyncio").removeHandler(heard)
        assert simulation.leftovers == ()
        assert heard.texts == []
        assert len(wire.ends) == len(wire.requests)
