"""Google's checks of what a request offers and demands: functions, function calling, and the form of the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from agentlab_faults.dialects.gemini.answers import names_calls
from agentlab_faults.dialects.gemini.fields import camel, get, json_schema, objects
from agentlab_faults.dialects.gemini.reading import declarations, parameters_of
from agentlab_faults.dialects.gemini.refused import Refused, invalid, unknown
from agentlab_faults.script.schemas import complaint

__all__ = ["check_config", "check_tools"]

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_BAD_NAME = (
    "Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), "
    "colons (:), or dashes (-), with a maximum length of 128."
)
_MODES = ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED")
_CONFIG = frozenset(
    {
        *(
            "audioTimestamp",
            "audioTranscriptionConfig",
            "candidateCount",
            "enableAffectiveDialog",
            "enableEnhancedCivicAnswers",
            "frequencyPenalty",
            "imageConfig",
        ),
        *("logprobs", "maxOutputTokens", "mediaResolution", "modelSelectionConfig", "presencePenalty", "responseJsonSchema"),
        *("responseFormat", "responseLogprobs", "responseMimeType", "responseModalities", "responseSchema", "routingConfig", "seed"),
        *("speechConfig", "stopSequences", "temperature", "thinkingConfig", "topK", "topP", "translationConfig", "modelConfig"),
    }
)
"""What `generationConfig` takes (`GenerationConfig` of the google-genai SDK, and Vertex)."""
_BOUNDS = {"temperature": (0, 2), "topP": (0, 1), "maxOutputTokens": (1, None), "topK": (0, None), "candidateCount": (1, 8)}
_FRACTIONS = ("temperature", "topP")
_accepted: list[Any] = []
"""The tools that were in order last time: an agent sends the same ones with every request."""


def check_tools(body: Mapping[str, Any]) -> None:
    """Raises Refused with the first complaint about `tools` and `toolConfig`."""
    tools = body.get("tools")
    if tools and tools != _accepted:
        for index, tool in enumerate(objects(tools)):
            for number, function in enumerate(objects(get(tool, "functionDeclarations"))):
                _check_function(function, f"tools[{index}].function_declarations[{number}]", f"tools[{index}]")
        _accepted[:] = tools if isinstance(tools, list) else [tools]
    _check_calling(body)


def _check_function(function: Mapping[str, Any], at: str, field: str) -> None:
    if not _NAME.fullmatch(str(function.get("name") or "")):
        raise invalid(f"{at}.name", _BAD_NAME)
    own = get(function, "parameters")
    if own is not None and get(function, "parametersJsonSchema") is not None:
        raise invalid(at, "only one of parameters and parameters_json_schema may be set.")
    schema = parameters_of(function)
    if own is not None and isinstance(schema, dict) and schema.get("type") == "object" and not schema.get("properties"):
        error = invalid(field, "should be non-empty for OBJECT type").error
        raise Refused(f"* GenerateContentRequest.{at}.parameters.properties: should be non-empty for OBJECT type\n", details=error.details)
    if schema and (wrong := complaint(schema, strict=False)):
        raise invalid(f"{at}.parameters", wrong)


def _check_calling(body: Mapping[str, Any]) -> None:
    config = get(get(body, "toolConfig"), "functionCallingConfig")
    if config is None:
        return
    mode, names = str(get(config, "mode") or "AUTO").upper(), get(config, "allowedFunctionNames") or ()
    if mode not in _MODES:
        raise Refused(f"Invalid value at 'tool_config.function_calling_config.mode' (type.googleapis.com/google.ai.Mode), \"{mode}\"")
    if names and mode not in ("ANY", "VALIDATED"):
        raise Refused("Allowed function names should only be set when the function calling mode is ANY or VALIDATED.")
    offered = {function.get("name") for function in declarations(body)}
    if mode in ("ANY", "VALIDATED") and not offered:
        raise Refused("Function calling config is set without function_declarations.")
    for name in names:
        if name not in offered:
            raise Refused(f"The allowed function name '{name}' is not among the function_declarations.")


def check_config(body: Mapping[str, Any], *, model: str) -> None:
    """Raises Refused with the first complaint about `generationConfig`."""
    config = get(body, "generationConfig")
    if config is None:
        return
    if not isinstance(config, dict):
        raise Refused("Invalid value at 'generation_config' (type.googleapis.com/google.ai.generativelanguage.v1.GenerationConfig)")
    for name in config:
        if camel(name) not in _CONFIG:
            raise unknown(name, "generation_config")
    for name, (low, high) in _BOUNDS.items():
        _check_number(get(config, name), name, low, high)
    _check_form(body, config, model)


def _check_number(value: Any, name: str, low: float, high: float | None) -> None:
    if value is None:
        return
    field = f"generation_config.{name}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(f"Invalid value at '{field}' (TYPE_{'FLOAT' if name in _FRACTIONS else 'INT32'}), \"{value}\"")
    if value < low or (high is not None and value > high):
        raise invalid(field, f"must be in the range [{low:g}, {'inf' if high is None else format(high, 'g')}].")


def _check_form(body: Mapping[str, Any], config: Mapping[str, Any], model: str) -> None:
    as_json = get(config, "responseMimeType") == "application/json"
    own, plain = get(config, "responseSchema"), get(config, "responseJsonSchema")
    if (own is not None or plain is not None) and get(config, "responseMimeType") in (None, "text/plain"):
        raise invalid("generation_config.response_schema", "only allowed when the response_mime_type is application/json.")
    if as_json and declarations(body) and not names_calls(model):
        raise Refused("Function calling with a response mime type: 'application/json' is unsupported")
    schema = plain if plain is not None else json_schema(own)
    if isinstance(schema, dict) and schema.get("type") == "object" and (wrong := complaint(schema, strict=False)):
        raise invalid("generation_config.response_schema", wrong)
