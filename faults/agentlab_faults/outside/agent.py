"""What the lab needs to know of an agent that runs outside this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outside", "filled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A command, an endpoint, or both: then the command is the server behind the endpoint, and is started for each conversation.

    `{prompt}`, `{conversation}` and `{port}` are filled in where they stand in words, address and body.
    """

    command: tuple[str, ...] = ()
    """Run for each turn; what it prints is the reply. Without `{prompt}` in it the prompt is its last argument."""
    url: str = ""
    """Where each turn is posted to, on loopback."""
    body: Mapping[str, Any] = field(default_factory=lambda: {"prompt": "{prompt}", "conversation": "{conversation}"})
    """What is posted, as JSON."""
    proxy: int = 0
    """The port on loopback at which the agent finds its provider; 0 for a free one, which only a command can be told."""

    @property
    def kind(self) -> str:
        """`endpoint` or `command`, by what a turn is."""
        return "endpoint" if self.url else "command"


def filled(value: Any, words: Mapping[str, str]) -> Any:
    """The value with every `{word}` in its texts replaced; other braces stay as they are.

    >>> filled({"messages": [{"content": "{prompt} {x}"}]}, {"prompt": "Hello."})
    {'messages': [{'content': 'Hello. {x}'}]}
    """
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
        return value
    if isinstance(value, Mapping):
        return {key: filled(part, words) for key, part in value.items()}
    return [filled(part, words) for part in value] if isinstance(value, list | tuple) else value
