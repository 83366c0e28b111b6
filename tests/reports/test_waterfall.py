"""The drawing of a timeline stays inside its frame, whatever happened."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from agentlab_reports.schema import Span
from agentlab_reports.waterfall import WIDTH, draw
from hypothesis import given, settings
from hypothesis import strategies as st

seconds = st.floats(0, 10_000, allow_nan=False)
spans = st.lists(
    st.builds(
        lambda kind, start, length, label, fault: Span(kind=kind, start=start, end=start + length, label=label, detail=label, fault=fault),
        st.sampled_from(["turn", "llm", "tool", "wait", "fault", "commit", "breaker", "reply", "note"]),
        seconds,
        seconds,
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60),
        st.sampled_from(["", "http_500"]),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(spans, seconds)
def test_nothing_is_drawn_outside_the_frame(found: list[Span], total: float) -> None:
    drawing = draw(found, total)
    svg = ET.fromstring(drawing.__html__())  # noqa: S314  # our own output
    for rect in svg.iter("rect"):
        x, y, width = (float(rect.attrib[name]) for name in ("x", "y", "width"))
        assert x >= 0
        assert x + width <= WIDTH + 0.2
        assert 0 <= y <= drawing.height
    for text in svg.iter("text"):
        assert 0 <= float(text.attrib["x"]) <= WIDTH + 12
        assert 0 <= float(text.attrib["y"]) <= drawing.height


def test_the_struck_call_is_marked_and_the_faults_own_mark_is_not_drawn_twice() -> None:
    call = Span(kind="llm", start=1, end=3, label="openai.chat.1", status="503", fault="http_503")
    mark = Span(kind="fault", start=1.5, end=1.5, label="http_503", fault="http_503")
    lone = Span(kind="fault", start=9, end=9, label="http_503", fault="http_503")
    assert [bar.style for bar in draw([call, mark], 10).bars] == ["hit"]
    assert [bar.style for bar in draw([call, mark, lone], 10).bars] == ["hit", "hit"]
    assert draw([call], 10).bars[0].text == "⚡ http_503: 503"


def test_a_wait_says_how_long_it_was() -> None:
    assert draw([Span(kind="wait", start=1, end=3.5, label="backoff")], 10).bars[0].text == "2.5 s"


def test_a_storm_of_calls_keeps_its_beginning_and_end() -> None:
    storm = [Span(kind="llm", start=n, end=n + 0.5, label=f"call {n}") for n in range(300)]
    drawing = draw(storm, 300)
    labels = [bar.label for bar in drawing.bars]
    assert (len(labels), labels[0], labels[-1], drawing.left_out) == (60, "call 0", "call 299", 240)


@pytest.mark.parametrize("total", [0.0, 0.02, 1, 7, 33, 132, 900, 86_400])
def test_the_grid_has_a_handful_of_lines(total: float) -> None:
    assert 1 <= len(draw([], total).ticks) <= 9


def test_breakers_and_effects_have_lanes() -> None:
    found = [
        Span(kind="commit", start=2, end=2, label="refund", status="committed"),
        Span(kind="commit", start=2.01, end=2.01, label="refund", status="committed"),
        Span(kind="breaker", start=0, end=5, label="openai", status="closed"),
        Span(kind="breaker", start=5, end=9, label="openai", status="half-open"),
    ]
    apart = [Span(kind="commit", start=second, end=second, label="refund", status="committed") for second in (2, 6, 30)]
    assert [part[3] for part in draw(apart, 60).lanes[0].parts] == ["", "refund committed", "refund committed"]
    effects, breaker = draw(found, 10).lanes
    assert [part[3] for part in effects.parts] == ["2 times refund committed"]
    assert [(part[0], part[3]) for part in breaker.parts] == [("closed", "closed"), ("half_open", "half-open")]
    assert not re.search("NaN|inf", draw(found, 10).__html__())
