"""Doing something right after a module was imported, without importing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from importlib.abc import Loader  # 13 ms at run time, and nothing here needs the class

__all__ = ["after_import"]

Then = Callable[[ModuleType], None]


def after_import(then: Mapping[str, Then]) -> None:
    """Call `then[name]` with the module `name` after each import of it, and at once if it is there already. Put in once a process."""
    sys.meta_path.insert(0, _Watcher(then))
    for name, call in then.items():
        module = sys.modules.get(name)
        if module is not None:
            call(module)


class _Watcher:
    """Finds a watched module as the other finders do, and wraps its loader for this one import."""

    def __init__(self, then: Mapping[str, Then]) -> None:
        self._then = then

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        then = self._then.get(fullname)
        if then is None:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(fullname, path, target) if find is not None and finder is not self else None
            if isinstance(spec, ModuleSpec):
                if spec.loader is not None:
                    spec.loader = cast("Loader", _Loader(spec.loader, then))
                return spec
        return None


class _Loader:
    """Steps aside before the module's code runs, so that the module never sees it as its loader."""

    def __init__(self, inner: Loader, then: Then) -> None:
        self._inner = inner
        self._then = then

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._inner.exec_module(module)
        self._then(module)
