"""`agentlab run`: the reference agent once, in virtual time, with a scripted model."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Annotated

import typer

from agentlab.commands import watching
from agentlab.commands.console import DONT_SHIP, SHIP, CommandError, fix_hash_seed, nearest, print_json, stdout
from agentlab.commands.suites import find_suite

if TYPE_CHECKING:
    from agentlab_faults import Played, Schedule
    from agentlab_suites.plan import Prepared
    from agentlab_suites.scene import Scene

__all__ = ["run"]

SUITE = "customer_support"
EMPTY = '""'


def run(
    prompt: Annotated[str | None, typer.Argument(metavar="PROMPT", help="What the user says.")] = None,
    scenario: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose script the model follows; without it, the nearest prompt's.")
    ] = None,
    fault: Annotated[str | None, typer.Option(metavar="ID", help="A fault or mode to inject; a fault needs --at.")] = None,
    at: Annotated[str | None, typer.Option(metavar="POINT", help="Where: openai.chat.1, tool.refund.1 ...")] = None,
    shape: Annotated[str, typer.Option(metavar="SHAPE", help="once, x3 or always.")] = "once",
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of every random choice.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print what agentlab.Settings.load() gives here, secrets hidden, and run nothing.")
    ] = False,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="The settings file for --show-config.")] = None,
) -> int:
    """Run the reference agent once and show every step with its virtual time. The model is scripted: no key, no network, no real tool.

    \b
    Examples:
      agentlab run "Refund order 5512, it arrived broken."
      agentlab run "Refund order 5512." --fault http_503 --at openai.chat.1 --shape always
      agentlab run "What is your return policy?" --fault all-providers-outage
      agentlab run --show-config --config agentlab.toml

    \b
    Exit codes: 0 the agent answered, 1 it raised or did not come to an end, 2 wrong usage or input.
    """
    if show_config or config:
        return _show_config(config, as_json=as_json)
    if prompt is None or not prompt.strip():
        raise CommandError("Say what the user says: agentlab run PROMPT. See `agentlab run --help`.")
    fix_hash_seed()
    prepared = watching.ready(find_suite(SUITE), None, seed)
    try:
        scene = _chosen(prepared, scenario, prompt)
        schedule = _wanted(prepared, scene, fault, at, shape)
        played = _play_once(prepared, scene, prompt, schedule)
    finally:
        prepared.undo()
    if as_json:
        print_json(_plain(played))
    else:
        _show(scene, played)
    return SHIP if played.ending == "returned" else DONT_SHIP


def _show_config(path: str | None, *, as_json: bool) -> int:
    """Every setting, its value, and where that stands."""
    from agentlab.errors import SettingsError
    from agentlab.settings import Settings

    try:
        shown = Settings.explained(path)
    except SettingsError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json([{"field": field, "value": value, "from": place} for field, value, place in shown])
        return SHIP
    width = max(len(field) for field, _, _ in shown)
    for field, value, place in shown:
        stdout().print(f"{field:{width}}  {value or EMPTY}{f'  ({place})' if place else ''}", markup=False, highlight=False, soft_wrap=True)
    return SHIP


def _chosen(prepared: Prepared, name: str | None, prompt: str) -> Scene:
    """The scenario of that name, else the one whose prompt is most like `prompt`. Raises CommandError for an unknown name.

    Sessions are left out: they are many runs.
    """
    scenes = {scene.name: scene for scene in prepared.scenes if scene.scenario.session is None}
    if name is None:
        return max(scenes.values(), key=lambda scene: difflib.SequenceMatcher(None, scene.setup.prompts[0].lower(), prompt.lower()).ratio())
    if name not in scenes:
        raise CommandError(f"{SUITE} has no scenario {name!r} of a single run.{nearest(name, scenes)} There are: {', '.join(scenes)}.")
    return scenes[name]


def _wanted(prepared: Prepared, scene: Scene, fault: str | None, at: str | None, shape: str) -> Schedule:
    """The schedule that the options ask for. Raises CommandError for what does not exist or does not fit the scenario."""
    from agentlab_faults.catalogue import all_modes, mode_schedule, schedule_name
    from agentlab_faults.fault import all_faults
    from agentlab_faults.schedule import FAULT_FREE
    from agentlab_suites.plan import cells_of, discover

    if fault is None:
        return FAULT_FREE
    if fault in all_modes():
        return mode_schedule(fault)
    if fault not in all_faults():
        raise CommandError(f"No fault or mode is named {fault!r}.{nearest(fault, [*all_faults(), *all_modes()])}")
    wanted = f"{at}-{fault}" if ".chunk." in (at or "") else fault
    cells = {cell.schedule.name: cell for cell in cells_of(prepared, discover(prepared), [wanted]) if cell.scene.name == scene.name}
    name = schedule_name(at or "", fault, shape)  # type: ignore[arg-type]  # an unknown shape names no cell, which is refused below
    if name not in cells:
        wrong = f"Here {fault} cannot strike {shape} at {at}" if at else f"Say where {fault} strikes, with --at POINT"
        raise CommandError(f"{wrong}; it can as: {', '.join(filter(None, cells)) or 'nothing'}.")
    return cells[name].schedule


def _play_once(prepared: Prepared, scene: Scene, prompt: str, schedule: Schedule) -> Played:
    """The agent's run on `prompt`, in the scenario's world."""
    from agentlab_faults import play
    from agentlab_suites.agents import conversation

    prompts = (prompt, *scene.setup.prompts[1:])
    return play(conversation(prepared.agent, prompts), dataclasses.replace(scene.setup, prompts=prompts), schedule, seed=prepared.seed)


def _show(scene: Scene, played: Played) -> None:
    """The run, step by step, and the reply."""
    from agentlab_suites.masking import Masker
    from agentlab_suites.replies import read_reply
    from agentlab_suites.timeline import timeline

    mask = Masker()
    console = stdout()
    replies = [read_reply(reply) for reply in played.replies]
    console.print(f"scenario {scene.name}, scripted model", style="dim", markup=False)
    watching.print_timeline(timeline(played.journal, [reply.text for reply in replies], played.seconds, mask))
    for reply in replies:
        console.print(mask(reply.text), style="bold", markup=False)
        console.print(f"answered by {reply.answered_by}, status {reply.status or 'not given'}", style="dim", markup=False)
    if played.ending != "returned":
        error = f"{type(played.error).__name__}: {played.error}" if played.error else played.detail
        console.print(f"the run ended otherwise ({played.ending}): {mask(error)}", style="red", markup=False)


def _plain(played: Played) -> dict[str, object]:
    """The run as plain data."""
    from agentlab_suites.masking import Masker
    from agentlab_suites.replies import read_reply

    mask = Masker()
    return {
        "ending": played.ending,
        "replies": [{"text": mask(reply.text), "answered_by": reply.answered_by} for reply in map(read_reply, played.replies)],
        "error": mask(f"{type(played.error).__name__}: {played.error}") if played.error else "",
        "requests": played.requests,
        "tokens": played.tokens,
        "virtual_seconds": round(played.seconds, 6),
        "commits": [{"tool": commit.tool, "at": round(commit.seconds, 6)} for commit in played.ledger.commits],
    }
