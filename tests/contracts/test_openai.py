"""One call of openai goes through the lab, in either colour and every API, and a fault arrives; the same holds for openai 2 and 3."""

from __future__ import annotations

import importlib.util
from typing import Any

import openai
import pytest

from .answers import TEXT, Wire
from .calling import DOWN, Call, called

MAJOR = int(openai.__version__.partition(".")[0])
LIBRARY = "httpx" if MAJOR == 2 else "httpx2"
MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
OPTIONS: Any = {"api_key": "k", "max_retries": 0}


def sync(**options: Any) -> openai.OpenAI:
    return openai.OpenAI(**OPTIONS, **options)


def chat() -> Any:
    with sync() as client:
        return client.chat.completions.create(model="m", messages=MESSAGES).choices[0].message.content


def chat_raw() -> Any:
    with sync() as client:
        raw = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
        return raw.parse().choices[0].message.content


def chat_stream() -> Any:
    with sync() as client:
        chunks = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def responses() -> Any:
    with sync() as client:
        return client.responses.create(model="m", input="x").output_text


def responses_stream() -> Any:
    with sync() as client, client.responses.stream(model="m", input="x") as stream:
        return stream.get_final_response().output_text


def embeddings() -> Any:
    with sync() as client:
        vector = client.embeddings.create(model="m", input="x", encoding_format="float").data[0].embedding
        return TEXT if vector == [0.25, 0.5] else vector


async def async_chat() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS) as client:
        return (await client.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content


async def async_chat_stream() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS) as client:
        chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


async def async_responses() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS) as client:
        return (await client.responses.create(model="m", input="x")).output_text


async def async_responses_stream() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS) as client, client.responses.stream(model="m", input="x") as stream:
        return (await stream.get_final_response()).output_text


CALLS = [
    chat,
    chat_raw,
    chat_stream,
    responses,
    responses_stream,
    embeddings,
    async_chat,
    async_chat_stream,
    async_responses,
    async_responses_stream,
]


@pytest.mark.parametrize("call", CALLS)
def test_one_call_goes_through_the_lab(call: Call) -> None:
    wire = Wire()
    assert called(call, wire) == TEXT
    (request,) = wire.requests
    assert (request.library, request.host) == (LIBRARY, "api.openai.com")
    assert (request.timeouts.connect, request.timeouts.read) == (5.0, 600.0)
    assert wire.ends == ["delivered"]


@pytest.mark.parametrize("call", CALLS)
def test_a_fault_arrives_as_the_clients_own_exception(call: Call) -> None:
    wire = Wire(DOWN)
    with pytest.raises(openai.InternalServerError):
        called(call, wire)
    assert len(wire.requests) == 1


async def aiohttp_chat() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS, http_client=openai.DefaultAioHttpClient()) as client:
        return (await client.chat.completions.create(model="m", messages=MESSAGES)).choices[0].message.content


async def aiohttp_chat_stream() -> Any:
    async with openai.AsyncOpenAI(**OPTIONS, http_client=openai.DefaultAioHttpClient()) as client:
        chunks = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


if MAJOR > 2 or importlib.util.find_spec("httpx_aiohttp"):  # what openai 2 needs for its aiohttp client is an extra of its own

    @pytest.mark.parametrize("call", [aiohttp_chat, aiohttp_chat_stream])
    def test_its_aiohttp_client_goes_through_the_lab(call: Call) -> None:
        wire = Wire()
        assert called(call, wire) == TEXT
        assert [request.library for request in wire.requests] == ["aiohttp"]
        with pytest.raises(openai.InternalServerError):
            called(call, Wire(DOWN))
