"""The report: one HTML file, offline, readable with script off."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import jinja2

from agentlab_reports.schema import SuiteResults
from agentlab_reports.verdict import Verdict
from agentlab_reports.words import MARKS, NAMES

__all__ = ["render_html"]


def render_html(suites: Sequence[SuiteResults], verdict: Verdict, baseline: Sequence[SuiteResults] | None = None) -> str:
    """The whole page as text. Equal results give equal bytes."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    source = resources.files(__package__).joinpath("templates/report.html.j2").read_text("utf-8")
    return environment.from_string(source).render(suites=suites, verdict=verdict, baseline=baseline, marks=MARKS, names=NAMES)
