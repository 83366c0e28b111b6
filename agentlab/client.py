"""Calling one model: once for each `ask`, whole or as a stream, within its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

from agentlab.answers import Answer, Said, accept, longest
from agentlab.bounds import within
from agentlab.errors import InvalidAnswerError
from agentlab.models import Model, Request
from agentlab.providers import provider_of
from agentlab.providers.provider import Provider

__all__ = ["ModelClient"]

SLACK = 0.5
"""Seconds after the SDK's own timeout at which the whole attempt is cut: a body that drips never reaches the SDK's timeout."""


class ModelClient:
    """Calls one model: no retries here, nor in the SDK. Raises MissingExtraError if the model's SDK is not installed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.provider = provider_of(model)
        """Knows the wire format; its connections are each event loop's own."""
        self._connected: dict[asyncio.AbstractEventLoop, Provider] = {}

    async def ask(
        self,
        request: Request,
        *,
        seconds: float,
        at_most: float,
        max_tokens: int,
        show: Callable[[str], None] | None = None,
        began: Callable[[], None] | None = None,
    ) -> Answer:
        """The model's valid answer within `seconds`; all of it, its body and our slack too, within `at_most`.

        If the model streams, `began` is told when its first event is here, and `show` gets the text as it comes. Raises InvalidAnswerError,
        TimeoutError, and whatever the SDK raises.
        """
        provider = await self._here()
        body = provider.body(request, max_tokens)
        work = (
            self._streamed(provider, body, seconds, max_tokens, show, began) if self.model.stream else self._whole(provider, body, seconds)
        )
        said = await within(min(seconds + SLACK, at_most), work)
        return accept(said, sent_characters=request.characters, max_tokens=max_tokens)

    async def aclose(self) -> None:
        """Close the connections."""
        provider = await self._here()
        await provider.aclose()

    async def _here(self) -> Provider:
        """The provider with the connections of this event loop. Those of loops that are over are left."""
        for loop in [loop for loop in list(self._connected) if loop.is_closed()]:
            left = self._connected.pop(loop, None)  # another thread's loop may have been quicker
            with suppress(Exception):  # what was open has ended with its loop
                await left.aclose() if left else None
        running = asyncio.get_running_loop()
        if running not in self._connected:
            self._connected[running] = provider_of(self.model)
        return self._connected[running]

    @staticmethod
    async def _whole(provider: Provider, body: dict[str, Any], seconds: float) -> Said:
        return provider.read(await provider.whole(body, seconds))

    async def _streamed(
        self,
        provider: Provider,
        body: dict[str, Any],
        seconds: float,
        max_tokens: int,
        show: Callable[[str], None] | None,
        began: Callable[[], None] | None,
    ) -> Said:
        """Read the stream to its end, or to its first silence or nonsense."""
        assembly, length = provider.assembly(), 0
        async with aclosing(provider.events(body, seconds)) as events:
            while True:
                try:
                    async with asyncio.timeout(self.model.stall_timeout):
                        event = await anext(events)
                except StopAsyncIteration:
                    break
                if began is not None:
                    began()
                    began = None
                text = assembly.add(event)
                length += len(text)
                if length > longest(max_tokens):
                    raise InvalidAnswerError("too_long", "The model's answer is longer than it can be")
                if text and show is not None:
                    show(text)
        return provider.read(assembly.whole())
