"""Run benchmarks in a process of their own each and write benchmarks/RESULTS.md.

`python -m benchmarks` runs all of them, `python -m benchmarks cell stream` those two, and leaves what the file says of the others.
"""

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

Written by `python -m benchmarks` (`make bench` runs all of them): {python}, {cores} cores. Medians of alternated
rounds; times of cells and items are CPU time. SSL_CERT_FILE and SSL_CERT_DIR are unset.
"""
TABLE = """
## {name}

| what | value | bar | how |
|---|---|---|---|
"""


def measured(name: str) -> list[Figure]:
    """The figures of one benchmark; what it tells of its progress goes to the terminal."""
    environment = {key: value for key, value in os.environ.items() if key not in {"SSL_CERT_FILE", "SSL_CERT_DIR"}}
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{name} failed with exit code {done.returncode}; why stands above.")
    return [Figure(**json.loads(line)) for line in done.stdout.splitlines()]


def row(figure: Figure) -> str:
    """One row of the table."""
    bar = "" if figure.bar is None else f"{'kept' if figure.within else '**missed**'}: at most {figure.bar:g} {figure.unit}"
    digits = 0 if figure.unit in {"cells", "faults", "objects", "pairs", "times"} else 2
    return f"| {figure.name} | {figure.value:,.{digits}f} {figure.unit} | {bar} | {figure.note} |\n"


def sections(text: str) -> dict[str, str]:
    """What a file of results says, by benchmark."""
    _, *found = text.split("\n## ")
    return {section.partition("\n")[0]: f"\n## {section.rstrip()}\n" for section in found}


def main(chosen: list[str]) -> int:
    """Measure, print and write. The exit code is 1 if a bar was missed."""
    known = [path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py"))]
    unknown = sorted({*chosen} - {*known})
    if unknown:
        sys.exit(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(known)}.")
    results = HERE / "RESULTS.md"
    told = sections(results.read_text(encoding="utf-8")) if results.exists() else {}
    kept = True
    for name in chosen or known:
        print(f"{name} ...", flush=True)
        figures = measured(f"bench_{name}")
        for figure in figures:
            missed = "" if figure.within else "  (bar missed)"
            print(f"  {figure.name}: {figure.value:,.2f} {figure.unit}{missed}  {figure.note}", flush=True)
        kept = kept and all(figure.within for figure in figures)
        told[name] = TABLE.format(name=name) + "".join(map(row, figures))
        head = HEAD.format(python=f"{platform.python_implementation()} {platform.python_version()}", cores=os.cpu_count())
        results.write_text(head + "".join(told[each] for each in known if each in told), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
