"""pytest, started by `agentlab`: the same items and ids, its usage errors as one sentence, its exit codes as ours."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentlab.commands.console import DONT_SHIP, INTERRUPTED, SHIP, UNDECIDABLE, USAGE, CommandError, nearest

if TYPE_CHECKING:
    import pytest

__all__ = ["exit_code", "run_pytest", "settings_file", "with_plugin"]

_CODES = {0: SHIP, 1: DONT_SHIP, 2: INTERRUPTED, 3: UNDECIDABLE, 4: USAGE, 5: USAGE, 16: UNDECIDABLE}
"""pytest's exit codes, and 16, which the plugin adds for an undecidable gate. 5 is "no tests collected"."""


def exit_code(code: int) -> int:
    """Our exit code for one of pytest's. An unknown one (another plugin's) is undecidable.

    >>> [exit_code(code) for code in (0, 1, 4, 16, 99)]
    [0, 1, 2, 3, 3]
    """
    return _CODES.get(int(code), UNDECIDABLE)


def run_pytest(
    arguments: Sequence[str], *, options: Iterable[str] = (), plugins: Sequence[object] = (), agentless: Path | None = None
) -> int:
    """Run pytest in this process; our exit code. Raises CommandError for what pytest calls wrong usage.

    `options` are the command's own options, for the nearest right name of an unknown one. `agentless` is a suite that names no agent: then
    pytest's settings must.
    """
    import pytest

    ours: Any = _wrapper(options, agentless)
    code = pytest.main(list(arguments), plugins=[ours, *plugins])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise CommandError("No cell was selected, so nothing was run; `--collect-only -q` lists the ids that -k can choose from.")
    if code == pytest.ExitCode.INTERRUPTED and not ours.interrupted:  # it could not collect the cells: the lab's own failure
        return UNDECIDABLE
    return exit_code(code)


_SETTINGS = {
    "pytest.toml": "",
    ".pytest.toml": "",
    "pytest.ini": "",
    ".pytest.ini": "",
    "pyproject.toml": "[tool.pytest",
    "tox.ini": "[pytest]",
    "setup.cfg": "[tool:pytest]",
}
"""The files that may hold pytest's settings, the first first, and what the shared ones have then."""


def settings_file(folder: Path) -> Path:
    """The file that pytest would take its settings from for what lies in `folder`; an empty one if there is none."""
    for place in (folder, *folder.parents):
        for name, mark in _SETTINGS.items():
            file = place / name
            if file.is_file() and mark in file.read_text(encoding="utf-8", errors="replace"):
                return file
    return Path(os.devnull)


def with_plugin() -> list[str]:
    """pytest's arguments for our plugin.

    It is named where the user has switched the loading of installed plugins off. This program and the agent are loaded before pytest is,
    so pytest would warn that it cannot rewrite the asserts of plugins among their imports (anyio is one).
    """
    quiet = ["-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning"]
    return [*quiet, "-p", "agentlab_suites.plugin"] if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD") else quiet


def _wrapper(options: Iterable[str], agentless: Path | None) -> object:
    """A plugin that turns pytest's usage errors into ours. A class inside a function, because pytest is imported late."""
    import pytest
    from agentlab_suites.session import FRONT
    from agentlab_suites.settings import settings_of

    class OneSentence:
        __name__ = FRONT  # pluggy's name for the plugin
        interrupted = False

        def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
            self.interrupted = not isinstance(excinfo.value, pytest.Session.Interrupted)  # by a user, and not by pytest itself

        @pytest.hookimpl(wrapper=True)
        def pytest_cmdline_parse(self) -> Generator[None, Any, pytest.Config | None]:
            try:
                config: pytest.Config | None = yield
            except pytest.UsageError as error:
                raise CommandError(_sentence(str(error), options)) from error
            return config

        @pytest.hookimpl(wrapper=True)
        def pytest_cmdline_main(self, config: pytest.Config) -> Generator[None, Any, int | None]:
            try:
                if agentless is not None and not settings_of(config).agent:
                    sentence = "The suite names no agent; add 'agent: module:attribute', or give --agent."
                    raise CommandError(f"{agentless}:1: {sentence}")
                code: int | None = yield
            except pytest.UsageError as error:
                raise CommandError(_sentence("; ".join(str(part) for part in error.args), options)) from error
            return code

    return OneSentence()


def _sentence(text: str, options: Iterable[str]) -> str:
    """One sentence from a usage error of pytest, which may be a whole usage message."""
    unknown = re.search(r"unrecognized arguments: (\S+)", text)
    if unknown:
        word = unknown.group(1).partition("=")[0]
        return f"Neither `agentlab test` nor pytest has an option {word}.{nearest(word, options)} See the --help of both."
    lines = [line for line in text.splitlines() if "error: " in line] or text.splitlines()
    return lines[0].partition("error: ")[2] or lines[0] if lines else "pytest refused the command line."
