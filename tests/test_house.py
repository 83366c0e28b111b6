"""The rules of the house, kept by reading the source: who imports whom, what is public, what ships."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from agentlab_suites.model import (
    Budget,
    Check,
    Defaults,
    Fallback,
    GateKeys,
    JsonCheck,
    McpKeys,
    McpToolKeys,
    OutsideKeys,
    ProviderKeys,
    Scenario,
    Skip,
    StoreKeys,
    Suite,
    ToolKeys,
    Turn,
    Under,
)

from agentlab import cli

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "agentlab": ROOT / "agentlab",
    "agentlab_faults": ROOT / "faults" / "agentlab_faults",
    "agentlab_suites": ROOT / "suites" / "agentlab_suites",
    "agentlab_reports": ROOT / "reports" / "agentlab_reports",
}
MAY_IMPORT: dict[str, set[str]] = {
    "agentlab": set(),
    "agentlab_faults": set(),
    "agentlab_reports": set(),
    "agentlab_suites": {"agentlab_faults", "agentlab_reports"},
}
SDKS = {"anthropic", "google", "httpx", "httpx2", "mcp", "openai"}


def sources() -> list[tuple[str, Path]]:
    """Every module of the four packages: its dotted name and its file."""
    found = []
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found.append((".".join((package, *(part for part in parts if part != "__init__"))), path))
    return found


def is_public(module: str) -> bool:
    return not any(part.startswith("_") for part in module.split("."))


SOURCES = sources()
PUBLIC = [(module, path) for module, path in SOURCES if is_public(module)]


def roots_of(node: ast.AST) -> set[str]:
    """The top-level packages that one statement or call imports."""
    match node:
        case ast.Import():
            return {alias.name.split(".")[0] for alias in node.names}
        case ast.ImportFrom(level=0, module=str(module)):
            return {module.split(".")[0]}
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]):
            return {name.split(".")[0]} if called in {"import_module", "__import__"} else set()
    return set()


def imports(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """(top-level package, whether loading the module leaves the import alone), for each import of a module."""
    waiting = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types_only(node)]
    inside = {id(inner) for node in waiting for inner in ast.walk(node)}
    for node in ast.walk(tree):
        for root in roots_of(node):
            yield root, id(node) in inside


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_front_door(module: str) -> bool:
    return re.match(r"agentlab\.(cli(_\w+)?|commands)(\.|$)", module) is not None


def offences(module: str, tree: ast.Module) -> list[str]:
    """The imports of a module that its room may not have."""
    package = module.split(".", maxsplit=1)[0]
    strangers = set(PACKAGES) - {package} - MAY_IMPORT[package]
    return [root for root, lazy in imports(tree) if root in strangers and not (is_front_door(module) and lazy)]


@pytest.mark.parametrize(("module", "path"), SOURCES, ids=[module for module, _ in SOURCES])
def test_a_room_imports_only_the_rooms_that_it_may(module: str, path: Path) -> None:
    assert offences(module, ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    ("module", "code", "expected"),
    [
        ("agentlab.agent", "import agentlab_faults.sim", ["agentlab_faults"]),
        ("agentlab.agent", "def f():\n from agentlab_reports import schema", ["agentlab_reports"]),
        ("agentlab.cli", "from agentlab_suites import plugin", ["agentlab_suites"]),
        ("agentlab.cli", "if TYPE_CHECKING:\n from agentlab_reports import Verdict", []),
        ("agentlab.agent", "if TYPE_CHECKING:\n from agentlab_reports import Verdict", ["agentlab_reports"]),
        ("agentlab.cli", "def f():\n from agentlab_suites import plugin", []),
        ("agentlab.cli_test", "def f():\n import agentlab_reports", []),
        ("agentlab.client", "def f():\n import agentlab_reports", ["agentlab_reports"]),
        ("agentlab_reports.html", "importlib.import_module('agentlab_faults.fault')", ["agentlab_faults"]),
        ("agentlab_faults.sim", "if TYPE_CHECKING:\n import agentlab", ["agentlab"]),
        ("agentlab_suites.plugin", "import agentlab_faults, agentlab_reports", []),
        ("agentlab_suites.plugin", "import agentlab.agent", ["agentlab"]),
    ],
)
def test_the_import_rule_sees_every_way_to_break_it(module: str, code: str, expected: list[str]) -> None:
    assert offences(module, ast.parse(code)) == expected


def test_the_example_that_must_not_know_us_does_not() -> None:
    tree = ast.parse((ROOT / "examples" / "bare_loop.py").read_text())
    assert {root for root, _ in imports(tree)} & set(PACKAGES) == set()


def exported(tree: ast.Module) -> list[str] | None:
    """The module's `__all__`, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets):
            return list(ast.literal_eval(node.value))
    return None


def isort_key(name: str) -> tuple[int, list[tuple[int, int | str]]]:
    """Constants, then classes, then the rest; each in natural order (the order that ruff calls isort-style)."""
    group = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return group, [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", name) if part]


@pytest.mark.parametrize(("module", "path"), PUBLIC, ids=[module for module, _ in PUBLIC])
def test_all_of_a_public_module_is_sorted_and_complete(module: str, path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = exported(tree)
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    if path.name == "__main__.py" or (names is None and not defined):
        return
    assert names is not None, f"{module} has no __all__"
    assert names == sorted(names, key=isort_key)
    assert defined <= set(names), f"public, but not in __all__: {sorted(defined - set(names))}"
    loaded = importlib.import_module(module)
    assert [name for name in names if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("module", [module for module, path in PUBLIC if ">>> " in path.read_text()])
def test_the_examples_in_the_docstrings_are_true(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def names_in(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def shown_in_docstrings(package: str) -> set[str]:
    """The names that the doctests of a package use; each of them is run by the test above."""
    modules = [importlib.import_module(module) for module, path in PUBLIC if module.split(".")[0] == package and ">>> " in path.read_text()]
    tests = [test for module in modules for test in doctest.DocTestFinder(exclude_empty=True).find(module)]
    examples = [example for test in tests for example in test.examples]
    raised = {example.exc_msg.partition(":")[0].rpartition(".")[2] for example in examples if example.exc_msg}
    return raised.union(*(names_in(ast.parse(example.source)) for example in examples))


def shown_in_examples() -> set[str]:
    """The names that examples which some test names import from one of the packages."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    found = set[str]()
    for path in (ROOT / "examples").rglob("*.py"):
        assert re.search(rf"\b{path.stem}\b", tests), f"no test runs {path.relative_to(ROOT)}"
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and roots_of(node) & set(PACKAGES):
                found |= {alias.name for alias in node.names} & names_in(tree)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_each_public_class_has_an_example_that_is_run(package: str) -> None:
    room = importlib.import_module(package)
    shown = shown_in_examples() | shown_in_docstrings(package)
    assert [name for name in room.__all__ if isinstance(getattr(room, name), type) and name not in shown] == []


def tracked() -> list[Path]:
    """The text files that git knows."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    paths = [ROOT / name for name in listing.split("\0") if name]
    return [path for path in paths if path.is_file() and path.suffix not in {".png", ".ico", ".woff2"}]


MACHINE = re.compile(r"/(?:hom[e]|roo[t]|wor[k]|User[s]|tm[p])/\w|pythonhosted\.or[g]|/simpl[e]/|ARTIFACTOR[Y]", re.IGNORECASE)


def test_nothing_names_the_machine_or_the_index_that_it_was_made_on() -> None:
    found = [f"{path.relative_to(ROOT)}: {match.group()}" for path in tracked() for match in [MACHINE.search(path.read_text())] if match]
    assert found == []


def test_importing_agentlab_loads_no_sdk_and_none_of_the_lab() -> None:
    code = "import sys, agentlab; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert set(loaded) & (SDKS | set(PACKAGES)) == {"agentlab"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], cwd=ROOT, check=True, capture_output=True
    )
    [built] = folder.glob("*.whl")
    return set(zipfile.ZipFile(built).namelist())


def test_the_wheel_holds_every_file_of_the_four_packages_and_nothing_else(wheel: set[str]) -> None:
    wanted = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in wheel if ".dist-info/" not in name} == wanted
    assert {f"{package}/py.typed" for package in PACKAGES} <= wheel
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_the_pins_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.match(r"[a-z0-9._-]+==[\w.+!]+( ; .+)?$", line)] == []


def test_the_documentation_names_every_key_of_a_suite_and_every_command() -> None:
    text = (ROOT / "docs" / "suites.md").read_text()
    keys = {
        field.alias or name
        for model in (
            Suite,
            Scenario,
            ToolKeys,
            GateKeys,
            Defaults,
            Budget,
            Fallback,
            Check,
            JsonCheck,
            Turn,
            Under,
            Skip,
            ProviderKeys,
            StoreKeys,
            McpKeys,
            McpToolKeys,
            OutsideKeys,
        )
        for name, field in model.model_fields.items()
    }
    assert [key for key in sorted(keys) if not re.search(rf"(?<![\w.]){re.escape(key)}(?![\w])", text)] == []
    readme = (ROOT / "README.md").read_text()
    commands = [command.name or getattr(command.callback, "__name__", "") for command in cli.app.registered_commands]
    assert [name for name in [*commands, "faults"] if f"`agentlab {name}" not in readme] == []


def test_a_skip_that_nobody_listed_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_it.py").write_text("import pytest\n\ndef test_it():\n    pytest.skip('no time today')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "no time today" in ran.stdout


def test_suites_can_be_played_in_a_clone_that_is_not_set_up_for_tests() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio", __file__]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, ""), ran
