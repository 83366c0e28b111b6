"""The live log of `agentlab chaos` and the summary at its end."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentlab_faults.proxy import Blow, Entry
    from rich.console import Console

__all__ = ["Teller"]

_STYLES = {
    "broke": "red",
    "saw": "red",
    "retried": "yellow",
    "recovered": "green",
    "kept it": "yellow",
    "gave up": "bold red",
    "accepted": "bold red",
    "refused": "magenta",
}


class Teller:
    """Says what happens, in words or as JSON, without secrets."""

    def __init__(self, console: Console, mask: Callable[[str], str], *, as_json: bool) -> None:
        self._console, self._mask, self._as_json = console, mask, as_json

    def note(self, text: str) -> None:
        """Something about the server itself."""
        if self._as_json:
            self._line({"kind": "note", "text": text})
        else:
            self._print(f"chaos  {text}", "dim")

    def entry(self, entry: Entry) -> None:
        """One line of the log."""
        if self._as_json:
            self._line(entry.as_dict())
            return
        scope = f" ({entry.scope})" if entry.scope else ""
        self._print(f"chaos {entry.seconds:8.2f} s  {entry.point}{scope}: {entry.text}", _STYLES.get(entry.kind, ""))

    def summary(self, *, plan: str, requests: int, seconds: float, blows: Sequence[Blow], problems: Sequence[str]) -> None:
        """What it came to; `plan` names what was to be broken at the end."""
        taken = Counter(blow.taken for blow in blows)
        if self._as_json:
            plain: dict[str, Any] = {"kind": "summary", "requests": requests, "seconds": round(seconds, 3), "broken": len(blows)}
            self._line({**plain, "taken": dict(taken), "blows": [blow.as_dict() for blow in blows], "problems": list(problems)})
            return
        self._print("", "")
        connections = sum(1 for blow in blows if not blow.attempt)
        also = f", and {connections} connection{'s' if connections > 1 else ''}" if connections else ""
        asked = "1 request" if requests == 1 else f"{requests} requests"
        self._print(f"{asked} in {seconds:.1f} s, {len(blows) - connections} of them broken{also}.", "bold")
        for blow in blows:
            self._print(f"  {_story(blow)}", _STYLES.get(blow.taken, ""))
        if blows:
            told = ", ".join(f"{count} {word}" for word, count in sorted(taken.items()))
            self._print(f"How the app took it: {told}.", "bold")
        elif requests and plan:
            self._print(f"Nothing was broken: {plan} found nothing to act on in what the app asked for.", "yellow")
        elif requests:
            self._print("Nothing was broken; --faults and --mode say what to break.", "")
        else:
            self._print("The app has not asked its provider for anything: does its SDK read a base URL from the environment?", "yellow")
        for problem in problems:
            self._print(f"What was asked could not be answered: {problem}", "magenta")

    def _print(self, text: str, style: str) -> None:
        self._console.print(self._mask(text), style=style or None, markup=False)

    def _line(self, value: dict[str, Any]) -> None:
        self._console.print(self._mask(json.dumps(value, ensure_ascii=False)), markup=False, soft_wrap=True)


def _story(blow: Blow) -> str:
    """One strike in a line."""
    where = blow.point if blow.attempt in {0, 1} else f"{blow.point}@{blow.attempt}"
    scope = f" ({blow.scope})" if blow.scope else ""
    again = f", tried again after {blow.retried_after:.2f} s" if blow.retried_after is not None else ""
    return f"{where}{scope}  {blow.fault}: {blow.saw or 'nothing yet'}{again}: {blow.taken}"
