"""Faults of the boundary content inside the completion: an answer that is cut short, withheld, or ends for an unknown reason."""

from __future__ import annotations

from agentlab_faults.catalogue.apis import ANTHROPIC, CHAT_ONLY, GEMINI, OPENAI
from agentlab_faults.catalogue.completions import SpoilsChoice, say_only
from agentlab_faults.catalogue.rates import CONTENT, RETRIED, STAYS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.fault import Row, register

__all__ = ["ContentFiltered", "CutAtLimit", "Refusal", "UnknownFinish"]


@register(
    Row(
        id="content_finish_length",
        boundary="content",
        family="cut answer",
        category="context",
        scope="model",
        best=RETRIED,
        why="Asking again, or for the rest, gives the whole answer; a model that always stops early must be replaced.",
        happens="The output limit is reached: a long answer, or hidden reasoning that used it up.",
        agent_should="Read finish_reason: a cut text is no answer. Go on from it or raise the limit.",
        answer="text",
        outcome_unknown=True,
        **often(CONTENT, 0.1, harm=3),
    )
)
class CutAtLimit(SpoilsChoice):
    """The text stops in the middle because the output limit was reached."""

    def rewrite(self, choice: Json) -> None:
        text = choice["message"]["content"]
        say_only(choice, text[: len(text) // 2], "length")


@register(
    Row(
        id="content_finish_filter",
        boundary="content",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The same prompt meets the same filter; another provider has another one.",
        happens="A safety filter withholds an answer, often by mistake.",
        agent_should="Never retry the same prompt there; ask another provider if policy allows, else say that it was withheld.",
        outcome_unknown=True,
        apis=OPENAI | GEMINI,
        **often(CONTENT, 0.04, harm=3),
    )
)
class ContentFiltered(SpoilsChoice):
    """The answer is withheld: empty content and the finish reason content_filter."""

    def rewrite(self, choice: Json) -> None:
        say_only(choice, "", "content_filter")


@register(
    Row(
        id="content_refusal",
        boundary="content",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The model will refuse the same prompt again; another model may not.",
        happens="A model takes a harmless request for a harmful one.",
        agent_should="Read `refusal`; do not repeat the prompt; ask another model if policy allows, else report the refusal.",
        outcome_unknown=True,
        apis=OPENAI | ANTHROPIC,
        **often(CONTENT, 0.04, harm=3),
    )
)
class Refusal(SpoilsChoice):
    """The model refuses: no content, the field `refusal`, and a normal stop."""

    words: str = "I'm sorry, I can't assist with that request."

    def rewrite(self, choice: Json) -> None:
        say_only(choice, None, "stop")
        choice["message"]["refusal"] = self.words


@register(
    Row(
        id="content_stop_unknown",
        boundary="content",
        family="invalid answer",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Nobody can tell that the text is whole, so it is asked for again; another sample stops normally.",
        happens="A new model has a new finish reason, or a gateway sends null.",
        agent_should="Take an unknown reason for an unfinished answer.",
        answer="text",
        outcome_unknown=True,
        apis=CHAT_ONLY | ANTHROPIC | GEMINI,
        **often(CONTENT, 0.02, harm=1),
    )
)
class UnknownFinish(SpoilsChoice):
    """The finish reason is null, or one that nobody knows."""

    reason: str | None = None

    def rewrite(self, choice: Json) -> None:
        choice["finish_reason"] = self.reason
