"""What agentlab costs where it is not used: `import agentlab` (the bar is 150 ms) and the idle pytest plugin (20 ms)."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Figure, publish

ROUNDS = 15


def cpu_seconds(command: Sequence[str], cwd: str | None = None) -> float:
    """CPU seconds of a child process, from start to end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, cwd=cwd)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def importing(statement: str) -> list[float]:
    """Wall seconds of an import in fresh processes, the interpreter's own start left out."""
    code = f"import time; begin = time.perf_counter(); {statement}; print(time.perf_counter() - begin)"
    return [float(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout) for _ in range(ROUNDS)]


def import_agentlab() -> Figure:
    times = importing("import agentlab")
    loaded = "import sys, agentlab; print(len({'openai', 'httpx', 'httpx2', 'anthropic'} & set(sys.modules)))"
    sdks = subprocess.run([sys.executable, "-c", loaded], check=True, capture_output=True, text=True).stdout.strip()
    return Figure(
        "import agentlab", statistics.median(times) * 1e3, "ms", bar=150.0, note=f"median of {ROUNDS} processes; {sdks} SDKs loaded"
    )


def unused_plugin() -> list[Figure]:
    """What a whole pytest run of one empty test costs more with the plugin, and that it prints nothing.

    Other plugins are left out and the least of the runs is taken: everything else on the machine only ever adds.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        bare = [sys.executable, "-m", "pytest", "-q", "--disable-plugin-autoload", "-p", "no:cacheprovider"]
        unused = [*bare, "-p", "agentlab_suites.plugin"]
        pairs = [(cpu_seconds(bare, folder), cpu_seconds(unused, folder)) for _ in range(ROUNDS + 1)][1:]
        words = subprocess.run(unused, check=True, capture_output=True, text=True, cwd=folder).stdout.lower().count("agentlab")
    least, with_it = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    note = f"of {least * 1e3:.0f} ms without it; least of {ROUNDS} alternated runs each"
    return [
        Figure("pytest plugin, unused", (with_it - least) * 1e3, "ms", bar=20.0, note=note),
        Figure("pytest plugin, unused: mentions in the output", words, "times", bar=0.0),
    ]


if __name__ == "__main__":
    publish([import_agentlab(), *unused_plugin()])
