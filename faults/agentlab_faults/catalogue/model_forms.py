"""Faults of the boundary semantic in the form of an answer: prose for JSON, another language, the prompt given away, another model."""

from __future__ import annotations

from dataclasses import replace

from agentlab_faults.catalogue.rates import HARMLESS, HIDDEN, RETRIED, SEMANTIC, often
from agentlab_faults.dialects import Answer
from agentlab_faults.exchange import Exchange
from agentlab_faults.fault import Rewrites, Row, Served, Spoils, register
from agentlab_faults.script.asked import text_of

__all__ = ["LanguageSwitch", "ModelDowngrade", "ProseForJson", "SystemPromptLeak"]


@register(
    Row(
        id="sem_json_mode_prose",
        boundary="semantic",
        family="form",
        category="transient",
        scope="model",
        best=RETRIED,
        why="Told what was wrong, the model gives the bare JSON; one that never does must be replaced.",
        happens="Models without constrained decoding, and gateways that drop the response format on the way.",
        agent_should="Validate, then ask once for a repair with the error; the SDK's parse() raises pydantic's ValidationError as it is.",
        answer="text",
        needs=frozenset({"structured"}),
        outcome_unknown=True,
        **often(SEMANTIC, 0.05, harm=2),
    )
)
class ProseForJson(Rewrites):
    """JSON was asked for, and comes in a fence with prose around it."""

    before: str = "Sure! Here is the JSON you asked for:"
    after: str = "Let me know if you need anything else."

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, content=f"{self.before}\n```json\n{answer.content}\n```\n{self.after}")


@register(
    Row(
        id="sem_language_switch",
        boundary="semantic",
        family="form",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="It is an ordinary answer to all but those who read it, or bring a detector.",
        happens="A result or a document in another language pulls the model along.",
        agent_should="Detect the language where a reply goes to a user, and ask for the right one.",
        answer="text",
        **often(SEMANTIC, 0.02, harm=1),
    )
)
class LanguageSwitch(Rewrites):
    """The model answers in another language."""

    words: str = "Ihre Anfrage wurde bearbeitet. Bitte wenden Sie sich bei Fragen an den Kundendienst."

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, content=self.words)


@register(
    Row(
        id="sem_system_prompt_leak",
        boundary="semantic",
        family="form",
        category="semantic",
        scope="model",
        best=HIDDEN,
        why="Only an agent that looks for its own prompt in each reply can tell.",
        happens="A user asks for it in the right words, or the model quotes its rules to explain a refusal.",
        agent_should="Keep no secret in the prompt; search replies for a canary of it.",
        answer="text",
        needs=frozenset({"system"}),
        **often(SEMANTIC, 0.02, harm=2),
    )
)
class SystemPromptLeak(Spoils):
    """The model puts its system prompt before its answer."""

    words: str = "My instructions are:"

    def spoil(self, served: Served) -> Exchange:
        prompts = [text_of(message) for message in served.asked().messages if message.get("role") in ("system", "developer")]
        if not prompts:
            return served.exchange
        return served.rendered(replace(served.answer, content="\n\n".join((self.words, *prompts, served.answer.content or ""))))


@register(
    Row(
        id="sem_model_downgrade",
        boundary="semantic",
        family="identity",
        category="semantic",
        scope="model",
        best=HARMLESS,
        why="An answer came; that a weaker model gave it is for the log, the bill and the evaluation.",
        happens="A gateway routes to a cheaper model under load, without a word.",
        agent_should="Compare the model that answered with the one asked for, record it, and raise an alarm.",
        **often(SEMANTIC, 0.03, harm=2),
    )
)
class ModelDowngrade(Rewrites):
    """A weaker model answers than the one that was asked, and names itself."""

    model: str = "gpt-3.5-turbo-0125"

    def rewrite(self, answer: Answer) -> Answer:
        return replace(answer, model=self.model)
