"""Faults of the boundary stream in the model's own words: tool calls that are not whole, tokens that are not told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from agentlab_faults.catalogue.apis import ANTHROPIC, GEMINI, OPENAI
from agentlab_faults.catalogue.events import Json, told, written
from agentlab_faults.catalogue.rates import HARMLESS, RETRIED, STREAM, often
from agentlab_faults.exchange import Exchange, Part
from agentlab_faults.fault import Row, Served, Spoils, register

__all__ = ["StreamedArgumentsNotJson", "StreamedArgumentsTruncated", "UsageNotStreamed"]

Change = Callable[[Json], Json | None]
"""What an event holds instead; None takes the event away."""


def _rewritten(exchange: Exchange, change: Change) -> Exchange:
    """The stream with what its events hold changed."""
    body: list[Part] = []
    for part in exchange.body:
        held = told(part) if isinstance(part, bytes) else {}
        changed = change(held) if held else held
        if isinstance(part, bytes) and held and changed != held:
            body += [] if changed is None else [written(changed, like=part)]
        else:
            body.append(part)
    return exchange._replace(body=tuple(body))


def _with_arguments(served: Served, texts: Sequence[str], *, finish: str | None) -> Exchange:
    """The stream whose calls have these arguments, and which ends for this reason, in the dialect's word for it."""
    if served.api in OPENAI:
        calls = tuple(replace(call, arguments=text) for call, text in zip(served.answer.calls, texts, strict=True))
        return served.rendered(replace(served.answer, calls=calls, finish=finish))
    left = list(texts)

    def change(held: Json) -> Json:
        delta = held.get("delta") or {}
        if delta.get("type") == "input_json_delta" and delta["partial_json"]:
            text = left.pop(0) if left and held["index"] not in spoken else ""
            spoken.add(held["index"])
            return held | {"delta": delta | {"partial_json": text}}
        if finish == "length" and "stop_reason" in delta:
            return held | {"delta": delta | {"stop_reason": "max_tokens"}}
        return held

    spoken: set[int] = set()
    return _rewritten(served.exchange, change)


@register(
    Row(
        id="stream_tool_args_truncated",
        boundary="stream",
        family="tool arguments",
        category="context",
        scope="model",
        best=RETRIED,
        why="The model writes them whole when it is asked again, or given more room; one that never does must be replaced.",
        happens="The output limit is reached inside a tool call; a helper of the SDK may make a whole object of the half one.",
        agent_should="Never run a tool call unless the reason is tool_use or tool_calls.",
        answer="tool_calls",
        streamed="only",
        apis=OPENAI | ANTHROPIC,
        outcome_unknown=True,
        **often(STREAM, 0.03, harm=3),
    )
)
class StreamedArgumentsTruncated(Spoils):
    """The arguments of the calls stop inside their JSON, and the stream ends because the output limit was reached."""

    def spoil(self, served: Served) -> Exchange:
        texts = [call.arguments[: max(1, len(call.arguments) * 2 // 3)] for call in served.answer.calls]
        return _with_arguments(served, texts, finish="length")


@register(
    Row(
        id="stream_tool_args_not_json",
        boundary="stream",
        family="tool arguments",
        category="transient",
        scope="model",
        best=RETRIED,
        why="The model writes them well when it is told what was wrong; one that never does must be replaced.",
        happens="A small model talks where it should write arguments.",
        agent_should="Catch ValueError round the stream and round the parsing of arguments; let the model try again, a few times at most.",
        answer="tool_calls",
        streamed="only",
        apis=OPENAI | ANTHROPIC,
        **often(STREAM, 0.02, harm=2),
    )
)
class StreamedArgumentsNotJson(Spoils):
    """The arguments of the calls are prose."""

    words: str = "Sure! {city"

    def spoil(self, served: Served) -> Exchange:
        return _with_arguments(served, [self.words for _ in served.answer.calls], finish=served.answer.finish)


@register(
    Row(
        id="stream_usage_missing",
        boundary="stream",
        family="usage",
        category="budget",
        scope="model",
        best=HARMLESS,
        why="The answer is good; the tokens can be estimated.",
        happens="Compatible servers and gateways that do not count what they stream, or do not pass the last chunk on.",
        agent_should="Estimate with a tokenizer and charge the budget; never count it as nothing.",
        streamed="only",
        needs=frozenset({"usage"}),
        **often(STREAM, 0.03, harm=2),
    )
)
class UsageNotStreamed(Spoils):
    """The stream does not say how many tokens it took."""

    def spoil(self, served: Served) -> Exchange:
        def untold(held: Json) -> Json | None:
            if served.api in GEMINI:
                return {name: value for name, value in held.items() if name != "usageMetadata"}
            if served.api in ANTHROPIC:
                return held | {"usage": held["usage"] | {"output_tokens": None}} if "usage" in held else held
            if "response" in held:
                return held | {"response": held["response"] | {"usage": None}}
            return None if held.get("choices") == [] else held

        return _rewritten(served.exchange, untold)
