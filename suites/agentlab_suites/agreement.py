"""What must agree within a suite: names of modes, faults, tools and layers, and a script that can be played."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agentlab_faults.catalogue import all_modes
from agentlab_faults.fault import all_faults

from agentlab_suites.model import Scenario
from agentlab_suites.not_yet import NOT_YET_VALUES
from agentlab_suites.problems import nearest

if TYPE_CHECKING:
    from agentlab_suites.load import LoadedSuite

__all__ = ["check"]


def check(loaded: LoadedSuite) -> None:
    """Raise BadSuite for the first name that nothing answers to."""
    suite = loaded.suite
    _known(loaded, suite.modes or (), ("modes",), all_modes(), "mode")
    _known(loaded, suite.faults or (), ("faults",), all_faults(), "fault")
    _known(loaded, suite.allow, ("allow",), [*all_modes(), *all_faults()], "mode or fault")
    for n, tool in enumerate(suite.fallback.tools):
        _declared(loaded, [tool], ("fallback", "tools", n))
    for group in ("claims", "denies"):
        _declared(loaded, getattr(suite, group), (group,))
    for name, server in suite.mcp.items():
        _declared(loaded, server.tools, ("mcp", name, "tools"))
    for kind, keys in suite.stores.items():
        if keys.body == "fake" and importlib.util.find_spec("fakeredis") is None:
            raise loaded.bad("A store with a fake body needs fakeredis: pip install 'agentlab-chaos[service]'.", "stores", kind)
    for name, scenario in suite.scenarios.items():
        _scenario(loaded, name, scenario)
    _identities(loaded)


def _scenario(loaded: LoadedSuite, name: str, scenario: Scenario) -> None:
    trail = ("scenarios", name)
    known = [*all_modes(), *all_faults()]
    _known(loaded, scenario.modes or (), (*trail, "modes"), all_modes(), "mode")
    _known(loaded, scenario.faults or (), (*trail, "faults"), all_faults(), "fault")
    _known(loaded, scenario.under, (*trail, "under"), known, "mode or fault")
    _known(loaded, scenario.skip, (*trail, "skip"), known, "mode or fault")
    _declared(loaded, scenario.claims, (*trail, "claims"))
    _declared(loaded, scenario.denies, (*trail, "denies"))
    _declared(loaded, scenario.say_without, (*trail, "say_without"))
    for n, check_ in enumerate(scenario.expect):
        _declared(loaded, sorted(check_.tools), (*trail, "expect", n))
    _script(loaded, name, scenario)
    _session(loaded, name, scenario)


def _session(loaded: LoadedSuite, name: str, scenario: Scenario) -> None:
    if scenario.session is None:
        return
    trail = ("scenarios", name, "session")
    if scenario.provider is not None:
        raise loaded.bad("A session is played with a 'script:'; a cassette holds one conversation only.", *trail)
    known = all_modes()
    for window, keys in scenario.session.windows.items():
        if keys.mode not in known:
            raise loaded.bad(f"No mode is named {keys.mode!r}{nearest(keys.mode, known)}", *trail, "windows", window, "mode")
        if window in known:
            raise loaded.bad(f"The window {window!r} has a mode's name; give it one of its own.", *trail, "windows", window)


def _script(loaded: LoadedSuite, name: str, scenario: Scenario) -> None:
    """A script that could not be played is refused here, before any agent is built."""
    trail = ("scenarios", name, "script")
    for n, turn in enumerate(scenario.script):
        for tool, arguments in turn.calls:
            if tool not in loaded.suite.tools:
                raise loaded.bad(_lines_to_add(tool, arguments, loaded.suite.tools), *trail, n)
    if scenario.provider is not None:
        return  # it was recorded as it is, and need not end in an answer for each prompt
    says = sum(turn.ends for turn in scenario.script)
    if not scenario.script[-1].ends:
        raise loaded.bad(f"The script of {name!r} ends with a call or a plan; end it with '- say: ...'.", *trail, len(scenario.script) - 1)
    if says != len(scenario.prompts):
        turns = len(scenario.prompts)
        raise loaded.bad(
            f"The script of {name!r} says something {says} times for {turns} user turn(s); give each turn one '- say:'.", *trail
        )


def _identities(loaded: LoadedSuite) -> None:
    """An identity that no scripted call has would make all effects of the tool the same one."""
    calls = [call for scenario in loaded.suite.scenarios.values() for turn in scenario.script for call in turn.calls]
    for tool, keys in loaded.suite.tools.items():
        known = {argument for called, arguments in calls if called == tool for argument in arguments}
        for n, argument in enumerate(keys.identity or ()):
            if known and argument not in known:
                sentence = f"No scripted call of {tool!r} has an argument {argument!r}{nearest(argument, known)}"
                raise loaded.bad(sentence, "tools", tool, "identity", n)


def _lines_to_add(tool: str, arguments: Iterable[str], declared: Iterable[str]) -> str:
    effect = "write" if re.match(r"(refund|pay|send|update|create|delete|set|add|cancel|book|write|post)", tool) else "read"
    identity = f", identity: [{', '.join(arguments)}]" if effect == "write" else ""
    near = nearest(tool, declared)
    meant = near.removesuffix("?") + ", or" if near.startswith("; did") else ";"
    return f"The script calls {tool!r}, which 'tools:' does not declare{meant} add: tools: {{{tool}: {{effect: {effect}{identity}}}}}"


def _known(loaded: LoadedSuite, names: Iterable[str], trail: tuple[str | int, ...], known: Iterable[str], kind: str) -> None:
    words = list(known)
    for n, name in enumerate(names):
        if not any(fnmatchcase(word, name) for word in words):
            step = n if trail[-1] in ("modes", "faults") else name
            raise loaded.bad(NOT_YET_VALUES.get(name) or f"No {kind} is named {name!r}{nearest(name.strip('*'), words)}", *trail, step)


def _declared(loaded: LoadedSuite, tools: Iterable[str], trail: tuple[str | int, ...]) -> None:
    for tool in tools:
        if tool not in loaded.suite.tools:
            known = nearest(tool, loaded.suite.tools) if loaded.suite.tools else "; declare it under 'tools:'."
            raise loaded.bad(f"No tool is named {tool!r}{known}", *trail, tool)
