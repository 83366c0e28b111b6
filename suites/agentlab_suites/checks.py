"""The checks of `expect:`: what must hold of a reply and of the ledger. A check that fails says so in words."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from agentlab_faults.ledger import Ledger
from agentlab_faults.scrub import cut

from agentlab_suites.model import Check

__all__ = ["failed", "is_about_reply"]

MAX_SHOWN = 160
"""Characters that are told of a value in a reply, which may be of any size."""


def is_about_reply(check: Check) -> bool:
    """Whether the check looks at a reply; the others look at the ledger."""
    return not check.tools


def failed(check: Check, reply: str, ledger: Ledger) -> str:
    """Why the check does not hold, as the rest of a sentence; empty if it holds."""
    return _about_reply(check, reply) if is_about_reply(check) else _about_ledger(check, ledger)


def _about_reply(check: Check, reply: str) -> str:
    text = reply.casefold()
    for wanted in check.reply_contains or ():
        if wanted.casefold() not in text:
            return f"the reply does not contain {wanted!r}"
    for unwanted in check.reply_not_contains or ():
        if unwanted.casefold() in text:
            return f"the reply contains {unwanted!r}"
    if check.reply_matches is not None and not re.search(check.reply_matches, reply):
        return f"the reply does not match {check.reply_matches!r}"
    if check.reply_equals is not None and reply.strip() != check.reply_equals.strip():
        return f"the reply is not {check.reply_equals!r}"
    return _about_json(check, reply)


def _about_json(check: Check, reply: str) -> str:
    if check.json_ is None:
        return ""
    try:
        value = json.loads(reply)
    except (ValueError, RecursionError):
        return "the reply is not JSON"
    for step in re.findall(r"\.([A-Za-z_][\w-]*)|\[(\d+)\]", check.json_.path):
        key: str | int = step[0] or int(step[1])
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return f"the reply has nothing at {check.json_.path}"
    if value == check.json_.equals:
        return ""
    return f"the reply has {cut(repr(value), MAX_SHOWN)} at {check.json_.path}, not {check.json_.equals!r}"


def _about_ledger(check: Check, ledger: Ledger) -> str:
    commits = _counted(commit.tool for commit in ledger.commits)
    limits: tuple[tuple[Mapping[str, int] | None, str, Callable[[int, int], bool]], ...] = (
        (check.ledger_exactly, "not", operator.eq),
        (check.ledger_at_least, "fewer than", operator.ge),
        (check.ledger_at_most, "more than", operator.le),
        (dict.fromkeys(check.ledger_none or (), 0), "not", operator.eq),
    )
    for counts, words, holds in limits:
        for tool, wanted in (counts or {}).items():
            found = commits.get(tool, 0)
            if not holds(found, wanted):
                return f"the ledger holds {found} commits of {tool}, {words} {wanted}"
    runs = {execution.tool for execution in ledger.executions}
    for tool in check.ledger_called or ():
        if tool not in runs:
            return f"the tool {tool} was never run"
    return _with_arguments(check.ledger_with or {}, ledger)


def _with_arguments(wanted: Mapping[str, Mapping[str, Any]], ledger: Ledger) -> str:
    for tool, arguments in wanted.items():
        seen = [execution.arguments for execution in ledger.executions if execution.tool == tool]
        seen += [commit.arguments for commit in ledger.of(tool)]
        if not any(all(name in call and call[name] == value for name, value in arguments.items()) for call in seen):
            return f"the tool {tool} was never run with {json.dumps(arguments, ensure_ascii=False)}"
    return ""


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return counts
