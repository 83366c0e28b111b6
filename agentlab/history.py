"""A conversation as the models see it. Whatever came from outside, the next request made of it is a valid one."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from agentlab.errors import UnsupportedContentError
from agentlab.text import clean, cut

__all__ = ["MINTED", "History", "Kept", "Message", "StoredCall", "arguments_of", "instructions_of", "plain_text", "private_of"]

Message = dict[str, Any]
"""One message in OpenAI's chat format, with two members of our own that each provider reads or leaves out: `failed` on a tool's result
that is an error, and `private` on an answer and its calls: what the model that gave it wants to see again (`of` names it, `note` is it).
A third one, `mark`, is never in a request: no two messages that were said have the same."""

MINTED = "call_agentlab_"
"""How the ids begin that are made here, for calls whose model gave them none."""
NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")
SHORT = 200
"""Characters that are left of a tool result when the history is compacted."""
LONGEST_TEXT = 100_000
"""Characters of one message."""


@dataclass(frozen=True, slots=True)
class StoredCall:
    """A tool call as it is kept: a unique id, a possible name, and arguments that are valid JSON."""

    id: str
    name: str
    arguments: str
    private: Any = None

    def as_message(self) -> Message:
        """The call inside an assistant message."""
        message: Message = {"id": self.id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}
        if self.private is not None:
            message["private"] = self.private
        return message


@dataclass(frozen=True, slots=True)
class Kept:
    """A history as it is kept: its messages, and how many ids were made for calls that had none."""

    messages: list[Message]
    minted: int


class History:
    """Messages without the system prompt; every tool call in it has exactly one result.

    With an `author`, who writes it here, its messages are marked: they are known again when another one comes back with them.
    """

    def __init__(self, author: str = "") -> None:
        self._author = author
        self._messages: list[Message] = []
        self._minted = 0
        self._written = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add_user(self, text: str) -> None:
        """The user's turn."""
        self._add({"role": "user", "content": cut(clean(text), LONGEST_TEXT)})

    def add_assistant(self, text: str, calls: Sequence[StoredCall] = (), *, private: Any = None) -> list[StoredCall]:
        """A model's answer, or what the runtime said instead. The calls come back as they are kept: safe names, and ids used once."""
        message: Message = {"role": "assistant", "content": cut(clean(text), LONGEST_TEXT) or None}
        used, stored = set(self._ids()), []
        for call in calls:
            stored.append(self._safe(call, used))
            used.add(stored[-1].id)
        if stored:
            message["tool_calls"] = [call.as_message() for call in stored]
        if private is not None:
            message["private"] = private
        self._add(message)
        return stored

    def add_result(self, call_id: str, text: str, *, failed: bool = False) -> None:
        """What a tool call came to."""
        self._add({"role": "tool", "tool_call_id": call_id, "content": clean(text), **({"failed": True} if failed else {})})

    def _add(self, message: Message) -> None:
        if self._author:
            self._written += 1
            message["mark"] = f"{self._author}.{self._written}"
        self._messages.append(message)

    def _safe(self, call: StoredCall, used: set[str]) -> StoredCall:
        """The call with a fresh id if it has none or its id was used before, and a name of allowed characters."""
        call_id = call.id[:64]
        if not call_id or call_id in used:
            self._minted += 1
            call_id = f"{MINTED}{self._minted}"
        return StoredCall(call_id, NOT_IN_NAMES.sub("_", call.name)[:64] or "unnamed", call.arguments, call.private)

    def open_calls(self) -> list[StoredCall]:
        """The calls of the last answer that have no result yet."""
        last = self._last("assistant")
        answered = {message["tool_call_id"] for message in self._messages[last:] if message["role"] == "tool"}
        calls = self._messages[last].get("tool_calls", ()) if self._messages else ()
        return [_call_of(call) for call in calls if call["id"] not in answered]

    def reopen(self, call_ids: Collection[str], told: str) -> None:
        """Take the results of these calls back: those of the last answer are to be made again, and of earlier ones the model is `told`."""
        last = self._last("assistant")
        self._messages[:] = [
            message if message.get("tool_call_id") not in call_ids else {**message, "content": told}
            for n, message in enumerate(self._messages)
            if n < last or message.get("tool_call_id") not in call_ids
        ]

    @property
    def kept(self) -> Kept:
        """All of it, as JSON."""
        return Kept(self._messages, self._minted)

    def restore(self, kept: Kept) -> None:
        """Take the place of another one. Raises ValueError if no history can look like this."""
        calls: set[str] = set()
        for message in kept.messages:
            _check(message, calls)
        self._messages, self._minted = list(kept.messages), kept.minted

    def unknown(self, messages: Sequence[Message]) -> list[Message]:
        """Those of another history's messages that are not in this one."""
        known = {message.get("mark") for message in self._messages} - {None}
        return [message for message in messages if message.get("mark") not in known]

    def extend(self, messages: Sequence[Message]) -> dict[str, str]:
        """Go on with another history's messages. What its calls are called here, by their ids there; results without a call are left."""
        ids: dict[str, str] = {}
        for message in messages:
            if message["role"] == "tool" and message["tool_call_id"] in ids:
                self.add_result(ids[message["tool_call_id"]], message["content"], failed=message.get("failed", False))
            elif message["role"] == "user":
                self.add_user(message["content"])
            elif message["role"] == "assistant":
                calls = [_call_of(call) for call in message.get("tool_calls", ())]
                stored = self.add_assistant(message["content"] or "", calls, private=message.get("private"))
                ids |= {call.id: kept.id for call, kept in zip(calls, stored, strict=True)}
        return ids

    def rollback(self, length: int) -> None:
        """Forget everything after the first `length` messages."""
        del self._messages[length:]

    def forget_turn(self) -> None:
        """Forget the last user's text and everything after it."""
        self.rollback(self._last("user"))

    def close(self, text: str) -> None:
        """Give every call that has no result `text` as its result (a run that was cut between the two)."""
        answered = {message["tool_call_id"] for message in self._messages if message["role"] == "tool"}
        for call_id in [known for known in self._ids() if known not in answered]:
            self.add_result(call_id, text, failed=True)

    def request(self, system: str, level: int = 0) -> list[Message]:
        """The messages of a request. Level 1 shortens all but the newest tool results, level 2 all of them and drops earlier turns."""
        messages = self._messages
        if level >= 2:
            messages = messages[self._last("user") :]
        newest = len(messages) if level >= 2 else self._last("assistant") - len(self._messages) + len(messages)
        told = (_shortened(m) if level and n < newest else m for n, m in enumerate(messages))
        return [{"role": "system", "content": system}, *(_unmarked(m) if "mark" in m else m for m in told)]

    def _last(self, role: str) -> int:
        return next((n for n in range(len(self._messages) - 1, -1, -1) if self._messages[n]["role"] == role), 0)

    def _ids(self) -> list[str]:
        return [call["id"] for message in self._messages for call in message.get("tool_calls", ())]


def _call_of(call: Message) -> StoredCall:
    return StoredCall(call["id"], call["function"]["name"], call["function"]["arguments"], call.get("private"))


def _shortened(message: Message) -> Message:
    if message["role"] != "tool":
        return message
    return {**message, "content": cut(message["content"], SHORT)}


def _unmarked(message: Message) -> Message:
    return {name: value for name, value in message.items() if name != "mark"}


def plain_text(content: object) -> str:
    """A user's text: one, or a list of parts in chat format that are texts. Raises UnsupportedContentError for anything else."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part["text"] for part in parts if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)]
    if len(texts) < len(parts) or not texts:
        raise UnsupportedContentError("An agent reads text only: describe an image, a sound or a file in words, or give it to a tool.")
    return "\n".join(texts)


def instructions_of(messages: Sequence[Message]) -> tuple[str, Sequence[Message]]:
    """The system prompt, and the messages without it."""
    if messages and messages[0]["role"] == "system":
        return messages[0]["content"], messages[1:]
    return "", messages


def private_of(kept: Message, identity: str) -> Any:
    """What the model of this identity wanted to see again with a message or a call; None if it is not its own or there is nothing."""
    private = kept.get("private")
    return private["note"] if private and private["of"] == identity else None


def arguments_of(call: Message) -> Any:
    """A call's arguments as an object."""
    return json.loads(call["function"]["arguments"])


def _check(message: Message, calls: set[str]) -> None:
    """Raise ValueError if it is no message that may follow these open calls; note what it opens and closes."""
    role, content = message.get("role"), message.get("content")
    if role not in {"user", "assistant", "tool"} or not (isinstance(content, str) or (content is None and role == "assistant")):
        raise ValueError("a message of no known kind")
    if not isinstance(message.get("mark", ""), str):
        raise ValueError("a mark of no known kind")  # noqa: TRY004  # one kind of error for one kind of problem
    if role == "tool":
        if message.get("tool_call_id") not in calls:
            raise ValueError("a result without its call")
        calls.discard(message["tool_call_id"])
    _check_private(message)
    asked = message.get("tool_calls", [])
    if not isinstance(asked, list):
        raise ValueError("calls of no known kind")  # noqa: TRY004  # one kind of error for one kind of problem
    for call in asked:
        function = call.get("function") if isinstance(call, dict) else None
        wanted = (call.get("id"), function.get("name"), function.get("arguments")) if isinstance(function, dict) else (None,)
        if not all(isinstance(text, str) for text in wanted):
            raise ValueError("a call of no known kind")
        if not isinstance(json.loads(call["function"]["arguments"]), dict):  # raises a ValueError itself
            raise ValueError("a call whose arguments are no object")  # noqa: TRY004  # as above
        _check_private(call)
        calls.add(call["id"])


def _check_private(kept: Message) -> None:
    private = kept.get("private")
    if private is not None and not (isinstance(private, dict) and {"of", "note"} <= private.keys()):
        raise ValueError("a private note of no known kind")
