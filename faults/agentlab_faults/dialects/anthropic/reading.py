"""What a request for a message asks of the model, read from a body that the provider would accept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agentlab_faults.dialects.anthropic.blocks import blocks_of, text_in
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.judge import error_shaped

__all__ = ["read"]

Json = dict[str, Any]
_CLIENT_SIDE = ("custom", "bash_", "text_editor_", "computer_", "memory_")
"""How the types of tools begin that the agent runs itself; the others run at the provider, and no script calls them."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read(body: Mapping[str, Any]) -> Asked:
    """Read the body of a request for a message. Its history becomes OpenAI's chat messages: each tool result a message of its own."""
    tools = [tool for tool in body.get("tools") or () if str(tool.get("type") or "custom").startswith(_CLIENT_SIDE)]
    offered: dict[str, Json] = {tool["name"]: tool.get("input_schema") or {} for tool in tools}
    choice = body.get("tool_choice") or {}
    kind = choice.get("type", "auto")
    forced = choice["name"] if kind == "tool" else None
    return Asked(
        messages=list(_messages(body)),
        callable={name: offered[name] for name in offered if kind != "none" and forced in (None, name)},
        forced=forced,
        required=kind in ("any", "tool"),
        parallel=choice.get("disable_parallel_tool_use") is not True,
        schema=_schema(body),
        ids="toolu_",
    )


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The schema of a structured answer; `output_format` is its place in older versions of the API."""
    form = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema: Mapping[str, Any] | None = form.get("schema")
    return schema


def _messages(body: Mapping[str, Any]) -> Iterator[Json]:
    if body.get("system"):
        yield {"role": "system", "content": text_in(body["system"])}
    for message in body["messages"]:
        blocks = blocks_of(message["content"])
        if message["role"] == "assistant":
            yield _assistant(blocks)
            continue
        yield from (_result(block) for block in blocks if block["type"] == "tool_result")
        if any(block["type"] != "tool_result" for block in blocks):
            yield {"role": message["role"], "content": text_in(blocks)}


def _assistant(blocks: list[Json]) -> Json:
    calls = [
        {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": _COMPACT(block["input"])}}
        for block in blocks
        if block["type"] == "tool_use"
    ]
    return {"role": "assistant", "content": text_in(blocks), **({"tool_calls": calls} if calls else {})}


def _result(block: Json) -> Json:
    text = text_in(block.get("content"))
    if block.get("is_error") and not error_shaped(text):
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": text}
