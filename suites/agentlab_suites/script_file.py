"""A script on its own: the model's side of one conversation, in the words of a suite's scenario, for a server that plays it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Annotated

from agentlab_faults.dialects.limits import Limits
from agentlab_faults.script import ScriptSpec
from agentlab_faults.script.spec import SAY_FAILED
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentlab_suites import wording
from agentlab_suites.model import LimitsKeys, Turn
from agentlab_suites.nodes import Node, line_of, parse
from agentlab_suites.problems import BadSuite, nearest
from agentlab_suites.scene import step_of
from agentlab_suites.units import Duration, Pattern

__all__ = ["ScriptFile", "load_script"]


class ScriptFile(BaseModel):
    """The keys of a script file; they mean what they mean in a scenario."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    script: Annotated[tuple[Turn, ...], Field(min_length=1)]
    say_failed: str = SAY_FAILED
    say_without: dict[str, str] = {}
    failed_when: Pattern | None = None
    latency: Duration | None = None
    """Real seconds that each answer takes; without it none."""
    limits: LimitsKeys = LimitsKeys()
    """What the server enforces, in real time."""


def load_script(path: Path | str) -> tuple[ScriptSpec, Limits]:
    """Read a script file: the script, and what is enforced. Raises BadSuite with the file, the line and what to do."""
    path = Path(path)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):  # reading a named pipe would wait for ever
        raise BadSuite(path, 1, "This is no ordinary file; name a script file.")
    node = parse(path)
    try:
        read = ScriptFile.model_validate(node.plain())
    except ValidationError as error:
        raise _bad(path, node, error) from None
    if not read.script[-1].ends:
        raise BadSuite(
            path, line_of(node, ("script", len(read.script) - 1)), "The script ends with a call or a plan; end it with '- say: ...'."
        )
    spec = ScriptSpec(
        turns=tuple(step_of(turn) for turn in read.script),
        say_failed=read.say_failed,
        say_without=dict(read.say_without),
        failed_when=read.failed_when,
        latency=read.latency or 0.0,
    )
    return spec, Limits(**read.limits.model_dump())


def _bad(path: Path, node: Node, error: ValidationError) -> BadSuite:
    errors = error.errors(include_url=False)
    strange = next((one["loc"][0] for one in errors if one["type"] == "extra_forbidden" and len(one["loc"]) == 1), None)
    if strange is not None:
        sentence = f"{str(strange)!r} is not a key of a script file{nearest(str(strange), ScriptFile.model_fields)}"
        return BadSuite(path, line_of(node, (strange,)), sentence)
    trail, sentence = wording.first(errors)
    return BadSuite(path, line_of(node, trail), sentence.replace("The suite", "The script file", 1))
