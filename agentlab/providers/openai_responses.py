"""OpenAI's responses: a conversation is a list of items, and nothing of it is left with the provider (`store` is false)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agentlab.answers import RequestedCall, Said
from agentlab.errors import InvalidAnswerError
from agentlab.history import Message, instructions_of, private_of
from agentlab.models import Request
from agentlab.providers.provider import Assembly, PostingProvider
from agentlab.providers.reading import check_finish, document, error_in, objects, refused, tokens, unterminated, word

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAIResponses"]

Json = dict[str, Any]
MEANINGS = {"completed": "stop", "max_output_tokens": "cut", "content_filter": "filtered"}
"""The status, or for an incomplete response the reason that it gives."""
LAST = ("response.completed", "response.incomplete", "response.failed")
LEAST_TOKENS = 16
"""OpenAI refuses to answer in fewer."""


class OpenAIResponses(PostingProvider):
    """`/responses` through the OpenAI SDK."""

    telemetry_name = "openai"
    host = "https://api.openai.com/v1"
    key_variable = "OPENAI_API_KEY"
    sdk = extra = "openai"
    path = "/responses"

    def body(self, request: Request, max_tokens: int) -> Json:
        system, messages = instructions_of(request.messages)
        body: Json = {
            "model": self.model.name,
            "input": [item for message in messages for item in _items(message, self.model.identity)],
            "max_output_tokens": max(LEAST_TOKENS, max_tokens),
            "store": False,
        }
        if system:
            body["instructions"] = system
        if self.model.temperature is not None:
            body["temperature"] = self.model.temperature
        if request.tools:
            body["tools"] = [_tool(tool["function"]) for tool in request.tools]
            if not request.may_call:
                body["tool_choice"] = "none"
        if request.form is not None:
            form = {"type": "json_schema", "name": request.form.name, "schema": request.form.schema, "strict": True}
            body["text"] = {"format": form}
        return body | dict(self.model.extra)

    def assembly(self) -> Assembly:
        return _Events()

    def read(self, answer: object) -> Said:
        response = document(answer)
        output = objects(response.get("output"), "output items")
        if not output:
            raise InvalidAnswerError("empty_output", "The model's answer has no output")
        calls = tuple(_call(item) for item in output if item.get("type") == "function_call")
        text = "".join(_texts(output, calls=bool(calls)))
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        status = response.get("status")
        usage = response.get("usage")
        return Said(
            text=text,
            calls=calls,
            finish=check_finish(reason if status == "incomplete" else status, MEANINGS),
            model=response.get("model"),
            input_tokens=tokens(usage, "input_tokens"),
            output_tokens=tokens(usage, "output_tokens"),
            private=[_thought(item) for item in output if item.get("type") == "reasoning" and item.get("encrypted_content")] or None,
        )

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        return AsyncOpenAI(api_key=self.key, base_url=self.url, max_retries=0)

    def _stream_class(self) -> Any:
        from openai import AsyncStream  # noqa: PLC0415  # the same

        return AsyncStream[object]


def _tool(function: Json) -> Json:
    return {"type": "function", **function, "strict": False}


def _items(message: Message, identity: str) -> Iterator[Json]:
    if message["role"] == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": message["content"]}
        return
    yield from private_of(message, identity) or ()
    if message["content"] is not None:
        yield {"role": message["role"], "content": message["content"]}
    for call in message.get("tool_calls", ()):
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _thought(item: Any) -> Json:
    """A reasoning item as it may come back: its id names something only where the provider stores responses."""
    return {"type": "reasoning", "summary": item.get("summary") or [], "encrypted_content": item["encrypted_content"]}


def _call(item: Any) -> RequestedCall:
    if not isinstance(item.get("name"), str):
        raise InvalidAnswerError("no_function", "The model made a tool call without a function")
    return RequestedCall(word(item.get("call_id")), word(item["name"]), item.get("arguments"))


def _texts(output: Sequence[Any], *, calls: bool) -> Iterator[str]:
    for item in output:
        for part in objects(item.get("content"), "parts") if item.get("type") == "message" else ():
            if part.get("type") == "refusal" and not calls:
                raise refused("refusal")
            if part.get("type") == "output_text":
                if not isinstance(part.get("text"), str):
                    raise InvalidAnswerError("wrong_type", "The model's text is no text")
                yield part["text"]


class _Events(Assembly):
    """Events until the one that brings the whole response. They are numbered, so that one too many or too few is seen."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._response: object = None

    def add(self, event: Any) -> str:
        told = document(event)
        kind = told.get("type")
        if kind == "error":
            raise error_in({name: told.get(name) for name in ("code", "message")})
        self._count(told.get("sequence_number"))
        if kind in LAST:
            self._response = told.get("response")
        if kind != "response.output_text.delta":
            return ""
        if not isinstance(told.get("delta"), str):
            raise InvalidAnswerError("wrong_type", "The model's text is no text")
        return str(told["delta"])

    def _count(self, number: Any) -> None:
        if not isinstance(number, int):
            return
        if self._next is not None and number != self._next:
            raise InvalidAnswerError("lost_event", "The model's stream has lost or repeated an event")
        self._next = number + 1

    def whole(self) -> object:
        if self._response is None:
            raise unterminated()
        return self._response
