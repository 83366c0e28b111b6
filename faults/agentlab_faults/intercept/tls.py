"""One TLS context for all clients of a run: making a client costs 0.1 ms instead of 18 to 26 (measured, CPython 3.11 on Linux).

Both makers matter. `httpx2` asks `httpcore2.default_ssl_context`, which asks `ssl.create_default_context` only where SSL_CERT_FILE or
SSL_CERT_DIR is set; `httpx` always asks the latter. Contexts are shared only between clients made while armed with `memoise`.

A context can be changed by whoever holds it (`check_hostname = False`). One that no longer is as it was made is not handed out again, so
no run sees what an earlier one did; looking takes 4 microseconds. Client certificates and ciphers are not looked at: the lab plays no TLS.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any

from agentlab_faults.intercept.arming import current

__all__ = ["memoise_core", "memoise_ssl"]

_ENVIRONMENT = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


State = tuple[Any, ...]
"""What of a context tells whether somebody has changed it."""


def _state(context: Any) -> State:
    return (
        context.check_hostname,
        context.verify_mode,
        context.verify_flags,
        context.options,
        context.minimum_version,
        context.maximum_version,
        context.keylog_filename,
        context.sni_callback,
        context.cert_store_stats(),
    )


def memoise_ssl(module: ModuleType) -> None:
    """Memoise `ssl.create_default_context` while armed."""
    _memoise(module, "create_default_context")


def memoise_core(module: ModuleType) -> None:
    """Memoise `httpcore2.default_ssl_context` while armed."""
    _memoise(module, "default_ssl_context")


def _memoise(module: Any, name: str) -> None:
    make = getattr(module, name)
    if not getattr(make, "shared_while_armed", False):
        setattr(module, name, _shared(make))


def _shared(make: Callable[..., Any]) -> Callable[..., Any]:
    made: dict[Hashable, tuple[Any, State]] = {}

    @functools.wraps(make)
    def context(*args: Any, **kwargs: Any) -> Any:
        armed = current.armed
        if armed is None or not armed.memoise:
            return make(*args, **kwargs)
        key = (args, tuple(sorted(kwargs.items())), *map(os.environ.get, _ENVIRONMENT))
        try:
            kept = made.get(key)
        except TypeError:  # an argument that cannot be told from another by its hash (`cadata` as a bytearray)
            return make(*args, **kwargs)
        if kept is not None and kept[1] == _state(kept[0]):
            return kept[0]
        fresh = make(*args, **kwargs)
        made[key] = fresh, _state(fresh)
        return fresh

    context.shared_while_armed = True  # type: ignore[attr-defined]  # how a second look knows our own wrapper
    return context
