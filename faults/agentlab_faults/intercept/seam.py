"""A seam: one method of one class of a library, wrapped where it is defined. A cover: ours over a mock's, while faults go over mocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

__all__ = ["Cover", "Method", "Place", "Seam", "Wrap", "bound", "package_of", "reaches"]

Method = Callable[..., Any]
Wrap = Callable[[Method, bool], Method]
"""Makes the wrapper of a method (of a mock's, if True)."""
Over = Callable[[Method, Method], Method]
"""Makes the wrapper over a mock's method, from the library's own and the mock's."""

_PLAYERS: Final = frozenset({"vcr"})
"""Packages whose mocks carry the names of what they replace, and say that they wrap it, as tracing does: they may never call it."""


class Place(Protocol):
    """Where the lab is in a library."""

    place: str

    @property
    def lost(self) -> bool:
        """The library's own method is back: a patch that was older than ours was undone over it."""
        ...

    def mend(self) -> None:
        """Put the wrapper back if it was lost."""
        ...

    def cover(self) -> None:
        """Go over a mock that somebody has put over ours."""
        ...

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        ...


class Seam:
    """One method of one class, and our wrapper round it."""

    def __init__(self, package: str, owner: type, name: str, wrap: Wrap, *, mock: bool = False) -> None:
        self.place = f"{package}.{owner.__name__}.{name}"
        self._package = package
        self._owner = owner
        self._name = name
        self._wrap = wrap
        self._mock = mock
        self._over: tuple[Method, Method] | None = None
        self._ours = self._put()

    @property
    def lost(self) -> bool:
        """The library's own method is back: a patch that was older than ours was undone over it."""
        now = self._now
        return now is not self._ours and package_of(now) == self._package and not reaches(now, self._ours)

    def mend(self) -> None:
        """Put the wrapper back if it was lost."""
        if self.lost:
            self._ours = self._put()

    def cover(self) -> None:
        """Go over a mock that somebody has put over ours."""
        if not reaches(self._now, self._ours):
            under = self._now
            self._over = (self._put(), under)

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        if self._over is not None and self._now is self._over[0]:
            setattr(self._owner, self._name, self._over[1])
        self._over = None

    @property
    def _now(self) -> Method:
        method: Method = self._owner.__dict__[self._name]
        return method

    def _put(self) -> Method:
        below = self._now
        wrapper = self._wrap(below, self._mock or package_of(below) != self._package)
        setattr(self._owner, self._name, wrapper)
        return wrapper


class Cover:
    """A method that mock libraries replace and that the lab leaves alone, but for a block in which faults go over mocks."""

    lost = False

    def __init__(self, package: str, owner: type, name: str, over: Over) -> None:
        self.place = f"{package}.{owner.__name__}.{name}"
        self._package = package
        self._owner = owner
        self._name = name
        self._over = over
        self._own: Method | None = None
        self._put: tuple[Method, Method] | None = None
        self.mend()

    def mend(self) -> None:
        """Learn the library's own method, unless a mock was there before us: then that mock wins."""
        now: Method = self._owner.__dict__[self._name]
        if self._own is None and package_of(now) == self._package:
            self._own = now

    def cover(self) -> None:
        """Go over a mock that has the method's place. Tracing, which wraps the library's own, is no mock."""
        now: Method = self._owner.__dict__[self._name]
        if self._own is not None and not reaches(now, self._own):
            self._put = self._over(self._own, now), now
            setattr(self._owner, self._name, self._put[0])

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        if self._put is not None and self._owner.__dict__[self._name] is self._put[0]:
            setattr(self._owner, self._name, self._put[1])
        self._put = None


def bound(mock: Method, owner: Any) -> Method:
    """A mock's method as a call through the class finds it: functions and descriptors are bound, other callables are not."""
    bind = getattr(mock, "__get__", None)
    method: Method = mock if bind is None else bind(owner, type(owner))
    return method


def reaches(method: Method | None, inner: Method) -> bool:
    """Whether a call still comes to `inner`, perhaps through wrappers over it (tracing puts such ones in)."""
    if package_of(method) in _PLAYERS:
        return False
    while method is not None and method is not inner:
        method = getattr(method, "__wrapped__", None)
    return method is not None


def package_of(method: Any) -> str:
    """The top-level package that a function comes from, as it says itself; of a player, as its code says."""
    home = str(getattr(method, "__globals__", {}).get("__name__", "")).partition(".")[0]
    return home if home in _PLAYERS else str(getattr(method, "__module__", "")).partition(".")[0]
