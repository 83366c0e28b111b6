"""What the order agents of `examples/` make of one suite: docs/frameworks.md is written from their results."""

from __future__ import annotations

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, publish

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "frameworks.md"
AGENTS = {
    "pydantic_ai": "pydantic-ai-slim",
    "openai_agents": "openai-agents",
    "langchain": "langchain",
    "langgraph": "langgraph",
    "litellm": "litellm",
}
"""The example, and the distribution whose version is shown."""
COLUMNS = {
    "success": "recovered",
    "degraded_honest": "degraded honestly",
    "clean_failure": "failed cleanly",
    "crash": "crashed",
    "budget": "stopped at its limits",
    "silent_wrong": "silent wrong",
    "hang": "hung",
    "duplicate_effect": "duplicate effect",
}
HEAD = """# Frameworks

The same agent for orders, written in about twenty lines with five frameworks ([examples](../examples)), each unmodified and with the
framework's own defaults: it looks an order up and refunds it, in one turn and in two. A cell is one fault at one point in one shape, of
[order.suite.yaml](../examples/order.suite.yaml). `make bench` writes this page from the results.

"""
NOTES = """
Read it as what the defaults of a twenty-line agent do, not as a ranking: each framework has the means to do better.

- **Crashed** is an exception that the suite does not declare: pydantic-ai and langchain let a plain exception of a tool end the run,
  openai-agents and a `ToolNode` with `handle_tool_errors=True` tell the model. All of them end when the SDK's own retries are used up.
- **Hung** is a tool without a timeout, or a provider that says nothing for longer than the scenario's deadline: SDKs wait for ten minutes.
- **Duplicate effect** is a refund that was made twice: it timed out *after* it had committed and was called again, or it was
  delivered twice. No framework sends an idempotency key by itself; the reference runtime does.
- **Failed cleanly** is a limit that the framework documents, such as `MaxTurnsExceeded`.

Tried besides: openai-agents over the Responses API, its default (its tools are seen and broken alike). Frameworks' own MCP clients, whose
requests and tools are seen as [MCP](agents.md#mcp), over streamable HTTP and stdio:

| client | over | a tool's error | a server that cannot be reached |
|---|---|---|---|
| openai-agents' `MCPServerStreamableHttp`, `MCPServerStdio` | mcp 2 | told to the model, which calls again | the run raises |
| pydantic-ai's `MCPToolset` | fastmcp 4, mcp 2 | told to the model, which calls again | the run raises |
| langchain-mcp-adapters 0.3 | mcp 1, which it wants | told to the model, which calls again | the run raises |

Under mcp 1 an answer that is none (an empty body, HTML, a stream that ends, another id) is waited for without end, over HTTP too, unless
the session has a timeout, which the adapters do not set.

An agent is made by its factory in each cell. What the lab does with each kind of agent: [agents](agents.md).
"""


def cells(agent: str, folder: Path) -> list[dict[str, Any]]:
    """Every cell of the suite with that agent. Exits if the fault-free runs are not green."""
    results = folder / f"{agent}.jsonl"
    for name in ("order.suite.yaml", f"order_{agent}.py"):
        shutil.copy(ROOT / "examples" / name, folder)
    options = ["--agent", f"order_{agent}.py:build", "--results", str(results), "-q", "--tb=no", "-n", "2"]
    command = [sys.executable, "-m", "agentlab.cli", "test", "order.suite.yaml", *options]
    environment = os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}  # else importing litellm asks the network for prices
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    found = [line for line in lines if line["kind"] == "cell"]
    clean = [line["outcome"] for line in found if not line["schedule"]]
    if not clean or set(clean) != {"success"}:
        sys.exit(f"{agent}: the clean runs are {clean or 'missing'}.\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return [line for line in found if line["schedule"]]


def row(agent: str, shown: str, found: list[dict[str, Any]]) -> str:
    """One row of the table."""
    counts = collections.Counter(line["outcome"] for line in found)
    if unknown := counts.keys() - COLUMNS.keys():
        sys.exit(f"{agent}: some cells prove nothing: {', '.join(sorted(unknown))}.")
    values = " | ".join(str(counts[outcome]) for outcome in COLUMNS)
    return f"| [{AGENTS[agent]}](../examples/order_{agent}.py) {shown} | {len(found)} | {values} |\n"


def figures() -> list[Figure]:
    """Plays every agent, writes the page."""
    table = [f"| agent | cells | {' | '.join(COLUMNS.values())} |\n", f"|---|{'---:|' * (len(COLUMNS) + 1)}\n"]
    made = []
    for agent, distribution in AGENTS.items():
        begin, shown = time.perf_counter(), version(distribution)
        sys.stderr.write(f"  {distribution} ...\n")
        with tempfile.TemporaryDirectory() as folder:
            found = cells(agent, Path(folder))
        table.append(row(agent, shown, found))
        made.append(
            Figure(f"cells of the orders with {distribution} {shown}", len(found), "cells", note=f"{time.perf_counter() - begin:.0f} s")
        )
    PAGE.write_text(HEAD + "".join(table) + NOTES, encoding="utf-8")
    return made


if __name__ == "__main__":
    publish(figures())
