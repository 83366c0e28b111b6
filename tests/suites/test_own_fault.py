"""A user's own fault: the example as it stands, from a conftest or from an installed package, in suites, lists and ordinary tests."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agentlab_faults import Fault
from agentlab_faults.catalogue import complaints, select
from agentlab_faults.fault import Rate, Replaces, Row, register

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_fault"
ROW: dict[str, Any] = {
    "id": "x",
    "boundary": "network",
    "family": "x",
    "category": "transient",
    "scope": "host",
    "best": {"once": "recoverable", "always": "needs_fallback"},
    "why": "It passes.",
    "happens": "Every night.",
    "agent_should": "Retry.",
    "rate": Rate(0.001, "our log"),
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from agentlab.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # other packages' plugins take seconds to load
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return shutil.copytree(EXAMPLE, tmp_path / "own_fault", ignore=shutil.ignore_patterns(".agentlab", "__pycache__"))


def test_the_fault_has_twenty_lines() -> None:
    lines = (EXAMPLE / "conftest.py").read_text().split("@register(")[1].splitlines()
    assert len(lines) <= 25


def test_the_examples_suite_plays_its_own_fault(example: Path) -> None:
    done = run(example, "test", ".", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in (example / ".agentlab/last/results.jsonl").read_text().splitlines()]
    outcomes = {line["id"]: line["outcome"] for line in lines if line["kind"] == "cell"}
    assert outcomes["greet[openai.chat.1-gateway_maintenance]"] == "success"
    assert outcomes["greet[openai.chat.1-gateway_maintenance-always]"] == "degraded_honest"
    assert lines[0]["faults"]["gateway_maintenance"]["source"] == "our gateway's log of October"


def test_the_command_line_lists_and_replays_it(example: Path) -> None:
    run(example, "test", ".", "-q", "-p", "no:cacheprovider")
    listed = run(example, "faults", "list", "gateway*", "--json")
    assert [entry["id"] for entry in json.loads(listed.stdout)] == ["gateway_maintenance"]
    assert run(example, "replay", "greet[openai.chat.1-gateway_maintenance]").returncode == 0
    elsewhere = run(example.parent, "faults", "list", "gateway_m*")
    assert elsewhere.returncode == 2


def test_a_conftest_that_fails_is_one_sentence(example: Path) -> None:
    (example / "conftest.py").write_text("import agentlab_faults\nraise ValueError('no such gateway')\n")
    done = run(example, "faults", "list")
    assert done.returncode == 2
    assert "its faults are not known: ValueError: no such gateway" in " ".join(done.stderr.split())


def installed(folder: Path, code: str) -> None:
    """A package with an entry point, as an installer leaves it."""
    (folder / "shop_faults.py").write_text(code)
    info = folder / "shop_faults-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-faults\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[agentlab.faults]\nshop = shop_faults\n")


def test_an_installed_package_brings_its_faults(tmp_path: Path) -> None:
    installed(tmp_path, (EXAMPLE / "conftest.py").read_text())
    done = run(tmp_path, "faults", "show", "gateway_maintenance", "--json")
    assert json.loads(done.stdout)["settings"] == {"until": "03:00"}


def test_a_package_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    installed(tmp_path, "import no_such_thing\n")
    done = run(tmp_path, "faults", "list")
    assert done.returncode == 2
    assert done.stderr.startswith("shop-faults offers faults in shop_faults, which cannot be imported")


def test_our_own_faults_keep_the_laws() -> None:
    assert [sentence for fault in select(["*"]) for sentence in complaints(fault)] == []


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"why": "no"}, "`why` is no sentence"),
        ({"best": {}}, "names no shape"),
        ({"best": {"once": "fatal", "always": "recoverable"}}, "longer cannot be easier"),
        ({"best": {"once": "recoverable", "always": "undetectable"}}, "cannot be detected at all"),
        ({"rate": Rate(0.0, "x")}, "no share"),
        ({"rate": Rate(0.1, "")}, "is empty"),
        ({"boundary": "provider-http", "category": "auth"}, "cannot recover alone"),
    ],
)
def test_a_fault_that_breaks_a_law_is_told_which(changed: dict[str, Any], sentence: str) -> None:
    class Mine(Replaces):
        """It is mine."""

        row = Row(**ROW | changed)

    [told] = complaints(Mine)
    assert sentence in told


def test_a_fault_that_does_nothing_is_told_so() -> None:
    class Idle(Fault):
        """It is idle."""

        row = Row(**ROW)

    assert "of no kind that acts" in complaints(Idle)[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"id": "Gateway [1]"}, "'Gateway [1]' cannot be a fault's id: write it in small letters, digits and underscores."),
        ({"boundary": "provider"}, "The fault 'x' has 'provider' as `boundary`, which is none of: network, provider-http, "),
        ({"category": "passing"}, "has 'passing' as `category`, which is none of: transient, "),
        ({"best": {"twice": "recoverable"}}, "has 'twice' as `best`, which is none of: once, x3, always."),
        ({"best": {"once": "good"}}, "has 'good' in `best`, which is none of: recoverable, "),
        ({"kinds": frozenset({"model"})}, "has 'model' as `kinds`, which is none of: llm, tool, store, mcp."),
        ({"streamed": "yes"}, "has 'yes' as `streamed`, which is none of: any, no, only."),
    ],
)
def test_a_word_that_the_lab_does_not_know_is_refused_and_not_a_fault_that_never_strikes(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Row(**{**ROW, **change})


def test_a_fault_that_does_nothing_is_refused() -> None:
    class Lazy(Replaces):
        """It means well."""

    with pytest.raises(ValueError, match=r"The fault 'x' does nothing: write its `answer`, as Replaces has it\."):
        register(Row(**ROW))(Lazy)
