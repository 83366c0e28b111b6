"""Keys at the terminal while `agentlab chaos` runs alone: pause, the next mode, back to the start, quit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentlab_faults.proxy import Plan, Scopes

__all__ = ["HELP", "Keys", "keyboard"]

HELP = "keys: p pause or go on, n next mode, m the mode before, f as on the command line, x break nothing, q quit, ? this help"


class Keys:
    """What each key does. `say` tells the user, `leave` ends the session."""

    def __init__(self, scopes: Scopes, say: Callable[[str], None], leave: Callable[[], None]) -> None:
        self._scopes, self._say, self._leave = scopes, say, leave
        self._first: Plan = scopes.plan
        self._modes = list(_plans(tls=scopes.tls))
        self._at = -1

    def press(self, key: str) -> None:
        """One key."""
        match key:
            case "p" | " ":
                self._scopes.paused = not self._scopes.paused
                self._say("paused: nothing is broken" if self._scopes.paused else "going on")
            case "n" | "m":
                self._at = (self._at + (1 if key == "n" else -1)) % len(self._modes)
                self._switch(self._modes[self._at])
            case "f":
                self._switch(self._first)
            case "x":
                self._scopes.switch(None)
                self._say("breaking nothing")
            case "q":
                self._leave()
            case "?" | "h":
                self._say(HELP)

    def _switch(self, plan: Plan) -> None:
        self._scopes.switch(plan)
        self._say(f"breaking {plan.name or 'nothing'}")


def _plans(*, tls: bool) -> Iterator[Plan]:
    """Every mode that a server can make."""
    from agentlab_faults.catalogue import all_modes
    from agentlab_faults.proxy import make_plan

    for name in all_modes():
        with contextlib.suppress(ValueError):  # it breaks tools only
            yield make_plan(mode=name, tls=tls)


@contextlib.contextmanager
def keyboard(press: Callable[[str], None]) -> Iterator[bool]:
    """Hand over each key as it is pressed, and put the terminal back at the end. False where there is no terminal."""
    if not sys.stdin.isatty():
        yield False
        return
    fd, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(fd)
    raw = termios.tcgetattr(fd)
    raw[3] &= ~(termios.ICANON | termios.ECHO)  # keys come at once and are not shown; Ctrl-C stays a signal
    termios.tcsetattr(fd, termios.TCSADRAIN, raw)

    def pressed() -> None:
        for key in os.read(fd, 64).decode("utf-8", "replace"):
            press(key)

    loop.add_reader(fd, pressed)
    try:
        yield True
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
