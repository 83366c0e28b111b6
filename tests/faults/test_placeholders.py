"""Keys that stand in for missing ones."""

from __future__ import annotations

import os

import pytest
from agentlab_faults.placeholders import placeholder_keys


def test_only_a_missing_key_is_stood_in_for_and_the_environment_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    before = dict(os.environ)
    with placeholder_keys():
        assert os.environ["OPENAI_API_KEY"] == "sk-own"
        assert os.environ["ANTHROPIC_API_KEY"] == os.environ["GEMINI_API_KEY"] != ""
    assert dict(os.environ) == before


def test_a_key_that_is_set_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with placeholder_keys():
        os.environ["OPENAI_API_KEY"] = "sk-own"
    assert os.environ["OPENAI_API_KEY"] == "sk-own"
