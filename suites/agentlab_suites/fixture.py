"""The `chaos` fixture: plain fault injection inside ordinary tests."""

from __future__ import annotations

from typing import Any

__all__ = ["Chaos"]


class Chaos:
    """Injects faults into a test's own code."""

    @classmethod
    def of(cls, node: Any) -> Chaos:
        """The fixture of one test."""
        return cls()

    def finish(self) -> None:
        """The test is over."""
