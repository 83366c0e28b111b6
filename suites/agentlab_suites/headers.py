"""The header of a suite's results: what was run, with what, and what discovery found."""

from __future__ import annotations

import inspect
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from importlib import metadata
from pathlib import Path

from agentlab_faults.catalogue import all_modes
from agentlab_faults.fault import Fault, all_faults
from agentlab_reports.schema import Control, FaultInfo, Fingerprint, GateSettings, Header, Pair, ScenarioInfo, Waiver
from agentlab_reports.score import weights_hash
from pydantic import JsonValue

from agentlab_suites.cell import schedule_weight
from agentlab_suites.masking import Masker
from agentlab_suites.plan import Discovered, PlannedCell, Prepared, Shapes

__all__ = ["fault_info", "header_of", "waived"]

_LIBRARIES = ("agentlab-chaos", "greenlet", "httpx", "httpx2", "openai", "pydantic")


def header_of(
    prepared: Prepared,
    discovered: Sequence[Discovered],
    cells: Sequence[PlannedCell],
    waivers: Sequence[Waiver],
    root: Path,
    mask: Callable[[str], str] | None = None,
    *,
    shapes: Shapes = "all",
    left_out: int = 0,
) -> Header:
    """The header. `root` is the folder that the suite's path is told from; `mask` takes secrets out (default: the environment's).

    `left_out` is how many cells the choice of `shapes` leaves out.
    """
    mask = mask or Masker()
    loaded, suite = prepared.loaded, prepared.loaded.suite
    schedules = {cell.schedule.name: cell.schedule for cell in cells if cell.schedule.injections}
    faults = _fault_infos({injection.fault.row.id for s in schedules.values() if not s.mode for injection in s.injections})
    faults |= _mode_infos({s.mode: schedule_weight(s) for s in schedules.values() if s.mode})
    scenarios = [
        ScenarioInfo(
            name=scene.name,
            weight=scene.scenario.weight,
            prompt=mask("\n".join(scene.scenario.prompts))[:2_000],
            line=loaded.line("scenarios", scene.name),
        )
        for scene in prepared.scenes
    ]
    return Header(
        suite=loaded.name,
        path=_relative(loaded.path, root),
        suite_hash=loaded.digest,
        agent=mask(prepared.agent.name),
        seed=prepared.seed,
        shapes=shapes,
        left_out=left_out,
        weights_hash=weights_hash(scenarios, faults.values()),
        python=platform.python_version(),
        versions={name: version for name in _LIBRARIES if (version := _version(name))},
        fingerprint=_fingerprint(discovered),
        scenarios=scenarios,
        faults=faults,
        pairs=_pairs(cells),
        layers=list(suite.layers),
        gate=GateSettings(**suite.gate.model_dump()),
        control=Control(passed=sum(not found.failure for found in discovered), total=len(discovered)),
        waivers=list(waivers),
        planned=sum(waived(cell, waivers) is None for cell in cells),
        discovery_errors={found.scenario: mask(found.failure) for found in discovered if found.failure},
        extra=_extra(prepared),
    )


def _extra(prepared: Prepared) -> dict[str, JsonValue]:
    fixed = os.environ.get("AGENTLAB_HASH_SEED")
    told = {"hash_seed": fixed, "time": "real" if prepared.agent.outside is not None else None}
    return {name: value for name, value in told.items() if value}


def waived(cell: PlannedCell, waivers: Iterable[Waiver]) -> Waiver | None:
    """The waiver that takes the cell out, if one does."""
    struck = {cell.schedule.mode} if cell.schedule.mode else {injection.fault.row.id for injection in cell.schedule.injections}
    return next((waiver for waiver in waivers if waiver.scenario == cell.scene.name and waiver.fault in struck), None)


def _relative(path: Path, root: Path) -> str:
    resolved = path.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else resolved.name


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _fingerprint(discovered: Sequence[Discovered]) -> Fingerprint:
    return Fingerprint(
        models=list(dict.fromkeys(model for found in discovered for model in found.models)),
        system_prompt=",".join(dict.fromkeys(prompt for found in discovered for prompt in found.system_prompts)),
        tools={name: sha for found in discovered for name, sha in sorted(found.tool_schemas.items())},
    )


def _pairs(cells: Sequence[PlannedCell]) -> list[Pair]:
    """Each applicable (point, fault) once, whatever its shapes and events; a mode has no point."""
    pairs: dict[tuple[str, str, str], Pair] = {}
    for cell in cells:
        for injection in cell.schedule.injections:
            point = "" if cell.schedule.mode else injection.call or ""
            name = cell.schedule.mode or injection.fault.row.id
            weight = cell.scene.scenario.weight * schedule_weight(cell.schedule)
            pairs[cell.scene.name, point, name] = Pair(scenario=cell.scene.name, point=point, fault=name, weight=weight)
    return list(pairs.values())


def _fault_infos(ids: set[str]) -> dict[str, FaultInfo]:
    return {name: fault_info(fault) for name, fault in all_faults().items() if name in ids}


def fault_info(fault: type[Fault]) -> FaultInfo:
    """A fault's row as results keep it."""
    row = fault.row
    return FaultInfo(
        id=row.id,
        boundary=row.boundary,
        family=row.family,
        category=row.category,
        simulates=_sentence(fault.__doc__),
        happens=row.happens,
        agent_should=row.agent_should,
        rate=row.rate.share,
        source=row.rate.source,
        weight=row.weight,
    )


def _mode_infos(weights: dict[str, float]) -> dict[str, FaultInfo]:
    return {
        name: FaultInfo(
            id=name,
            boundary="mode",
            family="mode",
            category="none",
            simulates=mode.summary,
            happens=mode.happens,
            agent_should="; ".join(dict.fromkeys(injection.fault.row.agent_should.rstrip(".") for injection in mode.injections)),
            rate=0.0,
            source="",
            weight=weights[name],
        )
        for name, mode in all_modes().items()
        if name in weights
    }


def _sentence(doc: str | None) -> str:
    return " ".join(inspect.cleandoc(doc or "").split())
