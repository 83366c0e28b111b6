"""From globs and points to schedules: names, order, and what is said when a name is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from agentlab_faults.catalogue import (
    SHAPES,
    UnknownFault,
    UnknownMode,
    add_mode,
    all_modes,
    at_events,
    mode_schedule,
    modes_for,
    nearest,
    schedule_name,
    select,
    shapes_in_turn,
    singles,
)
from agentlab_faults.fault import Fault, all_faults, register
from agentlab_faults.points import Point
from hypothesis import given
from hypothesis import strategies as st

PLAN = Point("openai.chat.1", "llm", "openai.chat", 1, calls_tools=True)
SAY = Point("openai.chat.2", "llm", "openai.chat", 2)
READ = Point("tool.lookup_order.1", "tool", "lookup_order", 1, effect="read")
WRITE = Point("tool.refund.1", "tool", "refund", 1, effect="write")


def ids(faults: list[type[Fault]]) -> list[str]:
    return [fault.row.id for fault in faults]


def test_a_glob_chooses_faults_by_id() -> None:
    assert ids(select(["http_429*"])) == [
        "http_429_daily_quota",
        "http_429_insufficient_quota",
        "http_429_rate",
        "http_429_slow_down",
        "http_429_spend_limit",
    ]


def test_faults_come_boundary_by_boundary_and_by_id_whatever_the_globs_order() -> None:
    assert ids(select(["tool_exception", "body_b*", "net_conn*", "http_500"])) == [
        "net_conn_refused",
        "net_connect_timeout",
        "http_500",
        "body_bom",
        "tool_exception",
    ]


@given(st.lists(st.sampled_from(sorted(all_faults())), max_size=6))
def test_the_order_and_repetition_of_globs_do_not_matter(globs: list[str]) -> None:
    assert ids(select(globs)) == ids(select(sorted(set(globs), reverse=True)))
    assert set(ids(select(globs))) == set(globs)


@pytest.mark.parametrize(
    ("glob", "sentence"),
    [
        ("http_429_rat", "No fault of the catalogue is named 'http_429_rat'; did you mean 'http_429_rate'?"),
        ("net_con_refused*", "No fault of the catalogue is named 'net_con_refused*'; did you mean 'net_conn_refused'?"),
        ("qqq", "No fault of the catalogue is named 'qqq'; `agentlab faults list` shows them all."),
    ],
)
def test_an_unknown_glob_is_refused_with_the_nearest_name(glob: str, sentence: str) -> None:
    with pytest.raises(UnknownFault) as refused:
        select(["http_500", glob])
    assert str(refused.value) == sentence


def test_names_of_singles_say_point_fault_and_shape() -> None:
    assert [schedule_name("openai.chat.2", "http_429_rate", shape) for shape in SHAPES] == [
        "openai.chat.2-http_429_rate",
        "openai.chat.2-http_429_rate-x3",
        "openai.chat.2-http_429_rate-always",
    ]


def test_singles_go_point_by_point_fault_by_fault_shape_by_shape() -> None:
    schedules = singles([PLAN, READ, WRITE, SAY], select(["http_500", "tool_args_empty", "tool_partial_success", "content_finish_length"]))
    assert [schedule.name for schedule in schedules] == [
        "openai.chat.1-http_500",
        "openai.chat.1-http_500-x3",
        "openai.chat.1-http_500-always",
        "openai.chat.1-tool_args_empty",
        "openai.chat.1-tool_args_empty-always",
        "tool.refund.1-tool_partial_success",
        "tool.refund.1-tool_partial_success-always",
        "openai.chat.2-http_500",
        "openai.chat.2-http_500-x3",
        "openai.chat.2-http_500-always",
        "openai.chat.2-content_finish_length",
        "openai.chat.2-content_finish_length-always",
    ]
    [injection] = schedules[1].injections
    assert (injection.fault.row.id, injection.at, injection.shape) == ("http_500", "openai.chat.1", "x3")


SEARCH = Point("tool.search_docs.1", "tool", "search_docs", 1, effect="read")
TOLD = Point("openai.chat.4", "llm", "openai.chat", 4, shows=("results", "calls", "tools"))
STREAMED = Point("openai.chat.1", "llm", "openai.chat", 1, streamed=True, chunks=7)


def test_a_fault_that_strikes_events_does_so_at_the_first_a_middle_and_the_last() -> None:
    schedules = singles([STREAMED], select(["stream_cut_clean", "stream_slow_drip"]))
    assert [schedule.name for schedule in schedules if not schedule.name.endswith(("x3", "always"))] == [
        "openai.chat.1.chunk.1-stream_cut_clean",
        "openai.chat.1.chunk.4-stream_cut_clean",
        "openai.chat.1.chunk.7-stream_cut_clean",
        "openai.chat.1-stream_slow_drip",
    ]
    assert [(schedule.injections[0].call, schedule.injections[0].chunk) for schedule in schedules[:1]] == [("openai.chat.1", 1)]
    assert singles([SAY], select(["stream_*"])) == []


def test_shapes_are_taken_in_turn_from_place_to_place_and_no_fault_or_place_is_left_out() -> None:
    every = singles([PLAN, READ, WRITE, SAY], select(["http_500", "tool_args_empty", "tool_partial_success", "content_finish_length"]))
    assert [[schedule.name for schedule in shapes_in_turn(every, first)] for first in (0, 1)] == [
        [
            "openai.chat.1-http_500",
            "openai.chat.1-tool_args_empty",
            "tool.refund.1-tool_partial_success",
            "openai.chat.2-http_500-x3",
            "openai.chat.2-content_finish_length",
        ],
        [
            "openai.chat.1-http_500-x3",
            "openai.chat.1-tool_args_empty-always",
            "tool.refund.1-tool_partial_success-always",
            "openai.chat.2-http_500-always",
            "openai.chat.2-content_finish_length-always",
        ],
    ]
    cut = singles([STREAMED], select(["stream_cut_clean"]))
    assert [(s.injections[0].chunk, s.injections[0].shape) for s in shapes_in_turn(cut)] == [(1, "once"), (4, "x3"), (7, "always")]


def test_any_event_of_a_stream_can_be_named() -> None:
    named = at_events([STREAMED, SAY], "openai.chat.*.chunk.5-stream_cut_*")
    shapes = ("", "-x3", "-always")
    assert [schedule.name for schedule in named] == [
        f"openai.chat.1.chunk.5-{fault}{shape}" for fault in ("stream_cut_clean", "stream_cut_mid_json") for shape in shapes
    ]
    assert [s.name for s in at_events([STREAMED], "openai.chat.1.chunk.5-stream_cut_clean-x3")] == [
        "openai.chat.1.chunk.5-stream_cut_clean-x3"
    ]
    assert at_events([STREAMED], "openai.chat.1.chunk.8-stream_cut_clean") == []


@pytest.mark.parametrize("name", ["openai.chat.1.chunk.x-stream_cut_clean", "openai.chat.1.chunk.1-qqq", "openai.chat.1.chunk.1"])
def test_an_event_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(UnknownFault):
        at_events([STREAMED], name)


def test_names_of_singles_are_unique_and_hold_nothing_that_node_ids_cannot() -> None:
    names = [schedule.name for schedule in singles([PLAN, READ, WRITE, SAY, replace(STREAMED, name="openai.chat.3")], select(["*"]))]
    assert len(names) == len(set(names))
    assert not any(set(name) & set("#[]: ") for name in names)


def test_no_points_no_singles() -> None:
    assert singles([], select(["*"])) == []


def test_a_mode_is_a_schedule_under_its_own_name() -> None:
    schedule = mode_schedule("rate-limit-storm")
    assert (schedule.name, schedule.mode) == ("rate-limit-storm", "rate-limit-storm")
    [injection] = schedule.injections
    assert (injection.at, injection.primary, injection.window.end) == (None, True, 30.0)


def test_an_unknown_mode_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownMode, match=r"^No mode is named 'rate-limit-strom'; did you mean 'rate-limit-storm'\?$"):
        mode_schedule("rate-limit-strom")


GET = Point("redis.get.1", "store", "get", 1, effect="read", method="get")
SET = Point("redis.set.1", "store", "set", 1, effect="write", method="set")
CALL = Point("mcp.refund.1", "mcp", "refund", 1, method="tools/call", transport="http")
STORE_MODES = {name for name in all_modes() if name.startswith("store-")}
OUTSIDE = STORE_MODES | {"mcp-server-down", "mcp-server-hangs", "mcp-server-flaky"}


def modes(*points: Point) -> set[str]:
    return {mode.name for mode in modes_for(points)}


def test_modes_need_the_points_that_they_strike() -> None:
    without_tools = modes(SAY)
    assert "primary-provider-outage" in without_tools
    assert not without_tools & {"tool-timeouts", "broken-tool", "flaky-tools", "worst-day", "malformed-json", "lost-confirmations"}
    elsewhere = modes(STREAMED, SEARCH, TOLD)
    assert {"stream-cuts", "poisoned-knowledge-base", "looping-model"} <= elsewhere
    assert modes(PLAN, READ, SAY, STREAMED, SEARCH, TOLD) == set(all_modes()) - {"lost-confirmations"} - OUTSIDE
    assert (
        modes(PLAN, WRITE, SAY, STREAMED, TOLD)
        == set(all_modes()) - {"wrong-data", "poisoned-knowledge-base", "knowledge-base-down"} - OUTSIDE
    )
    assert modes(GET) == {"store-down", "store-silent", "store-flaky", "store-forgets"}
    assert modes(GET, SET) == STORE_MODES
    assert modes(GET, SET, CALL) == OUTSIDE
    assert modes(READ) & {"primary-provider-outage", "worst-day"} == set()


def test_modes_come_in_the_catalogues_order() -> None:
    assert [mode.name for mode in modes_for([PLAN, READ, WRITE, SAY, STREAMED, SEARCH, TOLD, GET, SET, CALL])] == list(all_modes())


def test_ids_and_names_are_taken_once() -> None:
    fault = all_faults()["http_500"]
    with pytest.raises(ValueError, match="registered already"):
        register(fault.row)(fault)
    with pytest.raises(ValueError, match="there already"):
        add_mode(all_modes()["broken-tool"])


def test_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="retry_afer"):
        all_faults()["http_429_rate"].model_validate({"retry_afer": 3})


def test_nothing_near_points_to_the_list() -> None:
    assert nearest("zzz", ["abc"]) == "; `agentlab faults list` shows them all."


def test_the_catalogue_loads_neither_sdk_nor_http_library() -> None:
    code = "import sys, agentlab_faults.catalogue; print(*sorted({'openai', 'httpx', 'httpx2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.strip() == ""
