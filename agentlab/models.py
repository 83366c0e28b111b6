"""One model behind one host, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from agentlab.answers import CHARACTERS_PER_TOKEN
from agentlab.history import Message
from agentlab.prices import price_of
from agentlab.structured import Form

__all__ = ["Api", "Model", "Request"]

Api = Literal["openai-chat", "openai-responses", "anthropic", "google"]
"""The wire API that a host speaks: OpenAI's chat completions or responses, Anthropic's messages, Google's generateContent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model of OpenAI, Anthropic or Google, or of any host that speaks the wire API of one of them.

    >>> Model(name="claude-haiku-4-5", api="anthropic", price=(1.0, 5.0)).cost(1_000_000, 0)
    1.0

    `api` chooses the SDK: `anthropic` and `google` need the extra of their name. `base_url` and `key_variable` are the provider's own
    unless given; the key is read from that environment variable at the first call.

    `timeout` and `connect_timeout` (waiting for a free connection included) are seconds for one attempt; `max_tokens` bounds one answer;
    `price` is US dollars for a million input and a million output tokens; None: the list price in
    `agentlab.prices`. With `stream` the answer is read as it is written, and an attempt is given up when nothing comes for `stall_timeout`
    seconds; `Agent.stream` shows it.

    `extra` is added to each request, in the provider's own words: members of the body, or for `google` of the SDK's
    `GenerateContentConfig`. To take reasoning along from one request to the next: `{"thinking": {...}}` for Anthropic,
    `{"include": ["reasoning.encrypted_content"]}` for responses; Gemini's signatures come by themselves.
    """

    name: str
    api: Api = "openai-chat"
    base_url: str = ""
    key_variable: str = ""
    timeout: float = 30.0
    connect_timeout: float = 5.0
    stream: bool = False
    stall_timeout: float = 15.0
    max_tokens: int = 1024
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """What chat completions call the bound of an answer; compatible hosts often know the older word only."""
    price: tuple[float, float] | None = None
    temperature: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def identity(self) -> str:
        """Equal for models that can read each other's private notes (signatures, encrypted reasoning)."""
        return f"{self.api} {self.base_url} {self.name}"

    def cost(self, input_tokens: int, output_tokens: int) -> float:
        """US dollars; 0 for a model whose price is not known."""
        dollars_in, dollars_out = self.price or price_of(self.name) or (0.0, 0.0)
        return (input_tokens * dollars_in + output_tokens * dollars_out) / 1_000_000

    @property
    def priced(self) -> bool:
        """Whether it is known what a call costs. A model that costs nothing says `price=(0, 0)`."""
        return self.price is not None or price_of(self.name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of a model, in no provider's words: messages and tools have OpenAI's chat format with what `History` adds to it."""

    messages: Sequence[Message]
    tools: Sequence[Mapping[str, Any]] = ()
    may_call: bool = True
    """False: the tools are shown but must not be called."""
    form: Form | None = None
    """The form that the model's final text must have; None for plain text."""
    characters: int = field(init=False)
    """Roughly how much is sent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", sum(len(str(part)) for parts in (self.messages, self.tools) for part in parts))

    @property
    def tokens(self) -> int:
        """An estimate of the input tokens."""
        return self.characters // CHARACTERS_PER_TOKEN
