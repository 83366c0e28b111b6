"""Embeddings as the cache's second index: other words with the same meaning meet, tenants never do, and without their provider words are
left to go by."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from agentlab_faults.exchange import Exchange, Pause
from hypothesis import given
from hypothesis import strategies as st

from agentlab import Agent, Embeddings, Model, Reply, ResponseCache, Settings
from agentlab.errors import InvalidAnswerError
from agentlab.telemetry import names

from .conftest import Answering, Wire, error, raw, refused, silent
from .telemetry_capture import Told, told

__all__ = ["told"]

OPEN = "What are your opening hours?"
MEANT = "Until which time can I come by tonight?"
HOST = "embeddings.example"


def vectors(body: dict[str, Any]) -> Exchange:
    """The two questions of the tests mean the same, no others do."""
    made = [{"index": n, "object": "embedding", "embedding": _meaning(text)} for n, text in enumerate(body["input"])]
    usage = {"prompt_tokens": 1, "total_tokens": 1}
    return raw(json.dumps({"object": "list", "model": body["model"], "data": made[::-1], "usage": usage}).encode())


def _meaning(text: str) -> list[float]:
    return [1.0, 0.1, 0.0] if text in (OPEN, MEANT) else [0.0, 0.0, 1.0]


def cache(**options: Any) -> ResponseCache:
    return ResponseCache(embed=Embeddings("small", base_url=f"https://{HOST}/v1"), **options)


def embedded(wire: Wire) -> list[list[str]]:
    return [body["input"] for host, body, _ in wire.requests if host == HOST]


def test_other_words_with_the_same_meaning_are_a_hit_and_vectors_are_asked_for_once(wire: Wire) -> None:
    wire.hosts[HOST] = [vectors]
    known = cache(seeds={"Do you ship to Norway?": "Yes."})
    known.put("ann", OPEN, "From nine to five.")
    hit = wire.run(known.find("ann", MEANT))
    assert (hit.answer, hit.question) == ("From nine to five.", OPEN)
    assert hit.similarity > 0.99
    assert wire.run(known.find("ann", MEANT)) == hit
    assert embedded(wire) == [[MEANT, "Do you ship to Norway?", OPEN], [MEANT]]


def test_where_words_meet_nobody_is_asked(wire: Wire) -> None:
    known = cache(seeds={OPEN: "From nine to five."})
    assert wire.run(known.find("ann", "what are the opening hours")).answer == "From nine to five."
    assert wire.requests == []


def test_a_number_or_a_negation_that_differs_is_no_hit_whatever_the_vectors_say(wire: Wire) -> None:
    wire.hosts[HOST] = [lambda body: vectors({**body, "input": [OPEN] * len(body["input"])})]
    known = cache(seeds={"Where is parcel 17?": "In Leeds.", "Where may no dog come in?": "The cafe."})
    assert wire.run(known.find("ann", "Has parcel 18 arrived anywhere?")) is None
    assert embedded(wire) == []
    assert wire.run(known.find("ann", "Any trouble with Fido?")) is None


@pytest.mark.parametrize(
    "answer",
    [
        error(503),
        error(401),
        refused(),
        silent(),
        raw(b"<html>"),
        raw(b'{"data": []}'),
        raw(b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1, 2]}]}'),
        raw(b'{"data": [{"index": 0, "embedding": [0]}, {"index": 1, "embedding": ["x"]}]}'),
    ],
    ids=["503", "401", "refused", "silent", "html", "none", "uneven", "nonsense"],
)
def test_without_their_provider_words_are_left_to_go_by_and_it_is_left_alone_for_a_while(wire: Wire, told: Told, answer: Answering) -> None:
    async def play() -> None:
        assert await known.find("ann", MEANT) is None
        assert wire.now <= 1.1
        assert told.points(names.STORE_GAUGE) == [({names.STORE: "embeddings"}, 0)]
        assert await known.find("ann", MEANT) is None
        assert len(wire.requests) == 1
        hit = await known.find("ann", "what are the opening hours")
        assert hit is not None
        await asyncio.sleep(31)
        wire.hosts[HOST] = [vectors]
        hit = await known.find("ann", MEANT)
        assert hit is not None
        assert told.points(names.STORE_GAUGE) == [({names.STORE: "embeddings"}, 1)]

    wire.hosts[HOST] = [answer]
    known = cache(seeds={OPEN: "From nine to five."})
    wire.run(play())


def test_vectors_that_come_late_are_there_for_the_next_question(wire: Wire) -> None:
    async def play() -> None:
        assert await known.find("ann", MEANT) is None
        assert wire.now <= 1.1
        assert await known.find("ann", MEANT) is None  # nobody asks twice at once
        await asyncio.sleep(4.0)
        assert await known.find("ann", MEANT) is not None
        assert embedded(wire) == [[MEANT, OPEN], [MEANT]]

    wire.hosts[HOST] = [lambda body: vectors(body).after(Pause(4.0)), vectors]
    known = cache(seeds={OPEN: "From nine to five."})
    wire.run(play())


def test_nothing_is_waited_for_beyond_the_turns_time(wire: Wire) -> None:
    async def play() -> None:
        assert await known.find("ann", MEANT, seconds=2.0) is None
        await asyncio.sleep(30.5)
        assert await known.find("ann", MEANT) is not None
        assert embedded(wire) == [[MEANT, OPEN]] * 2

    wire.hosts[HOST] = [lambda body: vectors(body).after(Pause(4.0)), vectors]
    known = cache(seeds={OPEN: "From nine to five."})
    wire.run(play())


def test_a_question_that_is_given_up_leaves_nothing_under_way(wire: Wire) -> None:
    async def play() -> None:
        asking = asyncio.create_task(known.find("ann", MEANT))
        await asyncio.sleep(0.5)
        asking.cancel()
        await asyncio.wait({asking})
        assert asking.cancelled()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    wire.hosts[HOST] = [silent()]
    known = cache(seeds={OPEN: "From nine to five."})
    wire.run(play())


def test_vectors_of_another_length_are_asked_for_again(wire: Wire) -> None:
    def longer(body: dict[str, Any]) -> Exchange:
        made = [{"index": n, "object": "embedding", "embedding": [*_meaning(text), 0.0]} for n, text in enumerate(body["input"])]
        return raw(json.dumps({"object": "list", "model": "m", "data": made}).encode())

    wire.hosts[HOST] = [vectors, longer]
    known = cache(seeds={OPEN: "From nine to five."})
    assert wire.run(known.find("ann", MEANT)) is not None
    assert wire.run(known.find("ann", MEANT)) is None
    assert wire.run(known.find("ann", MEANT)) is not None
    assert embedded(wire) == [[MEANT, OPEN], [MEANT], [MEANT, OPEN]]


def test_a_tenants_questions_are_shown_to_nobody_and_found_by_nobody_else(wire: Wire) -> None:
    wire.hosts[HOST] = [vectors]
    known = cache(seeds={"Do you ship to Norway?": "Yes."})
    known.put("ann", OPEN, "Ann's answer")
    wire.run(known.find("ann", MEANT))
    before = len(wire.requests)
    assert wire.run(known.find("bob", MEANT)) is None
    assert all(OPEN not in texts for texts in embedded(wire)[before:])


TEXTS = st.text(alphabet="abcd ", min_size=1, max_size=8)


@given(puts=st.lists(st.tuples(st.sampled_from("abc"), TEXTS), max_size=8), asking=st.sampled_from("abcd"), question=TEXTS)
def test_no_meaning_crosses_tenants(puts: list[tuple[str, str]], asking: str, question: str) -> None:
    async def all_alike(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] for _ in texts]

    known = ResponseCache({"seed": "seed"}, embed=all_alike)
    for tenant, asked in puts:
        known.put(tenant, asked, f"answer of {tenant}")
    hit = asyncio.run(known.find(asking, question))
    assert hit is not None
    assert hit.answer in {"seed", f"answer of {asking}"}


def outage(wire: Wire, known: ResponseCache) -> Reply:
    agent = Agent("desk", instructions="", models=[Model(name="m")], cache=known)
    wire.primary(error(401))
    reply: Reply = wire.run(agent(MEANT))
    return reply


def test_an_agent_without_its_model_answers_by_meaning(wire: Wire) -> None:
    wire.hosts[HOST] = [vectors]
    reply = outage(wire, cache(seeds={OPEN: "From nine to five."}))
    assert reply.answered_by == "cached"
    assert reply.text.startswith("From nine to five.")


def test_with_everything_down_the_reply_waits_no_longer_than_a_second_for_it(wire: Wire) -> None:
    wire.hosts[HOST] = [silent()]
    reply = outage(wire, cache(seeds={OPEN: "From nine to five."}))
    assert reply.answered_by == "safety_net"
    assert wire.now <= 2.2


async def test_settings_name_the_model_and_close_its_connections() -> None:
    settings = Settings(cache={"embeddings": "text-embedding-3-small"})
    found = settings.options()["cache"]._embed
    assert isinstance(found, Embeddings)
    assert found.name == "text-embedding-3-small"
    await settings.aclose()


def test_what_is_no_vector_is_refused_with_a_reason(wire: Wire) -> None:
    wire.hosts[HOST] = [raw(b'{"data": [{"index": 0, "embedding": [1e999]}]}')]
    with pytest.raises(InvalidAnswerError, match="cannot be compared"):
        wire.run(Embeddings("small", base_url=f"https://{HOST}/v1")(["a"]))


@pytest.mark.parametrize("made", [None, "ab", [None, None], ["a", "b"], [[float("nan")]] * 2, [[0.0]] * 2, [[1.0]], [[10**400]] * 2])
def test_whatever_another_provider_of_vectors_gives_words_are_left_to_go_by(made: Any) -> None:
    async def embed(_texts: Sequence[str]) -> Any:
        return made

    async def play() -> None:
        assert await known.find("ann", MEANT) is None
        hit = await known.find("ann", "what are the opening hours")
        assert hit is not None

    known = ResponseCache({OPEN: "From nine to five."}, embed=embed)
    asyncio.run(play())
