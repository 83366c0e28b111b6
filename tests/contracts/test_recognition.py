"""The calls of the real SDKs, wherever they are pointed, are told from each other and from what looks like them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
import requests
from agentlab_faults.intercept import classify
from google import genai
from google.oauth2.credentials import Credentials

from .answers import Wire
from .calling import Call, called

MESSAGES: Any = [{"role": "user", "content": "x"}]
MESSAGE: Any = {"model": "m", "max_tokens": 5, "messages": MESSAGES}
OPTIONS: Any = {"api_key": "k", "max_retries": 0}
VERTEX: Any = {"vertexai": True, "project": "p", "location": "us-central1", "credentials": Credentials("t")}
ENDPOINT = "projects/p/locations/l/endpoints/123"


def chat_at(url: str) -> Callable[[], Any]:
    """openai's chat completions with another base URL."""
    return lambda: openai.OpenAI(**OPTIONS, base_url=url).chat.completions.create(model="m", messages=MESSAGES)


def gpt() -> openai.OpenAI:
    return openai.OpenAI(**OPTIONS)


def azure() -> openai.AzureOpenAI:
    return openai.AzureOpenAI(**OPTIONS, azure_endpoint="https://foo.openai.azure.com", api_version="2024-10-21")


def claude(**more: Any) -> anthropic.Anthropic:
    return anthropic.Anthropic(**OPTIONS, **more)


def claude_on_vertex() -> anthropic.AnthropicVertex:
    return anthropic.AnthropicVertex(region="us-east5", project_id="p", access_token="t", max_retries=0)


def gemini(method: str, model: str, **options: Any) -> Callable[[], Any]:
    """A call of google-genai, its client kept as long as it lasts."""

    def call() -> None:
        with genai.Client(**(options or {"api_key": "k"})) as client:
            answer = getattr(client.models, method)(model=model, contents="x")
            if method.endswith("stream"):
                list(answer)

    return call


CALLS: list[tuple[str, str, Callable[[], Any]]] = [
    ("openai.chat", "chat", lambda: gpt().chat.completions.create(model="m", messages=MESSAGES)),
    ("openai.chat", "chat parsed", lambda: gpt().chat.completions.parse(model="m", messages=MESSAGES)),
    ("openai.chat", "chat streamed", lambda: list(gpt().chat.completions.create(model="m", messages=MESSAGES, stream=True))),
    ("openai.responses", "responses", lambda: gpt().responses.create(model="m", input="x")),
    ("openai.responses", "responses streamed", lambda: list(gpt().responses.create(model="m", input="x", stream=True))),
    ("openai.completions", "completions", lambda: gpt().completions.create(model="m", prompt="x")),
    ("embeddings", "embeddings", lambda: gpt().embeddings.create(model="m", input="x", encoding_format="float")),
    ("side", "responses retrieved", lambda: gpt().responses.retrieve("resp_1")),
    ("tokens", "responses counted", lambda: gpt().responses.input_tokens.count(model="m", input="x")),
    ("side", "models", lambda: gpt().models.list(timeout=5)),
    ("side", "moderations", lambda: gpt().moderations.create(input="x")),
    ("side", "files", lambda: gpt().files.list(limit=5)),
    ("openai.chat", "groq", chat_at("https://api.groq.com/openai/v1")),
    ("openai.chat", "deepseek", chat_at("https://api.deepseek.com")),
    ("openai.chat", "openrouter", chat_at("https://openrouter.ai/api/v1")),
    ("openai.chat", "a gateway without a version", chat_at("http://gw.corp/llm/")),
    ("openai.chat", "vllm on loopback", chat_at("http://127.0.0.1:8000/v1")),
    ("openai.chat", "ollama on loopback", chat_at("http://localhost:11434/v1")),
    ("openai.chat", "cloudflare's gateway", chat_at("https://gateway.ai.cloudflare.com/v1/acc/gw/openai")),
    ("openai.chat", "gemini's compatible endpoint", chat_at("https://generativelanguage.googleapis.com/v1beta/openai/")),
    ("openai.chat", "azure chat", lambda: azure().chat.completions.create(model="dep", messages=MESSAGES)),
    ("embeddings", "azure embeddings", lambda: azure().embeddings.create(model="dep", input="x", encoding_format="float")),
    ("openai.responses", "azure responses", lambda: azure().responses.create(model="dep", input="x")),
    ("anthropic.messages", "messages", lambda: claude().messages.create(**MESSAGE)),
    ("anthropic.messages", "messages in beta", lambda: claude().beta.messages.create(**MESSAGE, betas=["x"])),
    ("anthropic.messages", "messages streamed", lambda: list(claude().messages.create(**MESSAGE, stream=True))),
    ("anthropic.messages", "messages elsewhere", lambda: claude(base_url="https://api.deepseek.com/anthropic").messages.create(**MESSAGE)),
    ("anthropic.messages", "messages on loopback", lambda: claude(base_url="http://127.0.0.1:8000").messages.create(**MESSAGE)),
    ("tokens", "messages counted", lambda: claude().messages.count_tokens(model="m", messages=MESSAGES)),
    ("side", "batches", lambda: claude().messages.batches.create(requests=[])),
    ("anthropic.messages", "claude on vertex", lambda: claude_on_vertex().messages.create(**MESSAGE)),
    ("anthropic.messages", "claude on vertex streamed", lambda: list(claude_on_vertex().messages.create(**MESSAGE, stream=True))),
    ("tokens", "claude on vertex counted", lambda: claude_on_vertex().messages.count_tokens(model="m", messages=MESSAGES)),
    ("gemini.generate", "gemini", gemini("generate_content", "gemini-2")),
    ("gemini.stream", "gemini streamed", gemini("generate_content_stream", "gemini-2")),
    ("gemini.generate", "gemini tuned", gemini("generate_content", "tunedModels/abc")),
    ("embeddings", "gemini embeddings", gemini("embed_content", "gemini-embedding-001")),
    ("tokens", "gemini counted", gemini("count_tokens", "gemini-2")),
    ("gemini.generate", "vertex", gemini("generate_content", "gemini-2", **VERTEX)),
    ("gemini.stream", "vertex streamed", gemini("generate_content_stream", "gemini-2", **VERTEX)),
    ("gemini.generate", "vertex endpoint", gemini("generate_content", ENDPOINT, **VERTEX)),
    ("embeddings", "vertex embeddings", gemini("embed_content", "text-embedding-005", **VERTEX)),
    ("tool", "weather", lambda: httpx2.get("https://api.weather.com/v1/models/x")),
    ("tool", "a chat room", lambda: httpx2.post("https://slack.com/api/v1/messages", json={"text": "x"})),
    ("tool", "a survey", lambda: httpx2.post("https://forms.example/api/responses", json={"answers": [1], "model": "a"})),
    ("tool", "maps", lambda: requests.get("https://maps.googleapis.com/maps/api/geocode/json", timeout=5)),
    ("tool", "a bucket", lambda: requests.get("https://b.s3.amazonaws.com/k", timeout=5)),
    ("tool", "a shop's login", lambda: requests.post("https://auth.corp/oauth2/token", data={"grant_type": "x"}, timeout=5)),
]


@pytest.mark.parametrize(("api", "call"), [(api, call) for api, _, call in CALLS], ids=[name.replace(" ", "-") for _, name, _ in CALLS])
def test_what_a_real_client_sends_is_recognised(api: str, call: Call) -> None:
    wire = Wire()
    called(call, wire)
    (request,) = wire.requests
    endpoint = classify(request)
    assert endpoint is not None
    assert (endpoint.api if endpoint.kind == "provider" else endpoint.kind) == api
