"""OpenAI Responses, and Azure's."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

from agentlab_faults.dialects.answer import Answer
from agentlab_faults.dialects.chat import dated
from agentlab_faults.dialects.chat.refusal import headers, refused_by
from agentlab_faults.dialects.dialect import Dialect, Headers, Json
from agentlab_faults.dialects.responses.answers import render
from agentlab_faults.dialects.responses.checks import check, check_scripted
from agentlab_faults.dialects.responses.reading import messages_of, read
from agentlab_faults.dialects.responses.recalling import recalled, remember
from agentlab_faults.dialects.responses.streaming import events
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.tokens import tokens_of

__all__ = ["RESPONSES", "Responses"]


class Responses(Dialect):
    """The dialect; `RESPONSES` is its one instance."""

    api = "openai.responses"

    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        refusal = refused_by(request, body, check, serial=serial)
        if refusal is None and body is not None:
            check_scripted(body)
        return refusal

    def read(self, body: Mapping[str, Any]) -> Asked:
        return read(body)

    def conversation(self, body: Mapping[str, Any]) -> Any:
        return [body.get("instructions"), body.get("input")]

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        return tokens_of(body.get("instructions"), body.get("input"), body.get("tools"), body.get("text"))

    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        del request  # the body always says it
        return dated(str(body.get("model", "")))

    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        return render(answer, body)

    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        del body  # the payload tells again what was asked
        return events(payload)

    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        return headers(serial, milliseconds=milliseconds, streams=streams)

    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        return [message["content"] for message in messages_of(body) if message["role"] in ("system", "developer")]

    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        tools = body.get("tools")
        functions = [tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
        return {str(tool["name"]): tool for tool in functions if tool.get("type") == "function" and "name" in tool}

    def recalled(self, body: Json, memory: Mapping[str, Any]) -> Json:
        return recalled(body, memory)

    def remember(self, content: bytes, body: Mapping[str, Any], memory: MutableMapping[str, Any]) -> None:
        remember(content, body, memory)


RESPONSES = Responses()
