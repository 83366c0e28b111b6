"""The report: one HTML file, offline, readable with script off.

Agent output is hostile. Everything is escaped by the template engine, nothing that an agent or a suite said stands in an attribute or an
address (a cell's anchor is a hash of its name), and the page's own policy allows one style and one script, by hash, and no request at all.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence

import jinja2

from agentlab_reports import views
from agentlab_reports.budget import TARGETS
from agentlab_reports.heatmap import heat_map
from agentlab_reports.panels import PLAIN_PANELS, Panel, anchor, pack, panels_of
from agentlab_reports.schema import SuiteResults
from agentlab_reports.score import BANDS, QUALITY
from agentlab_reports.verdict import Verdict
from agentlab_reports.words import MARKS, NAMES

__all__ = ["render_html"]

_TITLES = {"ship": ("✓", "Ship"), "dont_ship": ("✕", "Don\N{RIGHT SINGLE QUOTATION MARK}t ship"), "undecidable": ("?", "Undecidable")}


def render_html(suites: Sequence[SuiteResults], verdict: Verdict, baseline: Sequence[SuiteResults] | None = None) -> str:
    """The whole page as text. Equal results give equal bytes. `baseline`: what the verdict was compared with, for the panels' "was"."""
    icon, title = _TITLES[verdict.decision]
    if not verdict.evaluated:
        title = "Gate not evaluated"
    heat = heat_map(suites, verdict.changes)
    panels = panels_of(suites, baseline)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            v=verdict,
            icon=icon,
            title=title,
            style_hash=_sha("style.css"),
            script_hash=_sha("script.js"),
            subject=views.subject(suites),
            meta=views.meta(suites, verdict),
            chips=views.chips(verdict),
            figures=views.figures(verdict),
            changed=verdict.changes.grouped() if verdict.changes else [],
            fresh=len(verdict.changes.of("new")) if verdict.changes else 0,
            proof=views.proof(verdict),
            rates=views.rates(suites),
            targets=TARGETS,
            share=views.share,
            legend=views.legend(verdict),
            density="wide" if heat.columns <= 18 else "mid" if heat.columns <= 28 else "dense" if len(heat.bands) == 1 else "dense bands",
            heat=heat,
            first=panels[0] if verdict.worst else None,
            boundaries=views.boundaries(suites, verdict),
            layers=views.layers(suites, verdict),
            exposed=views.exposed(suites),
            panels=panels,
            watched=all(suite.header.watched for suite in suites),
            real_time=views.is_real_time(suites),
            plain=PLAIN_PANELS,
            packed=pack(_bodies(sorted(panels[PLAIN_PANELS:], key=lambda panel: (panel.cell.suite, panel.cell.id)))),
            suites=list(zip(suites, verdict.suites, strict=True)),
            quality=list(QUALITY.items()),
            bands=BANDS,
        )
    )


def _bodies(panels: Sequence[Panel]) -> dict[str, str]:
    """The panels' HTML by anchor."""
    module = _environment().get_template("panel.html.j2").module
    return {panel.anchor: str(module.panel(panel)) for panel in panels}  # type: ignore[attr-defined]  # a macro, made by the template


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("agentlab_reports"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {"marks": MARKS, "names": NAMES, "anchor": anchor}
    return environment


@functools.cache
def _sha(asset: str) -> str:
    """The hash by which the page's policy knows its own style or script."""
    text = _environment().get_template(asset).render()
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
