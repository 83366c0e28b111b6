"""A suite without pytest, as a service of one's own would play it: each cell, then the results file, then the verdict.

python examples/own_runner.py examples/order.suite.yaml examples/bare_loop.py:build http_503

No key is needed: the provider is played. The exit code is the gate's: 0 ship, 1 don't ship, 3 undecidable; 2 for wrong input.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from agentlab_reports import CellLine, Header, ResultsError, SuiteResults, Verdict, evaluate, read_results, summary, write_results
from agentlab_suites import (
    Agent,
    BadAgent,
    BadInput,
    BadSuite,
    CellResult,
    LoadedSuite,
    cells_of,
    discover,
    header_of,
    load_agent,
    load_suite,
    play_cell,
    prepare,
)

RESULTS = Path(".agentlab/own/results.jsonl")


def played(loaded: LoadedSuite, agent: Agent, faults: Sequence[str]) -> SuiteResults:
    prepared = prepare(loaded, agent)  # finds the tools' seams; nothing has run yet
    try:
        found = discover(prepared)
        cells = cells_of(prepared, found, faults)
        results: list[CellResult] = [play_cell(cell, agent) for cell in cells]
        header: Header = header_of(prepared, found, cells, [], Path.cwd())
    finally:
        prepared.undo()
    lines: list[CellLine] = [result.line for result in results]
    return SuiteResults(header=header, cells=lines)


def main(suite: str, agent: str, *faults: str) -> int:
    try:
        write_results(RESULTS, [played(load_suite(suite), load_agent(agent), faults)])
        verdict: Verdict = evaluate(read_results(RESULTS))
    except BadSuite as error:
        print(f"{error.path}, line {error.line}: {error.sentence}", file=sys.stderr)
        return 2
    except (BadAgent, BadInput, ResultsError) as error:
        print(error, file=sys.stderr)
        return 2
    print(summary(verdict), end="")
    return verdict.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
