"""YAML as a tree that knows the line of every key: safe scalars only, no aliases, no tags, no key twice, bounded in size and depth."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import ReaderError

from agentlab_suites.problems import BadSuite

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Node", "line_of", "parse"]

MAX_BYTES = 1_000_000
"""A suite larger than this is refused."""
MAX_DEPTH = 30
"""Lists and mappings may be nested this deep."""

_SAFE_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq")}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its line. `value` is a dict of nodes, a list of nodes or a scalar; `keys` gives each key's own line."""

    value: Any
    line: int
    keys: dict[str, int]

    def plain(self) -> Any:
        """The value without its lines."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def line_of(node: Node, trail: Iterable[str | int]) -> int:
    """The line of the deepest key or item of `trail` that exists."""
    line = node.line
    for step in trail:
        if isinstance(node.value, dict) and isinstance(step, str) and step in node.value:
            line, node = node.keys[step], node.value[step]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.line
    return line


class _Loader(yaml.SafeLoader):
    """Composes nodes; refuses aliases and depth before anything is built."""

    def __init__(self, text: str, path: Path) -> None:
        super().__init__(text)
        self.path = path
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """As in the safe loader, with our limits."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it untyped
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise BadSuite(self.path, line, f"The alias *{event.anchor} is not allowed; write the value out.")
        if self.depth >= MAX_DEPTH:
            raise BadSuite(self.path, line, f"Lists and mappings are nested deeper than {MAX_DEPTH}; write it flatter.")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def parse(path: Path) -> Node:
    """The file's tree. Raises BadSuite for anything that is not one plain YAML mapping."""
    text = _read(path)
    loader = _loader(text, path)
    try:
        root = loader.get_single_node()
        if root is None:
            raise BadSuite(path, 1, "The suite is empty; start it with 'version: 1', 'agent:' and 'scenarios:'.")
        tree = _tree(root, loader, path)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadSuite(path, line, f"This is not YAML: {error.problem or error.context}.") from None
    except (yaml.YAMLError, ValueError) as error:
        raise BadSuite(path, 1, f"This is not YAML: {' '.join(str(error).split())}.") from None
    finally:
        loader.dispose()
    if not isinstance(tree.value, dict):
        raise BadSuite(path, tree.line, f"A suite is a mapping of keys such as 'version:' and 'scenarios:', not {_kind(tree.value)}.")
    return tree


def _loader(text: str, path: Path) -> _Loader:
    try:
        return _Loader(text, path)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadSuite(path, line, f"The character {text[error.position]!r} cannot stand in YAML; take it out.") from None


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadSuite(path, 1, f"The suite cannot be read: {error.strerror}.") from None
    if len(data) > MAX_BYTES:
        raise BadSuite(path, 1, f"The suite has {len(data):,} bytes; at most {MAX_BYTES:,} are read. Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSuite(path, data[: error.start].count(b"\n") + 1, "The suite is not UTF-8 text; save it as UTF-8.") from None


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "a single value"


def _tree(node: yaml.Node, loader: _Loader, path: Path) -> Node:
    line = node.start_mark.line + 1
    if node.tag not in _SAFE_TAGS:
        shown = node.tag.replace("tag:yaml.org,2002:", "!!")
        raise BadSuite(path, line, f"The tag {shown} is not allowed; a suite holds text, numbers, lists and mappings only.")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, loader, path)
    if isinstance(node, yaml.SequenceNode):
        return Node([_tree(child, loader, path) for child in node.value], line, {})
    return Node(_scalar(loader.construct_object(node), path, line), line, {})


def _scalar(value: Any, path: Path, line: int) -> Any:
    """JSON's scalars only: days and times become text."""
    if isinstance(value, float) and not math.isfinite(value):
        raise BadSuite(path, line, f"{value} is not a number that can be counted with; write a finite one.")
    if isinstance(value, str) and not value.isascii() and _SURROGATE.search(value):
        raise BadSuite(path, line, f"{value!r} holds half of a character; write the whole one.")
    return value.isoformat() if isinstance(value, dt.date) else value


def _mapping(node: yaml.MappingNode, loader: _Loader, path: Path) -> Node:
    children: dict[str, Node] = {}
    lines: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        key = _tree(key_node, loader, path).value
        if not isinstance(key, str):
            raise BadSuite(path, line, f"The key {key!r} is not text; put it in quotes.")
        if key in children:
            raise BadSuite(path, line, f"The key {key!r} stands here and in line {lines[key]}; keep one of them.")
        children[key] = _tree(value_node, loader, path)
        lines[key] = line
    return Node(children, node.start_mark.line + 1, lines)
