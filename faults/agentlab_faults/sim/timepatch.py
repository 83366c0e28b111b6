"""`time` and `datetime` on the active simulation's clock: installed once per process, in place, so that every alias follows.

On the lab's thread and while a simulation is active they tell virtual time; everywhere else they are what they always were.
`time.process_time` and `time.thread_time` stay real: they measure the processor.
"""

from __future__ import annotations

import datetime as dt
import gc
import math
import operator
import time
from collections.abc import Callable
from types import BuiltinFunctionType
from typing import Any, Final

from agentlab_faults.sim.active import LAB
from agentlab_faults.sim.real import get_ident
from agentlab_faults.sim.splice import put_method, redirect

__all__ = ["install"]

_CLOCKS: Final = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
_WALL_CLOCKS: Final = ("CLOCK_REALTIME", "CLOCK_TAI")
_STEADY_CLOCKS: Final = ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME", "CLOCK_UPTIME_RAW")
_MICROSECOND_NS: Final = 1_000


def install() -> None:
    """Patch the process; once."""
    for name in _CLOCKS:
        _patch_clock(name)
    _patch_sleep()
    for name in ("localtime", "gmtime", "ctime"):
        _patch_now_by_default(name)
    _patch_formatters()
    for name in ("clock_gettime", "clock_gettime_ns"):
        if hasattr(time, name):
            _patch_clock_by_number(name, ns=name.endswith("_ns"))
    _patch_datetime()


# The replacements are closures: they must still find what they need when the interpreter clears its modules at the end.


def _patch_clock(name: str) -> None:
    lab, thread = LAB, get_ident

    def tell() -> Any:
        hub = lab.hub
        if hub is None or thread() != lab.thread:
            return real()
        return getattr(hub.clock, name)()

    real = redirect(getattr(time, name), tell)


def _patch_sleep() -> None:
    lab, thread, isnan, index = LAB, get_ident, math.isnan, operator.index

    def sleep(seconds: Any, /) -> None:
        hub = lab.hub
        if hub is None or thread() != lab.thread:
            real(seconds)
            return
        duration = seconds if isinstance(seconds, float) else index(seconds)
        if isnan(duration):
            raise ValueError("Invalid value NaN (not a number)")
        if duration < 0:
            raise ValueError("sleep length must be non-negative")
        hub.sleep(duration)

    real = redirect(time.sleep, sleep)


def _patch_now_by_default(name: str) -> None:
    lab, thread = LAB, get_ident

    def tell(seconds: float | None = None, /) -> Any:
        hub = lab.hub
        if seconds is None and hub is not None and thread() == lab.thread:
            seconds = hub.clock.time()
        return real(seconds)

    real = redirect(getattr(time, name), tell)


def _patch_formatters() -> None:
    lab, thread, localtime = LAB, get_ident, time.localtime

    def strftime(format: str, *when: Any) -> Any:  # noqa: A002 - the name that `time.strftime` has
        virtual = not when and lab.hub is not None and thread() == lab.thread
        return real_strftime(format, localtime()) if virtual else real_strftime(format, *when)

    def asctime(*when: Any) -> Any:
        virtual = not when and lab.hub is not None and thread() == lab.thread
        return real_asctime(localtime()) if virtual else real_asctime(*when)

    real_strftime = redirect(time.strftime, strftime)
    real_asctime = redirect(time.asctime, asctime)


def _patch_clock_by_number(name: str, *, ns: bool) -> None:
    lab, thread = LAB, get_ident
    wall = {getattr(time, clock) for clock in _WALL_CLOCKS if hasattr(time, clock)}
    steady = {getattr(time, clock) for clock in _STEADY_CLOCKS if hasattr(time, clock)}

    def tell(number: int, /) -> Any:
        hub = lab.hub
        if hub is not None and thread() == lab.thread:
            if number in wall:
                return hub.clock.time_ns() if ns else hub.clock.time()
            if number in steady:
                return hub.clock.monotonic_ns() if ns else hub.clock.monotonic()
        return real(number)

    real = redirect(getattr(time, name), tell)


def _wall_clock() -> Callable[[], float | None]:
    lab, thread = LAB, get_ident

    def microseconds() -> float | None:
        """Unix time to the microsecond; None if time is real here."""
        hub = lab.hub
        if hub is None or thread() != lab.thread:
            return None
        return hub.clock.time_ns() // _MICROSECOND_NS / 1e6

    return microseconds


def _patch_datetime() -> None:
    virtual, utc = _wall_clock(), dt.UTC
    moment = dt.datetime.__dict__["fromtimestamp"]
    day = dt.date.__dict__["fromtimestamp"]

    def now(cls: type[dt.datetime], tz: dt.tzinfo | None = None) -> Any:
        seconds = virtual()
        return real_now.__get__(None, cls)(tz) if seconds is None else moment.__get__(None, cls)(seconds, tz)

    def utcnow(cls: type[dt.datetime]) -> Any:
        seconds = virtual()
        return real_utcnow.__get__(None, cls)() if seconds is None else moment.__get__(None, cls)(seconds, utc).replace(tzinfo=None)

    def today(cls: type[dt.date]) -> Any:
        seconds = virtual()
        if seconds is None:
            return real_today.__get__(None, cls)()
        return (moment if issubclass(cls, dt.datetime) else day).__get__(None, cls)(seconds)

    replacements = ((dt.datetime, now), (dt.datetime, utcnow), (dt.date, today))
    _redirect_bound({function.__name__: function for _, function in replacements})
    real_now, real_utcnow, real_today = (put_method(owner, f.__name__, classmethod(f)) for owner, f in replacements)


def _redirect_bound(replacements: dict[str, Callable[..., Any]]) -> None:
    """Code that is loaded may hold `datetime.now` itself (`default_factory=datetime.now`): those objects are redirected one by one."""
    for held in gc.get_objects():
        if type(held) is BuiltinFunctionType and held.__name__ in replacements:
            owner = held.__self__
            if isinstance(owner, type) and issubclass(owner, dt.date):
                redirect(held, replacements[held.__name__].__get__(owner))
