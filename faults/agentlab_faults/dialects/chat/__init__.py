"""OpenAI Chat Completions, as OpenAI and the many APIs that are compatible with it speak it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.answer import Answer
from agentlab_faults.dialects.chat.answers import asks_usage, dated, events, render
from agentlab_faults.dialects.chat.reading import read
from agentlab_faults.dialects.chat.refusal import headers, refuse
from agentlab_faults.dialects.dialect import Dialect, Headers, Json
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.tokens import tokens_of

__all__ = ["CHAT", "ChatCompletions", "dated"]

_DEPLOYED = "gpt-4o"
"""What stands behind a deployment of Azure when a request names the deployment alone: the script knows no deployments."""


class ChatCompletions(Dialect):
    """The dialect; `CHAT` is its one instance."""

    api = "openai.chat"

    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        return refuse(request, body, serial=serial)

    def read(self, body: Mapping[str, Any]) -> Asked:
        return read(body)

    def conversation(self, body: Mapping[str, Any]) -> Any:
        return body.get("messages")

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        return tokens_of(body.get("messages"), body.get("tools"), body.get("response_format"))

    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        del request  # the body says it, or a deployment's name that says nothing
        return dated(body.get("model") or _DEPLOYED)

    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        return render(answer, body)

    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        return events(payload, body)

    def tells_usage(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        return not self.streams(request, body) or asks_usage(body)

    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        return headers(serial, milliseconds=milliseconds, streams=streams)

    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        return [message.get("content") for message in _objects(body.get("messages")) if message.get("role") in ("system", "developer")]

    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        functions = [offered.get("function") for offered in _objects(body.get("tools"))]
        return {str(function.get("name")): function for function in functions if isinstance(function, dict)}


def _objects(value: Any) -> list[Json]:
    """The objects of a list; what is wrong with the rest is the refusal's to say."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


CHAT = ChatCompletions()
