"""Chance from a seed: `random`, `os.urandom`, and the ids that are made of them and of the clock, the same in every run of a simulation.

On the lab's thread and while a simulation is active. `os.urandom` is patched in place, so `secrets`, `SystemRandom`, `uuid4` and every
alias follow. Ids that must grow (`uuid1`, `uuid7` ...) are made from state that modules keep: it starts afresh with the simulation, and
the process gets its own back at the end.
"""

from __future__ import annotations

import _random
import os
import random
import sys
from random import Random
from types import ModuleType
from typing import Any, Final

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.splice import Contents, redirect
from agentlab_faults.sim.uuids import patch_uuid_utils

__all__ = ["Entropy", "install"]

_NODE: Final = 0x0100_0000_0000
"""uuid1's node: one with the multicast bit, as RFC 9562 (6.10) asks of those that are no network card."""

_FRESH: Final[tuple[tuple[str, str, Any], ...]] = (
    ("uuid", "_generate_time_safe", None),
    ("uuid", "_node", _NODE),
    ("uuid", "_last_timestamp", None),
    ("uuid", "_last_timestamp_v6", None),
    ("uuid", "_last_timestamp_v7", None),
    ("uuid", "_last_counter_v7", 0),
    ("tempfile", "_name_sequence", None),
    ("pydantic_ai._uuid", "_last_timestamp_v7", None),
    ("pydantic_ai._uuid", "_last_counter_v7", 0),
    ("langgraph.checkpoint.base.id", "_last_v6_timestamp", None),
    ("langsmith._internal._uuid", "_last_timestamp_v7", None),
    ("langsmith._internal._uuid", "_last_counter_v7", 0),
)
"""State of modules that make ids, where they are loaded: module, attribute, and what it is before the first id."""

_instance: Final[Random] = random._inst
"""The generator behind `random.random` and its like."""
_MISSING: Final = object()


class Entropy:
    """The randomness of one simulation."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._state = Contents(_instance, _random.Random)
        self._gauss_next: Any = None
        self._modules: list[tuple[ModuleType, str, Any]] = []
        self._source: Random | None = None
        self._last_ms = 0
        self._counter = 0

    def begin(self) -> None:
        """Seed everything; the process' own state is kept."""
        if "uuid_utils" in sys.modules:
            patch_uuid_utils(sys.modules["uuid_utils"])
        self._state.save()
        self._gauss_next = _instance.gauss_next  # type: ignore[attr-defined]
        _instance.seed(self._seed)
        for name, attribute, fresh in _FRESH:
            module = sys.modules.get(name)
            value = getattr(module, attribute, _MISSING)
            if module is not None and value is not _MISSING:
                self._modules.append((module, attribute, value))
                setattr(module, attribute, fresh)

    def end(self) -> None:
        """Give the process its own state back."""
        self._state.restore()
        _instance.gauss_next = self._gauss_next  # type: ignore[attr-defined]
        while self._modules:
            setattr(*self._modules.pop())

    def take(self, count: int) -> bytes:
        """So many bytes, in place of the operating system's."""
        if self._source is None:
            self._source = Random(f"urandom {self._seed}")  # noqa: S311 - it is meant to be the same every time
        return self._source.randbytes(count)

    def number(self) -> int:
        """A seed for a generator that is given none."""
        return int.from_bytes(self.take(16), "big")

    def uuid7(self, unix_ms: int) -> int:
        """A version 7 UUID as a number, growing within a millisecond (RFC 9562, 5.7 and method 1 of 6.2)."""
        tail = int.from_bytes(self.take(10), "big")
        if unix_ms > self._last_ms:
            self._last_ms, self._counter = unix_ms, tail >> 39
        else:
            self._counter += 1
        counter = self._counter & 0x3FF_FFFF_FFFF
        high, low = counter >> 30, counter & 0x3FFF_FFFF
        return self._last_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low << 32 | tail & 0xFFFF_FFFF


def install() -> None:
    """Patch the process; once."""
    _patch_system_bytes("urandom")
    if hasattr(os, "getrandom"):
        _patch_system_bytes("getrandom")
    _patch_unseeded_generators()


# The replacements are closures: they must still find what they need when the interpreter clears its modules at the end.


def _patch_system_bytes(name: str) -> None:
    lab, thread = LAB, get_ident

    def take(count: int, *args: Any, **options: Any) -> Any:
        hub = lab.hub
        if hub is None or count < 0 or thread() != lab.thread:
            return real(count, *args, **options)
        return hub.entropy.take(count)

    real = redirect(getattr(os, name), take)


def _patch_unseeded_generators() -> None:
    lab, thread = LAB, get_ident
    real = Random.seed

    def seed(self: Random, a: Any = None, version: int = 2) -> None:
        hub = lab.hub
        if a is None and hub is not None and thread() == lab.thread:
            a = hub.entropy.number()
        real(self, a, version)

    Random.seed = seed  # type: ignore[method-assign]
    random.seed = _instance.seed
