"""Faults as side effects of a user's own respx routes: no fixture, no lab, the catalogue's bytes and exceptions in a plain test.

::

    respx_mock.post("https://api.openai.com/v1/chat/completions").mock(side_effect=[respx_effect("http_429_rate"), good])

respx speaks httpx only: what goes by httpx2 (openai 3, anthropic, google-genai), aiohttp or urllib3 passes it by.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from agentlab_faults.exchange import TransportError, WireRequest
from agentlab_faults.fault import Replaces, all_faults
from agentlab_faults.hurrying import hurried

__all__ = ["respx_effect"]


def respx_effect(fault: str | Replaces, **settings: Any) -> Callable[[Any], Any]:
    """What to give a respx route as `side_effect`: each request of the route meets `fault` (by its id, `settings` are its fields).

    Waits are skipped, as everywhere in real time: a client that would have given up does so at once. Raises ValueError for an id that the
    catalogue does not have, for a fault that spoils a good answer, which a route does not have, and, when the route is called, for a wait
    without end in a client without a timeout.
    """
    chosen = fault if isinstance(fault, Replaces) else _by_id(fault)(**settings)

    def side_effect(request: Any) -> Any:
        return _answer(chosen, request)

    return side_effect


def _by_id(name: str) -> type[Replaces]:
    from agentlab_faults.catalogue import nearest  # noqa: PLC0415 - loads every fault

    known = all_faults()
    if name not in known:
        raise ValueError(f"No fault of the catalogue is named {name!r}{nearest(name, known)}")
    found = known[name]
    if not issubclass(found, Replaces):
        told = f"{name} does not stand for a provider's whole answer, as a respx route must have it; use chaos.inject({name!r})."
        raise ValueError(told)  # noqa: TRY004 - the name is wrong here, its type is not
    return found


def _answer(fault: Replaces, request: Any) -> Any:
    import httpx  # noqa: PLC0415 - respx has imported it

    from agentlab_faults.intercept.arming import Armed  # noqa: PLC0415 - the same
    from agentlab_faults.intercept.library import Library  # noqa: PLC0415 - the same
    from agentlab_faults.intercept.playing import Delivery  # noqa: PLC0415 - the same

    library = Library(httpx)

    def failed(error: TransportError, message: str | None, cause: BaseException | None) -> Exception:
        return library.failure(error, message or "", cause)

    class Body(Delivery, httpx.SyncByteStream, httpx.AsyncByteStream):
        """The body for either colour of client; its waits are gone already."""

        fail = staticmethod(failed)

        def __iter__(self) -> Iterator[bytes]:
            return (step for step in self.body() if isinstance(step, bytes))

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self:
                yield chunk

    wire = library.wire(request, request.read(), sync=True)
    exchange = hurried(fault.answer(wire), wire.timeouts)
    body = Body(wire, exchange, None, Armed(_nobody, "win", frozenset(), memoise=False))
    for _ in body.before():
        pass
    return httpx.Response(exchange.status, headers=exchange.headers, stream=body)


def _nobody(request: WireRequest) -> None:
    """No handler: the route has the request already."""
