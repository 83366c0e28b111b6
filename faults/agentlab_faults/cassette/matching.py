"""Which take answers a request, and where the two differ if none does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from agentlab_faults.cassette.take import Take
from agentlab_faults.script.spec import ScriptMissing
from agentlab_faults.scrub import Scrubber

__all__ = ["CassetteMismatch", "Player", "differences", "plain"]

_PASSING = re.compile(
    r"\b(?:call|toolu|fc|msg|resp|rs|chatcmpl|req)_\w+|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
)
"""What may differ between the recorded run and this one: ids, uuids, timestamps."""
_SHOWN = 60
"""Letters of a value that a sentence repeats."""
_BEFORE = 20
"""How many of them stand before the first that differs, in a value that is longer."""
_MISSING = object()


class CassetteMismatch(ScriptMissing):
    """The app asked for something that the cassette does not hold. The text is one sentence that says what differed."""


class Player:
    """Answers requests from takes: the first one not used yet that was asked the same, else (a retry) the last one that was."""

    def __init__(self, takes: Sequence[Take]) -> None:
        self._takes = list(takes)
        self._scrubber = Scrubber()
        self._asked = [_masked(take.request) for take in takes]
        self._used: dict[int, None] = {}
        self._serial = 0

    def find(self, api: str, body: bytes) -> Take:
        """The take for a request. Raises CassetteMismatch."""
        self._serial += 1
        asked = _masked(self._scrubber.value(plain(body)))
        alike = [n for n, take in enumerate(self._takes) if take.api == api and self._asked[n] == asked]
        fresh = next((n for n in alike if n not in self._used), None)
        chosen = fresh if fresh is not None else (alike[-1] if alike else None)
        if chosen is None:
            raise CassetteMismatch(self._why(api, asked))
        self._used[chosen] = None
        return self._takes[chosen]

    def _why(self, api: str, asked: Any) -> str:
        left = [n for n, take in enumerate(self._takes) if n not in self._used and take.api == api]
        if not left:
            return f"Request {self._serial} ({api}) is one more than the cassette holds: {len(self._takes)} were recorded; record it again."
        nearest = min(left, key=lambda n: (sum(1 for _ in differences(self._asked[n], asked)), n))
        found = list(differences(self._asked[nearest], asked))
        path, *values = found[0]
        expected, got = _shown(*values)
        others = len(found) - 1
        more = f" (and in {others} more place{'s' if others > 1 else ''})" if others else ""
        return (
            f"Request {self._serial} differs from take {nearest + 1} of the cassette at {path or 'its body'}: "
            f"expected {expected}, got {got}{more}; record it again, or undo the change."
        )


def plain(body: bytes) -> Any:
    """A body's JSON, or its text."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return _PASSING.sub("#", value) if isinstance(value, str) else value


def differences(expected: Any, got: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, expected, got) of every place where two JSON values differ.

    >>> list(differences({"messages": [{"content": "a"}]}, {"messages": [{"content": "b"}]}))
    [('messages[0].content', 'a', 'b')]
    """
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in [*expected, *(name for name in got if name not in expected)]:
            yield from differences(expected.get(name, _MISSING), got.get(name, _MISSING), f"{path}.{name}" if path else name)
    elif isinstance(expected, list) and isinstance(got, list):
        for place in range(max(len(expected), len(got))):
            one = expected[place] if place < len(expected) else _MISSING
            other = got[place] if place < len(got) else _MISSING
            yield from differences(one, other, f"{path}[{place}]")
    elif expected is not got and (expected != got or type(expected) is not type(got)):
        yield path, expected, got


def _shown(expected: Any, got: Any) -> tuple[str, str]:
    """Both as JSON; of long ones the part in which they differ.

    >>> _shown("The order of Ann is at 12 Elm Street, 8th floor, in the yard, ring once.", "The order of Ann is at 7 Elm Street.")
    ('... order of Ann is at 12 Elm Street, 8th floor, in the yard, r...', '... order of Ann is at 7 Elm Street."')
    """
    one, other = ("nothing" if value is _MISSING else json.dumps(value, ensure_ascii=False) for value in (expected, got))
    same = next((n for n, (here, there) in enumerate(zip(one, other, strict=False)) if here != there), min(len(one), len(other)))
    start = max(0, same - _BEFORE) if max(len(one), len(other)) > _SHOWN else 0
    return _part(one, start), _part(other, start)


def _part(text: str, start: int) -> str:
    return f"{'...' if start else ''}{text[start : start + _SHOWN]}{'...' if len(text) > start + _SHOWN else ''}"
