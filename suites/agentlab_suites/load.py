"""Reads a suite file: safe YAML, types, and what must agree with what. Every refusal is one sentence with its file and line."""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agentlab_faults.cassette import Take
from pydantic import ValidationError

from agentlab_suites import agreement, wording
from agentlab_suites.cassettes import below, with_cassettes
from agentlab_suites.model import Suite
from agentlab_suites.nodes import MAX_BYTES, Node, line_of, parse
from agentlab_suites.problems import BadSuite

__all__ = ["LoadedSuite", "load_suite"]


@dataclass(frozen=True, slots=True)
class LoadedSuite:
    """A suite, where it stands, and the line of each of its keys."""

    path: Path
    suite: Suite
    node: Node
    digest: str
    """SHA-256 of the file and of every file that it names."""
    cassettes: Mapping[str, tuple[Take, ...]] = field(default_factory=dict)
    """What was recorded, by scenario."""

    @property
    def name(self) -> str:
        """The suite's own name, else its file's."""
        return self.suite.name or self.path.name.removesuffix(".yaml").removesuffix(".yml").removesuffix(".suite")

    def line(self, *trail: str | int) -> int:
        """The line of a key."""
        return line_of(self.node, trail)

    def bad(self, sentence: str, *trail: str | int) -> BadSuite:
        """A refusal that points at a key."""
        return BadSuite(self.path, self.line(*trail), sentence)


def load_suite(path: Path | str) -> LoadedSuite:
    """Read a suite. Raises BadSuite with the file, the line and what to do."""
    path = Path(path)
    if path.exists() and not path.is_file():  # reading a named pipe would wait for ever
        raise BadSuite(path, 1, "This is no ordinary file; name a suite file.")
    node = parse(path)
    sha = hashlib.sha256(path.read_bytes())
    for holder, key, child in _prompts(node):
        text = _text_of(path, child, sha)
        holder.value[key] = Node(text, child.line, {})
    suite, cassettes = with_cassettes(path, node, _validated(path, node), sha)
    loaded = LoadedSuite(path, suite, node, sha.hexdigest(), cassettes)
    agreement.check(loaded)
    return loaded


def _validated(path: Path, node: Node) -> Suite:
    try:
        return Suite.model_validate(node.plain())
    except ValidationError as error:
        trail, sentence = wording.first(error.errors(include_url=False))
        raise BadSuite(path, line_of(node, trail), sentence) from None


def _prompts(node: Node) -> Iterator[tuple[Node, Any, Node]]:
    """(holder, key, value) of every prompt that names a file."""
    for scenario in _children(_child(node, "scenarios")):
        places: list[tuple[Node, Any]] = [(scenario, "prompt")]
        turns = _child(scenario, "turns")
        if turns is not None and isinstance(turns.value, list):
            places += [(turns, n) for n in range(len(turns.value))]
            places += [(turn, "prompt") for turn in turns.value]
        for holder, key in places:
            child = holder.value[key] if isinstance(key, int) else _child(holder, key)
            if child is not None and isinstance(child.value, str) and child.value.startswith("file:"):
                yield holder, key, child


def _child(node: Node | None, key: str) -> Node | None:
    found = node.value.get(key) if node is not None and isinstance(node.value, dict) else None
    return found if isinstance(found, Node) else None


def _children(node: Node | None) -> Sequence[Node]:
    return list(node.value.values()) if node is not None and isinstance(node.value, dict) else []


def _text_of(suite: Path, node: Node, sha: Any) -> str:
    """The text of the file that `file:...` names, which must lie below the suite's folder, links followed."""
    target = below(suite, node, node.value.removeprefix("file:").strip())
    try:
        if not stat.S_ISREG(target.stat().st_mode):  # reading a named pipe would wait for ever
            raise BadSuite(suite, node.line, f"{node.value!r} is no ordinary file; name a text file.")
        if target.stat().st_size > MAX_BYTES:
            raise BadSuite(suite, node.line, f"{node.value!r} is larger than {MAX_BYTES:,} bytes; shorten it.")
        data = target.read_bytes()
        text = data.decode()
    except OSError as error:
        raise BadSuite(suite, node.line, f"{node.value!r} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadSuite(suite, node.line, f"{node.value!r} is not UTF-8 text; save it as UTF-8.") from None
    sha.update(data)
    return re.sub(r"\s+\Z", "", text)
