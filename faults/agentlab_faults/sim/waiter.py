"""Who blocks: a place to wait, and a function that runs in a greenlet of its own."""

from __future__ import annotations

from greenlet import greenlet

__all__ = ["Waiter", "Worker"]


class Waiter:
    """One place to block: waits on the hub until it is woken or its moment has come."""

    __slots__ = ("greenlet", "parked", "ticket", "woken")

    def __init__(self) -> None:
        self.greenlet: greenlet | None = None
        self.parked = False
        self.woken = False
        self.ticket = 0


class Worker:
    """A function that runs in a greenlet of its own, where a real program would have used a thread."""

    __slots__ = ("done", "greenlet", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.greenlet: greenlet | None = None
        self.done = False
