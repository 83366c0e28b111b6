"""Anthropic's messages: blocks of content, a user's turn after each of the model's, all results of a turn together."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from agentlab.answers import RequestedCall, Said
from agentlab.errors import InvalidAnswerError
from agentlab.history import Message, arguments_of, instructions_of, private_of
from agentlab.models import Request
from agentlab.providers.provider import Assembly, PostingProvider
from agentlab.providers.reading import check_finish, document, error_in, objects, tokens, unterminated, word

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["Anthropic"]

Json = dict[str, Any]
MEANINGS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "stop",
    "max_tokens": "cut",
    "model_context_window_exceeded": "window",
    "refusal": "refusal",
}
THOUGHTS = ("thinking", "redacted_thinking")
"""Blocks that Anthropic signs, and wants to see again while the model works with tools."""
NO_TEXT = "(no text)"
"""What a message without any text says: blocks may not be blank."""
POSSIBLE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Anthropic(PostingProvider):
    """`/v1/messages` through the Anthropic SDK."""

    telemetry_name = "anthropic"
    host = "https://api.anthropic.com"
    key_variable = "ANTHROPIC_API_KEY"
    sdk = extra = "anthropic"
    path = "/v1/messages"

    def body(self, request: Request, max_tokens: int) -> Json:
        system, messages = instructions_of(request.messages)
        body: Json = {"model": self.model.name, "max_tokens": max_tokens, "messages": _turns(messages, self.model.identity)}
        if system.strip():
            body["system"] = system
        if self.model.temperature is not None:
            body["temperature"] = self.model.temperature
        if request.tools:
            body["tools"] = [_tool(tool["function"]) for tool in request.tools]
            if not request.may_call:
                body["tool_choice"] = {"type": "none"}
        if request.form is not None:
            body["output_config"] = {"format": {"type": "json_schema", "schema": request.form.schema}}
        body |= self.model.extra
        if "thinking" in body and _begun_elsewhere(body["messages"]):
            del body["thinking"]  # it may not begin in the middle of a turn
        return body

    def assembly(self) -> Assembly:
        return _Events()

    def read(self, answer: object) -> Said:
        message = document(answer)
        content = message.get("content")
        if not isinstance(content, list):
            raise InvalidAnswerError("empty_content", "The model's answer has no content")
        blocks = objects(content, "blocks")
        finish = check_finish(message.get("stop_reason"), MEANINGS)
        calls = tuple(_call(block) for block in blocks if block.get("type") == "tool_use")
        if finish == "tool_use" and not calls:
            raise InvalidAnswerError("lost_calls", "The model's answer announces tool calls but has none")
        usage = message.get("usage")
        return Said(
            text="".join(_texts(blocks)),
            calls=calls,
            finish=finish,
            model=message.get("model"),
            input_tokens=tokens(usage, "input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"),
            output_tokens=tokens(usage, "output_tokens"),
            private=[block for block in blocks if block.get("type") in THOUGHTS] or None,
        )

    def _client(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        return AsyncAnthropic(api_key=self.key, base_url=self.url, max_retries=0)

    def _stream_class(self) -> Any:
        from anthropic import AsyncStream  # noqa: PLC0415  # the same

        return AsyncStream[object]


def _tool(function: Json) -> Json:
    return {"name": function["name"], "description": function["description"], "input_schema": function["parameters"]}


def _turns(messages: Sequence[Message], identity: str) -> list[Json]:
    """The messages as turns, those of one role in a row put together; what is empty is left out."""
    turns: list[Json] = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        blocks = list(_blocks(message, identity))
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    if turns and turns[-1]["role"] == "assistant" and "text" in (last := turns[-1]["content"][-1]):
        last["text"] = last["text"].rstrip()  # Anthropic wants no space at the end of words that its model goes on with
    return turns


def _blocks(message: Message, identity: str) -> Iterator[Json]:
    text = message["content"] or ""
    if message["role"] == "tool":
        result: Json = {"type": "tool_result", "tool_use_id": _id(message["tool_call_id"]), "content": text}
        yield result | ({"is_error": True} if message.get("failed") else {})
        return
    yield from private_of(message, identity) or ()
    if text.strip():
        yield {"type": "text", "text": text}
    elif message["role"] == "user":
        yield {"type": "text", "text": NO_TEXT}
    for call in message.get("tool_calls", ()):
        function = call["function"]
        yield {"type": "tool_use", "id": _id(call["id"]), "name": function["name"], "input": arguments_of(call)}


def _id(call_id: str) -> str:
    """An id that Anthropic takes: the call's own, or one made of it."""
    return call_id if POSSIBLE_ID.fullmatch(call_id) else f"toolu_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"


def _begun_elsewhere(turns: Sequence[Json]) -> bool:
    """Whether the last turn was begun by another model: it calls tools without the thoughts behind them."""
    last = next((turn for turn in reversed(turns) if turn["role"] == "assistant"), None)
    if last is None or turns[-1]["content"][0]["type"] != "tool_result":
        return False
    return last["content"][0]["type"] not in THOUGHTS


def _texts(blocks: Iterable[Any]) -> Iterator[str]:
    for block in blocks:
        if block.get("type") == "text":
            if not isinstance(block.get("text"), str):
                raise InvalidAnswerError("wrong_type", "The model's text is no text")
            yield block["text"]


def _call(block: Any) -> RequestedCall:
    if not isinstance(block.get("name"), str):
        raise InvalidAnswerError("no_function", "The model made a tool call without a function")
    return RequestedCall(word(block.get("id")), word(block["name"]), block.get("input"))


class _Events(Assembly):
    """Events put together to a message; it is whole at `message_stop`."""

    def __init__(self) -> None:
        self._message: Json = {}
        self._blocks: dict[Any, Json] = {}
        self._written: dict[Any, str] = {}
        """The text of each call's input so far."""
        self._stopped = False

    def add(self, event: Any) -> str:
        told = document(event)
        match told.get("type"):
            case "message_start":
                self._message = dict(document(told.get("message")))
            case "content_block_start":
                return self._begin(told.get("index"), told.get("content_block"))
            case "content_block_delta":
                return self._extend(told.get("index"), told.get("delta"))
            case "message_delta":
                self._finish(told)
            case "message_stop":
                self._stopped = True
            case "error":
                raise error_in(told)
        return ""

    def _begin(self, index: Any, block: Any) -> str:
        if not isinstance(block, dict) or not isinstance(index, int):
            raise InvalidAnswerError("wrong_type", "The model's block is no object")
        self._blocks[index] = dict(block)
        text = block.get("text")
        return text if block.get("type") == "text" and isinstance(text, str) else ""

    def _extend(self, index: Any, delta: Any) -> str:
        block = self._blocks.get(index) if isinstance(index, int) else None
        if block is None or not isinstance(delta, dict):
            raise InvalidAnswerError("wrong_type", "The model's stream goes on with a block that it did not begin")
        kind = delta.get("type")
        if kind == "input_json_delta":
            self._written[index] = self._written.get(index, "") + word(delta.get("partial_json"))
            return ""
        name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}.get(str(kind), "")
        piece = delta.get(name)
        if not name:
            return ""
        if not isinstance(piece, str) or not isinstance(block.get(name) or "", str):
            raise InvalidAnswerError("wrong_type", "The model's text is no text")
        block[name] = (block.get(name) or "") + piece
        return piece if name == "text" else ""

    def _finish(self, told: Any) -> None:
        if isinstance(told.get("delta"), dict):
            self._message |= told["delta"]
        if isinstance(told.get("usage"), dict):
            known = self._message.get("usage")
            self._message["usage"] = {**(known if isinstance(known, dict) else {}), **told["usage"]}

    def whole(self) -> object:
        if not self._stopped:
            raise unterminated()
        for index, text in self._written.items():
            if text:
                self._blocks[index]["input"] = text
        return {**self._message, "content": [self._blocks[index] for index in sorted(self._blocks)]}
