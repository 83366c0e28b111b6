"""One call of anthropic goes through the lab, in either colour, streamed or not, and a fault arrives; for anthropic 1 and 2."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from .answers import TEXT, Wire
from .calling import DOWN, Call, called

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
OPTIONS: Any = {"api_key": "k", "max_retries": 0}
ASKED: Any = {"model": "m", "max_tokens": 64, "messages": MESSAGES}


def message() -> Any:
    with anthropic.Anthropic(**OPTIONS) as client:
        return client.messages.create(**ASKED).content[0].text


def stream() -> Any:
    with anthropic.Anthropic(**OPTIONS) as client, client.messages.stream(**ASKED) as events:
        return events.get_final_text()


async def async_message() -> Any:
    async with anthropic.AsyncAnthropic(**OPTIONS) as client:
        return (await client.messages.create(**ASKED)).content[0].text


async def async_stream() -> Any:
    async with anthropic.AsyncAnthropic(**OPTIONS) as client, client.messages.stream(**ASKED) as events:
        return await events.get_final_text()


async def async_events() -> Any:
    async with anthropic.AsyncAnthropic(**OPTIONS) as client:
        events = await client.messages.create(**ASKED, stream=True)
        return "".join([event.delta.text async for event in events if event.type == "content_block_delta"])


CALLS = [message, stream, async_message, async_stream, async_events]


@pytest.mark.parametrize("call", CALLS)
def test_one_call_goes_through_the_lab(call: Call) -> None:
    wire = Wire()
    assert called(call, wire) == TEXT
    assert wire.seen == ["anthropic.messages"]
    assert (wire.requests[0].library, wire.requests[0].host) == ("httpx2", "api.anthropic.com")
    assert wire.ends == ["delivered"]


@pytest.mark.parametrize("call", CALLS)
def test_a_fault_arrives_as_the_clients_own_exception(call: Call) -> None:
    wire = Wire(DOWN)
    with pytest.raises(anthropic.APIStatusError) as raised:
        called(call, wire)
    assert raised.value.status_code == 503
    assert len(wire.requests) == 1
