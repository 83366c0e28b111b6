"""A user's own faults, for commands that do not run under pytest: those that a `conftest.py` registers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from agentlab.commands.console import CommandError

__all__ = ["load_own"]


def load_own(*folders: Path) -> None:
    """Run each folder's `conftest.py`, once, if it speaks of `agentlab_faults`, as pytest would. Raises CommandError if it cannot run."""
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        path = folder / "conftest.py"
        name = f"agentlab_own_faults_{abs(hash(path))}"
        if name in sys.modules or not path.is_file() or "agentlab_faults" not in path.read_text("utf-8", "replace"):
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise CommandError(f"{path} cannot be read as a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise CommandError(f"{path} fails, so its faults are not known: {type(error).__name__}: {error}") from error
