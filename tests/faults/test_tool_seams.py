"""Tools are seen at the seam, whoever holds the function."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from agentlab_faults.tools import hook, hook_at, hub, tool
from agentlab_faults.tools.hub import Body, Steps


class _Watcher:
    """Runs every body and notes what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any], str]] = []

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None) -> Steps:
        end = "cancelled"
        try:
            value = yield Body()
            end = "ok"
            return value
        except Exception:
            end = "raised"
            raise
        finally:
            self.seen.append((name, dict(arguments), end))

    def committed_now(self) -> None:
        self.seen.append(("commit", {}, ""))


@pytest.fixture
def watcher() -> Iterator[_Watcher]:
    watching = _Watcher()
    with hub.executing(watching):
        yield watching


def _refund(order: str, amount: float = 1.0, *, note: str = "") -> str:
    return f"{order} {amount} {note}"


def test_every_alias_of_a_hooked_function_is_seen(watcher: _Watcher) -> None:
    registry = {"refund": _refund}
    partial = functools.partial(_refund, note="late")
    hooked = hook(_refund)
    try:
        assert registry["refund"]("5512") == "5512 1.0 "
        assert partial("7731", 2.0) == "7731 2.0 late"
    finally:
        hooked.undo()
    assert watcher.seen == [("_refund", {"order": "5512"}, "ok"), ("_refund", {"order": "7731", "amount": 2.0, "note": "late"}, "ok")]


def test_a_hooked_function_keeps_its_signature_and_gets_its_own_code_back() -> None:
    signature, code, defaults = inspect.signature(_refund), _refund.__code__, _refund.__defaults__
    hooked = hook(_refund)
    assert inspect.signature(_refund) == signature
    hooked.undo()
    assert (_refund.__code__, _refund.__defaults__, _refund.__kwdefaults__) == (code, defaults, {"note": ""})
    assert "__signature__" not in _refund.__dict__


def test_a_closure_keeps_what_it_closed_over(watcher: _Watcher) -> None:
    rate = 3

    def convert(amount: int) -> int:
        return amount * rate

    hooked = hook(convert)
    try:
        assert convert(2) == 6
    finally:
        hooked.undo()
    assert watcher.seen == [("convert", {"amount": 2}, "ok")]


def test_an_async_function_stays_async(watcher: _Watcher) -> None:
    async def lookup(order: str) -> str:
        await asyncio.sleep(0)
        return order

    hooked = hook(lookup)
    try:
        assert inspect.iscoroutinefunction(lookup)
        assert asyncio.run(lookup("5512")) == "5512"
    finally:
        hooked.undo()
    assert watcher.seen == [("lookup", {"order": "5512"}, "ok")]


def test_an_exception_leaves_the_seam_as_it_was_raised(watcher: _Watcher) -> None:
    @tool
    def broken() -> None:
        raise ValueError("no stock")

    with pytest.raises(ValueError, match="no stock"):
        broken()
    assert watcher.seen == [("broken", {}, "raised")]


def test_a_cancelled_tool_is_told_apart(watcher: _Watcher) -> None:
    @tool
    async def slow() -> None:
        await asyncio.Event().wait()

    async def give_up() -> None:
        task = asyncio.ensure_future(slow())
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(give_up())
    assert watcher.seen == [("slow", {}, "cancelled")]


def test_a_tool_wrapped_twice_is_one_execution(watcher: _Watcher) -> None:
    @tool
    @tool
    def once() -> int:
        return 1

    assert once() == 1
    assert len(watcher.seen) == 1


def test_without_a_run_a_hooked_function_just_runs() -> None:
    hooked = hook(_refund)
    try:
        assert _refund("5512", note="x") == "5512 1.0 x"
    finally:
        hooked.undo()


@pytest.mark.parametrize("thing", [len, print, object(), (n for n in ())])
def test_what_is_not_a_plain_function_is_refused(thing: Any) -> None:
    with pytest.raises(TypeError, match="is not a plain function"):
        hook(thing)


def test_a_path_without_a_function_is_refused() -> None:
    with pytest.raises(ValueError, match="module:function"):
        hook_at("tests.app", "refund")
