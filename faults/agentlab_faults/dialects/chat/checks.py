"""The checks of a chat completion request, in the provider's order: what must be there, unknown parameters, then each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.chat.history import check_messages
from agentlab_faults.dialects.chat.offers import check_response_format, check_tool_choice, check_tools
from agentlab_faults.dialects.chat.refused import Refused, below_minimum, check_known, invalid_type, missing, optional

__all__ = ["check"]

_PARAMETERS = frozenset(
    {
        *("audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens", "max_tokens"),
        *("messages", "metadata", "modalities", "model", "moderation", "n", "parallel_tool_calls", "prediction", "presence_penalty"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "response_format"),
        *("safety_identifier", "seed", "service_tier", "stop", "store", "stream", "stream_options", "temperature", "tool_choice"),
        *("tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options"),
    }
)
"""What the endpoint takes (`CompletionCreateParams` of the openai SDK)."""
_INTEGERS = ("max_completion_tokens", "max_tokens", "n")
_DECIMALS = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_KINDS: Mapping[type, tuple[str, ...]] = {
    bool: ("parallel_tool_calls", "logprobs", "stream", "store"),
    str: ("user", "service_tier", "reasoning_effort", "verbosity", "prompt_cache_key", "safety_identifier"),
    dict: ("metadata", "logit_bias", "stream_options", "prediction", "web_search_options"),
}


def check(body: Mapping[str, Any], *, deployed: bool = False, compatible: bool = False) -> None:
    """Raises Refused with the provider's first complaint about the request's body (`Checking`)."""
    if not body.get("model") and not deployed:
        raise Refused("you must provide a model parameter")
    optional(body, "model", "model", str)
    if "messages" not in body:
        raise missing("messages")
    check_known(body, _PARAMETERS, compatible=compatible)
    check_messages(body["messages"])
    check_tools(body)
    check_tool_choice(body)
    _check_numbers(body)
    for kind, names in _KINDS.items():
        for name in names:
            optional(body, name, name, kind)
    check_response_format(body)


def _check_numbers(body: Mapping[str, Any]) -> None:
    for name in _INTEGERS:
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise invalid_type(name, "an integer", value)
        if value is not None and value < 1:
            raise below_minimum(name, 1, value)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.", code="invalid_parameter_combination"
        )
    for name, (low, high) in _DECIMALS.items():
        value = body.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid_type(name, "a decimal", value)
        if not low <= value <= high:
            raise _outside(name, value, low, high)


def _outside(name: str, value: float, low: int, high: int) -> Refused:
    over = value > high
    side, sign, bound = ("above maximum", "<=", high) if over else ("below minimum", ">=", low)
    code = "decimal_above_max_value" if over else "decimal_below_min_value"
    return Refused(
        f"Invalid '{name}': decimal {side} value. Expected a value {sign} {bound}, but got {value} instead.", param=name, code=code
    )
