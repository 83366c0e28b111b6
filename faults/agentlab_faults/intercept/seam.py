"""A seam: one method of one class of a library, wrapped where it is defined. A cover: ours over a mock's, while faults go over mocks.
A door: where a request comes in, to go over the mocks that were started in the meantime.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from agentlab_faults.intercept.arming import current

__all__ = ["Cover", "Door", "Method", "Place", "Seam", "Wrap", "bound", "package_of", "reaches"]

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
        self._covers = _Covers(owner, name)
        self._ours: weakref.WeakSet[Method] = weakref.WeakSet()
        """Every wrapper that is still held: a patch that goes over one puts it back when it ends, perhaps long after."""
        self._known = self._put()
        """The last method that was found to reach one of them: each request asks."""

    @property
    def lost(self) -> bool:
        """The library's own method is back: a patch that was older than ours was undone over it."""
        return not self._is_there and package_of(self._now) == self._package

    def mend(self) -> None:
        """Put the wrapper back if it was lost."""
        if self.lost:
            self._put()

    def cover(self) -> None:
        """Go over a mock that somebody has put over ours."""
        if not self._is_there:
            under = self._now
            self._covers.note(self._put(), under)

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        self._covers.undo()

    @property
    def _now(self) -> Method:
        method: Method = self._owner.__dict__[self._name]
        return method

    @property
    def _is_there(self) -> bool:
        now = self._now
        if now is not self._known and any(reaches(now, ours) for ours in list(self._ours)):
            self._known = now
        return now is self._known

    def _put(self) -> Method:
        below = self._now
        wrapper = self._wrap(below, self._mock or package_of(below) != self._package)
        setattr(self._owner, self._name, wrapper)
        self._ours.add(wrapper)
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
        self._covers = _Covers(owner, name)
        self.mend()

    def mend(self) -> None:
        """Learn the library's own method, unless a mock was there before us: then that mock wins."""
        now: Method = self._owner.__dict__[self._name]
        if self._own is None and package_of(now) == self._package:
            self._own = now

    def cover(self) -> None:
        """Go over a mock that has the method's place. Tracing, which wraps the library's own, is no mock."""
        now: Method = self._owner.__dict__[self._name]
        if self._own is not None and now is not self._own and not reaches(now, self._own):
            ours = self._over(self._own, now)
            setattr(self._owner, self._name, ours)
            self._covers.note(ours, now)

    def uncover(self) -> None:
        """Undo `cover`, unless that mock is gone."""
        self._covers.undo()


class Door:
    """A method above the places of its library, which each of its requests passes: mocks that were started since are gone over there."""

    lost = False

    def __init__(self, package: str, owner: type, name: str, places: Sequence[Place]) -> None:
        self.place = f"{package}.{owner.__name__}.{name}"
        self._package = package
        self._owner = owner
        self._name = name
        self._places = places
        self._ours: Method | None = None
        self.mend()

    def mend(self) -> None:
        """Put the wrapper round the library's own method, if it is not there."""
        now: Method = self._owner.__dict__[self._name]
        if package_of(now) == self._package and (self._ours is None or not reaches(now, self._ours)):
            self._ours = (self._waiting if inspect.iscoroutinefunction(now) else self._plain)(now)
            setattr(self._owner, self._name, self._ours)

    def cover(self) -> None:
        """A mock of the method itself is the user's code."""

    def uncover(self) -> None:
        """Nothing is covered."""

    def _plain(self, below: Method) -> Method:
        @functools.wraps(below)
        def passed(*args: Any, **kwargs: Any) -> Any:
            self._open()
            return below(*args, **kwargs)

        return passed

    def _waiting(self, below: Method) -> Method:
        @functools.wraps(below)
        async def passed(*args: Any, **kwargs: Any) -> Any:
            self._open()
            return await below(*args, **kwargs)

        return passed

    def _open(self) -> None:
        armed = current.armed
        if armed is not None and armed.mocks != "win":
            for place in self._places:
                place.cover()


class _Covers:
    """Wrappers of ours over mocks in one place. A mock may go over one of them, be gone over in its turn, and put it back when it ends."""

    def __init__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name
        self._put: weakref.WeakKeyDictionary[Method, Method] = weakref.WeakKeyDictionary()

    def note(self, ours: Method, mock: Method) -> None:
        self._put[ours] = mock

    def undo(self) -> None:
        for ours, mock in reversed(list(self._put.items())):
            if self._owner.__dict__[self._name] is ours:
                setattr(self._owner, self._name, mock)
                del self._put[ours]


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
