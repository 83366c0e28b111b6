"""Keys of later versions: each is refused by name with its own sentence, so that nobody takes it for a typing error."""

from __future__ import annotations

__all__ = ["NOT_YET", "NOT_YET_VALUES"]

NOT_YET = {
    "session": "'session:' belongs to a scenario, as 'session: {arrivals: {every: 10s, count: 60}}'.",
    "arrivals": "'arrivals:' stands under a scenario's 'session:', as 'session: {arrivals: [0s, 5s, 20s]}'.",
    "trials": "'trials:' comes with live providers in a later version; scripted cells are deterministic and are played once.",
    "provider": "'provider:' belongs to a scenario, as 'provider: {cassette: FILE}'; live providers come in a later version.",
    "live": "'live:' comes in a later version; write a 'script:' today.",
    "cassette": "'cassette:' belongs under a scenario's 'provider:', as 'provider: {cassette: FILE}'.",
    "documents": "'documents:' comes in a later version; let a tool's 'returns:' hold what the agent reads.",
    "scorecards": "'scorecards:' comes in a later version; use 'expect:' today.",
    "scores": "'scores:' comes in a later version; use 'expect:' today.",
    "redis": "'redis:' stands under 'stores:'; write stores: {redis: {body: fake}}.",
}

NOT_YET_VALUES = {
    "pairs": "'explore: pairs' comes in a later version; singles and modes are played today.",
    "search": "'explore: search' comes in a later version; singles and modes are played today.",
    "live": "'provider: live' comes in a later version; write a 'script:', or 'provider: {cassette: FILE}', today.",
}
