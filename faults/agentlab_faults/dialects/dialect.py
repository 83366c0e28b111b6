"""What a wire API is to the lab: how its requests are read, refused and told apart, and how an answer is put into its bytes.

A dialect is stateless. The scripted model behind it knows nothing of bytes, so one script is served as every dialect, and an agent that
falls back from one provider to another goes on in the same conversation.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, ClassVar

from agentlab_faults.dialects.answer import Answer, Usage
from agentlab_faults.dialects.sse import streamed
from agentlab_faults.exchange import Exchange, Pause, WireRequest
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.spec import Serving
from agentlab_faults.script.tokens import completion_tokens

__all__ = ["Dialect", "Headers", "Json"]

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Dialect(ABC):
    """One wire API. `api` is what its points are named after (`openai.chat.2`)."""

    api: ClassVar[str]
    scripted: ClassVar[bool] = True
    """The scripted model answers; False where the request alone says what the answer is."""

    @abstractmethod
    def refuse(self, request: WireRequest, body: Mapping[str, Any] | None, *, serial: int) -> Exchange | None:
        """The provider's refusal of a request, or None if it would be answered. `body` is None where it is no JSON object.

        Raises ScriptMissing for what the provider can do and a script cannot.
        """

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> Asked:
        """What a request that is not refused asks of the model. Its history comes in the form of OpenAI's chat messages."""

    @abstractmethod
    def conversation(self, body: Mapping[str, Any]) -> Any:
        """The part of any body, well formed or not, that makes two requests the same call: no model, no sampling parameters."""

    @abstractmethod
    def prompt_tokens(self, body: Mapping[str, Any]) -> int:
        """An estimate of the tokens that the request is billed for."""

    @abstractmethod
    def answering_model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        """The name of the model that the answer to this request carries."""

    @abstractmethod
    def render(self, answer: Answer, body: Mapping[str, Any]) -> Json:
        """The answer as the body of a response that is not streamed."""

    @abstractmethod
    def events(self, payload: Json, body: Mapping[str, Any]) -> list[bytes]:
        """A rendered answer as the events of a stream."""

    @abstractmethod
    def headers(self, serial: int, *, milliseconds: int, streams: bool) -> Headers:
        """The headers of a good answer."""

    @abstractmethod
    def system_prompts(self, body: Mapping[str, Any]) -> Sequence[Any]:
        """The system prompts of any body, well formed or not."""

    @abstractmethod
    def tool_schemas(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tool name to what the model is told of the tool, of any body."""

    def model(self, request: WireRequest, body: Mapping[str, Any]) -> str:
        """The model that is asked for; empty if the request does not say."""
        del request  # some APIs name the model in the path
        return str(body.get("model", ""))

    def streams(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        """Whether the request asks for a stream."""
        del request  # some APIs say so in the path
        return body.get("stream") is True

    def tells_usage(self, request: WireRequest, body: Mapping[str, Any]) -> bool:
        """Whether the answer says how many tokens it took."""
        del request, body  # most APIs say it unasked
        return True

    def recalled(self, body: Json, memory: Mapping[str, Any]) -> Json:
        """The body with what the provider remembers of the run put into it, where the API lets a request go on from an earlier one.

        To be called once for each request, before everything else; `memory` is the run's.
        """
        del memory  # most APIs are told everything each time
        return body

    def remember(self, content: bytes, body: Mapping[str, Any], memory: MutableMapping[str, Any]) -> None:
        """Keep in `memory` what a delivered answer's bytes said to a request whose (recalled) body this was."""
        del content, body, memory  # nothing is kept

    def key(self, request: WireRequest) -> str:
        """The API key as it stands in the request; empty if there is none. Never to be written down."""
        return request.headers.get("authorization") or request.headers.get("api-key", "")

    def answer(self, serving: Serving, request: WireRequest, body: Mapping[str, Any], *, prompt: int, serial: int, created: int) -> Answer:
        """What the model said, with what it cost; `prompt` are the request's tokens."""
        completion = completion_tokens(serving)
        return Answer(
            content=serving.content,
            calls=serving.tool_calls,
            finish=serving.finish_reason,
            usage=Usage(prompt, completion, prompt + completion),
            model=self.answering_model(request, body),
            created=created,
            serial=serial,
        )

    def exchange(self, payload: Json, body: Mapping[str, Any], *, streams: bool, latency: float, serial: int, created: int = 0) -> Exchange:
        """A rendered answer on its way: after `latency` virtual seconds in one piece, or as a stream that ends then.

        `created` is when the request came, in Unix seconds.
        """
        del created  # some APIs tell the time in their headers
        headers = self.headers(serial, milliseconds=round(latency * 1000), streams=streams)
        if streams:
            return streamed(headers, self.events(payload, body), latency=latency)
        return Exchange(200, headers, (_COMPACT(payload).encode(),), (Pause(latency),) if latency else ())
