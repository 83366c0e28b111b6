"""Secrets in an answer's body, also where a stream has cut them into pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from agentlab_faults.scrub import Scrubber

__all__ = ["scrubbed"]

Pieces = Sequence[tuple[float, bytes]]
_CUT: Final = frozenset({"arguments", "partial_json", "delta", "content", "text", "thinking", "refusal"})
"""Fields that hold a part of a text, whose next part comes in a later event."""
_WHICH: Final = ("index", "output_index", "content_index", "item_id")
"""Fields that tell which text a part belongs to."""


def scrubbed(pieces: Pieces, scrubber: Scrubber) -> list[tuple[float, bytes]]:
    """The body's pieces without secrets. Those of a stream become whole events, each after the silence before its end."""
    whole = b"".join(data for _, data in pieces)
    if _is_stream(whole):
        return _events(pieces, scrubber)
    silence = sum(after for after, _ in pieces)
    return [(silence, _document(whole, scrubber))] if whole else []


def _is_stream(body: bytes) -> bool:
    return body.lstrip()[:6] in {b"data: ", b"event:"} or body.lstrip()[:5] == b"data:"


def _document(body: bytes, scrubber: Scrubber) -> bytes:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return scrubber.text(body.decode("latin-1")).encode("latin-1")
    clean = scrubber.value(parsed)
    return body if clean == parsed else json.dumps(clean, ensure_ascii=False, separators=(",", ":")).encode()


def _events(pieces: Pieces, scrubber: Scrubber) -> list[tuple[float, bytes]]:
    timed = list(_timed(pieces))
    parsed = [_data(event) for _, event in timed]
    _join(parsed, scrubber)
    return [(after, _rewritten(event, data, scrubber)) for (after, event), data in zip(timed, parsed, strict=True)]


def _timed(pieces: Pieces) -> Iterator[tuple[float, bytes]]:
    """Events, each with the silence since the one before."""
    rest, silence = b"", 0.0
    for after, data in pieces:
        silence += after
        rest += data
        while (end := _end_of_event(rest)) > 0:
            yield silence, rest[:end]
            rest, silence = rest[end:], 0.0
    if rest:
        yield silence, rest


def _end_of_event(data: bytes) -> int:
    """Where the first event ends; 0 if it has not ended."""
    ends = [at + len(mark) for mark in (b"\n\n", b"\r\n\r\n") if (at := data.find(mark)) >= 0]
    return min(ends, default=0)


def _data(event: bytes) -> Any:
    """The JSON of an event; None if it has none."""
    lines = [line[5:].strip() for line in event.splitlines() if line.startswith(b"data:")]
    try:
        return json.loads(b"\n".join(lines)) if lines else None
    except (ValueError, RecursionError):
        return None  # `[DONE]`, or no JSON: it is scrubbed as a text


def _join(parsed: Sequence[Any], scrubber: Scrubber) -> None:
    """Scrub each text that comes in parts as a whole; if it held a secret, its first part gets all of it and the others nothing."""
    texts: dict[tuple[Any, ...], list[tuple[dict[str, Any], str]]] = {}
    for document in parsed:
        for which, holder, name in _parts(document, ()):
            texts.setdefault((which, name), []).append((holder, name))
    for parts in texts.values():
        joined = "".join(holder[name] for holder, name in parts)
        clean = scrubber.value(joined)
        if clean != joined:
            for number, (holder, name) in enumerate(parts):
                holder[name] = "" if number else clean


def _parts(value: Any, which: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any], str]]:
    if isinstance(value, list):
        for inner in value:
            yield from _parts(inner, which)
    if not isinstance(value, dict):
        return
    which = (*which, *(value[name] for name in _WHICH if isinstance(value.get(name), int | str)))
    for name, inner in value.items():
        if name in _CUT and isinstance(inner, str):
            yield (*which, value.get("type")), value, name
        else:
            yield from _parts(inner, which)


def _rewritten(event: bytes, data: Any, scrubber: Scrubber) -> bytes:
    if data is None:
        return scrubber.text(event.decode("utf-8", "replace")).encode()
    clean = scrubber.value(data)
    if clean == _data(event):
        return event
    named = [line for line in event.splitlines() if line and not line.startswith(b"data:")]
    text = json.dumps(clean, ensure_ascii=False, separators=(",", ":")).encode()
    return b"\n".join([*named, b"data: " + text, b"", b""])
