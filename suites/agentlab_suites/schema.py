"""The JSON schema of suite files, for editors."""

from __future__ import annotations

from typing import Any

from agentlab_faults.catalogue import all_modes
from agentlab_faults.fault import all_faults

from agentlab_suites.model import Suite

__all__ = ["suite_schema"]


def suite_schema() -> dict[str, Any]:
    """The schema, with the names of the modes and faults that are known (globs are allowed beside them)."""
    schema = Suite.model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "agentlab suite"
    for definition in (schema, schema["$defs"]["Scenario"]):
        for key, known in (("modes", all_modes()), ("faults", all_faults())):
            definition["properties"][key]["examples"] = [list(known)]
    return schema
