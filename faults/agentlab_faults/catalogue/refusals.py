"""Faults of the boundary provider-http that refuse the request: the same one to the same provider must not be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from agentlab_faults.catalogue.apis import GENERATES, OPENAI_WIDE
from agentlab_faults.catalogue.errors import Answers, Words
from agentlab_faults.catalogue.rates import REFUSED, STAYS, often
from agentlab_faults.catalogue.wire import Json
from agentlab_faults.dialects.gemini.refused import invalid
from agentlab_faults.fault import Best, Row, Shape, register

__all__ = ["BodyTooLarge", "ContextTooLong", "ModelGone", "OrphanToolCall", "PromptFiltered", "ToolSchemaRefused", "Unprocessable"]

OWN_FAULT: Mapping[Shape, Best] = {"once": "needs_fallback", "always": "fatal"}
"""The request itself is refused: once by one provider, or each time by whoever gets it."""
AZURE_FILTER: Json = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": {"hate": {"filtered": False, "severity": "safe"}, "jailbreak": {"filtered": True, "detected": True}},
}
"""Azure's `innererror`: the filters, and which of them refused."""


@register(
    Row(
        id="http_400_context_length",
        boundary="provider-http",
        family="context",
        category="context",
        scope="model",
        best=STAYS,
        why="Dropping history helps where there is some, but at the first call nothing can go, and then only a larger model answers.",
        happens="Tool results or a long conversation fill the model's window.",
        agent_should="Drop or compact the oldest tool results and send a smaller request, once or twice; never the same one again.",
        **often(REFUSED, 0.25, harm=2),
    )
)
class ContextTooLong(Answers):
    """The provider refuses the request because it is longer than the model's window."""

    status: int = 400
    message: str = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 131072 tokens. "
        "Please reduce the length of the messages."
    )
    kind: str | None = "invalid_request_error"
    code: str | int | None = "context_length_exceeded"
    param: str | None = "messages"
    words: ClassVar[Mapping[str, Words]] = {
        "openai.responses": Words(
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            kind="invalid_request_error",
            code="context_length_exceeded",
            param="input",
        ),
        "anthropic": Words("prompt is too long: 215000 tokens > 200000 maximum"),
        "gemini": Words("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    }


@register(
    Row(
        id="http_400_tool_schema",
        boundary="provider-http",
        family="invalid request",
        category="permanent",
        scope="model",
        best=STAYS,
        why="The schema will not get better by asking again; another provider may be less strict.",
        happens="A tool's schema changed, or the provider began to check schemas more strictly.",
        agent_should="Not retry; leave the refused tool out if the task allows it, or ask another model, and tell the developer.",
        answer="tool_calls",
        apis=GENERATES,
        **often(REFUSED, 0.06, harm=2),
    )
)
class ToolSchemaRefused(Answers):
    """The provider refuses the schema of a tool before it generates anything."""

    status: int = 400
    message: str = (
        "Invalid schema for function '{tool}': In context=(), 'required' is required to be supplied and to be an array "
        "including every key in properties."
    )
    kind: str | None = "invalid_request_error"
    code: str | int | None = "invalid_function_parameters"
    param: str | None = "tools[0].function.parameters"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12"),
        "gemini": Words(
            "* GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be non-empty for OBJECT type\n"
        ),
    }

    def details(self, model: str) -> tuple[Json, ...]:
        del model  # the tool is bad for all
        return invalid("tools[0]", "should be non-empty for OBJECT type").error.details


@register(
    Row(
        id="http_400_orphan_tool_call",
        boundary="provider-http",
        family="invalid request",
        category="permanent",
        scope="call",
        best=OWN_FAULT,
        why="The same history is refused again; one provider may overlook what another minds, and what all refuse can only be admitted.",
        happens="A process dies between the model's call and the tool's result, and the history is stored without the result.",
        agent_should="Put an error result in for each call without one, and send the repaired history once; a plain retry loops for ever.",
        apis=GENERATES,
        **often(REFUSED, 0.005, harm=2),
    )
)
class OrphanToolCall(Answers):
    """The provider refuses a history because a tool call in it has no result."""

    status: int = 400
    message: str = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        "The following tool_call_ids did not have response messages: call_lost"
    )
    kind: str | None = "invalid_request_error"
    param: str | None = "messages.[1].role"
    words: ClassVar[Mapping[str, Words]] = {
        "openai.responses": Words("No tool output found for function call call_lost.", kind="invalid_request_error", param="input"),
        "anthropic": Words(
            "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_lost. Each `tool_use` block must "
            "have a corresponding `tool_result` block in the next message."
        ),
        "gemini": Words(
            "Please ensure that the number of function response parts is equal to the number of function call parts of the function call "
            "turn."
        ),
    }


@register(
    Row(
        id="http_400_content_filter",
        boundary="provider-http",
        family="content filter",
        category="content_filter",
        scope="model",
        best=STAYS,
        why="The filter will say the same again; another provider has another filter.",
        happens="A safety filter mistakes an order number or a customer's angry words for something else.",
        agent_should="Never retry the same prompt; ask another provider if policy allows, else tell the user.",
        apis=OPENAI_WIDE,
        **often(REFUSED, 0.08, harm=2),
    )
)
class PromptFiltered(Answers):
    """The provider's safety system refuses the prompt; with `code="content_filter"` in Azure's form, which tells the filters."""

    status: int = 400
    message: str = "Your request was rejected as a result of our safety system."
    kind: str | None = "invalid_request_error"
    code: str | int | None = "content_policy_violation"

    def payload(self, message: str) -> Json:
        body = super().payload(message)
        if self.code == "content_filter":
            body["error"] |= {"status": self.status, "innererror": AZURE_FILTER}
        return body


@register(
    Row(
        id="http_404_model_gone",
        boundary="provider-http",
        family="invalid request",
        category="permanent",
        scope="model",
        best=STAYS,
        why="A retired model does not come back; its successor answers.",
        happens="A model is retired on its announced date, or a deployment's name is changed.",
        agent_should="Never retry; switch to the configured successor and page someone.",
        **often(REFUSED, 0.05, harm=2),
    )
)
class ModelGone(Answers):
    """The provider answers 404 because it has no such model any more."""

    status: int = 404
    message: str = "The model `{model}` has been deprecated or you do not have access to it."
    kind: str | None = "invalid_request_error"
    code: str | int | None = "model_not_found"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("model: {model}"),
        "gemini": Words("models/{model} is not found for API version v1, or is not supported for generateContent."),
    }


@register(
    Row(
        id="http_413",
        boundary="provider-http",
        family="context",
        category="context",
        scope="call",
        best=OWN_FAULT,
        why="This body is too large for whoever gets it; a smaller one passes, but at the first call nothing can be dropped.",
        happens="An attachment or a tool result of many megabytes goes back to the model.",
        agent_should="Drop attachments and old tool results, send a smaller request once, and say what was left out.",
        **often(REFUSED, 0.02, harm=2),
    )
)
class BodyTooLarge(Answers):
    """The provider's edge refuses the request because its body is too large."""

    status: int = 413
    message: str = "Request too large."
    kind: str | None = "invalid_request_error"
    code: str | int | None = "request_too_large"
    words: ClassVar[Mapping[str, Words]] = {
        "anthropic": Words("Request exceeds the maximum size"),
        "gemini": Words("Request payload size exceeds the limit: 20971520 bytes."),
    }


@register(
    Row(
        id="http_422",
        boundary="provider-http",
        family="invalid request",
        category="permanent",
        scope="call",
        best=OWN_FAULT,
        why="One strict gateway may refuse what another takes; what everyone refuses can only be admitted.",
        happens="A compatible gateway checks the request against its own, older schema.",
        agent_should="Never retry the same request at the same host; try the fallback once, then say so.",
        **often(REFUSED, 0.05, harm=2),
    )
)
class Unprocessable(Answers):
    """The provider answers 422 because it cannot take the request as it is."""

    status: int = 422
    message: str = "Unprocessable entity."
    kind: str | None = "invalid_request_error"
