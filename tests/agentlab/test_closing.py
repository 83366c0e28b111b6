"""What holds connections is closed whatever else cannot be."""

from __future__ import annotations

import pytest

from agentlab import Agent, McpServer, Model
from agentlab.closing import close_all


class _Thing:
    def __init__(self, closed: list[str], name: str, problem: Exception | None = None) -> None:
        self.closed, self.name, self.problem = closed, name, problem

    async def aclose(self) -> None:
        self.closed.append(self.name)
        if self.problem is not None:
            raise self.problem


async def test_each_is_closed_in_order_and_all_that_failed_is_raised() -> None:
    closed: list[str] = []
    first, last = OSError("first"), ValueError("last")
    with pytest.raises(ExceptionGroup, match="could not be closed") as caught:
        await close_all(_Thing(closed, "a", first), None, _Thing(closed, "b", last), _Thing(closed, "c"))
    assert closed == ["a", "b", "c"]
    assert caught.value.exceptions == (first, last)


async def test_an_agent_closes_its_servers_although_a_model_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    shop = McpServer("https://shop.example/mcp", name="shop")
    agent = Agent("desk", instructions="Help.", models=[Model(name="a"), Model(name="b")], servers=[shop])
    for name, link in zip("ab", agent._chain._links, strict=True):
        monkeypatch.setattr(link.client, "aclose", _Thing(closed, name, OSError(name) if name == "a" else None).aclose)
    monkeypatch.setattr(shop, "aclose", _Thing(closed, "shop").aclose)
    with pytest.raises(OSError, match="a"):
        await agent.aclose()
    assert closed == ["a", "b", "shop"]
