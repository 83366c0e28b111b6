"""A request's headers, decoded when somebody looks: most handlers look at one or two, some at none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

__all__ = ["RawHeaders"]


class RawHeaders(Mapping[str, str]):
    """Names in lower case to values as text (UTF-8, else Latin-1); a name that is there twice has its values joined by a comma."""

    __slots__ = ("_decoded", "_raw")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._decoded: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def __repr__(self) -> str:
        """Names only: values may be secrets."""
        return f"RawHeaders({', '.join(self)})"

    def get(self, name: str, default: Any = None) -> Any:
        """As every mapping's, without an exception for a name that is not there."""
        return self._all.get(name, default)

    @property
    def _all(self) -> dict[str, str]:
        if self._decoded is None:
            self._decoded = _decode(self._raw)
        return self._decoded


def _decode(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    decoded: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = _name(raw_name), _value(raw_value)
        decoded[name] = f"{decoded[name]}, {value}" if name in decoded else value
    return decoded


@lru_cache(maxsize=1024)
def _name(raw: bytes) -> str:
    return raw.decode("latin-1").lower()


def _value(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
