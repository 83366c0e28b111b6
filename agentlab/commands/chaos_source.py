"""From the options of `agentlab chaos` to who answers the app: a script, a cassette, or a real provider within a budget."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agentlab.commands.chaos_options import Source
from agentlab.commands.console import CommandError

if TYPE_CHECKING:
    from agentlab_faults.proxy.budget import Budget, Price

__all__ = ["source_of"]


def source_of(
    *,
    script: Path | None,
    replay: Path | None,
    upstream: str | None,
    record: Path | None,
    max_requests: int,
    max_cost: float | None,
    price: str | None,
) -> Source:
    """Who answers. Raises CommandError with one sentence for what does not go together."""
    given = [name for name, value in (("--script", script), ("--replay", replay), ("--upstream", upstream)) if value is not None]
    if not given:
        raise CommandError(
            "Say who answers the app: --script FILE answers by itself, --replay FILE from a recording, --upstream URL asks a real provider."
        )
    if len(given) > 1:
        raise CommandError(f"{' and '.join(given)} exclude each other; leave one of them out.")
    if upstream is None and (record is not None or max_cost is not None or price is not None):
        raise CommandError("--record, --max-cost and --price are for a real provider; add --upstream URL, or leave them out.")
    if script is not None:
        return _scripted(script)
    if replay is not None:
        return _recorded(replay)
    return _live(upstream or "", record, _budget(max_requests, max_cost, price))


def _scripted(path: Path) -> Source:
    from agentlab_suites.problems import BadInput
    from agentlab_suites.script_file import load_script

    try:
        script, limits = load_script(path)
    except BadInput as error:
        raise CommandError(str(error)) from error
    return Source(name=path.stem, said="answering from a script", script=script, limits=limits)


def _recorded(path: Path) -> Source:
    from agentlab_faults.cassette import BadCassette, load

    try:
        tape, takes = load(path)
    except BadCassette as error:
        raise CommandError(str(error)) from error
    return Source(name=path.stem, said=f"answering as {tape.upstream} did when it was recorded", cassette=tuple(takes))


def _live(upstream: str, record: Path | None, budget: Budget) -> Source:
    parts = urlsplit(upstream)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError(f"{upstream!r} is no address of a provider; write it as https://api.openai.com.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise CommandError("The address of the provider must hold no user, password or query; keys come from the app itself.")
    if record is not None and not record.resolve().parent.is_dir():
        raise CommandError(f"The folder of {record} does not exist; make it first.")
    if record is not None and record.is_dir():
        raise CommandError(f"{record} is a folder; name a file for the cassette.")
    told = f"passing at most {budget.requests} requests on to {parts.hostname}"
    return Source(name=parts.hostname, said=told, upstream=upstream, budget=budget, record=record)


def _budget(max_requests: int, max_cost: float | None, price: str | None) -> Budget:
    from agentlab_faults.proxy.budget import Budget

    if (max_cost is None) != (price is None):
        raise CommandError("--max-cost needs the provider's --price IN/OUT in dollars for a million tokens, and --price needs --max-cost.")
    return Budget(requests=max_requests, dollars=max_cost, price=_price(price) if price is not None else None)


def _price(text: str) -> Price:
    from agentlab_faults.proxy.budget import Price

    found = re.fullmatch(r"(\d+(?:\.\d+)?)/(\d+(?:\.\d+)?)", text)
    if found is None:
        raise CommandError(f"{text!r} is no price; write dollars for a million tokens in and out, as in --price 0.15/0.60.")
    return Price(float(found[1]), float(found[2]))
