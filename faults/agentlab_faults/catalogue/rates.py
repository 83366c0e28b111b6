"""How often a fault happens for real, what it weighs, and how far an agent can get: the figures that rows share.

The groups are the mix that the wire catalogue proposes for a production-like profile (its section 2): 3 % of LLM calls and 4 % of tool
calls fail. The mix is itself inferred, from Datadog's State of AI Engineering 2026 (5 % of LLM call spans with an error in February, 60 %
of them rate limits; 2 % and 30 % in March), so each row's share is an order of magnitude and says so in its source.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict

from agentlab_faults.fault import Best, Rate, Shape

__all__ = [
    "CONTENT",
    "HARMLESS",
    "HIDDEN",
    "MCP",
    "OVERLOAD",
    "PASSES",
    "QUEUE",
    "RATE_LIMIT",
    "REFUSED",
    "RETRIED",
    "RETRIEVAL",
    "SEMANTIC",
    "SILENT_TOOL",
    "STAYS",
    "STORE",
    "STREAM",
    "TOOL",
    "TRANSPORT",
    "Group",
    "Harm",
    "Often",
    "often",
]

Harm = Literal[1, 2, 3]
"""1: one retry hides it from everyone; 2: it ends runs or costs time and money; 3: it makes wrong answers, doubled effects or hangs."""


@dataclass(frozen=True, slots=True)
class Group:
    """One slice of the proposed mix: a share of all calls, 0 to 1."""

    name: str
    share: float
    anchor: str


_MIX = "in the proposed production mix, itself inferred from Datadog's State of AI Engineering 2026"

RATE_LIMIT = Group("rate limits", 0.0165, f"55 % of the 3 % of LLM calls that fail {_MIX}")
OVERLOAD = Group("overload and server errors", 0.006, f"20 % of the 3 % of LLM calls that fail {_MIX}")
TRANSPORT = Group("timeouts and broken connections", 0.003, f"10 % of the 3 % of LLM calls that fail {_MIX}")
STREAM = Group("stalled and broken streams", 0.003, f"10 % of the 3 % of streamed LLM calls that fail {_MIX}")
REFUSED = Group("budget, auth and permanent refusals", 0.0015, f"5 % of the 3 % of LLM calls that fail {_MIX}")
CONTENT = Group("bad content in a good answer", 0.003, f"10 % of the 3 % of LLM calls that fail {_MIX}")
TOOL = Group("loud tool failures", 0.027, f"two thirds of the 4 % of tool calls that fail {_MIX}")
SILENT_TOOL = Group("silent tool failures", 0.013, f"one third of the 4 % of tool calls that fail {_MIX}")

SEMANTIC = Group("wrong words of a model", 0.01, "a guess of one model call in a hundred; MAST (arXiv 2503.13657) gives only their order")
RETRIEVAL = Group("failures of retrieval", 0.01, "a guess of one query in a hundred, for want of a public figure per query")
QUEUE = Group("failures of a job queue", 0.003, "a guess of three jobs in a thousand, for want of a public figure per job")
STORE = Group("store failures", 0.001, "an order of magnitude without a measurement behind it: managed stores promise 99.9 % or more")
MCP = Group("failures of MCP servers", 0.01, f"a quarter of the 4 % of tool calls that fail {_MIX}")


class Often(TypedDict):
    """The two fields of a row that follow from how often and how harmful."""

    rate: Rate
    weight: float


def often(group: Group, part: float, *, harm: Harm) -> Often:
    """The rate and weight of a fault that makes up `part` (0 to 1) of its group.

    The weight is harm times the magnitude of the rate, `log10` of its occurrences in a million calls, halved: a fault that is a hundred
    times rarer weighs 1 to 3 less, never a hundredth.
    """
    share = group.share * part
    weight = round(harm * max(1.0, math.log10(share * 1e6)) / 2, 1)
    return Often(rate=Rate(float(f"{share:.2g}"), f"own estimate: {100 * part:.3g} % of {group.name}, {group.anchor}"), weight=weight)


PASSES: Mapping[Shape, Best] = {"once": "recoverable", "x3": "recoverable", "always": "needs_fallback"}
"""It goes away: an agent with three retries gets over it alone, unless it stays for the rest of the run."""

RETRIED: Mapping[Shape, Best] = {"once": "recoverable", "always": "needs_fallback"}
"""As PASSES, where three attempts would show nothing that one does not."""

STAYS: Mapping[Shape, Best] = {"once": "needs_fallback", "always": "needs_fallback"}
"""A verdict, not an accident: the same request must not be sent again, so only another provider (or tool) can answer."""

HARMLESS: Mapping[Shape, Best] = {"once": "recoverable", "always": "recoverable"}
"""Everything that the agent needs is there each time: it only has to take it with care."""

HIDDEN: Mapping[Shape, Best] = {"once": "undetectable", "always": "undetectable"}
"""Well-formed, plausible and wrong: nothing on the wire tells, so it is reported as exposure."""
