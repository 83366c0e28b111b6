"""What a provider is to the runtime: a request goes in, an answer comes out whole or as events."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from agentlab.answers import Said
from agentlab.errors import MissingExtraError
from agentlab.models import Model, Request

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

__all__ = ["Assembly", "PostingProvider", "Provider"]

Json = dict[str, Any]


class Assembly(ABC):
    """An answer that is being put together from a stream's events."""

    @abstractmethod
    def add(self, event: Any) -> str:
        """Take the next event in; the text that it adds to the answer, as far as it can be shown. Raises InvalidAnswerError."""

    @abstractmethod
    def whole(self) -> object:
        """The answer as it would have come in one piece. Raises InvalidAnswerError if the stream ended before its end."""


class Provider(ABC):
    """One model at one provider. Calls are made once each: no retries here, nor in the SDK."""

    telemetry_name: ClassVar[str]
    """Its name in the GenAI conventions."""
    host: ClassVar[str]
    """Where it answers unless the model says otherwise."""
    key_variable: ClassVar[str]
    sdk: ClassVar[str]
    """The SDK's import name."""
    extra: ClassVar[str]
    """The extra that installs the SDK."""

    def __init__(self, model: Model) -> None:
        if not _installed(self.sdk):
            raise MissingExtraError(
                f"{model.name} needs the SDK {self.sdk!r}, which is not installed: pip install 'agentlab-chaos[{self.extra}]'."
            )
        self.model = model

    def load(self) -> None:
        """Load the SDK, which takes about a second: better before a run than in the middle of an outage."""
        import_module(self.sdk)

    @abstractmethod
    def body(self, request: Request, max_tokens: int) -> Json:
        """The request in the provider's words."""

    @abstractmethod
    async def whole(self, body: Json, seconds: float) -> object:
        """What the SDK makes of the answer; anything, if the provider sends anything. Raises whatever the SDK raises."""

    @abstractmethod
    def events(self, body: Json, seconds: float) -> AsyncGenerator[Any]:
        """The same as a stream's events."""

    @abstractmethod
    def assembly(self) -> Assembly:
        """What puts the events of one answer together."""

    @abstractmethod
    def read(self, answer: object) -> Said:
        """What the answer says. Raises InvalidAnswerError if it is none, or did not finish properly."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close the connections."""

    @property
    def url(self) -> str:
        """The address of the provider's API."""
        return self.model.base_url or self.host

    @property
    def key(self) -> str:
        """The key, or a text that says which variable has none: what refuses it then tells where to look."""
        variable = self.model.key_variable or self.key_variable
        return os.environ.get(variable) or f"no-{variable}"


class PostingProvider(Provider):
    """A provider whose SDK is called by its `post`: its `create` spends half of a call's time on walking messages and tools by type.

    Answers and events are asked for as plain JSON for the same reason; they are checked by `read` in any case.
    """

    path: ClassVar[str]

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._sdk: AsyncOpenAI | AsyncAnthropic | None = None

    @abstractmethod
    def _client(self) -> AsyncOpenAI | AsyncAnthropic:
        """A new client of the SDK, without retries."""

    @abstractmethod
    def _stream_class(self) -> Any:
        """The SDK's class for streams."""

    async def whole(self, body: Json, seconds: float) -> object:
        return await self._post(body, seconds)

    async def events(self, body: Json, seconds: float) -> AsyncGenerator[Any]:
        stream = await self._post({**body, "stream": True}, seconds, stream=True, stream_cls=self._stream_class())
        async with stream:
            async for event in stream:
                yield event

    async def aclose(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None

    async def _post(self, body: Json, seconds: float, **options: Any) -> Any:
        from httpx2 import Timeout  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        if self._sdk is None:
            self._sdk = self._client()
        connect = min(self.model.connect_timeout, seconds)
        timeout = Timeout(seconds, connect=connect, pool=connect)
        return await self._sdk.post(self.path, cast_to=object, body=body, options={"timeout": timeout}, **options)


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is not there either
        return False
