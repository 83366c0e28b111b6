"""Idempotency keys: one for each wanted effect, whatever is retried, doubled or resumed."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agentlab.effects import Effects, effect_key

ARGUMENTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.floats(allow_nan=False), max_size=4)


@given(one=ARGUMENTS, other=ARGUMENTS, n=st.integers(0, 5))
def test_equal_calls_have_equal_keys_and_others_do_not(one: dict[str, Any], other: dict[str, Any], n: int) -> None:
    assert effect_key("run", "refund", one, n) == effect_key("run", "refund", dict(reversed(one.items())), n)
    keys = [effect_key("run", "refund", one, n), effect_key("run", "refund", one, n + 1), effect_key("run2", "refund", one, n)]
    keys.append(effect_key("run", "email", one, n))
    assert len(set(keys)) == 4
    assert (effect_key("run", "refund", one, n) == effect_key("run", "refund", other, n)) == (
        repr(sorted(one.items())) == repr(sorted(other.items()))
    )


@given(steps=st.lists(st.tuples(st.sampled_from(["begin", "confirm", "turn"]), st.integers(0, 2)), max_size=40))
def test_a_key_advances_only_after_a_confirmed_completion(steps: list[tuple[str, int]]) -> None:
    effects = Effects("run")
    keys: dict[int, str] = {}
    used: set[str] = set()
    for step, order in steps:
        if step == "turn":
            effects.new_turn()
            continue
        effect = effects.begin("refund", {"order": order})
        assert keys.setdefault(order, effect.key) == effect.key
        assert effect.key not in used
        if step == "confirm":
            effects.confirm(effect, "ok")
            used.add(keys.pop(order))


def test_a_turn_names_what_happened_and_what_may_have() -> None:
    effects = Effects("run")
    done, unknown, refused, never = (effects.begin("refund", {"order": n}) for n in range(4))
    effects.confirm(done, "ok")
    unknown.state, refused.state = "unknown", "refused"
    assert never.state == "asked"
    assert [str(effect) for effect in effects.this_turn] == ["refund(order=0)", "refund(order=1)"]
    assert effects.done_this_turn("refund", {"order": 0}) is done
    effects.new_turn()
    assert effects.this_turn == ()
    assert effects.done_this_turn("refund", {"order": 0}) is None
    assert effects.begin("refund", {"order": 1}) is unknown


def test_nothing_was_ever_done_only_if_no_effect_is_open_in_any_turn() -> None:
    effects = Effects("run")
    effect = effects.begin("refund", {"order": 1})
    assert effects.none_ever
    effect.state = "unknown"
    effects.new_turn()
    assert not effects.none_ever
    effect.state = "refused"
    assert effects.none_ever
    effects.confirm(effect, "ok")
    assert not effects.none_ever
