"""Where settings come from, and where in there each one stands."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from agentlab.errors import SettingsError

__all__ = ["Found", "from_environment", "from_file", "merged", "nearest"]

PREFIX: Final = "AGENTLAB_"
FILE: Final = "AGENTLAB_SETTINGS"
FILES: Final = ("agentlab.toml", "agentlab.yaml")
LIKE: Final = 0.6
VERY_LIKE: Final = 0.85
"""Likeness of two names, 0 to 1 (difflib)."""
LARGEST: Final = 1_000_000
"""Bytes of a settings file."""


@dataclass(slots=True)
class Found:
    """Values of one or several sources. `places` says where a dotted field stands; what has no place stands in `source`."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    source: str = ""

    def where(self, name: str) -> str:
        """Where the field stands, or one below it, or the nearest one above it; empty for a default."""
        below = next((place for known, place in self.places.items() if known.startswith(f"{name}.")), "")
        if name not in self.places and below:
            return below
        while name:
            if name in self.places:
                return self.places[name]
            name = name.rpartition(".")[0]
        return ""


def merged(*sources: Found) -> Found:
    """The sources as one: later ones win, section by section."""
    result = Found()
    for found in sources:
        for replaced in _over(result.values, found.values):
            result.places = {name: place for name, place in result.places.items() if not f"{name}.".startswith(f"{replaced}.")}
        result.places.update(found.places)
        result.places.update({name: found.source for name in _names(found.values) if name not in found.places and found.source})
    return result


def _over(below: dict[str, Any], above: Mapping[str, Any], before: str = "") -> list[str]:
    """Lay the values over those below; the dotted names of what was replaced as a whole."""
    replaced: list[str] = []
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(name), dict):
            replaced += _over(below[name], value, f"{before}{name}.")
        else:
            below[name] = value
            replaced.append(f"{before}{name}")
    return replaced


def _names(value: Any, before: str = "") -> list[str]:
    """The dotted names of everything in the value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for name, item in items for found in (f"{before}{name}", *_names(item, f"{before}{name}."))]


def nearest(name: str, known: Collection[str]) -> str:
    """The end of a sentence that names the likeliest right word, if one is like it.

    >>> nearest("secnds", ["steps", "seconds"]), nearest("colour", ["steps", "seconds"])
    ("; did you mean 'seconds'?", '')
    """
    close = difflib.get_close_matches(name, known, n=1, cutoff=LIKE)
    return f"; did you mean {close[0]!r}?" if close else ""


def from_environment(environment: Mapping[str, str], fields: Collection[str]) -> Found:
    """Settings in variables. One with two underscores is a setting, known or not; one without is if it names a field.

    Raises SettingsError for one that nearly names a field: it would be passed by in silence.
    """
    found = Found()
    for variable in sorted(environment):
        name = variable.removeprefix(PREFIX).lower()
        if variable.startswith(PREFIX) and variable != FILE and ("__" in name or name in fields):
            path = name.split("__")
            section = found.values
            for part in path[:-1]:
                inner = section.setdefault(part, {})
                section = inner if isinstance(inner, dict) else section
            section[path[-1]] = _plain(variable, environment[variable])
            found.places[".".join(path)] = variable
        elif variable.startswith(PREFIX) and (meant := difflib.get_close_matches(name, fields, n=1, cutoff=VERY_LIKE)):
            raise SettingsError(f"{variable}: there is no such setting; did you mean {PREFIX}{meant[0].upper()}? Correct it there.")
    return found


def _plain(variable: str, text: str) -> Any:
    """The value of a variable: JSON if it is that, else the text. Raises SettingsError for half a list or half an object."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip()[:1] not in {"[", "{"}:
            return text
        where = f" (character {error.pos + 1})" if isinstance(error, json.JSONDecodeError) else ""
        raise SettingsError(f"{variable}: this is not valid JSON{where}. Correct it there.") from None


def from_file(path: str | Path | None, environment: Mapping[str, str]) -> Found:
    """Settings of a file, TOML by its ending, else YAML. Raises SettingsError if it cannot be read."""
    named = path or environment.get(FILE)
    chosen = Path(named) if named else next((Path(name) for name in FILES if Path(name).is_file()), None)
    if chosen is None:
        return Found()
    try:
        if chosen.stat().st_size > LARGEST:
            raise SettingsError(f"{chosen} is larger than {LARGEST} bytes; settings are a page of text.")
        text = chosen.read_text("utf-8")
        values, lines = (tomllib.loads(text), _toml_lines(text)) if chosen.suffix == ".toml" else _yaml(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise SettingsError(f"{chosen} cannot be read: {_reason(error)}. Correct it, or name another file.") from error
    if not isinstance(values or {}, dict):
        raise SettingsError(f"{chosen} holds no settings: it must be sections with fields. Correct it, or name another file.")
    return Found(values or {}, {name: f"{chosen}:{line}" for name, line in lines.items()}, str(chosen))


def _reason(error: Exception) -> str:
    """What is wrong with a file, in one line. YAML's own message would show the lines around it, and what stands in them."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    mark = getattr(error, "problem_mark", None)
    told = f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark is not None else str(error)
    return " ".join(told.split())


class _Loader(yaml.SafeLoader):
    """YAML without aliases: a few lines of them can stand for more values than there is memory."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not read here")
        return super().compose_node(parent, index)


def _yaml(text: str) -> tuple[Any, dict[str, int]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return (None, {}) if node is None else (loader.construct_document(node), _yaml_lines(node))
    finally:
        loader.dispose()


def _yaml_lines(node: yaml.Node | None, before: str = "") -> dict[str, int]:
    """The line of each field, by its dotted name."""
    found: dict[str, int] = {}
    if isinstance(node, yaml.MappingNode):
        children = [(str(key.value), key.start_mark.line, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        children = [(str(n), value.start_mark.line, value) for n, value in enumerate(node.value)]
    else:
        return found
    for name, line, value in children:
        found[f"{before}{name}"] = line + 1
        found |= _yaml_lines(value, f"{before}{name}.")
    return found


_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def _toml_lines(text: str) -> dict[str, int]:
    """The line of each field, by its dotted name, as far as a look at the lines tells: fields of inline tables have their table's."""
    found: dict[str, int] = {}
    counted: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header, key = _TABLE.match(line), _KEY.match(line)
        if header:
            table = _dotted(header[2])
            if header[1] == "[[":
                counted[table] = counted.get(table, -1) + 1
                found.setdefault(table, number)
                table = f"{table}.{counted[table]}"
            found.setdefault(table, number)
        elif key:
            found.setdefault(f"{table}.{_dotted(key[1])}".lstrip("."), number)
    return found


def _dotted(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
