"""Built-in functions and methods are replaced where they live: every alias follows, and the original stays within reach."""

from __future__ import annotations

import math
import time
from functools import partial

import pytest
from agentlab_faults.sim.splice import redirect, twin


def test_a_twin_does_what_its_function_does() -> None:
    real = twin(math.floor)
    assert real(2.5) == 2
    assert real is not math.floor


@pytest.mark.parametrize(
    ("function", "arguments", "options"),
    [
        (twin(time.monotonic), (), {}),
        (twin(math.floor), (2.5,), {}),
        (twin(time.strftime), ("%Y", time.gmtime(0)), {}),
        (twin(max), ([1, 3, 2],), {"key": abs}),
    ],
    ids=["no arguments", "one argument", "some arguments", "keywords too"],
)
def test_every_holder_of_a_redirected_function_calls_the_target(function, arguments, options) -> None:  # type: ignore[no-untyped-def]
    held, seen = partial(function), []

    def target(*args: object, **kwargs: object) -> object:
        seen.append((args, kwargs))
        return original(*args, **kwargs)

    original = redirect(function, target)
    assert type(held(*arguments, **options)) is type(original(*arguments, **options))
    assert seen == [(arguments, options)]


def test_what_the_target_raises_reaches_the_caller() -> None:
    function = twin(math.floor)

    def refuse(_: object) -> None:
        raise LookupError("refused")

    redirect(function, refuse)
    with pytest.raises(LookupError, match="refused"):
        function(1)


def test_what_is_not_built_in_is_refused() -> None:
    with pytest.raises(TypeError, match="not a built-in function"):
        redirect(lambda: None, print)
