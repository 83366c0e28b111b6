"""Gemini's generateContent, as AI Studio and Vertex AI speak it. The model, and whether the answer is a stream, stand in the path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.answer import Answer
from agentlab_faults.dialects.dialect import Dialect, Headers, Json
from agentlab_faults.dialects.gemini.answers import events, headers, render
from agentlab_faults.dialects.gemini.fields import get, texts_of
from agentlab_faults.dialects.gemini.reading import declarations, read
from agentlab_faults.dialects.gemini.refusal import key_of, model_of, refuse
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.tokens import tokens_of

__all__ = ["GEMINI", "GenerateContent"]


class GenerateContent(Dialect):
    """The dialect; `GEMINI` is its one instance. Streams and answers in one piece are one API, and so one row of points."""

    api = "gemini.generate"

    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        return refuse(request, body, serial=serial)

    def read(self, body: Mapping[str, Any]) -> Asked:
        return read(body)

    def conversation(self, body: Mapping[str, Any]) -> Any:
        return [get(body, "systemInstruction"), body.get("contents")]

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        schema = get(get(body, "generationConfig"), "responseSchema")
        return tokens_of(get(body, "systemInstruction"), body.get("contents"), body.get("tools"), schema)

    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        return self.model(request, body)

    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        del body  # everything is in the answer
        return render(answer)

    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        del body  # every stream is alike
        return events(payload)

    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        del serial  # Google numbers nothing
        return headers(milliseconds, streams=streams)

    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        text = texts_of(get(body, "systemInstruction"))
        return [text] if text else []

    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return {str(function.get("name")): function for function in declarations(body)}

    def model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        del body  # the path says it
        return model_of(request)

    def streams(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        del body  # the path says so
        return request.path.endswith(":streamGenerateContent")

    def key(self, request: WireRequest) -> str:
        return key_of(request) or request.headers.get("authorization", "")


GEMINI = GenerateContent()
