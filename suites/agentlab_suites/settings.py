"""What a run was asked to do: options of pytest, else settings of its ini file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agentlab_reports.schema import SuiteResults

    from agentlab_suites.plan import Shapes

__all__ = ["Settings", "settings_of", "unwritable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one run."""

    agent: str | None
    agent_folder: Path
    """Where a file in `agent` is looked for: the current folder for an option, the ini file's for a setting."""
    globs: tuple[str, ...]
    seed: int
    shapes: Shapes
    results: Path
    report: Path
    baseline: list[SuiteResults] | None
    """Read before anything is written: its file may be the one that this run writes anew."""
    watchdog: float | None


def settings_of(config: pytest.Config) -> Settings:
    """Read the settings. Raises pytest.UsageError for one that cannot be used."""
    home = config.rootpath / ".agentlab" / "last"
    results = _path(config, "results") or home / "results.jsonl"
    report = _path(config, "report") or results.with_name("report.html")
    for name, path in (("results", results), ("report", report)):
        _refuse_unwritable(name, path)
    if results.resolve() == report.resolve():
        raise pytest.UsageError(f"--agentlab-report: {report} is where the results go; name another file.")
    baseline = _path(config, "baseline")
    return Settings(
        agent=_text(config, "agent") or None,
        agent_folder=Path.cwd() if config.getoption("agentlab_agent") else config.rootpath,
        globs=tuple(glob.strip() for glob in _text(config, "faults").split(",") if glob.strip()),
        seed=_number(config, "seed", 0),
        shapes=_shapes(config),
        results=results,
        report=report,
        baseline=None if baseline is None else _read(baseline),
        watchdog=_number(config, "watchdog", 30) or None,
    )


def unwritable(name: str, path: Path, error: OSError | None = None) -> pytest.UsageError:
    """The refusal of a file that cannot be written; `name` is the option's."""
    why = f" ({error.strerror})" if error is not None and error.strerror else ""
    return pytest.UsageError(f"--agentlab-{name}: {path} cannot be written{why}; name a file in a folder of yours.")


def _refuse_unwritable(name: str, path: Path) -> None:
    try:
        parent = next(folder for folder in path.parents if folder.exists())
        bad = path.is_dir() or not parent.is_dir() or not os.access(path if path.exists() else parent, os.W_OK)
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be looked into, a null byte
        raise unwritable(name, path, error if isinstance(error, OSError) else None) from error
    if bad:
        raise unwritable(name, path)


def _read(baseline: Path) -> list[SuiteResults]:
    from agentlab_reports import ResultsError, read_results  # noqa: PLC0415 - only a run with a baseline needs it so early

    if not baseline.is_file():
        raise pytest.UsageError(f"--agentlab-baseline: there is no file {baseline}; name the results.jsonl of an earlier run.")
    try:
        return read_results(baseline)
    except ResultsError as error:
        raise pytest.UsageError(f"--agentlab-baseline: {error}") from error


def _text(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"agentlab_{name}")
    if isinstance(given, list):  # an option that may be repeated
        return ",".join(given)
    return str(given if given is not None else config.getini(f"agentlab_{name}") or "")


def _number(config: pytest.Config, name: str, default: int) -> int:
    text = _text(config, name)
    try:
        number = int(text) if text else default
    except ValueError:
        number = -1
    if number < 0:
        raise pytest.UsageError(f"--agentlab-{name}: {text!r} is not a whole number of 0 or more.")
    return number


def _shapes(config: pytest.Config) -> Shapes:
    text = _text(config, "shapes") or "all"
    if text == "one":
        return "one"
    if text != "all":
        raise pytest.UsageError(f"--agentlab-shapes: {text!r} is neither 'all' nor 'one'.")
    return "all"


def _path(config: pytest.Config, name: str) -> Path | None:
    given = config.getoption(f"agentlab_{name}")
    if given is not None:
        return Path.cwd() / str(given)
    found = str(config.getini(f"agentlab_{name}") or "")
    return config.rootpath / found if found else None
