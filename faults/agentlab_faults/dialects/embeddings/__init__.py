"""Embeddings, as OpenAI (Azure too) and Google's Gemini and Vertex speak them. No scripted model is involved, and nothing is streamed."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.chat.refusal import headers, refused_by
from agentlab_faults.dialects.chat.refused import Refused, check_known, empty_array, invalid_type, missing, unsupported
from agentlab_faults.dialects.dialect import Dialect, Headers, Json
from agentlab_faults.dialects.embeddings.vectors import dimensions_of, vector
from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.script.asked import Asked, text_of
from agentlab_faults.script.tokens import tokens_of

__all__ = ["EMBEDDINGS", "Embeddings"]

_PARAMETERS = ("dimensions", "encoding_format", "input", "model", "user")
_FORMATS = ("float", "base64")
_MOST = 2048
"""Inputs of one request (OpenAI's API reference, embeddings)."""


class Embeddings(Dialect):
    """The dialect; `EMBEDDINGS` is its one instance."""

    api = "embeddings"
    scripted = False

    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        return None if ":" in request.path.rpartition("/")[2] else refused_by(request, body, _check, serial=serial)

    def read(self, body: Mapping[str, Any]) -> Asked:
        return Asked(messages=[{"role": "user", "content": "\n".join(_texts(body))}])

    def conversation(self, body: Mapping[str, Any]) -> Any:
        return [body.get(name) for name in ("input", "content", "requests", "instances")]

    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        return tokens_of(*_texts(body))

    def model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        named = request.path.rpartition("/models/")[2].partition(":")[0] if ":" in request.path else ""
        return str(body.get("model") or named)

    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        return self.model(request, body)

    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        usage = answer.usage or Usage(0, 0, 0)
        usual = dimensions_of(answer.model)
        if "requests" in body:
            return {"embeddings": [{"values": _google(request, usual)} for request in body["requests"]]}
        if "content" in body:
            return {"embedding": {"values": _google(body, usual)}}
        if "instances" in body:
            wanted = (body.get("parameters") or {}).get("outputDimensionality") or usual
            return {"predictions": [_prediction(text, wanted) for text in _texts(body)]}
        wanted = body.get("dimensions") or usual
        data = [
            {"object": "embedding", "index": index, "embedding": _written(vector(text, wanted), body)}
            for index, text in enumerate(_texts(body))
        ]
        told = {"prompt_tokens": usage.prompt, "total_tokens": usage.prompt}
        return {"object": "list", "data": data, "model": answer.model, "usage": told}

    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        raise NotImplementedError("Embeddings are never streamed.")

    def streams(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        del request, body
        return False

    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        return headers(serial, milliseconds=milliseconds, streams=streams)

    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        del body
        return ()

    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        del body
        return {}

    def key(self, request: WireRequest) -> str:
        return super().key(request) or request.headers.get("x-goog-api-key", "")


def _texts(body: Mapping[str, Any]) -> list[str]:
    """The texts to embed, of any body; tokens count as their numbers."""
    match body:
        case {"requests": [*requests]}:
            return [_parts(request) for request in requests]
        case {"content": {}}:
            return [_parts(body)]
        case {"instances": [*instances]}:
            return [str(instance.get("content", "")) if isinstance(instance, dict) else "" for instance in instances]
        case {"input": [*inputs]} if inputs and not isinstance(inputs[0], int):
            return [one if isinstance(one, str) else str(one) for one in inputs]
        case {"input": given}:
            return [given if isinstance(given, str) else str(given)]
    return []


def _parts(request: Any) -> str:
    content = request.get("content") if isinstance(request, dict) else None
    return text_of({"content": content.get("parts")}) if isinstance(content, dict) else ""


def _google(request: Mapping[str, Any], usual: int) -> list[float]:
    return vector(_parts(request), request.get("outputDimensionality") or usual)


def _prediction(text: str, dimensions: int) -> Json:
    statistics = {"token_count": tokens_of(text), "truncated": False}
    return {"embeddings": {"values": vector(text, dimensions), "statistics": statistics}}


def _written(numbers: list[float], body: Mapping[str, Any]) -> list[float] | str:
    if body.get("encoding_format") != "base64":
        return numbers
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _check(body: Mapping[str, Any], *, deployed: bool, compatible: bool) -> None:
    """Raises Refused with OpenAI's first complaint about the request's body."""
    if not body.get("model") and not deployed:
        raise Refused("you must provide a model parameter")
    check_known(body, _PARAMETERS, compatible=compatible)
    if "input" not in body:
        raise missing("input")
    given = body["input"]
    if not isinstance(given, str | list):
        raise invalid_type("input", "one of a string or an array", given)
    if not given:
        raise empty_array("input") if given == [] else Refused("Input cannot be an empty string.", param="input", code="empty_string")
    if len(_texts(body)) > _MOST:
        raise Refused(f"Invalid 'input': array too long. Expected an array with maximum length {_MOST}.", param="input")
    if body.get("encoding_format") not in (None, *_FORMATS):
        raise unsupported("encoding_format", body["encoding_format"], _FORMATS)
    _check_dimensions(body)


def _check_dimensions(body: Mapping[str, Any]) -> None:
    wanted = body.get("dimensions")
    if wanted is None:
        return
    if isinstance(wanted, bool) or not isinstance(wanted, int):
        raise invalid_type("dimensions", "an integer", wanted)
    most = dimensions_of(str(body.get("model", "")))
    if not 1 <= wanted <= most:
        raise Refused(f"Invalid value for 'dimensions' = {wanted}. Must be less than or equal to {most}.", param="dimensions")


EMBEDDINGS = Embeddings()
