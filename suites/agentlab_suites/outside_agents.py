"""Agents outside this process: how they are named, which suites may name one, and what a suite cannot ask of one."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from agentlab_faults.intercept.endpoints import is_loopback
from agentlab_faults.outside import Outside

from agentlab_suites.load import LoadedSuite
from agentlab_suites.masking import Masker
from agentlab_suites.model import OutsideKeys
from agentlab_suites.problems import BadAgent, BadSuite

__all__ = ["DEADLINE", "PROXY_PORT", "is_outside", "name_of", "names", "outside_of", "refuse_inside"]

DEADLINE = 30.0
"""Real seconds, where neither suite nor scenario says more."""
PROXY_PORT = 8787
"""Where an endpoint that runs already finds its provider, unless `proxy:` says otherwise."""
_COMMAND = "cmd:"
_PREFIXES = (_COMMAND, "http://", "https://")
_PYTHONS = ("python", "python3")
_INTERPRETERS = (*_PYTHONS, "node", "ruby", "perl", "php", "sh", "bash")
"""What a suite may run a file with that lies in its folder."""


def is_outside(name: str | OutsideKeys) -> bool:
    """Whether it names an agent outside this process: `cmd:python agent.py`, `http://127.0.0.1:8000/ask`, or a suite's keys."""
    return isinstance(name, OutsideKeys) or name.startswith(_PREFIXES)


def outside_of(name: str | OutsideKeys, bases: Sequence[Path], *, trusted: bool) -> Outside:
    """The agent. Names that are not `trusted` (a suite's, a results file's) may only run files below `bases`. Raises BadAgent."""
    keys = name if isinstance(name, OutsideKeys) else _keys_of(name)
    shown = name_of(keys)
    command = _runnable(shown, keys.command, bases, trusted) if keys.command else ()
    if keys.url is not None:
        _refuse_far(shown, keys.url, started=bool(command))
    body = {} if keys.body is None else {"body": keys.body}
    return Outside(command=command, url=keys.url or "", proxy=(keys.proxy or PROXY_PORT) if keys.url and not command else 0, **body)


def name_of(keys: OutsideKeys) -> str:
    """Its name in results and messages."""
    return keys.url or _COMMAND + shlex.join(keys.command or ())


def names(agent: str | OutsideKeys | None, name: str) -> bool:
    """Whether it is the agent outside that results call by this name, which they tell without secrets."""
    return isinstance(agent, OutsideKeys) and name in {name_of(agent), Masker()(name_of(agent))}


def _keys_of(name: str) -> OutsideKeys:
    if not name.startswith(_COMMAND):
        return OutsideKeys(url=name)
    try:
        words = shlex.split(name.removeprefix(_COMMAND))
    except ValueError as error:
        raise BadAgent(f"The agent {name!r} is no command: {error}; quote it as a shell would.") from error
    if not words:
        raise BadAgent(f"The agent {name!r} names no command; write it behind, as in 'cmd:python my_agent.py'.")
    return OutsideKeys(command=tuple(words))


def _runnable(name: str, words: Sequence[str], bases: Sequence[Path], trusted: bool) -> tuple[str, ...]:
    """The command, its program's file by its whole path where it lies below `bases`; Python is this one."""
    program, *rest = words
    place = 1 if program in _INTERPRETERS else 0
    named = words[place] if place < len(words) else ""
    found = next((path for base in bases if (path := (base / named).resolve()).is_file()), None) if named else None
    allowed = found is not None and any(found.is_relative_to(base) for base in bases)
    if not trusted and not allowed:
        raise BadAgent(
            f"The agent {name!r} would run {shlex.join(words)!r}, and nothing but a file below the suite's folder is run from there "
            f"({', '.join(_INTERPRETERS)} before it); name it on the command line: --agent {shlex.quote(name)}."
        )
    if allowed and (place or "/" in program or not trusted):
        rest = [str(found), *words[place + 1 :]]
        if not place:
            return tuple(rest)
    return (sys.executable if program in _PYTHONS else program, *rest)


def _refuse_far(name: str, url: str, *, started: bool) -> None:
    try:
        parts = urlsplit(url.replace("{port}", "1"))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadAgent(f"The agent {name!r} is no address: {error}.") from error
    if parts.scheme != "http" or not host or not is_loopback(host) or parts.username is not None:
        raise BadAgent(
            f"The agent {name!r} is not plain HTTP on this machine, and nothing further away is called; run it here: http://127.0.0.1:8000/ask."
        )
    if "{port}" in url and not started:
        raise BadAgent(f"The agent {name!r} has {{port}} in its address, which only a command can be told; write the port, or 'command:'.")
    if port is None:
        raise BadAgent(f"The agent {name!r} has no port in its address; write it as in http://127.0.0.1:8000/ask.")


_INSIDE = "which an agent outside this process does not show; play it in process, or"


def refuse_inside(loaded: LoadedSuite) -> None:
    """Raise BadSuite for the first thing that no agent outside can have: it would prove nothing, or run for real unasked."""
    for bad in _impossible(loaded):
        raise bad


def _impossible(loaded: LoadedSuite) -> Iterator[BadSuite]:
    suite = loaded.suite
    for group in ("stores", "mcp"):
        if getattr(suite, group):
            yield loaded.bad(f"'{group}:' is answered inside the agent's process, {_INSIDE} leave it out.", group)
    for group in ("claims", "denies"):
        if getattr(suite, group):
            yield loaded.bad(f"'{group}:' is held against the ledger of tools, {_INSIDE} use checks on the reply.", group)
    for name, scenario in suite.scenarios.items():
        yield from _impossible_in(loaded, name)
        for n, turn in enumerate(scenario.script):
            for tool, _ in turn.calls:
                keys = suite.tools[tool]
                if keys.body == "fake":
                    yield loaded.bad(
                        f"The script calls {tool!r}, which an agent outside this process runs by itself, for real; say that it may: "
                        f"tools: {{{tool}: {{effect: {keys.effect}, body: real}}}}, or play it in process.",
                        *("scenarios", name, "script", n),
                    )


def _impossible_in(loaded: LoadedSuite, name: str) -> Iterator[BadSuite]:
    scenario, trail = loaded.suite.scenarios[name], ("scenarios", name)
    if scenario.session is not None:
        yield loaded.bad("'session:' is played in virtual time, and so in process only; leave it out.", *trail, "session")
    for group in ("claims", "denies"):
        if getattr(scenario, group):
            yield loaded.bad(f"'{group}:' is held against the ledger of tools, {_INSIDE} use checks on the reply.", *trail, group)
    checks = [*scenario.expect, *(check for turn in scenario.turn_checks for check in turn)]
    checks += [check for under in scenario.under.values() for check in under.never]
    for check in checks:
        if check.tools:
            key = next(iter(check.model_dump(by_alias=True, exclude_unset=True)))
            yield loaded.bad(f"'{key}' is a check of the ledger of tools, {_INSIDE} check the reply.", *trail)
