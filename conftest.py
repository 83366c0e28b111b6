"""What holds wherever pytest runs in a clone of this repository."""

from __future__ import annotations

import pytest

_OF_THE_TESTS = ("asyncio_mode", "asyncio_default_fixture_loop_scope")
"""Settings in pyproject.toml that only a plugin of the house's tests knows."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Suites can be played in a clone that has been set up for nothing else: `make demo` installs no plugins for tests."""
    if not pluginmanager.hasplugin("asyncio"):
        for name in _OF_THE_TESTS:
            parser.addini(name, "pytest-asyncio's.")
