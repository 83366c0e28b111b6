"""OpenAI's chat completions, which most other hosts speak too. The neutral history has this form already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentlab.answers import RequestedCall, Said
from agentlab.errors import InvalidAnswerError
from agentlab.history import Message
from agentlab.models import Request
from agentlab.providers.provider import Assembly, PostingProvider
from agentlab.providers.reading import check_finish, document, objects, refused, tokens, unterminated, word

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["OpenAIChat"]

Json = dict[str, Any]
MEANINGS = {"stop": "stop", "tool_calls": "stop", "function_call": "stop", "length": "cut", "content_filter": "filtered"}


class OpenAIChat(PostingProvider):
    """`/chat/completions` through the OpenAI SDK."""

    telemetry_name = "openai"
    host = "https://api.openai.com/v1"
    key_variable = "OPENAI_API_KEY"
    sdk = extra = "openai"
    path = "/chat/completions"

    def body(self, request: Request, max_tokens: int) -> Json:
        model = self.model
        body: Json = {"model": model.name, "messages": _messages(request.messages), model.limit_field: max_tokens}
        if model.temperature is not None:
            body["temperature"] = model.temperature
        if request.tools:
            body["tools"] = list(request.tools)
            if not request.may_call:
                body["tool_choice"] = "none"
        if request.form is not None:
            form = {"name": request.form.name, "schema": request.form.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if model.stream:
            body["stream_options"] = {"include_usage": True}
        return body | dict(model.extra)

    def assembly(self) -> Assembly:
        return _Chunks()

    def read(self, answer: object) -> Said:
        completion = document(answer)
        choices = completion.get("choices")
        if not isinstance(choices, list) or not choices:
            raise InvalidAnswerError("empty_choices", "The model's answer has no choices")
        choice = choices[0] if isinstance(choices[0], dict) else {}
        message = choice.get("message")
        if not isinstance(message, dict):
            raise InvalidAnswerError("no_message", "The model's answer has no message")
        calls = tuple(_call(call) for call in objects(message.get("tool_calls"), "tool calls"))
        text = _text(message, bool(calls))
        finish = check_finish(choice.get("finish_reason"), MEANINGS)
        if finish == "tool_calls" and not calls:
            raise InvalidAnswerError("lost_calls", "The model's answer announces tool calls but has none")
        usage = completion.get("usage")
        return Said(
            text=text,
            calls=calls,
            finish=finish,
            model=completion.get("model"),
            input_tokens=tokens(usage, "prompt_tokens"),
            output_tokens=tokens(usage, "completion_tokens"),
        )

    def _client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        return AsyncOpenAI(api_key=self.key, base_url=self.url, max_retries=0)

    def _stream_class(self) -> Any:
        from openai import AsyncStream  # noqa: PLC0415  # the same

        return AsyncStream[object]


def _messages(messages: Sequence[Message]) -> list[Message]:
    """The messages without what is not for this provider to see."""
    return [_public(message) if "private" in message or "failed" in message or "tool_calls" in message else message for message in messages]


def _public(message: Message) -> Message:
    shown = {name: value for name, value in message.items() if name not in {"private", "failed"}}
    if any("private" in call for call in message.get("tool_calls", ())):
        shown["tool_calls"] = [{name: value for name, value in call.items() if name != "private"} for call in message["tool_calls"]]
    return shown


def _call(call: Any) -> RequestedCall:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise InvalidAnswerError("no_function", "The model made a tool call without a function")
    return RequestedCall(word(call.get("id")), word(function["name"]), function.get("arguments"))


def _text(message: Json, calls: bool) -> str:
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise InvalidAnswerError("wrong_type", "The model's text is no text")
    if message.get("refusal") and not calls:
        raise refused("refusal")
    return content or ""


class _Chunks(Assembly):
    """Chunks put together to a completion; it is whole when a chunk said why the model stopped."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._calls: dict[Any, Json] = {}
        self._completion: Json = {}
        self._finish: object = None

    def add(self, event: Any) -> str:
        chunk = document(event)
        for name in ("model", "usage"):
            if chunk.get(name):
                self._completion[name] = chunk[name]
        choices = objects(chunk.get("choices"), "choices")
        if not choices:
            return ""
        choice = choices[0]
        delta = choice.get("delta")
        if delta is not None and not isinstance(delta, dict):
            raise InvalidAnswerError("wrong_type", "The model's delta is no object")
        self._finish = choice.get("finish_reason") or self._finish
        return self._take(delta or {})

    def _take(self, delta: Json) -> str:
        for call in objects(delta.get("tool_calls"), "tool calls"):
            self._take_call(call)
        if isinstance(delta.get("refusal"), str):
            self._refusals.append(delta["refusal"])
        text = _text({"content": delta.get("content")}, calls=False)
        self._texts.append(text)
        return text

    def _take_call(self, call: Any) -> None:
        """A piece of a call: it begins with id and name, its arguments come in pieces. A host that gives no index sends calls whole."""
        index = call.get("index")
        place = index if isinstance(index, int) else f"{len(self._calls)} without an index"
        known = self._calls.setdefault(place, {"id": None, "function": None})
        known["id"] = call.get("id") or known["id"]
        piece = call.get("function")
        if not isinstance(piece, dict):
            return
        function = known["function"] = known["function"] or {"name": None, "arguments": ""}
        function["name"] = piece.get("name") or function["name"]
        arguments = piece.get("arguments")
        if isinstance(arguments, str) and isinstance(function["arguments"], str):
            function["arguments"] += arguments
        elif arguments is not None:
            function["arguments"] = arguments

    def whole(self) -> object:
        if self._finish is None:
            raise unterminated()
        message: Json = {"content": "".join(self._texts), "refusal": "".join(self._refusals) or None}
        if self._calls:
            message["tool_calls"] = list(self._calls.values())
        return {**self._completion, "choices": [{"message": message, "finish_reason": self._finish}]}
