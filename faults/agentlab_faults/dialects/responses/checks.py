"""The checks of a Responses request: what must be there, unknown parameters, then each value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.chat.history import check_name
from agentlab_faults.dialects.chat.refused import Refused, below_minimum, check_known, invalid_type, member, missing, optional, unsupported
from agentlab_faults.dialects.responses.items import check_input
from agentlab_faults.dialects.responses.offers import check_tool_choice, check_tools
from agentlab_faults.dialects.responses.recalling import Continued, items_of
from agentlab_faults.script.schemas import complaint
from agentlab_faults.script.spec import ScriptMissing

__all__ = ["check", "check_scripted"]

_PARAMETERS = frozenset(
    {
        *("access_programs", "background", "background_options", "context_management", "conversation", "image", "include", "input"),
        *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "moderation", "parallel_tool_calls"),
        *("previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning"),
        *("safety_identifier", "service_tier", "store", "stream", "stream_options", "temperature", "text", "tool_choice", "tools"),
        *("top_logprobs", "top_p", "truncation", "user"),
    }
)
"""What the endpoint takes (`ResponseCreateParams` of the openai SDK)."""
_INTEGERS = {"max_output_tokens": 16, "max_tool_calls": 1, "top_logprobs": 0}
"""Parameters to their smallest values."""
_DECIMALS = {"temperature": (0, 2), "top_p": (0, 1)}
_KINDS: Mapping[type, tuple[str, ...]] = {
    bool: ("parallel_tool_calls", "stream", "store", "background"),
    str: ("instructions", "previous_response_id", "user", "service_tier", "truncation", "prompt_cache_key", "safety_identifier"),
    dict: ("metadata", "reasoning", "text", "stream_options"),
}
_FORMATS = ("json_object", "json_schema", "text")


def check(body: Mapping[str, Any], *, deployed: bool = False, compatible: bool = False) -> None:
    """Raises Refused with the provider's first complaint about the request's body."""
    del deployed  # a deployment is named in the body here, as the model
    if not body.get("model"):
        raise missing("model")
    optional(body, "model", "model", str)
    check_known(body, _PARAMETERS, compatible=compatible)
    for kind, names in _KINDS.items():
        for name in names:
            optional(body, name, name, kind)
    _check_numbers(body)
    _check_earlier(body)
    check_input(body)
    check_tools(body)
    check_tool_choice(body)
    _check_form(body)


def _check_numbers(body: Mapping[str, Any]) -> None:
    for name, least in _INTEGERS.items():
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise invalid_type(name, "an integer", value)
        if value is not None and value < least:
            raise below_minimum(name, least, value)
    for name, (low, high) in _DECIMALS.items():
        value = body.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise invalid_type(name, "a decimal", value)
        if value is not None and not low <= value <= high:
            word, sign, bound = ("above maximum", "<=", high) if value > high else ("below minimum", ">=", low)
            code = f"decimal_{'above_max' if value > high else 'below_min'}_value"
            text = f"Invalid '{name}': decimal {word} value. Expected a value {sign} {bound}, but got {value} instead."
            raise Refused(text, param=name, code=code)


def _check_earlier(body: Mapping[str, Any]) -> None:
    previous = body.get("previous_response_id")
    if previous is not None and body.get("conversation") is not None:
        text = "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them."
        raise Refused(text, code="mutually_exclusive_parameters")
    if previous is not None and not isinstance(body, Continued):
        text = f"Previous response with id '{previous}' not found."
        raise Refused(text, param="previous_response_id", code="previous_response_not_found")


def _check_form(body: Mapping[str, Any]) -> None:
    form = (body.get("text") or {}).get("format")
    if form is None:
        return
    at = "text.format"
    if not isinstance(form, dict):
        raise invalid_type(at, "an object", form)
    kind = member(form, "type", f"{at}.type", str)
    if kind not in _FORMATS:
        raise unsupported(f"{at}.type", kind, _FORMATS)
    if kind == "json_object" and "json" not in json.dumps(items_of(body), default=str).lower():
        text = "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'."
        raise Refused(text, param="input")
    if kind == "json_schema":
        check_name(member(form, "name", f"{at}.name", str), f"{at}.name")
        schema = member(form, "schema", f"{at}.schema", dict)
        optional(form, "strict", f"{at}.strict", bool)
        if wrong := complaint(schema, strict=form.get("strict") is True):
            raise Refused(f"Invalid schema for response_format '{form['name']}': {wrong}", param=f"{at}.schema", code="invalid_json_schema")


def check_scripted(body: Mapping[str, Any]) -> None:
    """Raises ScriptMissing for what the provider accepts and a script cannot answer yet."""
    for name in ("background", "prompt"):
        if body.get(name):
            raise ScriptMissing(f"The agent sent `{name}`, which is not scripted; send `input` and wait for the answer.")
