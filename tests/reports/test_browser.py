"""The page in a real browser: quiet, closed to the outside, usable by keyboard, and deaf to attacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agentlab_reports import evaluate, render_html
from agentlab_reports.panels import PLAIN_PANELS, anchor
from agentlab_reports.schema import SuiteResults

from . import sample
from .browser import Tab, open_page
from .build import cell, control, suite
from .hostile import hostile_suite


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with open_page() as opened:
        yield opened


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("report"), [sample.suite()], [sample.suite(healthy=True)])


def write(folder: Path, suites: list[SuiteResults], baseline: list[SuiteResults] | None = None) -> Path:
    path = folder / "report.html"
    path.write_text(render_html(suites, evaluate(suites, baseline), baseline), "utf-8")
    return path


FOCUS = "(e => e.closest('td') && e.closest('td').cellIndex + ',' + e.closest('tr').rowIndex)(document.activeElement)"
"""Column and row of the square that has the focus."""


def test_the_page_is_quiet_and_asks_the_network_for_nothing(tab: Tab, report: Path) -> None:
    tab.go(report)
    assert tab.eval("document.documentElement.classList.contains('js')")
    assert tab.problems == []
    assert tab.requests == [report.as_uri()]


def test_the_heat_map_is_walked_and_opened_by_keyboard(tab: Tab, report: Path) -> None:
    tab.go(report)
    tab.eval("document.querySelector('#heat .k').focus()")
    start = tab.eval(FOCUS)
    tab.press("ArrowRight")
    tab.press("ArrowDown")
    column, row = (int(part) for part in tab.eval(FOCUS).split(","))
    assert [column, row] == [int(part) + 1 for part in start.split(",")]
    name = tab.eval("document.activeElement.getAttribute('href').slice(1)")
    tab.press("Enter")
    tab.until("document.activeElement.tagName === 'H3'")
    opened = tab.eval("document.activeElement.textContent")
    assert anchor("customer_support", opened) == name
    assert tab.eval(f"document.querySelector('.k[aria-current]').getAttribute('href') === '#{name}'")
    tab.press("Escape")
    assert tab.eval("document.querySelector('#inspect').hidden")
    assert tab.eval(FOCUS) == f"{column},{row}"
    assert tab.problems == []


def test_a_packed_panel_is_built_when_it_is_asked_for(tab: Tab, report: Path) -> None:
    healthy = "order_status[openai.chat.1-http_500]"
    tab.go(report, fragment=f"#{anchor('customer_support', healthy)}")
    assert not tab.eval(f"document.querySelector('.panel#{anchor('customer_support', healthy)}')")
    tab.until(f"document.querySelector('#inspect h3').textContent === {healthy!r}")
    assert tab.eval("document.querySelectorAll('#inspect svg.wf rect').length") > 3
    assert "agentlab replay" in tab.eval("document.querySelector('#inspect pre').textContent")
    assert tab.problems == []


def test_the_filters_dim_what_does_not_match(tab: Tab, report: Path) -> None:
    tab.go(report)
    squares = tab.eval("document.querySelectorAll('#heat td:not([hidden]) .k').length")
    tab.eval("q.value = 'long_talk network'; q.oninput()")
    lit = tab.eval("document.querySelectorAll('#heat td:not([hidden]) .k:not(.off)').length")
    assert 0 < lit < squares
    tab.eval("q.value = ''; document.querySelector('#changed').click()")
    assert tab.eval("document.querySelectorAll('#heat td:not([hidden]) .k:not(.off)').length") == 5


def test_a_boundary_folds_to_its_worst(tab: Tab, report: Path) -> None:
    tab.go(report)
    visible = "[...document.querySelectorAll('#heat table')[0].tBodies[0].rows[0].cells].filter(c => !c.hidden).length"
    before = tab.eval(visible)
    tab.eval("document.querySelector('.lay button').click()")
    assert tab.eval(visible) == before - len(sample.FAULTS["network"]) + 1
    tab.eval("document.querySelector('.lay button').click()")
    assert tab.eval(visible) == before


def test_the_theme_can_be_chosen(tab: Tab, report: Path) -> None:
    tab.go(report)
    paper = "getComputedStyle(document.body).backgroundColor"
    light = tab.eval(paper)
    tab.eval("document.querySelector('#theme').click()")
    assert tab.eval(paper) != light


def test_without_script_a_link_opens_the_panel(tab: Tab, report: Path) -> None:
    name = anchor("customer_support", "refund_order[tool.refund.1-tool_timeout_after_commit]")
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        tab.go(report, fragment=f"#{name}")
        assert not tab.eval("document.documentElement.classList.contains('js')")
        tab.until(f"document.getElementById('{name}').closest('details').open")
        assert tab.eval(f"document.getElementById('{name}').querySelector('.said').checkVisibility()")
        assert tab.eval("document.querySelectorAll('.panel').length") == PLAIN_PANELS
        assert not tab.eval("document.querySelector('.legend input').checkVisibility()")
    finally:
        tab.call("Emulation.setScriptExecutionDisabled", value=False)


def test_it_fits_a_narrow_screen(tab: Tab, report: Path) -> None:
    tab.call("Emulation.setDeviceMetricsOverride", width=500, height=900, deviceScaleFactor=1, mobile=False)
    try:
        tab.go(report)
        assert tab.eval("document.documentElement.scrollWidth") <= 500
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")


def test_what_is_worst_has_room_to_be_read_on_a_phone(tab: Tab, tmp_path: Path) -> None:
    """Without a baseline the worst cells stand where the changes would."""
    path = write(tmp_path, [sample.suite()])
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    try:
        tab.go(path)
        assert tab.eval("Math.min(...[...document.querySelectorAll('.worst .chg')].map(e => e.getBoundingClientRect().width))") > 240
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")


def test_a_long_command_fits_a_phone(tab: Tab, tmp_path: Path) -> None:
    """Its path has no place to break at."""
    path = write(tmp_path, [suite([cell(), control()], agent=f"/srv/someone/{'x' * 80}/python app.py")])
    tab.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    try:
        tab.go(path)
        assert tab.eval("document.documentElement.scrollWidth") <= 390
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")


def many_faults(counts: dict[str, int]) -> SuiteResults:
    """A suite of long-named scenarios under as many faults of each boundary as asked for."""
    rows = [
        cell(f"{boundary}_{n}", scenario=scenario, boundary=boundary)
        for scenario in ("a_scenario_with_quite_a_long_name", "x")
        for boundary, count in counts.items()
        for n in range(count)
    ]
    return suite([*rows, control("x")])


@pytest.mark.parametrize(
    "first",
    [
        {"network": 22, "provider-http": 31, "content": 49, "tool": 12},
        {"network": 53, "tool": 58},
        {"content": 140},
        {"network": 22, "provider-http": 31},
        {"network": 10, "content": 19},
        {"network": 10, "content": 18},
        {"network": 9, "content": 9},
    ],
)
def test_every_column_of_the_map_can_be_seen_on_a_laptop(tab: Tab, tmp_path: Path, first: dict[str, int]) -> None:
    path = write(tmp_path, [many_faults(first)])
    tab.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    try:
        tab.go(path)
        assert tab.eval("document.querySelector('#heat').scrollWidth <= document.querySelector('#heat').clientWidth")
        assert tab.eval("[...document.querySelectorAll('.tot')].every(t => t.getBoundingClientRect().right <= 1280)")
    finally:
        tab.call("Emulation.clearDeviceMetricsOverride")


def test_attacks_stay_text(tab: Tab, tmp_path: Path) -> None:
    results = hostile_suite()
    path = write(tmp_path, [results])
    tab.go(path)
    for row in results.cells:
        tab.eval(f"location.hash = '{anchor(row.suite, row.id)}'")
        tab.until(f"document.querySelector('.k[aria-current]') || {not row.schedule!r}".replace("True", "true").replace("False", "false"))
    tab.eval("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert tab.eval("window.hacked === undefined")
    assert tab.eval("document.querySelectorAll('script').length") == 2
    assert tab.eval("document.querySelectorAll('iframe, img, link, base, object, embed').length") == 0
    assert tab.eval("[...document.querySelectorAll('*')].every(e => [...e.attributes].every(a => !a.name.startsWith('on')))")
    assert tab.eval("[...document.querySelectorAll('a')].every(a => a.protocol === 'file:')")
    assert tab.problems == []
    assert tab.requests == [path.as_uri()]
