"""Anthropic's checks of a request's messages: roles, blocks, empty texts, and that every tool call has its result right behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from agentlab_faults.dialects.anthropic.blocks import blocks_of
from agentlab_faults.dialects.anthropic.refused import Refused, member, optional, required

__all__ = ["NAME", "check_messages", "check_system"]

Json = dict[str, Any]
NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""Names of tools."""
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_ROLES = ("user", "assistant", "system")
_TAGS = ("document", "image", "redacted_thinking", "search_result", "text", "thinking", "tool_result", "tool_use", "container_upload")
_MORE_TAGS = re.compile(r"(server|toolset|mcp|browser_\w+|computer_\w+)_tool_use|\w+_tool_result|tool_reference|compaction|fallback")
"""Blocks of the provider's own tools, which come back to it as they were."""


def check_system(system: Any) -> None:
    """Raises Refused if the system prompt is neither a text nor blocks of text with something in them."""
    if system is None or isinstance(system, str):
        return
    if not isinstance(system, list):
        raise Refused("system: Input should be a valid list")
    for index, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text":
            raise Refused(f"system.{index}: Input should be a valid text block")
        if not member(block, "text", f"system.{index}.text", str):
            raise Refused("system: text content blocks must be non-empty")


def check_messages(messages: Any) -> None:
    """Raises Refused with the first complaint about the messages: their shape, empty contents, then the order of tool results."""
    if not isinstance(messages, list):
        raise Refused("messages: Input should be a valid list")
    if not messages:
        raise Refused("messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(message, f"messages.{index}", last=index == len(messages) - 1)
    if messages[0]["role"] == "assistant":
        raise Refused('messages: first message must use the "user" role')
    _check_ids(messages)
    _check_order(messages)


def _check_message(message: Any, at: str, *, last: bool) -> None:
    if not isinstance(message, dict):
        raise Refused(f"{at}: Input should be a valid dictionary")
    role = required(message, "role", f"{at}.role")
    if role not in _ROLES:
        raise Refused(f"{at}.role: Input should be 'user', 'assistant' or 'system'")
    content = required(message, "content", f"{at}.content")
    if not isinstance(content, str | list):
        raise Refused(f"{at}.content: Input should be a valid list")
    if not content and not (last and role == "assistant"):
        raise Refused(f"{at}: all messages must have non-empty content except for the optional final assistant message")
    for index, block in enumerate(content if isinstance(content, list) else ()):
        _check_block(block, f"{at}.content.{index}", role)
    if last and role == "assistant" and _ends_blank(content):
        raise Refused("messages: final assistant content cannot end with trailing whitespace")


def _ends_blank(content: Any) -> bool:
    blocks = blocks_of(content)
    text = str(blocks[-1].get("text") or "") if blocks else ""
    return text != text.rstrip()


def _check_block(block: Any, at: str, role: str) -> None:
    if not isinstance(block, dict):
        raise Refused(f"{at}: Input should be a valid dictionary")
    kind = required(block, "type", f"{at}.type")
    if kind not in _TAGS and not _MORE_TAGS.fullmatch(str(kind)):
        expected = ", ".join(f"'{tag}'" for tag in _TAGS)
        raise Refused(f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {expected}")
    if kind == "text":
        _check_text(block, at)
    elif kind == "tool_use":
        _check_call(block, at, role)
    elif kind == "tool_result":
        _check_result(block, at, role)


def _check_text(block: Json, at: str) -> None:
    text = member(block, "text", f"{at}.text.text", str)
    if not text:
        raise Refused("messages: text content blocks must be non-empty")
    if not text.strip():
        raise Refused("messages: text content blocks must contain non-whitespace text")


def _check_call(block: Json, at: str, role: str) -> None:
    if role != "assistant":
        raise Refused(f"{at.partition('.content')[0]}: `tool_use` blocks can only be in `assistant` messages")
    name = member(block, "name", f"{at}.tool_use.name", str)
    if not NAME.fullmatch(name):
        raise Refused(f"{at}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not _ID.fullmatch(member(block, "id", f"{at}.tool_use.id", str)):
        raise Refused(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    member(block, "input", f"{at}.tool_use.input", dict)


def _check_result(block: Json, at: str, role: str) -> None:
    if role != "user":
        raise Refused(f"{at.partition('.content')[0]}: `tool_result` blocks can only be in `user` messages")
    member(block, "tool_use_id", f"{at}.tool_result.tool_use_id", str)
    optional(block, "is_error", f"{at}.tool_result.is_error", bool)
    content = block.get("content")
    if content is not None and not isinstance(content, str | list):
        raise Refused(f"{at}.tool_result.content: Input should be a valid list")
    for index, inner in enumerate(content if isinstance(content, list) else ()):
        if not isinstance(inner, dict) or "type" not in inner:
            raise Refused(f"{at}.tool_result.content.{index}.type: Field required")


def _check_ids(messages: Sequence[Json]) -> None:
    seen: set[str] = set()
    for index, message in enumerate(messages):
        for place, block in enumerate(blocks_of(message["content"])):
            if block["type"] == "tool_use":
                if block["id"] in seen:
                    raise Refused(f"messages.{index}.content.{place}: `tool_use` ids must be unique")
                seen.add(block["id"])


Placed = tuple[int, int, Json]
"""A block and its place: message, block in it."""


def _check_order(messages: Sequence[Json]) -> None:
    """Each assistant turn with calls is followed by a user turn that begins with one result for each of them; no result stands elsewhere.

    Messages of one role in a row are one turn.
    """
    waiting: dict[str, int] = {}
    for role, run in groupby(enumerate(messages), key=lambda entry: str(entry[1]["role"])):
        placed = [(index, place, block) for index, message in run for place, block in enumerate(blocks_of(message["content"]))]
        if role == "assistant":
            waiting = {block["id"]: index for index, _, block in placed if block["type"] == "tool_use"}
        elif role == "user":
            _check_results(placed, waiting)
            waiting = {}
    _check_none_waits(waiting)


def _check_results(placed: Sequence[Placed], waiting: Mapping[str, int]) -> None:
    left = dict(waiting)
    for index, place, block in placed:
        if block["type"] != "tool_result":
            _check_none_waits(left)
            continue
        call_id, at = block["tool_use_id"], f"messages.{index}.content.{place}"
        if call_id not in waiting:
            text = f"unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each `tool_result` block must have a corresponding"
            raise Refused(f"{at}: {text} `tool_use` block in the previous message.")
        if call_id not in left:
            raise Refused(f"{at}: each tool_use must have a single result. Found multiple `tool_result` blocks with id: {call_id}")
        del left[call_id]
    _check_none_waits(left)


def _check_none_waits(left: Mapping[str, int]) -> None:
    if left:
        text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(left)}. Each `tool_use` block must"
        raise Refused(f"messages.{min(left.values())}: {text} have a corresponding `tool_result` block in the next message.")
