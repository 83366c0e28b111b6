"""`agentlab chaos`: faults between a running app and its provider, without changing a line of the app."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentlab.commands.chaos_options import Options
from agentlab.commands.chaos_source import source_of
from agentlab.commands.console import CommandError
from agentlab.commands.own import load_own

if TYPE_CHECKING:
    from agentlab_faults.proxy import Plan

__all__ = ["chaos"]


def chaos(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- CMD...]", help="The app to run; without it the server runs alone until Ctrl-C.")
    ] = None,
    script: Annotated[Path | None, typer.Option(metavar="FILE", help="Answer by itself, from a script (examples/order.yaml).")] = None,
    upstream: Annotated[str | None, typer.Option(metavar="URL", help="Pass requests on to a real provider.")] = None,
    replay: Annotated[Path | None, typer.Option(metavar="FILE", help="Answer from a cassette.")] = None,
    record: Annotated[Path | None, typer.Option(metavar="FILE", help="With --upstream: keep what it answers as a cassette.")] = None,
    max_requests: Annotated[int, typer.Option(metavar="N", min=1, help="With --upstream: pass on no more than this.")] = 200,
    max_cost: Annotated[
        float | None, typer.Option(metavar="DOLLARS", min=0, help="With --upstream: spend no more than this; needs --price.")
    ] = None,
    price: Annotated[str | None, typer.Option(metavar="IN/OUT", help="Dollars for a million tokens, in and out: 0.15/0.60.")] = None,
    faults: Annotated[list[str] | None, typer.Option(metavar="GLOB", help="Which faults, by turns; may be repeated.")] = None,
    mode: Annotated[str | None, typer.Option(metavar="NAME", help="A degradation mode instead of faults.")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of requests that is struck, 0 to 1.  [default: the first try of each call]")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of every random choice.")] = 0,
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port of the server.  [default: a free one]")] = 0,
    listen: Annotated[str, typer.Option(metavar="ADDRESS", help="Address of the server.")] = "127.0.0.1",
    tls: Annotated[bool, typer.Option("--tls", help="Speak https, with a throw-away certificate, so that handshakes can fail.")] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A Host header to answer besides those of loopback; may be repeated.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write results for `agentlab report`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Log and summary as JSON, one object a line.")] = False,
) -> int:
    """Put faults between a running app and its provider: any language, real sockets, real time, no code change.

    The app gets the server's address by the variables that SDKs read (OPENAI_BASE_URL, ANTHROPIC_BASE_URL, GOOGLE_GEMINI_BASE_URL ...).
    The log, on standard error, tells what was broken and how the app took it. A real provider is never called by default.

    \b
    Examples:
      agentlab chaos --script examples/order.yaml --faults 'http_429*' -- python examples/bare_loop.py
      agentlab chaos --script order.yaml --mode flaky-network -o results.jsonl -- npm start
      agentlab chaos --script order.yaml --faults 'http_5*' --rate 0.3 --port 8080
      curl http://127.0.0.1:8080/_agentlab/faults
      agentlab chaos --upstream https://api.openai.com --record order.jsonl --max-requests 20 -- python app.py
      agentlab chaos --replay order.jsonl --faults 'http_5*' -- python app.py

    \b
    Exit codes: with CMD its own (128 + N if signal N ended it), or 3 if it ended with 0 although the script lacked what it asked for;
    alone 0 after Ctrl-C. 2 wrong usage or input.
    """
    from agentlab.commands.chaos_session import run_session

    if output is not None and output.is_dir():
        raise CommandError(f"{output} is a folder; name a file for the results.")
    load_own(Path.cwd())
    options = Options(
        command=tuple(command or ()),
        source=source_of(
            script=script,
            replay=replay,
            upstream=upstream,
            record=record,
            max_requests=max_requests,
            max_cost=max_cost,
            price=price,
        ),
        plan=_plan(faults or [], mode, rate, tls=tls),
        seed=seed,
        port=port,
        listen=listen,
        tls=tls,
        allow_hosts=frozenset(allow_host or ()),
        output=output,
        as_json=as_json,
    )
    return asyncio.run(run_session(options))


def _plan(faults: list[str], mode: str | None, rate: float | None, *, tls: bool) -> Plan:
    """What to break. Raises CommandError for what cannot be."""
    from agentlab_faults.proxy import make_plan

    try:
        return make_plan([word for glob in faults for word in glob.split(",") if word], mode=mode, rate=rate, tls=tls)
    except ValueError as error:
        raise CommandError(str(error)) from error
