"""Which cells a waiver takes out: one rule, for coverage and for what is gone since the baseline."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from agentlab_reports.schema import Waiver

__all__ = ["waiver_of"]


def waiver_of(waivers: Iterable[Waiver], scenario: str, strikes: Iterable[str]) -> Waiver | None:
    """The first waiver that takes out `scenario` under any of `strikes` (faults or a mode).

    A waiver's names are patterns: `*`, `?` and `[...]` stand for any of what they match.
    """
    names = list(strikes)
    return next((w for w in waivers if fnmatchcase(scenario, w.scenario) and any(fnmatchcase(name, w.fault) for name in names)), None)
