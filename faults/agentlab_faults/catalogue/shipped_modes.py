"""The modes that ship: provider modes, tool modes, and both at once.

An injection without a point strikes its first matching request and, with `every=n`, each n-th after it. So a mode with `every=2` lets
every retry through, and one without `every` or `window` stays for the whole run.
"""

from __future__ import annotations

from agentlab_faults.catalogue.accounts import InsufficientQuota, RevokedKey
from agentlab_faults.catalogue.connections import ConnectionRefused
from agentlab_faults.catalogue.cut_answers import ContentFiltered
from agentlab_faults.catalogue.lost_answers import ReadTimeout, ResetUnanswered, SlowDrip
from agentlab_faults.catalogue.modes import Mode, add_mode
from agentlab_faults.catalogue.rate_limits import RateLimited
from agentlab_faults.catalogue.server_errors import Overloaded, ServiceUnavailable
from agentlab_faults.catalogue.tool_arguments import TruncatedArguments
from agentlab_faults.catalogue.tool_results import PlausibleWrong
from agentlab_faults.catalogue.tools import LostConfirmation, ToolRaises, ToolTimeout, ToolUpstreamFails
from agentlab_faults.catalogue.unreadable_bodies import TruncatedJson
from agentlab_faults.catalogue.wrong_bodies import ErrorAsSuccess, HtmlPage
from agentlab_faults.fault import Fault
from agentlab_faults.schedule import Injection, Window

_ALWAYS = Window()


def _primary(fault: Fault, *, window: Window = _ALWAYS, every: int = 1) -> Injection:
    """The fault at the first provider that the run called; others are well."""
    return Injection(fault=fault, kind="llm", primary=True, shape="always", window=window, every=every)


def _everywhere(fault: Fault, *, every: int = 1) -> Injection:
    """The fault at every provider."""
    return Injection(fault=fault, kind="llm", shape="always", every=every)


def _tools(fault: Fault, *, every: int = 1) -> Injection:
    """The fault at every tool that it can act on."""
    return Injection(fault=fault, kind="tool", shape="always", every=every)


add_mode(
    Mode(
        name="primary-provider-outage",
        summary="The first provider answers 503 to every request; others are well.",
        happens="A provider's incident: hours long, a few times a year, more often at weekday peaks (Chu et al., ICPE 2025).",
        best="needs_fallback",
        why="The provider stays away for the whole run, so another one has to answer.",
        injections=(_primary(ServiceUnavailable()),),
    )
)
add_mode(
    Mode(
        name="all-providers-outage",
        summary="Every provider answers 503 to every request.",
        happens="The agent's own gateway or network fails, or all its providers live in one cloud region.",
        best="fatal",
        why="No model can be reached, so what is left is a cached, a static or an honest answer.",
        injections=(_everywhere(ServiceUnavailable()),),
    )
)
add_mode(
    Mode(
        name="outage-recovers",
        summary="The first provider refuses connections for the first 20 s and is back after that.",
        happens="A load balancer or a region is switched over.",
        best="needs_fallback",
        why="Twenty seconds are longer than three retries with backoff, so another provider has to answer meanwhile.",
        injections=(_primary(ConnectionRefused(), window=Window(0.0, 20.0)),),
    )
)
add_mode(
    Mode(
        name="provider-brownout",
        summary="Every second request, to whichever provider, is answered 529.",
        happens="A provider sheds load at a peak: many requests fail, and most retries pass.",
        best="recoverable",
        why="The request after a refused one passes.",
        injections=(_everywhere(Overloaded(), every=2),),
    )
)
add_mode(
    Mode(
        name="slow-provider",
        summary="The first provider drips each answer out over 18 s, inside every read timeout.",
        happens="A provider is short of capacity for an hour or two.",
        best="needs_fallback",
        why="A run of several calls does not fit its deadline at that pace, so a quicker provider has to answer.",
        injections=(_primary(SlowDrip(pieces=12, gap=1.5)),),
    )
)
add_mode(
    Mode(
        name="silent-provider",
        summary="The first provider takes every request and never answers.",
        happens="A model server's queue is stuck behind a load balancer that keeps connections open.",
        best="needs_fallback",
        why="No waiting helps, so another provider has to answer within what is left of the deadline.",
        injections=(_primary(ReadTimeout()),),
    )
)
add_mode(
    Mode(
        name="flaky-network",
        summary="Every second request, to whichever provider, ends in a connection reset before its answer.",
        happens="A faulty switch, an overloaded NAT gateway, or a mobile network.",
        best="recoverable",
        why="The request after a lost one gets through.",
        injections=(_everywhere(ResetUnanswered(), every=2),),
    )
)
add_mode(
    Mode(
        name="rate-limit-storm",
        summary="The first provider answers 429 to everything for 30 s, each time with Retry-After 8.",
        happens="Another team's batch job uses up the account's shared limit (GitLab incident 21672, 31 March 2026).",
        best="recoverable",
        why="Four waits of 8 s pass the storm and fit into a minute.",
        injections=(_primary(RateLimited(retry_after=8.0), window=Window(0.0, 30.0)),),
    )
)
add_mode(
    Mode(
        name="quota-exhausted",
        summary="The first provider's account has no credit left.",
        happens="A month's spending limit is reached, or a prepaid balance runs out overnight.",
        best="needs_fallback",
        why="Nothing passes on that account until someone pays.",
        injections=(_primary(InsufficientQuota()),),
    )
)
add_mode(
    Mode(
        name="revoked-key",
        summary="The first provider refuses the API key.",
        happens="A leaked key is revoked while the agent runs.",
        best="needs_fallback",
        why="No retry makes the key good; another provider has its own.",
        injections=(_primary(RevokedKey()),),
    )
)
add_mode(
    Mode(
        name="garbage-responses",
        summary="The first provider answers 200 to everything, with a login page and an error object by turns.",
        happens="A captive portal, or a gateway in front of a provider that is down.",
        best="needs_fallback",
        why="Nothing usable comes from there for the whole run.",
        injections=(_primary(HtmlPage(), every=2), _primary(ErrorAsSuccess())),
    )
)
add_mode(
    Mode(
        name="malformed-json",
        summary="Answers are cut in the middle of their JSON, and so are the arguments of tool calls, now and then.",
        happens="A proxy with a small buffer, and a model at its output limit.",
        best="recoverable",
        why="Never more than three bad answers come in a row, so retries and one repair turn get over them.",
        injections=(_everywhere(TruncatedJson(), every=2), _everywhere(TruncatedArguments(), every=2)),
    )
)
add_mode(
    Mode(
        name="content-filter-misfires",
        summary="The first provider withholds every answer as unsafe.",
        happens="A provider's new safety filter is too eager for a day.",
        best="needs_fallback",
        why="The same prompt meets the same filter; another provider has another one.",
        injections=(_primary(ContentFiltered()),),
    )
)
add_mode(
    Mode(
        name="tool-timeouts",
        summary="Every tool hangs whenever it is called.",
        happens="The backend behind all tools is down or deadlocked.",
        best="needs_fallback",
        why="Only another tool, where there is one, can do the work; else it has to be said.",
        injections=(_tools(ToolTimeout()),),
    )
)
add_mode(
    Mode(
        name="broken-tool",
        summary="Every tool raises an exception whenever it is called.",
        happens="A bad deploy of the tools' service.",
        best="needs_fallback",
        why="Only another tool, where there is one, can do the work; else it has to be said.",
        injections=(_tools(ToolRaises()),),
    )
)
add_mode(
    Mode(
        name="flaky-tools",
        summary="Every second tool call fails because the service behind it answers 503.",
        happens="The service behind the tools is overloaded.",
        best="recoverable",
        why="The call after a failed one passes.",
        injections=(_tools(ToolUpstreamFails(), every=2),),
    )
)
add_mode(
    Mode(
        name="lost-confirmations",
        summary="Every second write commits and its confirmation never comes.",
        happens="A payment service that answers too late for its callers.",
        best="recoverable",
        why="The next call with the same idempotency key confirms the effect.",
        injections=(_tools(LostConfirmation(), every=2),),
    )
)
add_mode(
    Mode(
        name="wrong-data",
        summary="Every tool that reads returns values that look right and are off by one.",
        happens="A bad migration, or a mixed-up join in the service behind the tools.",
        best="undetectable",
        why="Nothing in the values tells, so it is reported as exposure.",
        injections=(_tools(PlausibleWrong()),),
    )
)
add_mode(
    Mode(
        name="worst-day",
        summary="Every tool raises, and every provider answers 503.",
        happens="The agent's own network, or the region in which all of it runs, is down.",
        best="fatal",
        why="Neither a model nor a tool is left, only a cached, a static or an honest answer.",
        injections=(_everywhere(ServiceUnavailable()), _tools(ToolRaises())),
    )
)
