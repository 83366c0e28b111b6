"""What a report of over 3,000 cells costs to make, verdict given (the bar is 2 s), and how long its page is."""

from __future__ import annotations

from agentlab_reports import evaluate, render_html

from benchmarks.measure import Figure, alternated, publish, spread
from tests.reports import sample

ROUNDS = 5

if __name__ == "__main__":
    several = [sample.suite(name="one"), sample.suite(name="two", seed=2)]
    verdict = evaluate(several)
    [seconds] = alternated([lambda: render_html(several, verdict)], calls=1, rounds=ROUNDS)
    cells = sum(len(results.cells) for results in several)
    length = len(render_html(several, verdict).encode()) / 1e6
    publish(
        [
            Figure("a report rendered", sorted(seconds)[ROUNDS // 2], "s", bar=2.0, note=f"{cells:,} cells; {spread(seconds)}"),
            Figure("a report's page", length, "MB", bar=3.0, note=f"{cells:,} cells"),
        ]
    )
