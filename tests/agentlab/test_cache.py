"""The response cache: similar questions meet, other ones do not, and tenants never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentlab.cache import ResponseCache, similarity

QUESTIONS = st.text(min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What are your opening hours?", "what are the opening hours"),
        ("How long does shipping take?", "How long will shipping take, please?"),
        ("What is your return policy?", "Please, what's the return policy?"),
    ],
)
def test_variations_of_a_question_are_the_same(one: str, other: str) -> None:
    assert similarity(one, other) > 0.85


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Where is order 5512?", "Where is order 7731?"),
        ("What does shipping cost?", "What does express shipping to Norway cost?"),
        ("Can I return a gift?", "Can I not return a gift?"),
        ("Can I send something from the big summer sale back?", "Can't I send something from the big summer sale back?"),
        ("When is the big warehouse shop in town open?", "When is the big warehouse shop in town never open?"),
        ("What are your opening hours?", "What is your return policy?"),
        ("", ""),
    ],
)
def test_different_questions_are_not(one: str, other: str) -> None:
    assert similarity(one, other) <= 0.85


@given(one=QUESTIONS, other=QUESTIONS)
def test_similarity_is_symmetric_and_between_0_and_1(one: str, other: str) -> None:
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, other) == pytest.approx(similarity(other, one))


@given(puts=st.lists(st.tuples(st.sampled_from("abc"), QUESTIONS), max_size=12), asking=st.sampled_from("abcd"), question=QUESTIONS)
def test_a_tenant_never_gets_anothers_answer(puts: list[tuple[str, str]], asking: str, question: str) -> None:
    cache = ResponseCache({"What are your opening hours?": "seed"})
    for tenant, asked in puts:
        cache.put(tenant, asked, f"answer of {tenant}")
    for text in (question, *(asked for _, asked in puts)):
        hit = cache.get(asking, text)
        assert hit is None or hit.answer in {"seed", f"answer of {asking}"}


def test_the_most_similar_answer_wins_and_says_how_similar_it_is() -> None:
    cache = ResponseCache({"What are your opening hours?": "9 to 5"})
    cache.put("a", "What are your opening hours on Sunday?", "closed")
    hit = cache.get("a", "What are your opening hours on Sunday?")
    assert hit is not None
    assert (hit.answer, hit.similarity) == ("closed", pytest.approx(1.0))


def test_the_oldest_answer_goes_first() -> None:
    cache = ResponseCache(size=2)
    for word in ("apples", "bicycles", "cathedrals"):
        cache.put("a", word, word)
    assert [cache.get("a", word) is not None for word in ("apples", "bicycles", "cathedrals")] == [False, True, True]


def test_the_tenant_that_was_not_written_for_longest_goes_first() -> None:
    cache = ResponseCache(tenants=2)
    for tenant in ("a", "b", "a", "c"):
        cache.put(tenant, "When are you open?", tenant)
    assert [cache.get(tenant, "When are you open?") is not None for tenant in "abc"] == [True, False, True]


def test_a_very_long_question_is_neither_kept_nor_found() -> None:
    cache = ResponseCache()
    cache.put("a", "open " * 1000, "yes")
    assert cache.get("a", "open " * 1000) is None
