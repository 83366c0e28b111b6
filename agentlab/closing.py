"""Closing several things, of which any may fail to close."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Closable", "close_all"]


class Closable(Protocol):
    """What holds connections."""

    async def aclose(self) -> None:
        """Close them."""
        ...


async def close_all(*opened: Closable | None) -> None:
    """Close each, in this order, whatever another one does. Raises what the one raised that failed, an ExceptionGroup if several did."""
    problems: list[Exception] = []
    for one in opened:
        try:
            if one is not None:
                await one.aclose()
        except Exception as error:  # noqa: BLE001  # raised below, after the others are closed
            problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ExceptionGroup("Several connections could not be closed; leave them to the end of the process.", problems)
