"""What an agent says of its own reply is taken as far as it makes sense, and never breaks the run."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from agentlab_suites.replies import read_reply


@pytest.mark.parametrize("said", [math.nan, math.inf, -math.inf, 10**400, -1, 1.01, 95, True, "0.9", None])
def test_a_confidence_that_is_none_is_dropped(said: Any) -> None:
    reply = read_reply(SimpleNamespace(text="x", confidence=said))
    assert (reply.text, reply.confidence) == ("x", None)


@pytest.mark.parametrize("said", [0, 0.0, 0.35, 1])
def test_a_share_is_a_confidence(said: float) -> None:
    assert read_reply(SimpleNamespace(text="x", confidence=said)).confidence == said
