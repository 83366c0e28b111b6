"""What every command prints with: plain words on standard output, one sentence on standard error, colour on a terminal only."""

from __future__ import annotations

import difflib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = [
    "DONT_SHIP",
    "INTERRUPTED",
    "SHIP",
    "UNDECIDABLE",
    "USAGE",
    "CommandError",
    "fix_hash_seed",
    "nearest",
    "print_json",
    "print_rows",
    "stderr",
    "stdout",
]

SHIP, DONT_SHIP, USAGE, UNDECIDABLE = 0, 1, 2, 3
"""Exit codes of every command that judges: ship, don't ship, wrong usage or input, undecidable."""
INTERRUPTED = 130
"""The exit code after Ctrl-C (128 + SIGINT)."""


class CommandError(Exception):
    """Something that the user can put right. Its text is one sentence that says what to do next; the command ends with `code`."""

    def __init__(self, sentence: str, *, code: int = USAGE) -> None:
        super().__init__(sentence)
        self.code = code


def stdout() -> Console:
    """The console for results. Lines are never wrapped or cut when the output is not a terminal."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def stderr() -> Console:
    """The console for errors and progress."""
    return Console(highlight=False, stderr=True, soft_wrap=True)


def nearest(name: str, names: Iterable[str]) -> str:
    """` Did you mean 'x'?` for the name that is most like `name`, or nothing.

    >>> nearest("http_42", ["http_429_rate", "tool_raises"])
    " Did you mean 'http_429_rate'?"
    >>> nearest("zzz", ["http_429_rate"])
    ''
    """
    found = difflib.get_close_matches(name, list(names), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def print_json(value: Any) -> None:
    """One JSON document for a script to read."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def print_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: drawn on a terminal, else columns divided by blanks with nothing cut off."""
    if sys.stdout.isatty():
        table = Table(*header, box=None, pad_edge=False, header_style="bold")
        for row in rows:
            table.add_row(*row)
        stdout().print(table)
        return
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")


def fix_hash_seed() -> None:
    """Start this process again with PYTHONHASHSEED=0 unless it is set: the agent's own sets then keep their order from run to run.

    AGENTLAB_HASH_SEED hands the value on to the header of the results, where a run under plain pytest has none.
    """
    if "PYTHONHASHSEED" in os.environ:
        os.environ["AGENTLAB_HASH_SEED"] = os.environ["PYTHONHASHSEED"]
        return
    sys.stdout.flush()
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606  (this very program, without a shell)
