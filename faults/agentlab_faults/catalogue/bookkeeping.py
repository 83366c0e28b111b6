"""Faults of the boundary content beside the answer: what the provider says of tokens, model and time, and thoughts that leak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from agentlab_faults.catalogue.apis import OPENAI
from agentlab_faults.catalogue.completions import SpoilsChoice
from agentlab_faults.catalogue.rates import CONTENT, HARMLESS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects import Answer, Usage
from agentlab_faults.fault import Rewrites, Row, register

__all__ = ["CreatedSkewed", "ModelMismatch", "ThinkTags", "UsageBogus", "UsageMissing", "UsageZero"]


@register(
    Row(
        id="usage_missing",
        boundary="content",
        family="usage",
        category="budget",
        scope="model",
        best=HARMLESS,
        why="The answer is good; the tokens can be estimated.",
        happens="Compatible servers and gateways that do not count.",
        agent_should="Estimate with a tokenizer and charge the budget; never count it as nothing.",
        needs=frozenset({"usage"}),
        **often(CONTENT, 0.03, harm=2),
    )
)
class UsageMissing(Rewrites):
    """The completion does not say how many tokens it used."""

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, usage=None)


@register(
    Row(
        id="usage_zero",
        boundary="content",
        family="usage",
        category="budget",
        scope="model",
        best=HARMLESS,
        why="The answer is good; a count of zero beside text is seen to be wrong.",
        happens="Gateways that fill in what they do not know.",
        agent_should="Take zero tokens beside an answer for unknown, and estimate.",
        needs=frozenset({"usage"}),
        **often(CONTENT, 0.02, harm=2),
    )
)
class UsageZero(Rewrites):
    """The completion says that it used no tokens at all."""

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, usage=Usage(0, 0, 0))


@register(
    Row(
        id="usage_bogus",
        boundary="content",
        family="usage",
        category="budget",
        scope="model",
        best=HARMLESS,
        why="The answer is good; counts that are no whole numbers from zero up are seen to be wrong.",
        happens="A gateway's overflow, or its own idea of the field's type; the SDK lets them through.",
        agent_should="Check that counts are whole numbers from zero up before they go into a budget.",
        needs=frozenset({"usage"}),
        **often(CONTENT, 0.005, harm=3),
    )
)
class UsageBogus(Rewrites):
    """The completion's token counts are negative, a fraction or a list."""

    count: Literal["negative", "fraction", "list"] = "negative"

    def rewrite(self, answer: Answer) -> Answer:
        values: dict[str, Any] = {"negative": -1, "fraction": 3.5, "list": [1]}
        return replace(answer, usage=Usage(*[values[self.count]] * 3))


@register(
    Row(
        id="model_mismatch",
        boundary="content",
        family="identity",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="An answer came; that another model gave it is for the log and the bill.",
        happens="A gateway routes to a cheaper or a nearer model without a word.",
        agent_should="Compare by prefix (dated snapshots are normal), record the one that answered, price by it, raise an alarm.",
        **often(CONTENT, 0.02, harm=2),
    )
)
class ModelMismatch(Rewrites):
    """The completion names another model than the one that was asked."""

    model: str = "tiny-chat-1b"

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, model=self.model)


@register(
    Row(
        id="clock_skew_created",
        boundary="content",
        family="identity",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="The answer does not depend on the provider's clock.",
        happens="A server's clock is wrong, or a gateway serves from its cache.",
        agent_should="Never use the provider's time for ordering or expiry.",
        apis=OPENAI,
        **often(CONTENT, 0.002, harm=1),
    )
)
class CreatedSkewed(Rewrites):
    """The completion says that it was made `ahead` seconds from now."""

    ahead: int = 31_536_000

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, created=answer.created + self.ahead)


@register(
    Row(
        id="think_tags_leak",
        boundary="content",
        family="identity",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="The answer follows the thoughts, which can be cut off.",
        happens="Open models behind gateways that do not split off the reasoning.",
        agent_should="Cut the tags and what is in them before showing, storing or parsing the text.",
        answer="text",
        apis=OPENAI,
        **often(CONTENT, 0.03, harm=2),
    )
)
class ThinkTags(SpoilsChoice):
    """The text begins with the model's thoughts between think tags."""

    thoughts: str = "The user wants a short answer. Let me see what the tools said."

    def rewrite(self, choice: Json) -> None:
        choice["message"]["content"] = f"<think>\n{self.thoughts}\n</think>\n\n{choice['message']['content']}"
