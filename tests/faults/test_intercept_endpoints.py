"""What a request is, told by path and body: the calls of the SDKs as seen, and what looks like them."""

from __future__ import annotations

import pytest
from agentlab_faults.exchange import Timeouts, WireRequest
from agentlab_faults.intercept import classify, is_loopback
from agentlab_faults.intercept.endpoints import is_telemetry_host
from hypothesis import given
from hypothesis import strategies as st

CHAT = b'{"model":"m","messages":[]}'
BARE = b'{"messages":[]}'
INPUT = b'{"model":"m","input":"x"}'
GEMINI = b'{"contents":[]}'
AZURE = "https://foo.openai.azure.com/openai"
STUDIO = "https://generativelanguage.googleapis.com/v1beta"
VERTEX = "https://us-central1-aiplatform.googleapis.com/v1beta1/projects/p/locations/l"
BEDROCK = "https://bedrock-runtime.us-east-1.amazonaws.com/model"


def request(method: str, url: str, body: bytes = b"") -> WireRequest:
    bare, _, rest = url.partition("://")[2].partition("/")
    host = bare.partition(":")[0]
    path = "/" + rest.partition("?")[0]
    return WireRequest("httpx2", method, url, host, path, {}, body, Timeouts(), sync=True)


@pytest.mark.parametrize(
    ("api", "url", "body"),
    [
        ("openai.chat", "https://api.openai.com/v1/chat/completions", CHAT),
        ("openai.chat", f"{AZURE}/deployments/dep/chat/completions?api-version=1", BARE),
        ("openai.chat", f"{AZURE}/v1/chat/completions", CHAT),
        ("openai.chat", "https://api.groq.com/openai/v1/chat/completions", CHAT),
        ("openai.chat", "https://openrouter.ai/api/v1/chat/completions", CHAT),
        ("openai.chat", "https://api.deepseek.com/chat/completions", CHAT),
        ("openai.chat", "https://api.perplexity.ai/chat/completions", CHAT),
        ("openai.chat", "https://gateway.ai.cloudflare.com/v1/acc/gw/openai/chat/completions", CHAT),
        ("openai.chat", "http://gw.corp/llm/chat/completions", CHAT),
        ("openai.chat", "http://127.0.0.1:8000/v1/chat/completions", CHAT),
        ("openai.chat", "http://vllm:8000/v1/chat/completions", CHAT),
        ("openai.chat", f"{STUDIO}/openai/chat/completions", CHAT),
        ("openai.responses", "https://api.openai.com/v1/responses", INPUT),
        ("openai.responses", f"{AZURE}/responses?api-version=1", INPUT),
        ("openai.responses", "https://api.openai.com/v1/responses", b'{"model":"m","prompt":{"id":"p"}}'),
        ("openai.completions", "https://api.openai.com/v1/completions", b'{"model":"m","prompt":"x"}'),
        ("anthropic.messages", "https://api.anthropic.com/v1/messages", CHAT),
        ("anthropic.messages", "https://api.anthropic.com/v1/messages?beta=true", CHAT),
        ("anthropic.messages", "https://api.deepseek.com/anthropic/v1/messages", CHAT),
        ("anthropic.messages", f"{VERTEX}/publishers/anthropic/models/claude@1:rawPredict", BARE),
        ("anthropic.messages", f"{VERTEX}/publishers/anthropic/models/claude@1:streamRawPredict", BARE),
        ("gemini.generate", f"{STUDIO}/models/gemini-2:generateContent", GEMINI),
        ("gemini.generate", f"{STUDIO}/tunedModels/abc:generateContent", GEMINI),
        ("gemini.generate", f"{VERTEX}/publishers/google/models/gemini-2:generateContent", GEMINI),
        ("gemini.generate", f"{VERTEX}/endpoints/123:generateContent", GEMINI),
        ("gemini.stream", f"{STUDIO}/models/gemini-2:streamGenerateContent?alt=sse", GEMINI),
        ("embeddings", "https://api.openai.com/v1/embeddings", INPUT),
        ("embeddings", f"{AZURE}/deployments/dep/embeddings", b'{"input":"x"}'),
        ("embeddings", f"{STUDIO}/models/gemini-e:batchEmbedContents", b"{}"),
        ("embeddings", f"{VERTEX}/publishers/google/models/text-embedding-005:predict", b"{}"),
        ("bedrock", f"{BEDROCK}/anthropic.claude%3A0/invoke", b"{}"),
        ("bedrock", f"{BEDROCK}/amazon.nova/converse-stream", b"{}"),
        ("cohere.chat", "https://api.cohere.com/v2/chat", CHAT),
        ("ollama", "http://localhost:11434/api/chat", CHAT),
        ("ollama", "http://localhost:11434/api/show", b'{"model":"m"}'),
        ("watsonx", "https://us-south.ml.cloud.ibm.com/ml/v1/text/chat?version=1", BARE),
        ("tokens", "https://api.openai.com/v1/responses/input_tokens", INPUT),
        ("side", "https://api.openai.com/v1/moderations", INPUT),
        ("tokens", "https://api.anthropic.com/v1/messages/count_tokens", CHAT),
        ("side", "https://api.anthropic.com/v1/messages/batches", b"{}"),
        ("tokens", f"{STUDIO}/models/gemini-2:countTokens", GEMINI),
        ("tokens", "http://gw.corp/anthropic/v1/messages/count_tokens", CHAT),
        ("tokens", f"{VERTEX}/publishers/anthropic/models/count-tokens:rawPredict", CHAT),
        ("tokens", "http://127.0.0.1:8000/v1/responses/input_tokens", INPUT),
        ("ollama", "http://localhost:11434/api/generate", b'{"model":"m","prompt":"x"}'),
        ("ollama", "http://localhost:11434/api/embed", INPUT),
        ("watsonx", "https://us-south.ml.cloud.ibm.com/ml/v1/deployments/d/text/chat_stream?version=1", BARE),
        ("anthropic.messages", "https://foo.services.ai.azure.com/anthropic/v1/messages", CHAT),
        ("openai.chat", "https://foo.services.ai.azure.com/models/chat/completions?api-version=1", CHAT),
        ("openai.chat", f"{VERTEX}/endpoints/openapi/chat/completions", CHAT),
        ("oauth.token", "https://oauth2.googleapis.com/token", b"grant_type=x"),
        ("oauth.token", "https://login.microsoftonline.com/tenant/oauth2/v2.0/token", b"grant_type=x"),
        ("oauth.token", "https://iam.cloud.ibm.com/identity/token", b"grant_type=x"),
    ],
)
def test_provider_calls_are_recognised(api: str, url: str, body: bytes) -> None:
    endpoint = classify(request("POST", url, body))
    assert endpoint is not None
    assert (endpoint.api, endpoint.kind) == (api, "provider")


@pytest.mark.parametrize("path", ["models", "responses/resp_1", "files"])
def test_a_get_at_a_provider_is_no_model_call(path: str) -> None:
    endpoint = classify(request("GET", f"https://api.openai.com/v1/{path}"))
    assert endpoint is not None
    assert (endpoint.api, endpoint.kind) == ("side", "provider")


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("GET", "https://api.weather.com/v1/models/x", b""),
        ("GET", "https://gw.corp/v1/chat/completions", b""),
        ("POST", "https://slack.com/api/v1/messages", b'{"text":"x"}'),
        ("POST", "https://chat.corp/api/chat", b'{"text":"x"}'),
        ("POST", "https://forms.example/api/responses", b'{"answers":[1],"model":"a"}'),
        ("POST", "https://shop.example/completions", b'{"model":"a"}'),
        ("POST", "https://app.corp/api/chat", b'{"model":"a","text":"x"}'),
        ("POST", "https://app.corp/api/generate", b'{"model":"a"}'),
        ("POST", "https://app.corp/v1/responses/42", INPUT),
        ("POST", "https://auth.corp/oauth2/token", b"grant_type=x"),
        ("POST", "https://www.googleapis.com/drive/v3/files", b"{}"),
        ("POST", "https://api.corp/model/42/predict", b"{}"),
        ("POST", "https://api.cloudflare.com/client/v4/accounts", b"{}"),
        ("GET", "https://maps.googleapis.com/maps/api/geocode/json", b""),
        ("GET", "https://b.s3.amazonaws.com/k", b""),
        ("GET", "https://api.openai.com.evil.example/v1/models", b""),
    ],
)
def test_look_alikes_are_tools(method: str, url: str, body: bytes) -> None:
    endpoint = classify(request(method, url, body))
    assert endpoint is not None
    assert endpoint.kind == "tool"


@pytest.mark.parametrize(
    ("product", "url"),
    [
        ("otlp", "https://collector.corp:4318/v1/traces"),
        ("otlp", "http://localhost:4318/v1/metrics"),
        ("otlp", "https://telemetry.crewai.com:4319/v1/traces"),
        ("openai.traces", "https://api.openai.com/v1/traces/ingest"),
        ("sentry", "https://o1.ingest.us.sentry.io/api/123/envelope/"),
        ("sentry", "https://sentry.corp/api/7/envelope/"),
        ("posthog", "https://us.i.posthog.com/batch/"),
        ("langsmith", "https://api.smith.langchain.com/runs/multipart"),
        ("langfuse", "https://cloud.langfuse.com/api/public/ingestion"),
        ("langfuse", "https://langfuse.corp/api/public/ingestion"),
        ("otlp", "https://cloud.langfuse.com/api/public/otel/v1/traces"),
        ("logfire", "https://logfire-us.pydantic.dev/v1/info"),
        ("datadog", "https://llmobs-intake.datadoghq.com/api/v2/llmobs"),
        ("segment", "https://api.segment.io/v1/batch"),
    ],
)
def test_telemetry_is_recognised_before_everything_else(product: str, url: str) -> None:
    endpoint = classify(request("POST", url, b"{}"))
    assert endpoint is not None
    assert (endpoint.api, endpoint.kind) == (product, "telemetry")


def test_a_local_service_is_nobodys_business() -> None:
    assert classify(request("POST", "http://127.0.0.1:9000/v1/things", b"{}")) is None
    assert classify(request("GET", "http://localhost:11434/v1/models")) is None


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "0.0.0.0", "::", ""],  # noqa: S104 - nothing binds
)
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.evil.example", "128.0.0.1", "10.0.0.1", "::2", "127.0.0.1.nip.io", "example.com"])
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


HOSTS = ["api.openai.com", "localhost", "127.0.0.1", "::1", "cloud.langfuse.com", "us.i.posthog.com", "shop.example"]
PATHS = ["/v1/chat/completions", "/v1/responses", "/v1/traces", "/api/7/envelope/", "/v1/things"]


@given(
    st.sampled_from(HOSTS) | st.text(max_size=40),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.sampled_from(PATHS) | st.text(max_size=40),
    st.sampled_from([CHAT, BARE, INPUT]) | st.binary(max_size=40),
)
def test_what_a_request_is_follows_from_its_host_unless_it_is_posted(host: str, method: str, path: str, body: bytes) -> None:
    endpoint = classify(WireRequest("httpx2", method, "", host, path, {}, body, Timeouts(), sync=True))
    by_host = classify(WireRequest("httpx2", "GET", "", host, "/", {}, b"", Timeouts(), sync=True))
    assert (by_host is None) == is_loopback(host)
    assert (by_host is not None and by_host.kind == "telemetry") == (is_telemetry_host(host) and not is_loopback(host))
    if method != "POST":
        assert endpoint == by_host
    elif endpoint != by_host:
        assert endpoint is not None
        assert endpoint.kind == "telemetry" or (endpoint.kind == "provider" and endpoint.api != "side")


@given(st.sampled_from(HOSTS), st.sampled_from(PATHS[:2]))
def test_a_model_call_is_one_at_every_host(host: str, path: str) -> None:
    body = b'{"model":"m","messages":[],"input":"x"}'
    endpoint = classify(WireRequest("httpx2", "POST", "", host, path, {}, body, Timeouts(), sync=True))
    assert endpoint is not None
    assert (endpoint.kind, endpoint.api) == ("provider", "openai.chat" if path == PATHS[0] else "openai.responses")
