"""Faults of the boundary semantic that nobody can tell from a good answer: fluent, well formed, and not so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from agentlab_faults.catalogue.rates import HIDDEN, SEMANTIC, often
from agentlab_faults.dialects import Answer
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Rewrites, Row, Served, Spoils, register
from agentlab_faults.script.asked import text_of
from agentlab_faults.script.judge import error_shaped

__all__ = ["HallucinatedField", "HistoryLost", "IgnoredResult", "PrematureDone", "WrongAnswer", "WrongTool"]


def _other_digits(text: str) -> str:
    """The text with each digit one higher, 9 becoming 0."""
    return "".join(str((int(letter) + 1) % 10) if letter in "0123456789" else letter for letter in text)


def _other(value: Any) -> Any:
    """A value that looks like this one and is not it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    if isinstance(value, str):
        return changed if (changed := _other_digits(value)) != value else f"{value}-2"
    return value


@register(
    Row(
        id="sem_premature_done",
        boundary="semantic",
        family="false words",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="A claim of having done something reads the same whether it was done or not.",
        happens="A model takes its plan for the deed (MAST, premature termination and missing verification).",
        agent_should="Hold what the reply claims against what its tools did, never against the text.",
        answer="tool_calls",
        **often(SEMANTIC, 0.1, harm=3),
    )
)
class PrematureDone(Rewrites):
    """The model says that all is done instead of calling the tools that would do it."""

    words: str = "Done. I have taken care of everything you asked for."

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, content=self.words, calls=(), finish="stop")


@register(
    Row(
        id="sem_wrong_answer",
        boundary="semantic",
        family="false words",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="Well formed, fluent and plausible: only somebody who knows the right answer can tell.",
        happens="Every model, at some rate: figures and names are the first to go.",
        agent_should="Check figures in the reply against the results of tools where money or safety hangs on them.",
        answer="text",
        **often(SEMANTIC, 0.15, harm=3),
    )
)
class WrongAnswer(Rewrites):
    """Each digit of the text is another one; a text without digits says the opposite of itself."""

    denial: str = "It is not so that: "

    def rewrite(self, answer: Answer) -> Answer:
        text = answer.content or ""
        wrong = _other_digits(text)
        return replace(answer, content=wrong if wrong != text else self.denial + text)


@register(
    Row(
        id="sem_wrong_tool",
        boundary="semantic",
        family="false calls",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="The call is well formed, and the tool is one that the agent offered.",
        happens="Two tools with like names or like descriptions; more tools than the model can tell apart.",
        agent_should="Ask for a confirmation before anything that cannot be undone; offer few tools with unlike names.",
        answer="tool_calls",
        needs=frozenset({"tools"}),
        **often(SEMANTIC, 0.08, harm=3),
    )
)
class WrongTool(Spoils):
    """The model calls another of the offered tools than the right one, with what it would have passed to the right one."""

    def spoil(self, served: Served) -> Exchange:
        offered = list(served.asked().callable)
        calls = tuple(replace(call, name=_next_to(call.name, offered)) for call in served.answer.calls)
        return served.rendered(replace(served.answer, calls=calls))


def _next_to(name: str, offered: list[str]) -> str:
    others = [other for other in offered if other != name]
    return others[0] if others else name


@register(
    Row(
        id="sem_hallucinated_field",
        boundary="semantic",
        family="false calls",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="An invented id has the form of a real one.",
        happens="The model fills in an argument that nobody told it, or mistypes a long id.",
        agent_should="Check ids that go into a write against the user's words and earlier results.",
        answer="tool_calls",
        **often(SEMANTIC, 0.08, harm=3),
    )
)
class HallucinatedField(Rewrites):
    """The first argument of each call has another value that looks like the right one; a call that has none to change gets one."""

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, calls=tuple(replace(call, arguments=_invented(call.arguments)) for call in answer.calls))


def _invented(arguments: str) -> str:
    values = json.loads(arguments)
    other = next(({name: _other(value)} for name, value in values.items() if _other(value) != value), {"id": "1001"})
    return json.dumps(values | other, ensure_ascii=False, separators=(",", ":"))


@register(
    Row(
        id="sem_ignored_result",
        boundary="semantic",
        family="false words",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="The text is fluent and no mark tells that it contradicts the results before it.",
        happens="A model believes its own plan more than a tool's result (MAST, information withholding and ignored input).",
        agent_should="Hold claims of success against the results of the tools; show both where they differ.",
        answer="text",
        needs=frozenset({"results"}),
        **often(SEMANTIC, 0.06, harm=3),
    )
)
class IgnoredResult(Spoils):
    """The model says the contrary of what its tools told: success after a failure, failure after a success."""

    success: str = "All done: every step went through without a problem."
    failure: str = "I could not do this: the tool reported that nothing was found."

    def spoil(self, served: Served) -> Exchange:
        results = [text_of(message) for message in served.asked().turn if message.get("role") == "tool"]
        words = self.success if _any_failed(results) else self.failure
        return served.rendered(replace(served.answer, content=words)) if results else served.exchange


def _any_failed(results: Iterable[str]) -> bool:
    return any(map(error_shaped, results))


@register(
    Row(
        id="sem_history_loss",
        boundary="semantic",
        family="false words",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="A question back is an ordinary answer; that the user had said it already is known to the user alone.",
        happens="A provider or a framework cuts the middle out of a long context (MAST, loss of conversation history).",
        agent_should="Keep facts that matter outside of the conversation, and check with a canary fact that the model still has them.",
        needs=frozenset({"results"}),
        **often(SEMANTIC, 0.05, harm=2),
    )
)
class HistoryLost(Rewrites):
    """The model asks for what it was told at the beginning, as if the middle of the conversation were gone."""

    words: str = "Happy to help! Which order is this about, and what would you like me to do?"

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, content=self.words, calls=(), finish="stop")
