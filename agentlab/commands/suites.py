"""From what a user types for a suite to its file."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from agentlab.commands.console import CommandError, nearest

__all__ = ["SUFFIX", "find_suite", "shipped_suites", "suite_files"]

SUFFIX = ".suite.yaml"
"""How a suite's file name ends (`.suite.yml` is collected too)."""
ENDINGS = (SUFFIX, ".suite.yml")


def shipped_suites() -> dict[str, Path]:
    """The suites that come with agentlab: name to file."""
    folder = Path(str(files("agentlab_suites") / "shipped"))
    return {path.name.removesuffix(SUFFIX): path for path in sorted(folder.glob(f"*{SUFFIX}"))}


def suite_files(path: Path) -> list[Path]:
    """The suite files that `path` stands for: itself, or those below a folder."""
    return [path] if path.is_file() else sorted(file for ending in ENDINGS for file in path.rglob(f"*{ending}"))


def find_suite(word: str) -> Path:
    """The file or folder that `word` names: a path, or a shipped suite's name. Raises CommandError with the nearest right name."""
    path = Path(word.partition("::")[0])
    if path.is_dir() and not suite_files(path):
        raise CommandError(f"The folder {word} holds no suite; a suite's file is named like my{SUFFIX}.")
    if path.is_file() and not path.name.endswith(ENDINGS):
        raise CommandError(f"{word} is not a suite by its name; a suite's file is named like my{SUFFIX}.")
    if path.exists():
        return path
    shipped = shipped_suites()
    if word.partition("::")[0] in shipped:
        return shipped[word.partition("::")[0]]
    near = nearest(word, [*shipped, *(str(found) for found in path.parent.glob(f"*{SUFFIX}"))])
    raise CommandError(f"There is no suite {word!r}.{near} Name a file, a folder, or a shipped suite: {', '.join(shipped)}.")
