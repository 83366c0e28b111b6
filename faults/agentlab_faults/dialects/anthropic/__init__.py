"""Anthropic Messages, as Anthropic itself and Google's Vertex AI speak it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.answer import Answer
from agentlab_faults.dialects.anthropic.answers import dated, events, headers, limits, render
from agentlab_faults.dialects.anthropic.blocks import text_in
from agentlab_faults.dialects.anthropic.reading import read
from agentlab_faults.dialects.anthropic.refusal import refuse
from agentlab_faults.dialects.dialect import Dialect, Headers, Json
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.tokens import tokens_of

__all__ = ["ANTHROPIC_MESSAGES", "AnthropicMessages"]

_MODEL_IN_PATH = re.compile(r"/models/([^/:]+):(?:rawPredict|streamRawPredict)$")


class AnthropicMessages(Dialect):
    """The dialect; `ANTHROPIC_MESSAGES` is its one instance."""

    api = "anthropic.messages"

    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        return refuse(request, body, serial=serial)

    def read(self, body: Mapping[str, Any]) -> Asked:
        return read(body)

    def conversation(self, body: Mapping[str, Any]) -> Any:
        return [body.get("system"), body.get("messages")]

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        return tokens_of(body.get("system"), body.get("messages"), body.get("tools"), body.get("output_config"))

    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        return dated(self.model(request, body))

    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        del body  # everything is in the answer
        return render(answer)

    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        del body  # every stream is alike
        return events(payload)

    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        del milliseconds  # Anthropic does not tell
        return headers(serial, streams=streams)

    def exchange(self, payload: Json, body: Mapping[str, Any], *, streams: bool, latency: float, serial: int, created: int = 0) -> Exchange:
        exchange = super().exchange(payload, body, streams=streams, latency=latency, serial=serial, created=created)
        return exchange._replace(headers=(*exchange.headers, *limits(created)))

    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        return [text_in(body["system"])] if body.get("system") else []

    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        tools = body.get("tools")
        return {str(tool.get("name")): tool for tool in tools if isinstance(tool, dict)} if isinstance(tools, list) else {}

    def model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        found = _MODEL_IN_PATH.search(request.path)
        return found.group(1).replace("@", "-") if found else str(body.get("model") or "")

    def streams(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        return request.path.endswith(":streamRawPredict") or body.get("stream") is True

    def key(self, request: WireRequest) -> str:
        return request.headers.get("x-api-key") or request.headers.get("authorization", "")


ANTHROPIC_MESSAGES = AnthropicMessages()
