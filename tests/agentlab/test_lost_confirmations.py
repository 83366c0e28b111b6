"""A store that keeps a save and loses its confirmation, while other workers go on with the conversation: it is told once, whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from agentlab import Reply, tool
from agentlab.stores import Store, Stored

from .conftest import Exchange, Wire, call, error, say
from .test_checkpoints import DONE, PAY, World, agent, ask, resume, run, store

__all__ = ["store"]

LOOK = call(("look", {}), ids=("call_l",))
PAID = ["Pay 5", "call_p", '{"ok": true}', "call_l", "seen"]
"""What stands in the history before the answer."""


class Unconfirmed:
    """A worker's way to the store: its n-th save arrives, but its confirmation does not come back; `then` something happens."""

    def __init__(self, inner: Store, lost: int, then: Callable[[], Awaitable[Any]] | None = None) -> None:
        self._inner = inner
        self._left = lost
        self._then = then

    async def load(self, key: str) -> Stored | None:
        return await self._inner.load(key)

    async def save(self, key: str, value: str, *, expected: int) -> int:
        version = await self._inner.save(key, value, expected=expected)
        self._left -= 1
        if self._left == 0:
            if self._then is not None:
                await self._then()
            raise ConnectionError
        return version

    async def aclose(self) -> None:
        """Nothing is open."""


@tool
async def look() -> str:
    """Look."""
    return "seen"


def said(wire: Wire) -> list[Any]:
    """What a model was shown last, besides its instructions: texts, and the calls of an answer."""
    return [message["content"] or message["tool_calls"][0]["id"] for message in wire.messages()[1:]]


@pytest.mark.parametrize("lost", range(1, 7))
def test_an_answer_stands_once_in_the_history_when_another_worker_has_gone_on_with_it(wire: Wire, store: Store, lost: int) -> None:
    world = World()
    wire.primary(PAY, LOOK, say(DONE), say("Sure."), say("Bye."))
    one, other = agent(Unconfirmed(store, lost), world.pay(), look), agent(store, world.pay(), look)
    ask(wire, one)
    ask(wire, other, "Sure?")
    reply = ask(wire, one, "Well, bye")
    assert said(wire) == [*PAID, DONE, "Sure?", "Sure.", "Well, bye"]
    assert not any("mark" in message for message in wire.messages())
    assert (reply.text, reply.without, len(world.calls)) == ("Bye.", (), 1)


@pytest.mark.parametrize("lost", range(1, 7))
def test_the_work_of_a_turn_that_another_worker_has_resumed_stands_once_in_the_history(wire: Wire, store: Store, lost: int) -> None:
    world = World()
    wire.primary(PAY, LOOK, error(400), say(DONE), say("Bye."))
    one, other = agent(Unconfirmed(store, lost), world.pay(), look), agent(store, world.pay(), look)
    sorry = ask(wire, one)
    resume(wire, other, run(wire, other.unfinished()))
    assert ask(wire, one, "Well, bye").text == "Bye."
    shown = [text for text in said(wire) if not sorry.text.startswith(text)]  # what a user was told in between may stand there, too
    assert (shown, len(world.calls)) == ([*PAID, DONE, "Well, bye"], 1)


def answered(body: dict[str, Any]) -> Exchange:
    """What the model says next, whoever asks."""
    last = body["messages"][-1]
    return {"call_p": LOOK, "call_l": say(DONE)}[last["tool_call_id"]] if last["role"] == "tool" else PAY


@pytest.mark.parametrize("lost", range(1, 6))
def test_the_answer_of_a_turn_that_another_worker_takes_over_at_that_moment_stands_once(wire: Wire, store: Store, lost: int) -> None:
    world, quicker = World(), list[asyncio.Task[Reply]]()
    other = agent(store, world.pay(), look)

    async def taken_over() -> None:
        handle = await other.unfinished()
        assert handle is not None
        quicker.append(asyncio.create_task(other.resume(handle)))
        await asyncio.sleep(0.5)

    async def both() -> list[Reply]:
        return [await one("Pay 5"), *[await task for task in quicker]]

    one = agent(Unconfirmed(store, lost, taken_over), world.pay(), look)
    wire.primary(answered)
    stopped, reply = run(wire, both())
    assert (type(stopped.error).__name__, reply.text) == ("TakenOverError", DONE)
    wire.primary(say("Bye."))
    assert ask(wire, one, "Well, bye").text == "Bye."
    assert (said(wire), len(set(world.calls))) == ([*PAID, DONE, "Well, bye"], 1)
