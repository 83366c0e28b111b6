"""agentlab_reports: results files, score, gate and the report. It can judge a results file on a machine that has no agent."""

from __future__ import annotations

from agentlab_reports.html import render_html
from agentlab_reports.io import append_line, dump_results, read_results, write_results
from agentlab_reports.merge import ResultsError, merge
from agentlab_reports.schema import CellLine, Header, SuiteResults
from agentlab_reports.score import weights_hash
from agentlab_reports.terminal import summary
from agentlab_reports.verdict import Verdict, evaluate

__all__ = [
    "CellLine",
    "Header",
    "ResultsError",
    "SuiteResults",
    "Verdict",
    "append_line",
    "dump_results",
    "evaluate",
    "merge",
    "read_results",
    "render_html",
    "summary",
    "weights_hash",
    "write_results",
]
