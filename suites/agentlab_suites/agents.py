"""The agent under test: found by its name, built afresh for every cell, called turn by turn.

A name is `module:attribute` or `path/to/file.py:attribute`. The attribute is a factory without required arguments (sync or async), an agent
(accepts one positional argument), or an object of a framework that is itself an agent (`agentlab_suites.frameworks`). Or it names an agent
outside this process (`agentlab_suites.outside_agents`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

from agentlab_faults.outside import Outside
from agentlab_faults.placeholders import missing_keys, placeholder_keys
from agentlab_faults.played import Conversation, Talk

from agentlab_suites import frameworks
from agentlab_suites.model import OutsideKeys
from agentlab_suites.outside_agents import is_outside, name_of, outside_of
from agentlab_suites.problems import BadAgent, nearest

__all__ = ["Agent", "asking", "conversation", "load_agent", "required_arguments", "wants_history", "whole"]


_with_history: dict[Any, bool] = {}


@dataclass(frozen=True, slots=True)
class Agent:
    """What a name led to. `module` is where it was found, and where its bare tools are looked for."""

    name: str
    module: ModuleType | None
    target: Any
    is_factory: bool
    outside: Outside | None = None
    """Where it runs outside this process; there is no target then."""

    @classmethod
    def of(cls, target: Any, name: str = "") -> Agent:
        """An agent or factory that is at hand already. Raises BadAgent if it is neither."""
        shown = name or getattr(target, "__qualname__", type(target).__name__)
        if frameworks.caller_of(target) is not None:
            return cls(shown, None, target, is_factory=False)
        if not callable(target):
            raise BadAgent(f"{shown!r} is {type(target).__name__}, not an agent; name a factory or a callable that takes the prompt.")
        if not any(_can_be_called(target, *given, **named) for given, named in _CALLS):
            raise BadAgent(f"{shown!r} can be called neither with a prompt nor with nothing; name an agent or a factory of one.")
        module = sys.modules.get(getattr(target, "__module__", ""))
        return cls(shown, module, target, is_factory=required_arguments(target) == 0)

    def instance(self, talk: Talk) -> Any:
        """The agent for one conversation."""
        return talk.settle(self.target()) if self.is_factory else self.target


_CALLS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = ((("prompt",), {}), (("prompt",), {"history": []}), ((), {}))
"""How an agent is called, one with a history, and a factory."""


def _can_be_called(target: Callable[..., Any], *given: Any, **named: Any) -> bool:
    """Whether its signature takes these arguments; True if it has none that can be known."""
    try:
        inspect.signature(target).bind(*given, **named)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def required_arguments(target: Callable[..., Any]) -> int:
    """How many positional arguments a call must give; 1 if that cannot be known."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.default is inspect.Parameter.empty and p.kind in positional for p in parameters)


def conversation(agent: Agent, prompts: Sequence[str], take: Callable[[Any], Any] = lambda value: value) -> Conversation:
    """Builds the agent and plays every prompt through it. `take` is what to make of an answer while the agent can still be asked."""

    def play(talk: Talk) -> None:
        ask = asking(agent.instance(talk), agent.name)
        for prompt in prompts:
            talk.turn(prompt)
            talk.reply(take(_whole(talk, talk.settle(ask(prompt)))))

    return play


def _whole(talk: Talk, value: Any) -> Any:
    """An answer that the agent yields piece by piece, in one piece: its texts joined, else its last piece."""
    return talk.settle(whole(value)) if inspect.isasyncgen(value) or inspect.isgenerator(value) else value


async def whole(value: Any) -> Any:
    """As it is, or joined where the agent yields it: its texts, else its last piece."""
    if inspect.isasyncgen(value):
        pieces = await _collected(value)
    elif inspect.isgenerator(value):
        pieces = list(value)
    else:
        return value
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if len(texts) == len(pieces) else pieces[-1]


async def _collected(pieces: AsyncIterator[Any]) -> list[Any]:
    return [piece async for piece in pieces]


def asking(instance: Any, name: str) -> Callable[[str], Any]:
    """How to hand one prompt to the agent; its history goes along if it asks for one."""
    framework = frameworks.caller_of(instance)
    if framework is not None:
        return framework
    if not callable(instance):
        raise BadAgent(f"{name!r} gave {type(instance).__name__}, not an agent; return a callable that takes the prompt.")
    return frameworks.WithHistory(instance) if wants_history(instance) else instance


def wants_history(instance: Any) -> bool:
    """Whether the agent's signature has `history`. Looked up once for each code or class: every cell has an own instance."""
    kind = type(instance)
    key = instance.__code__ if kind is FunctionType else kind
    if kind in (MethodType, functools.partial) or hasattr(instance, "__wrapped__") or hasattr(instance, "__signature__"):
        return _has_history(instance)
    if key not in _with_history:
        _with_history[key] = _has_history(instance)
    return _with_history[key]


def _has_history(instance: Any) -> bool:
    try:
        return "history" in inspect.signature(instance).parameters
    except (TypeError, ValueError):
        return False


def load_agent(name: str | OutsideKeys, *, folder: Path | None = None, suite_folder: Path | None = None, trusted: bool = True) -> Agent:
    """Find an agent by its name; files are looked for below `folder` (default: the current one), then the suite's.

    `trusted` names come from the command line; those in a suite must not leave these folders, nor name what is Python's own. Raises
    BadAgent with the nearest right name, or with what importing it raised.
    """
    bases = [base.resolve() for base in (folder or Path.cwd(), suite_folder) if base is not None]
    if isinstance(name, OutsideKeys) or is_outside(name):
        shown = name_of(name) if isinstance(name, OutsideKeys) else name
        return Agent(shown, None, None, is_factory=False, outside=outside_of(name, bases, trusted=trusted))
    place, separator, attribute = name.rpartition(":")
    if not separator or not place or not attribute:
        raise BadAgent(f"The agent {name!r} names no attribute; write module:attribute or path/to/file.py:attribute.")
    is_file = place.endswith(".py") or place.startswith(".") or "/" in place or "\\" in place
    if not trusted and not is_file:
        _refuse_pythons_own(name, place)
    module = _imported(lambda: _file_module(name, place, bases, trusted) if is_file else _module(name, place, bases[0]))
    target: Any = module
    for part in attribute.split("."):
        if not hasattr(target, part):
            known = [word for word in vars(target) if not word.startswith("_")] if hasattr(target, "__dict__") else []
            raise BadAgent(f"The agent {name!r} cannot be loaded: {place} has no attribute {part!r}{nearest(part, known)}")
        target = getattr(target, part)
        if not trusted and isinstance(target, ModuleType):
            _refuse_pythons_own(name, target.__name__)
    if isinstance(target, ModuleType):
        raise BadAgent(f"The agent {name!r} is a module; name a factory or an agent in it.")
    found = Agent.of(target, name)
    return Agent(name, module, target, found.is_factory)


def _imported(get: Callable[[], ModuleType]) -> ModuleType:
    """The agent's module, which may make agents and clients: an SDK that misses its key gets one that is none.

    Only where it fails without: a module that reads its keys from a file (`load_dotenv`) must find the variables as they are.
    """
    try:
        return get()
    except BadAgent:
        if not missing_keys():
            raise
        with placeholder_keys(), contextlib.suppress(BadAgent):
            return get()
        raise


def _refuse_pythons_own(name: str, module: str) -> None:
    """A suite that somebody sent must not have `os:system` called with its prompt."""
    own = module.partition(".")[0]
    if own in sys.stdlib_module_names:
        raise BadAgent(
            f"The agent {name!r} lies in {own!r}, a module of Python's own; name your agent's module, or its file as path/to/file.py."
        )


def _module(name: str, place: str, folder: Path) -> ModuleType:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(place)
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(error.name + ".")):
            raise BadAgent(
                f"The agent {name!r} cannot be loaded: there is no module {error.name!r}{_nearest_module(error.name, folder)}"
            ) from error
        raise _import_failed(name, place, error) from error
    except BaseException as error:
        raise _import_failed(name, place, error) from error


def _nearest_module(place: str, folder: Path) -> str:
    parent, _, last = place.rpartition(".")
    package = sys.modules.get(parent)
    folders = list(getattr(package, "__path__", [])) if parent else [str(folder)]
    files = [path for folder in folders for path in Path(folder).glob("*") if path.suffix == ".py" or (path / "__init__.py").is_file()]
    near = nearest(last, {path.stem for path in files if not path.stem.startswith("_")})
    return near if near.startswith("; did") else "; is it installed, and is this the right folder?"


def _file_module(name: str, place: str, bases: Sequence[Path], trusted: bool) -> ModuleType:
    path = _file(name, place, bases, trusted)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    module_name = _module_name(path)
    if module_name in sys.modules:
        return sys.modules[module_name]
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise BadAgent(f"The agent {name!r} cannot be loaded: {place} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        del sys.modules[module_name]
        raise _import_failed(name, place, error) from error
    return module


def _module_name(path: Path) -> str:
    """The name under which other code imports this file, so that it is loaded once; one of our own where that name is another module's."""
    held = sys.modules.get(path.stem)
    origin = getattr(held, "__file__", None) if held else getattr(importlib.util.find_spec(path.stem), "origin", None)
    if origin is not None and Path(origin).resolve() == path:
        return path.stem
    return f"_agent_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _file(name: str, place: str, bases: Sequence[Path], trusted: bool) -> Path:
    for base in bases:
        path = (base / place).resolve()
        if path.is_file():
            if not trusted and not any(path.is_relative_to(allowed) for allowed in bases):
                raise BadAgent(f"The agent {name!r} lies outside the suite's folder; keep it below, or name it with --agent.")
            return path
    folder = (bases[0] / place).parent
    near = nearest(Path(place).name, [path.name for path in folder.glob("*.py")]) if folder.is_dir() else "."
    raise BadAgent(f"The agent {name!r} cannot be loaded: there is no file {place}{near}")


def _import_failed(name: str, place: str, error: BaseException) -> BadAgent:
    text = " ".join(str(error).split())
    return BadAgent(f"The agent {name!r} cannot be loaded: importing {place} raised {type(error).__name__}: {text}.")
