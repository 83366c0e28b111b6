"""What a request is: a call to a model's provider, telemetry on its way out, or a tool.

Providers are told by the end of the path and by keys of the body, not by host, so that gateways, Azure, vLLM and Ollama on loopback count.
Hosts only decide what else belongs to a provider (models, files, counting), and they stand in exact lists: a suffix like `googleapis.com`
would take in Maps. Sources: the requests of openai 2 and 3, anthropic 1 and 2, google-genai 3, litellm and boto3, each seen once.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from agentlab_faults.exchange import WireRequest

__all__ = ["Endpoint", "classify", "is_address", "is_loopback", "is_telemetry_host"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a request goes.

    `api` of a provider: `openai.chat`, `openai.responses`, `openai.completions`, `anthropic.messages`, `gemini.generate`,
    `gemini.stream`, `embeddings`, `bedrock`, `cohere.chat`, `ollama`, `watsonx`, `oauth.token` (a token of access, without which no cloud's
    client gets as far as a model call), `tokens` (counting them), or `side` (no model call: models, files); of an MCP server
    `mcp`; of telemetry its product (`otlp`, `langsmith` ...); of a tool `http`.
    """

    api: str
    kind: Literal["provider", "telemetry", "tool", "mcp"]


@dataclass(frozen=True, slots=True)
class _Path:
    """A model call: POST to a path that ends so, with all of `keys` in the body (any one of each tuple)."""

    endpoint: Endpoint
    pattern: re.Pattern[str]
    keys: tuple[tuple[bytes, ...], ...] = ()


_MODEL: Final = (b'"model"',)
_MESSAGES: Final = (b'"messages"',)

_PATHS: Final = tuple(
    _Path(Endpoint(api, "provider"), re.compile(pattern), keys)
    for api, pattern, keys in (
        ("tokens", r"/v1/messages/count_tokens/?$|/count-tokens:rawPredict$", (_MESSAGES,)),
        ("tokens", r"/responses/input_tokens/?$", (_MODEL,)),
        ("tokens", r":countTokens$", ()),
        ("side", r":computeTokens$", ()),
        ("openai.chat", r"/deployments/[^/]+/chat/completions/?$", (_MESSAGES,)),
        ("openai.chat", r"/chat/completions/?$", (_MODEL, _MESSAGES)),
        ("openai.responses", r"/responses/?$", (_MODEL, (b'"input"', b'"prompt"'))),
        ("anthropic.messages", r"/v1/messages/?$", (_MODEL, _MESSAGES)),
        ("anthropic.messages", r":(rawPredict|streamRawPredict)$", (_MESSAGES,)),
        ("gemini.generate", r":generateContent$", ()),
        ("gemini.stream", r":streamGenerateContent$", ()),
        ("embeddings", r"/deployments/[^/]+/embeddings/?$", ()),
        ("embeddings", r"/embeddings/?$", (_MODEL,)),
        ("embeddings", r":(embedContent|batchEmbedContents)$|/publishers/google/models/[^/]+:predict$", ()),
        ("bedrock", r"/model/[^/]+/(converse|converse-stream|invoke|invoke-with-response-stream)$", ()),
        ("cohere.chat", r"/v[12]/chat/?$", (_MESSAGES,)),
        ("ollama", r"/api/chat$", (_MODEL, _MESSAGES)),
        ("ollama", r"/api/(generate|embed|embeddings)$", (_MODEL, (b'"prompt"', b'"input"', b'"messages"'))),
        ("ollama", r"/api/show$", (_MODEL,)),
        ("watsonx", r"/ml/v1/(deployments/[^/]+/)?text/(chat|generation)(_stream)?$", ()),
        ("openai.completions", r"/deployments/[^/]+/completions/?$", ()),
        ("openai.completions", r"/completions/?$", (_MODEL, (b'"prompt"',))),
    )
)
"""In their order: the first that matches decides."""

_TOKENS: Final = tuple(
    (re.compile(host), re.compile(path))
    for host, path in (
        (r"oauth2\.googleapis\.com|accounts\.google\.com|www\.googleapis\.com|sts\.googleapis\.com", r"/token$"),
        (r"login\.microsoftonline\.(com|us)|login\.chinacloudapi\.cn", r"/oauth2(/v2\.0)?/token$"),
        (r"iam(\.test)?\.cloud\.ibm\.com", r"^/identity/token$"),
    )
)

_PROVIDER_HOSTS: Final = re.compile(
    r"api\.openai\.com|[\w-]+\.openai\.azure\.com|[\w-]+\.services\.ai\.azure\.com|[\w-]+\.cognitiveservices\.azure\.com|api\.anthropic\.com"
    r"|generativelanguage\.googleapis\.com|([\w-]+-)?aiplatform\.googleapis\.com|oauth2\.googleapis\.com|api\.mistral\.ai|api\.cohere\.(ai|com)"
    r"|api\.groq\.com|api\.deepseek\.com|api\.x\.ai|api\.together\.(ai|xyz)|openrouter\.ai|api\.fireworks\.ai|api\.perplexity\.ai"
    r"|api\.cerebras\.ai|api\.sambanova\.ai|integrate\.api\.nvidia\.com|router\.huggingface\.co|models\.github\.ai|api\.moonshot\.(ai|cn)"
    r"|[\w-]+\.ml\.cloud\.ibm\.com|[\w.-]+\.inference\.ai\.azure\.com|gateway\.ai\.cloudflare\.com"
    r"|bedrock(-agent)?(-runtime)?(-fips)?\.[\w-]+\.amazonaws\.com(\.cn)?"
)

_TELEMETRY_HOSTS: Final = (
    ("sentry", re.compile(r"([\w-]+\.)*ingest(\.\w+)?\.sentry\.io")),
    ("posthog", re.compile(r"(app|us|eu|us\.i|eu\.i|us-assets\.i|eu-assets\.i)\.posthog\.com")),
    ("logfire", re.compile(r"logfire-(api|us|eu)\.pydantic\.(dev|info)")),
    ("langfuse", re.compile(r"(us\.|eu\.|hipaa\.)?cloud\.langfuse\.com")),
    ("langsmith", re.compile(r"(\w+\.)?api\.smith\.langchain\.com")),
    (
        "datadog",
        re.compile(r"([\w-]+\.)*(http-intake\.logs|[\w-]+-intake|trace\.agent)\.([\w-]+\.)?datadoghq\.(com|eu)"),
    ),
    ("segment", re.compile(r"api\.segment\.io")),
    ("mixpanel", re.compile(r"api(-eu)?\.mixpanel\.com")),
    ("amplitude", re.compile(r"api2?\.(eu\.)?amplitude\.com")),
    ("otlp", re.compile(r"telemetry\.crewai\.com|api\.traceloop\.com|otlp\.arize\.com|api\.honeycomb\.io|otlp\.nr-data\.net")),
)

_TELEMETRY_PATHS: Final = (
    ("otlp", re.compile(r"/v1/(traces|metrics|logs)/?$")),
    ("openai.traces", re.compile(r"/v1/traces/ingest/?$")),
    ("sentry", re.compile(r"/api/\w+/(envelope|store)/?$")),
    ("langfuse", re.compile(r"/api/public/ingestion/?$")),
    ("langsmith", re.compile(r"/runs/(batch|multipart)/?$")),
    ("huggingface", re.compile(r"^/api/telemetry/")),
)

_SIDE: Final = Endpoint("side", "provider")
_MCP: Final = Endpoint("mcp", "mcp")
_TOKEN: Final = Endpoint("oauth.token", "provider")
_TOOL: Final = Endpoint("http", "tool")


def classify(request: WireRequest) -> Endpoint | None:
    """Where the request goes; None for an ordinary service on loopback, which is the user's own business.

    Telemetry comes first (OpenAI's traces go to its API host), then model calls by path and body, then places that give tokens of access,
    then provider hosts; the rest are tools.
    """
    if _is_mcp(request):
        return _MCP
    if request.method == "POST":
        found = _telemetry(request.path) or _model_call(request.path, request.body)
        if found is not None:
            return found
        if _gives_tokens(request.host, request.path):
            return _TOKEN
    if is_loopback(request.host):
        return None
    if product := _telemetry_product(request.host):
        return Endpoint(product, "telemetry")
    return _SIDE if _PROVIDER_HOSTS.fullmatch(request.host) else _TOOL


def _is_mcp(request: WireRequest) -> bool:
    """MCP over streamable HTTP: a JSON-RPC message that takes a stream for an answer, or a later request of its session."""
    headers = request.headers
    if request.method == "POST":
        return "text/event-stream" in headers.get("accept", "") and b'"jsonrpc"' in request.body
    return request.method in ("GET", "DELETE") and ("mcp-session-id" in headers or "mcp-protocol-version" in headers)


def is_telemetry_host(host: str) -> bool:
    """Whether everything that goes to this host is telemetry."""
    return bool(_telemetry_product(host))


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Whether the host is this machine (`localhost`, 127.0.0.0/8, `::1`, an unspecified address or an empty name)."""
    name = host.strip("[]").rstrip(".").lower()
    if name in {"", "localhost"} or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


@lru_cache(maxsize=1024)
def is_address(host: str) -> bool:
    """Whether the host is an IP address, which needs no look-up."""
    return _address(host) is not None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _telemetry_product(host: str) -> str:
    return next((product for product, pattern in _TELEMETRY_HOSTS if pattern.fullmatch(host)), "")


@lru_cache(maxsize=1024)
def _telemetry(path: str) -> Endpoint | None:
    product = next((product for product, pattern in _TELEMETRY_PATHS if pattern.search(path)), "")
    return Endpoint(product, "telemetry") if product else None


@lru_cache(maxsize=1024)
def _gives_tokens(host: str, path: str) -> bool:
    return any(hosts.fullmatch(host) and paths.search(path) for hosts, paths in _TOKENS)


def _model_call(path: str, body: bytes) -> Endpoint | None:
    for row in _rows(path):
        if all(any(key in body for key in keys) for keys in row.keys):
            return row.endpoint
    return None


@lru_cache(maxsize=1024)
def _rows(path: str) -> tuple[_Path, ...]:
    return tuple(row for row in _PATHS if row.pattern.search(path))
