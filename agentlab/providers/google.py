"""Google's generateContent: contents made of parts, calls and their responses paired by id or by order, calls signed by the model."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agentlab.answers import RequestedCall, Said
from agentlab.errors import InvalidAnswerError
from agentlab.history import MINTED, Message, arguments_of, instructions_of, private_of
from agentlab.models import Model, Request
from agentlab.providers.provider import Assembly, Provider
from agentlab.providers.reading import check_finish, document, objects, refused, tokens, unterminated, word

if TYPE_CHECKING:
    import httpx2
    from google.genai import Client

__all__ = ["Google"]

Json = dict[str, Any]
FILTERS = ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT")
BAD_CALLS = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE")
MEANINGS = {"STOP": "stop", "MAX_TOKENS": "cut", **dict.fromkeys(FILTERS, "filtered"), **dict.fromkeys(BAD_CALLS, "malformed_call")}
OLDER = re.compile(r"(^|/)gemini-[12]\b")
"""Models that take calls without a signature back, and that refuse a form of the answer beside tools: they are held to it by repair."""
FOREIGN = b"skip_thought_signature_validator"
"""The signature that Google documents for calls of another model (ai.google.dev/gemini-api/docs/thought-signatures)."""
ROLES = {"assistant": "model", "user": "user"}
NO_TEXT = "(no text)"
"""What a message without any text says: parts may not be empty."""


class Google(Provider):
    """`generateContent` and `streamGenerateContent` through the google-genai SDK, on our own HTTP client.

    With aiohttp installed the SDK would use that, and try again by itself after a broken connection.
    """

    telemetry_name = "gcp.gemini"
    host = ""
    key_variable = "GEMINI_API_KEY"
    sdk = "google.genai"
    extra = "google"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._http: httpx2.AsyncClient | None = None
        self._sdk: Client | None = None

    def body(self, request: Request, max_tokens: int) -> Json:
        system, messages = instructions_of(request.messages)
        config: Json = {"max_output_tokens": max_tokens}
        if system.strip():
            config["system_instruction"] = system
        if self.model.temperature is not None:
            config["temperature"] = self.model.temperature
        if request.tools:
            config["tools"] = [{"function_declarations": [_tool(tool["function"]) for tool in request.tools]}]
            config["automatic_function_calling"] = {"disable": True}
            if not request.may_call:
                config["tool_config"] = {"function_calling_config": {"mode": "NONE"}}
        if request.form is not None and not (request.tools and OLDER.search(self.model.name)):
            config |= {"response_mime_type": "application/json", "response_json_schema": request.form.schema}
        return {"model": self.model.name, "contents": _contents(messages, self.model), "config": config | dict(self.model.extra)}

    async def whole(self, body: Json, seconds: float) -> object:
        config = {**body["config"], "should_return_http_response": True, "http_options": {"timeout": _milliseconds(seconds)}}
        answer = await self._models().generate_content(model=body["model"], contents=body["contents"], config=config)
        return json.loads((answer.sdk_http_response and answer.sdk_http_response.body) or "null")

    async def events(self, body: Json, seconds: float) -> AsyncGenerator[Any]:
        config = {**body["config"], "http_options": {"timeout": _milliseconds(seconds)}}
        chunks = await self._models().generate_content_stream(model=body["model"], contents=body["contents"], config=config)
        async for chunk in chunks:
            yield chunk.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"sdk_http_response"})

    def assembly(self) -> Assembly:
        return _Chunks()

    def read(self, answer: object) -> Said:
        response = document(answer)
        candidates = objects(response.get("candidates"), "candidates")
        if not candidates:
            raise _without_candidates(response)
        parts = list(_parts(candidates[0]))
        usage = response.get("usageMetadata")
        return Said(
            finish=check_finish(candidates[0].get("finishReason"), MEANINGS),
            text="".join(_texts(parts)),
            calls=tuple(_call(part) for part in parts if part.get("functionCall") is not None),
            model=response.get("modelVersion"),
            input_tokens=tokens(usage, "promptTokenCount"),
            output_tokens=tokens(usage, "candidatesTokenCount", "thoughtsTokenCount"),
            private=next((_signature(part) for part in reversed(parts) if "text" in part and _signature(part)), None),
        )

    async def aclose(self) -> None:
        self._sdk = None
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def _models(self) -> Any:
        if self._sdk is None:
            import httpx2  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap
            from google.genai import Client  # noqa: PLC0415  # the same
            from google.genai.types import HttpOptions  # noqa: PLC0415  # the same

            self._http = httpx2.AsyncClient(event_hooks={"request": [self._hurry], "response": [_check_bytes]})
            options = HttpOptions(base_url=self.url or None, httpx_async_client=self._http)
            self._sdk = Client(api_key=self.key, vertexai=False, http_options=options)
        return self._sdk.aio.models

    async def _hurry(self, request: httpx2.Request) -> None:
        """Bound connecting, and waiting for a free connection, by the model's own limit: the SDK knows one timeout for everything."""
        timeouts = request.extensions.get("timeout", {})
        for phase in ("connect", "pool"):
            timeouts[phase] = min(self.model.connect_timeout, timeouts.get(phase) or self.model.connect_timeout)


async def _check_bytes(response: httpx2.Response) -> None:
    """Raise for an answer that is no text: the SDK would put a replacement for what cannot be read, as if the model had said it."""
    if response.status_code == 200 and "event-stream" not in response.headers.get("content-type", ""):
        try:
            (await response.aread()).decode()
        except UnicodeDecodeError:
            raise InvalidAnswerError("not_utf8", "The model's answer is no text in UTF-8") from None


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _tool(function: Json) -> Json:
    return {"name": function["name"], "description": function["description"], "parameters_json_schema": function["parameters"]}


def _contents(messages: Sequence[Message], model: Model) -> list[Json]:
    """The messages as contents. All results of a turn are one content, in the order of their calls."""
    names = {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls", ())}
    places = {call_id: n for n, call_id in enumerate(names)}
    contents: list[Json] = []
    for results, together in groupby(messages, lambda message: message["role"] == "tool"):
        if results:
            ordered = sorted(together, key=lambda message: places[message["tool_call_id"]])
            parts = [{"function_response": _response(message, names[message["tool_call_id"]])} for message in ordered]
            contents.append({"role": "user", "parts": parts})
        else:
            spoken = ((ROLES[message["role"]], list(_said(message, model))) for message in together)
            contents += [{"role": role, "parts": parts} for role, parts in spoken if parts]
    return contents


def _response(message: Message, name: str) -> Json:
    told = {"error" if message.get("failed") else "output": message["content"]}
    return {**_named(message["tool_call_id"]), "name": name, "response": told}


def _named(call_id: str) -> Json:
    """The id, unless we made it up ourselves: what has no name is paired by its order."""
    return {} if call_id.startswith(MINTED) else {"id": call_id}


def _said(message: Message, model: Model) -> Iterator[Json]:
    text = message["content"] or ""
    if text or message["role"] == "user":
        yield {"text": text or NO_TEXT, **_signed(private_of(message, model.identity))}
    first = True
    for call in message.get("tool_calls", ()):
        part = {"function_call": {**_named(call["id"]), "name": call["function"]["name"], "args": arguments_of(call)}}
        signed = _signed(private_of(call, model.identity))
        if first and not signed and not OLDER.search(model.name):
            signed = {"thought_signature": FOREIGN}
        first = False
        yield part | signed


def _signed(note: Any) -> Json:
    return {"thought_signature": base64.b64decode(note)} if note else {}


def _signature(part: Mapping[str, Any]) -> str | None:
    """A part's signature, if it is one: base64 of either alphabet, kept in the standard one."""
    text = part.get("thoughtSignature")
    try:
        return base64.b64encode(base64.b64decode(text, altchars=b"-_" if set("-_") & set(text) else None)).decode() if text else None
    except (ValueError, TypeError):
        return None


def _without_candidates(response: Mapping[str, Any]) -> InvalidAnswerError:
    feedback = response.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return refused("filtered")
    return InvalidAnswerError("empty_candidates", "The model's answer has no candidates")


def _parts(candidate: Any) -> list[Mapping[str, Any]]:
    content = candidate.get("content")
    if content is not None and not isinstance(content, dict):
        raise InvalidAnswerError("wrong_type", "The model's content is no object")
    return objects((content or {}).get("parts"), "parts")


def _texts(parts: Sequence[Any]) -> Iterator[str]:
    for part in parts:
        if part.get("text") is not None and not part.get("thought"):
            if not isinstance(part["text"], str):
                raise InvalidAnswerError("wrong_type", "The model's text is no text")
            yield part["text"]


def _call(part: Any) -> RequestedCall:
    call = part["functionCall"]
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise InvalidAnswerError("no_function", "The model made a tool call without a function")
    return RequestedCall(word(call.get("id")), word(call["name"]), call.get("args", {}), _signature(part))


class _Chunks(Assembly):
    """Chunks put together to a response; it is whole when one said why the model stopped."""

    def __init__(self) -> None:
        self._response: Json = {}
        self._parts: list[Any] = []
        self._candidate: Json = {}

    def add(self, event: Any) -> str:
        chunk = document(event)
        self._response |= {name: chunk[name] for name in ("usageMetadata", "modelVersion", "promptFeedback") if chunk.get(name)}
        candidates = objects(chunk.get("candidates"), "candidates")
        if not candidates:
            return ""
        parts = _parts(candidates[0])
        self._parts += parts
        self._candidate |= {name: value for name, value in candidates[0].items() if name != "content"}
        return "".join(_texts(parts))

    def whole(self) -> object:
        if self._candidate.get("finishReason") is None and "promptFeedback" not in self._response:
            raise unterminated()
        candidates = [{**self._candidate, "content": {"parts": self._parts}}] if self._candidate else []
        return {**self._response, "candidates": candidates}
