"""One call of litellm goes through the lab, whatever provider it translates to: by httpx in sync code, by aiohttp in async code."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it fetches one while it is imported, outside of any lab

import litellm
import pytest
from agentlab_faults.intercept import armed

from .answers import TEXT, Wire
from .calling import DOWN, Call, called

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
MODELS = [("openai/gpt-4o", "openai.chat"), ("anthropic/claude-sonnet-4-0", "anthropic.messages"), ("gemini/gemini-2.0-flash", "gemini")]
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore:Unclosed client:ResourceWarning")
"""litellm's own, of pydantic and of aiohttp; and it closes no session of its async clients."""


@pytest.fixture(autouse=True)
def _fresh_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """litellm keeps its clients for later calls; an async one may not outlive its loop."""
    monkeypatch.setattr(litellm, "suppress_debug_info", True)
    litellm.in_memory_llm_clients_cache.flush_cache()
    yield
    litellm.in_memory_llm_clients_cache.flush_cache()
    gc.collect()


def completion(model: str) -> Any:
    return litellm.completion(model=model, messages=MESSAGES, api_key="k", max_retries=0).choices[0].message.content


def completion_stream(model: str) -> Any:
    chunks = litellm.completion(model=model, messages=MESSAGES, api_key="k", max_retries=0, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


async def acompletion(model: str) -> Any:
    answer = await litellm.acompletion(model=model, messages=MESSAGES, api_key="k", max_retries=0)
    return answer.choices[0].message.content


async def acompletion_stream(model: str) -> Any:
    chunks = await litellm.acompletion(model=model, messages=MESSAGES, api_key="k", max_retries=0, stream=True)
    return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])


KINDS = [(completion, "httpx"), (completion_stream, "httpx"), (acompletion, "aiohttp"), (acompletion_stream, "aiohttp")]


@pytest.mark.parametrize(("model", "api"), MODELS)
@pytest.mark.parametrize(("kind", "library"), KINDS)
def test_one_call_goes_through_the_lab(kind: Any, library: str, model: str, api: str) -> None:
    wire = Wire()
    assert called(lambda: kind(model), wire) == TEXT
    assert [seen.partition(".")[0] for seen in wire.seen] == [api.partition(".")[0]]
    assert [request.library for request in wire.requests] == [library]


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_a_fault_arrives_as_the_clients_own_exception(kind: Any) -> None:
    wire = Wire(DOWN)
    with pytest.raises((litellm.ServiceUnavailableError, litellm.InternalServerError)):
        called(lambda: kind("openai/gpt-4o"), wire)
    assert len(wire.requests) == 1


def elsewhere(model: str, **options: Any) -> Call:
    return lambda: litellm.completion(model=model, messages=MESSAGES, max_retries=0, **{"api_key": "k", **options})


ELSEWHERE = [
    ("openai.chat", elsewhere("groq/llama-3.1-8b-instant")),
    ("openai.chat", elsewhere("openrouter/x/y")),
    ("openai.chat", elsewhere("deepseek/deepseek-chat")),
    ("openai.chat", elsewhere("perplexity/sonar")),
    ("openai.chat", elsewhere("mistral/mistral-small")),
    ("openai.chat", elsewhere("azure/dep", api_base="https://foo.openai.azure.com", api_version="2024-10-21")),
    ("openai.chat", elsewhere("azure_ai/x", api_base="https://foo.services.ai.azure.com/")),
    ("openai.chat", elsewhere("hosted_vllm/x", api_base="http://vllm:8000/v1")),
    ("cohere.chat", elsewhere("cohere_chat/command-r")),
    ("ollama", elsewhere("ollama_chat/llama3", api_base="http://localhost:11434")),
    ("watsonx", elsewhere("watsonx/x", api_base="https://us-south.ml.cloud.ibm.com", project_id="p", token="t")),
    (
        "bedrock",
        elsewhere(
            "bedrock/anthropic.claude-3-haiku-20240307-v1:0",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            aws_region_name="us-east-1",
        ),
    ),
]


@pytest.mark.parametrize(("api", "call"), ELSEWHERE, ids=[f"{api}-{n}" for n, (api, _) in enumerate(ELSEWHERE)])
def test_what_litellm_sends_elsewhere_is_recognised(api: str, call: Call) -> None:
    wire = Wire(DOWN)
    with pytest.raises(Exception, match=r"(?i)error|down|503"):
        called(call, wire)
    assert set(wire.seen) == {api}


def test_its_rust_client_is_off_in_a_run() -> None:
    litellm_rust = getattr(litellm, "rust", None)
    assert callable(litellm_rust)
    with armed(Wire()):
        assert os.environ["LITELLM_RUST"] == "0"
