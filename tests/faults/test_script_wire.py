"""OpenAI Chat Completions on the wire: the real SDK against the scripted model, and the bytes of its answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from agentlab_faults import script
from agentlab_faults.dialects import CHAT
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.dialects.chat.refusal import refuse
from agentlab_faults.exchange import Exchange, Timeouts, WireRequest
from agentlab_faults.script import Call, Say, ScriptedModel, ScriptSpec

from .chat_wire import TOOLS, wire_request

PROMPT = "Refund order 5512."
SPEC = ScriptSpec(
    turns=(Call((("lookup_order", {"id": "5512"}), ("refund", {"order": "5512", "amount": 49.9}))), Say("I refunded EUR 49.90."))
)
CREATED = 1_700_000_000


class Provider:
    """The scripted provider behind the SDK's own transport."""

    def __init__(self, spec: ScriptSpec = SPEC, key: str = "sk-test") -> None:
        self.model = ScriptedModel([spec], [PROMPT])
        self.serial = 0
        transport = httpx2.MockTransport(self.answer)
        self.client = openai.OpenAI(api_key=key, http_client=httpx2.Client(transport=transport), max_retries=0)

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        sent = WireRequest(
            "httpx2", request.method, str(request.url), request.url.host, request.url.path, headers, request.content, Timeouts(), True
        )
        exchange = refuse(sent) or self.serve(json.loads(request.content))
        return httpx2.Response(exchange.status, headers=list(exchange.headers), content=exchange.content)

    def serve(self, body: dict[str, Any]) -> Exchange:
        self.serial += 1
        serving = self.model.serve(read(body))
        payload = CHAT.render(
            CHAT.answer(serving, wire_request(body), body, prompt=CHAT.prompt_tokens(body), serial=self.serial, created=CREATED), body
        )
        return CHAT.exchange(payload, body, streams=False, latency=serving.latency, serial=self.serial)


class TestRealSdk:
    def test_a_tool_loop_plays_to_its_end(self) -> None:
        provider = Provider()
        messages: list[Any] = [{"role": "user", "content": PROMPT}]
        for _ in range(5):
            answer = provider.client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)  # type: ignore[arg-type]  # plain dicts
            message = answer.choices[0].message
            if not message.tool_calls:
                break
            messages.append(message.model_dump(exclude_none=True))
            for call in message.tool_calls:
                assert call.type == "function"
                execution = provider.model.tool_started(call.function.name, json.loads(call.function.arguments), call.id)
                provider.model.tool_ended(execution, "ok", "fine")
                messages.append({"role": "tool", "tool_call_id": call.id, "content": "fine"})
        assert message.content == "I refunded EUR 49.90."
        assert [len(m.get("tool_calls", ())) for m in messages] == [0, 2, 0, 0]

    def test_the_answer_is_whole_for_the_sdk(self) -> None:
        raw = Provider().client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": PROMPT}],
            tools=TOOLS,  # type: ignore[arg-type]  # plain dicts
        )
        answer = raw.parse()
        assert (answer.id, answer.object, answer.created) == ("chatcmpl-00000001", "chat.completion", CREATED)
        assert (answer.model, answer.service_tier) == ("gpt-4o-mini-2024-07-18", "default")
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.usage is not None
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        assert answer._request_id == "req_00000000000000000000000000000001"
        assert raw.headers["openai-version"] == "2020-10-01"
        assert raw.headers["openai-processing-ms"] == "1000"
        assert {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests"} <= set(raw.headers)

    def test_a_parsed_model_comes_back_whole(self) -> None:
        import pydantic  # noqa: PLC0415  # only this test speaks of it

        class Ticket(pydantic.BaseModel):
            queue: str
            urgent: bool

        provider = Provider(ScriptSpec(turns=(Say({"queue": "billing", "urgent": True}),)))
        answer = provider.client.chat.completions.parse(
            model="gpt-4o", messages=[{"role": "user", "content": PROMPT}], response_format=Ticket
        )
        assert answer.choices[0].message.parsed == Ticket(queue="billing", urgent=True)

    def test_an_orphan_is_a_bad_request_for_the_sdk(self) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "refund", "arguments": "{}"}}
        messages: list[Any] = [{"role": "user", "content": PROMPT}, {"role": "assistant", "content": None, "tool_calls": [call]}]
        with pytest.raises(openai.BadRequestError) as caught:
            Provider().client.chat.completions.create(model="gpt-4o", messages=messages)
        assert caught.value.param == "messages.[2].role"
        assert caught.value.request_id == "req_00000000000000000000000000000000"

    def test_a_key_that_is_none_is_an_authentication_error_for_the_sdk(self) -> None:
        with pytest.raises(openai.AuthenticationError) as caught:
            Provider(key="not a key").client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": PROMPT}])
        assert caught.value.code == "invalid_api_key"
        assert "not a key" not in str(caught.value)


def rendered(spec: ScriptSpec = SPEC, **extra: Any) -> dict[str, Any]:
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": PROMPT}], "tools": TOOLS, **extra}
    serving = ScriptedModel([spec], [PROMPT]).serve(read(body))
    return CHAT.render(CHAT.answer(serving, wire_request(body), body, prompt=CHAT.prompt_tokens(body), serial=3, created=CREATED), body)


def shape(value: Any) -> Any:
    """Names and types of a JSON value."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return [shape(member) for member in value[:1]] if isinstance(value, list) else type(value).__name__


TEXT = ScriptSpec(turns=(Say("It is 18 degrees in Paris."),))


@pytest.mark.parametrize(("payload", "finish"), [(rendered(), "tool_calls"), (rendered(TEXT), "stop")])
def test_an_answer_has_the_members_of_the_providers(payload: dict[str, Any], finish: str) -> None:
    usage_details = {"cached_tokens": "int", "audio_tokens": "int"}
    assert list(payload) == ["id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"]
    assert list(payload["choices"][0]) == ["index", "message", "logprobs", "finish_reason"]
    assert list(payload["choices"][0]["message"])[:4] == ["role", "content", "refusal", "annotations"]
    assert payload["choices"][0]["finish_reason"] == finish
    assert shape(payload["usage"]["prompt_tokens_details"]) == usage_details


@pytest.mark.parametrize(
    ("asked", "answered"),
    [("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"), ("backup-large", "backup-large")],
)
def test_the_model_is_echoed_as_its_snapshot(asked: str, answered: str) -> None:
    assert rendered(model=asked)["model"] == answered


@pytest.mark.parametrize(("asked", "answered"), [(None, "default"), ("auto", "default"), ("flex", "flex"), ("fast", "priority")])
def test_the_service_tier_is_answered_as_the_provider_answers_it(asked: str | None, answered: str) -> None:
    assert rendered(service_tier=asked)["service_tier"] == answered


def test_usage_is_a_token_for_every_four_characters_rounded_up() -> None:
    usage = rendered(TEXT)["usage"]
    assert usage["completion_tokens"] == 7  # 26 characters
    longer = rendered(TEXT, messages=[{"role": "user", "content": PROMPT + "x" * 400}])["usage"]
    assert longer["prompt_tokens"] - usage["prompt_tokens"] == 100


def test_an_exchange_waits_for_the_latency_and_sends_compact_json() -> None:
    exchange = CHAT.exchange(rendered(TEXT), {}, streams=False, latency=2.5, serial=3)
    assert (exchange.status, exchange.seconds, exchange.intact) == (200, 2.5, True)
    assert json.loads(exchange.content)["choices"][0]["message"]["content"] == "It is 18 degrees in Paris."
    assert b'": ' not in exchange.content
    headers = dict(exchange.headers)
    assert (headers["openai-processing-ms"], headers["x-request-id"]) == ("2500", f"req_{3:032x}")


def test_the_same_serving_is_the_same_bytes() -> None:
    one, two = (CHAT.exchange(rendered(), {}, streams=False, latency=1.0, serial=3) for _ in range(2))
    assert one == two


def test_no_module_of_the_script_reads_a_clock_or_rolls_dice() -> None:
    folder = Path(script.__file__).parents[1]
    for module in (*folder.glob("script/*.py"), *folder.glob("dialects/**/*.py")):
        for word in ("import random", "import time", "import uuid", ".now(", ".today(", " hash(", "import secrets"):
            assert word not in module.read_text(), f"{module.name}: {word}"
