"""What can be wrong with what the lab was given.

::

    BadInput            one sentence that says what to do next
    ├── BadSuite        ... with the suite's file and line
    └── BadAgent        ... about the agent that was named
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

__all__ = ["BadAgent", "BadInput", "BadSuite", "nearest"]


class BadInput(Exception):  # noqa: N818  # it names what is wrong, not that something is
    """Something that a user gave cannot be used; the text is one sentence."""


class BadSuite(BadInput):
    """A suite cannot be used. The text starts with `path:line:`."""

    def __init__(self, path: Path | str, line: int, sentence: str) -> None:
        super().__init__(f"{path}:{line}: {sentence}")
        self.path = str(path)
        self.line = line
        self.sentence = sentence


class BadAgent(BadInput):
    """The agent that was named cannot be had."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the likeliest right word, else all of them if they are few.

    >>> nearest("promt", ["prompt", "script"])
    "; did you mean 'prompt'?"
    """
    words = sorted(set(known))
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.55)
    if close:
        return f"; did you mean {close[0]!r}?"
    if 0 < len(words) <= 12:
        return f"; it is one of: {', '.join(words)}."
    return "."
