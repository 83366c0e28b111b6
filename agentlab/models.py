"""One model behind one host: how it is called through the OpenAI SDK, which is loaded at the first call only."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from agentlab.answers import CHARACTERS_PER_TOKEN, Answer, read_answer
from agentlab.bounds import within
from agentlab.history import Message

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["Model", "ModelClient", "Request"]

SLACK = 0.5
"""Seconds after the SDK's own timeout at which the whole attempt is cut: a body that drips never reaches the SDK's timeout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A chat model of OpenAI, or of any host that speaks its chat completions.

    `timeout` and `connect_timeout` (waiting for a free connection included) are seconds for one attempt; `max_tokens` bounds one answer;
    `price` is US dollars for a million input and a million output tokens. The key is read from `key_variable` at the first call.
    """

    name: str
    base_url: str = "https://api.openai.com/v1"
    key_variable: str = "OPENAI_API_KEY"
    timeout: float = 30.0
    connect_timeout: float = 5.0
    max_tokens: int = 1024
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    price: tuple[float, float] = (0.0, 0.0)
    temperature: float | None = None

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars."""
        return (input_tokens * self.price[0] + output_tokens * self.price[1]) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a model."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    may_call: bool = True
    """False: the tools are shown but must not be called."""
    characters: int = 0
    """Roughly how much is sent."""

    @property
    def tokens(self) -> int:
        """An estimate of the input tokens."""
        return self.characters // CHARACTERS_PER_TOKEN


class ModelClient:
    """Calls one model, once for each `ask`: no retries here, nor in the SDK."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._sdk: AsyncOpenAI | None = None

    async def ask(self, request: Request, *, seconds: float, at_most: float, max_tokens: int) -> Answer:
        """The model's valid answer within `seconds`; all of it, its body and our slack too, within `at_most`.

        Raises InvalidAnswerError, TimeoutError, and whatever the SDK raises.
        """
        completion = await within(min(seconds + SLACK, at_most), self._create(request, seconds, max_tokens))
        return read_answer(completion, sent_characters=request.characters, max_tokens=max_tokens)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    async def _create(self, request: Request, seconds: float, max_tokens: int) -> object:
        """Ask through the SDK's `post`: its `create` spends half of a call's time on walking messages and tools by type."""
        from openai import Timeout  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap
        from openai.types.chat import ChatCompletion  # noqa: PLC0415  # the same

        connect = min(self.model.connect_timeout, seconds)
        timeout = Timeout(seconds, connect=connect, pool=connect)
        body = self._body(request, max_tokens)
        return await self._client().post("/chat/completions", cast_to=ChatCompletion, body=body, options={"timeout": timeout})

    def _body(self, request: Request, max_tokens: int) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model.name, "messages": list(request.messages), self.model.limit_field: max_tokens}
        if self.model.temperature is not None:
            body["temperature"] = self.model.temperature
        if request.tools:
            body["tools"] = list(request.tools)
            if not request.may_call:
                body["tool_choice"] = "none"
        return body

    def _client(self) -> AsyncOpenAI:
        if self._sdk is None:
            from openai import AsyncOpenAI  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

            key = os.environ.get(self.model.key_variable) or f"no-{self.model.key_variable}"
            self._sdk = AsyncOpenAI(api_key=key, base_url=self.model.base_url, max_retries=0)
        return self._sdk
