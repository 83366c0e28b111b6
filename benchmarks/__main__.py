"""Run every benchmark in a process of its own and write benchmarks/RESULTS.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Figure

HERE = Path(__file__).parent
HEAD = """# Measured

Written by `make bench`: {python}, {cores} cores. Medians of alternated rounds; times of cells and items are CPU time. SSL_CERT_FILE and
SSL_CERT_DIR are unset.

| what | value | bar | how |
|---|---|---|---|
"""


def measured(name: str) -> list[Figure]:
    """The figures of one benchmark."""
    environment = {key: value for key, value in os.environ.items() if key not in {"SSL_CERT_FILE", "SSL_CERT_DIR"}}
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def row(figure: Figure) -> str:
    """One row of the table."""
    bar = "" if figure.bar is None else f"{'kept' if figure.within else '**missed**'}: at most {figure.bar:g} {figure.unit}"
    digits = 0 if figure.unit in {"cells", "objects", "pairs", "times"} else 2
    return f"| {figure.name} | {figure.value:,.{digits}f} {figure.unit} | {bar} | {figure.note} |\n"


def main() -> int:
    """Measure, print and write. The exit code is 1 if a bar was missed."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    figures = []
    for name in names:
        print(f"{name} ...", flush=True)
        for figure in measured(name):
            figures.append(figure)
            print(
                f"  {figure.name}: {figure.value:,.2f} {figure.unit}{'' if figure.within else '  (bar missed)'}  {figure.note}", flush=True
            )
    head = HEAD.format(python=f"{platform.python_implementation()} {platform.python_version()}", cores=os.cpu_count())
    (HERE / "RESULTS.md").write_text(head + "".join(map(row, figures)), encoding="utf-8")
    return 0 if all(figure.within for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
