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
        self.defaults: list[dict[str, Any]] = []
        self.declared: set[str] = set()

    def declares(self, name: str) -> bool:
        return name in self.declared

    def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any]) -> Steps:
        self.defaults.append(dict(defaults))
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


def test_a_function_that_two_have_hooked_is_seen_until_both_have_let_go(watcher: _Watcher) -> None:
    suite, test = hook(_refund, "refund"), hook(_refund)
    try:
        _refund("1")
        test.undo()
        test.undo()
        _refund("2")
        later = hook(_refund, "later")
        suite.undo()
        _refund("3")
        later.undo()
    finally:
        suite.undo()
    _refund("4")
    assert [(name, arguments["order"]) for name, arguments, _ in watcher.seen] == [("_refund", "1"), ("refund", "2"), ("later", "3")]
    assert "__signature__" not in _refund.__dict__


def test_of_the_names_of_a_hooked_function_the_run_gets_the_one_that_it_declares(watcher: _Watcher) -> None:
    hooks = [hook(_refund, name) for name in ("pay_back", "refund")]
    watcher.declared = {"pay_back"}
    try:
        _refund("5512")
    finally:
        for hooked in hooks:
            hooked.undo()
    assert [name for name, _, _ in watcher.seen] == ["pay_back"]


def test_arguments_have_the_names_that_the_caller_means(watcher: _Watcher) -> None:
    @tool
    def refund(order: str, /, currency: str = "EUR", *lines: int, note: str = "", **more: Any) -> None: ...

    refund("5512")
    refund("5512", "USD", 1, 2, key="k1")
    assert [arguments for _, arguments, _ in watcher.seen] == [
        {"order": "5512"},
        {"order": "5512", "currency": "USD", "lines": (1, 2), "key": "k1"},
    ]
    assert watcher.defaults == [{"currency": "EUR", "note": ""}, {"note": ""}]


class _Desk:
    @tool
    def refund(self, order: str) -> str:
        return order

    @classmethod
    @tool
    def lookup(cls, order: str) -> str:
        return order


def test_the_object_that_a_method_is_bound_to_is_no_argument(watcher: _Watcher) -> None:
    hooked = hook_at(f"{__name__}:_Desk.refund", "refund")
    try:
        assert (_Desk().refund("5512"), _Desk.lookup("7731")) == ("5512", "7731")
    finally:
        hooked.undo()
    assert [arguments for _, arguments, _ in watcher.seen] == [{"order": "5512"}, {"order": "7731"}]


def test_a_function_of_ones_own_may_have_an_argument_called_self(watcher: _Watcher) -> None:
    @tool
    def describe(self: str) -> str:
        return self

    describe("me")
    assert [arguments for _, arguments, _ in watcher.seen] == [{"self": "me"}]


def test_what_a_body_has_started_is_seen_once_the_body_is_over(watcher: _Watcher) -> None:
    started: list[asyncio.Task[None]] = []

    @tool
    async def remind(times: int) -> None:
        async def later() -> None:
            await asyncio.sleep(0)
            await remind(times - 1)

        if times:
            started.append(asyncio.create_task(later()))

    async def agent() -> None:
        await remind(2)
        for n in range(2):
            await started[n]

    asyncio.run(agent())
    assert [arguments for _, arguments, _ in watcher.seen] == [{"times": 2}, {"times": 1}, {"times": 0}]


def _logged(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def test_a_plain_wrapper_round_an_async_tool_is_async(watcher: _Watcher) -> None:
    @tool
    @_logged
    async def lookup(order: str) -> str:
        await asyncio.sleep(0)
        raise ValueError(order)

    with pytest.raises(ValueError, match="5512"):
        asyncio.run(lookup("5512"))
    assert watcher.seen == [("lookup", {"order": "5512"}, "raised")]


def test_an_execution_of_a_sync_tool_that_gives_an_awaitable_lasts_until_that_is_over(watcher: _Watcher) -> None:
    ended: list[str] = []

    async def slow(order: str) -> str:
        await asyncio.sleep(0)
        ended.append(order)
        return order

    @tool
    def lookup(order: str) -> Any:
        return slow(order)

    async def agent() -> str:
        pending = lookup("5512")
        assert watcher.seen == []
        return str(await asyncio.create_task(pending))

    assert asyncio.run(agent()) == "5512"
    assert (ended, watcher.seen) == (["5512"], [("lookup", {"order": "5512"}, "ok")])


def test_a_sync_tool_that_gives_an_awaitable_can_be_delivered_twice() -> None:
    class Twice(_Watcher):
        def execution(self, name: str, arguments: Mapping[str, Any], call_id: str | None, defaults: Mapping[str, Any]) -> Steps:
            yield hub.Silence(0.0)
            return [(yield Body()), (yield hub.Silence(0.0)), (yield Body())]

    count: list[int] = []

    async def slow() -> int:
        count.append(1)
        return len(count)

    @tool
    def lookup() -> Any:
        return slow()

    async def agent() -> Any:
        return await lookup()

    with hub.executing(Twice()):
        assert asyncio.run(agent()) == [1, None, 2]
