"""One script for the runs of a session: each run is a conversation of its own, with a place of its own in the script."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from agentlab_faults.runs import RUN
from agentlab_faults.script.asked import Asked
from agentlab_faults.script.model import ScriptedModel
from agentlab_faults.script.seam import End
from agentlab_faults.script.spec import ScriptMissing, ScriptSpec, Serving

__all__ = ["SessionModel"]


class SessionModel(ScriptedModel):
    """A scripted model for each run, told apart by the context. Call ids differ among all of them."""

    def __init__(self, specs: Sequence[ScriptSpec], prompts: Sequence[str] = (), *, seamed: Collection[str] = ()) -> None:
        super().__init__(specs, prompts, seamed=seamed)
        self._specs, self._texts, self._seamed = tuple(specs), tuple(prompts), frozenset(seamed)
        self._models: dict[int, ScriptedModel] = {}
        self._executed: dict[str, tuple[ScriptedModel, str]] = {}
        self._started = 0

    def _here(self) -> ScriptedModel:
        """The model of the run under way. Raises ScriptMissing outside of one."""
        number = RUN.get()
        if not number:
            raise ScriptMissing(
                "The agent asked its model outside of any run of the session (from a task or thread that is older than the run), so nobody "
                "can tell whose turn it is; call the model in the task of the run."
            )
        if number not in self._models:
            self._models[number] = ScriptedModel(self._specs, self._texts, seamed=self._seamed)
        return self._models[number]

    def prompted(self, number: int) -> None:
        """As `ScriptedModel` does, in the run."""
        self._here().prompted(number)

    def serve(self, asked: Asked) -> Serving:
        """As `ScriptedModel` does, in the run."""
        serving = self._here().serve_as(asked, self._serial)
        self._serial += 1
        return serving

    def named(self, asked: Asked) -> Asked:
        """As `ScriptedModel` does, in the run."""
        return self._here().named(asked)

    def tool_started(self, name: str, arguments: Mapping[str, Any], call_id: str | None = None) -> str:
        """As `ScriptedModel` does, in the run."""
        model = self._here()
        self._started += 1
        execution = f"{RUN.get()}.{self._started}"
        self._executed[execution] = (model, model.tool_started(name, arguments, call_id))
        return execution

    def called(self, call_id: str | None) -> str | None:
        """As `ScriptedModel` does, in any run."""
        return next((tool for model in self._models.values() if (tool := model.called(call_id))), None)

    def tool_ended(self, execution: str, end: End, value: Any = None) -> None:
        """As `ScriptedModel` does, in the execution's run."""
        model, known = self._executed.pop(execution)
        model.tool_ended(known, end, value)

    def spoiled(self, ids: Iterable[str]) -> None:
        """As `ScriptedModel` does, in the run."""
        self._here().spoiled(ids)
