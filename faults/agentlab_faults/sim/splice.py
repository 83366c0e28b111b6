"""Replacing built-in functions and methods of built-in types where they live, so that every alias follows.

Rebinding `time.sleep` in its module misses `from time import sleep`, a dataclass' `default_factory=time.time` and every closure. The
function object that all of them share is therefore told to call something else: a CPython built-in function holds a pointer to its
definition and the object that it hands to it first, and `PyObject_CallNoArgs`, `PyObject_CallOneArg`, `PyObject_CallObject` and
`PyObject_Vectorcall` of the C API have just the signatures of the calling conventions, with a callable as that first object.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, Final

__all__ = ["Contents", "put_method", "redirect", "twin"]


class _Definition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Function(ctypes.Structure):
    """The part of CPython's PyCFunctionObject that follows the object header."""

    _fields_ = [("definition", ctypes.POINTER(_Definition)), ("first", ctypes.c_void_p)]


_HEADER: Final = object.__basicsize__
_VARARGS, _KEYWORDS, _NOARGS, _O, _FASTCALL = 0x01, 0x02, 0x04, 0x08, 0x80
_BINDING: Final = 0x10 | 0x20 | 0x40
"""METH_CLASS, METH_STATIC, METH_COEXIST: how a method is bound, which does not matter once it is."""
_CALLERS: Final = {
    _NOARGS: "PyObject_CallNoArgs",
    _O: "PyObject_CallOneArg",
    _VARARGS: "PyObject_CallObject",
    _VARARGS | _KEYWORDS: "PyObject_Call",
    _FASTCALL | _KEYWORDS: "PyObject_Vectorcall",
}


def _keep_for_ever(thing: Any) -> None:
    """Built-in functions that outlive every module now point at `thing`: it must never be freed, not even when the interpreter ends."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _address(name: str) -> int:
    address = ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value
    if address is None:
        raise RuntimeError(f"This Python has no {name} to call.")
    return address


def _twin(function: _Function) -> Callable[..., Any]:
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.argtypes = [ctypes.POINTER(_Definition), ctypes.c_void_p, ctypes.c_void_p]
    new.restype = ctypes.py_object
    made: Callable[..., Any] = new(function.definition, function.first, None)
    return made


def twin(function: Callable[..., Any]) -> Callable[..., Any]:
    """A new built-in function that does what `function` does now, and goes on doing so when that is redirected."""
    return _twin(_Function.from_address(id(function) + _HEADER))


def redirect(function: Callable[..., Any], target: Callable[..., Any]) -> Callable[..., Any]:
    """Make the built-in `function`, whoever holds it, call `target` from now on; the way to the original is returned.

    Raises TypeError if `function` is not a built-in function of a known calling convention.
    """
    if not isinstance(function, BuiltinFunctionType):
        raise TypeError(f"{function!r} is not a built-in function: it cannot be redirected in place.")
    memory = _Function.from_address(id(function) + _HEADER)
    original = memory.definition.contents
    convention = original.flags & ~_BINDING
    caller = _CALLERS.get(convention)
    if caller is None:
        raise TypeError(f"{function!r} has the unknown calling convention {original.flags:#x}.")
    original_function = _twin(memory)
    definition = _Definition(original.name, _address(caller), convention, original.doc)
    for thing in (function, definition, target):
        _keep_for_ever(thing)
    memory.first = id(target)
    memory.definition = ctypes.pointer(definition)
    return original_function


def put_method(owner: type, name: str, method: Any) -> Any:
    """Put `method` into the built-in type `owner`, subclasses and instances that exist already included; the original is returned.

    Returns None if the type itself has no such method.
    """
    (namespace,) = gc.get_referents(owner.__dict__)
    original = namespace.get(name)
    namespace[name] = method
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))
    return original


class Contents:
    """The memory of an object of a built-in type: for state that its own methods copy slowly."""

    def __init__(self, thing: object, kind: type) -> None:
        self._address = id(thing) + _HEADER
        self._size = kind.__basicsize__ - _HEADER
        self._saved = b""

    def save(self) -> None:
        """Remember it as it is now."""
        self._saved = ctypes.string_at(self._address, self._size)

    def restore(self) -> None:
        """Make it what it was when it was saved."""
        ctypes.memmove(self._address, self._saved, self._size)
