"""Agents by name: factories, agents, replies, history, and what is said of a name that leads nowhere."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from agentlab_suites import frameworks
from agentlab_suites.agents import Agent, conversation, load_agent
from agentlab_suites.problems import BadAgent
from agentlab_suites.replies import read_reply, text_of
from pydantic import BaseModel


class Talk:
    """A conversation's way into a simulation that is not there."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def settle(self, value: Any) -> Any:
        return asyncio.run(value) if inspect.iscoroutine(value) else value

    def turn(self, prompt: str) -> None:
        self.said.append(f"> {prompt}")

    def reply(self, value: Any) -> None:
        self.said.append(text_of(value))


def talk_with(target: Any, *prompts: str) -> list[Any]:
    talk = Talk()
    conversation(Agent.of(target), prompts)(talk)
    return talk.said


def plain(text: str) -> str:
    return text.upper()


async def awaited(text: str) -> str:
    return text.upper()


def factory() -> Any:
    count = iter(range(9))
    return lambda text: f"{text} {next(count)}"


async def async_factory() -> Any:
    return awaited


def optional_factory(model: str = "gpt") -> Any:
    return plain


class Callable:
    def __call__(self, text: str) -> str:
        return text.upper()


@pytest.mark.parametrize("target", [plain, awaited, async_factory, optional_factory, Callable, Callable()])
def test_factories_and_agents_sync_or_async_are_told_apart(target: Any) -> None:
    assert talk_with(target, "hello") == ["> hello", "HELLO"]


def test_a_factory_is_called_afresh_for_every_conversation_and_once_in_it() -> None:
    assert talk_with(factory, "a", "b") == ["> a", "a 0", "> b", "b 1"]
    assert talk_with(factory, "a") == ["> a", "a 0"]


def test_history_is_handed_over_if_it_is_asked_for() -> None:
    seen = []

    def remembers(text: str, history: list[dict[str, str]]) -> str:
        seen.append(history)
        return text.upper()

    talk_with(lambda: remembers, "a", "b")
    assert seen == [[], [{"role": "user", "content": "a"}, {"role": "assistant", "content": "A"}]]


def test_an_async_agent_gets_its_history_too() -> None:
    async def remembers(text: str, *, history: list[dict[str, str]]) -> str:
        return f"{text}{len(history)}"

    assert talk_with(lambda: remembers, "a", "b") == ["> a", "a0", "> b", "b2"]


@pytest.mark.parametrize("target", [5, "text", None, ModuleType("m")])
def test_what_is_no_agent_is_refused(target: Any) -> None:
    with pytest.raises(BadAgent, match="not an agent"):
        Agent.of(target)


def test_a_factory_that_gives_no_agent_is_refused() -> None:
    with pytest.raises(BadAgent, match="gave int, not an agent"):
        talk_with(lambda: 5, "hello")


@pytest.mark.parametrize("target", [lambda _, __: "", lambda _, *, client: client])
def test_what_can_be_called_neither_with_a_prompt_nor_with_nothing_is_no_agent(target: Any) -> None:
    with pytest.raises(BadAgent, match="neither with a prompt nor with nothing"):
        Agent.of(target)


def test_a_history_that_must_be_given_is_no_obstacle() -> None:
    assert not Agent.of(lambda text, history: [text, *history]).is_factory


class Model(BaseModel):
    queue: str


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hi", "hi"),
        (None, ""),
        (SimpleNamespace(text="hi"), "hi"),
        (SimpleNamespace(output="hi"), "hi"),
        (SimpleNamespace(final_output="hi"), "hi"),
        (SimpleNamespace(output=Model(queue="billing")), '{"queue":"billing"}'),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "hi"}]}, "hi"),
        ({"messages": [SimpleNamespace(content="hi")]}, "hi"),
        (SimpleNamespace(content="hi"), "hi"),
        ([{"type": "text", "text": "h"}, {"type": "text", "text": "i"}], "hi"),
        ({"queue": "billing"}, '{"queue": "billing"}'),
    ],
)
def test_the_text_of_a_reply(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_what_a_reply_says_of_itself() -> None:
    effect = SimpleNamespace(tool="refund")
    reply = read_reply(
        SimpleNamespace(text="x", answered_by="cached", status="degraded", confidence=0.7, effects=[effect, "mail"], claims=())
    )
    assert (reply.answered_by, reply.status, reply.confidence, reply.effects) == ("cached", "degraded", 0.7, ("refund", "mail"))
    assert read_reply("x").answered_by == "unknown"
    assert read_reply(SimpleNamespace(text="x", confidence=True, status=5)).confidence is None


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_or_a_module_is_found_from_the_current_folder(folder: Path) -> None:
    (folder / "shop_agent.py").write_text("import shop_helper\ndef build():\n    return shop_helper.ask\n")
    (folder / "shop_helper.py").write_text("def ask(text):\n    return text\n")
    for name in ("shop_agent.py:build", "shop_agent:build", "./shop_agent.py:build", f"{folder}/shop_agent.py:build"):
        found = load_agent(name)
        assert found.is_factory
        assert found.name == name


def test_a_nested_attribute_is_found(folder: Path) -> None:
    (folder / "shop_nested.py").write_text("class Shop:\n    @staticmethod\n    def ask(text):\n        return text\n")
    assert not load_agent("shop_nested.py:Shop.ask").is_factory


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("shop", "names no attribute; write module:attribute or path/to/file.py:attribute."),
        ("shop.py:", "names no attribute"),
        (":build", "names no attribute"),
        ("shop_agnet.py:build", "there is no file shop_agnet.py; did you mean 'shop_agent.py'?"),
        ("shop_agent.py:biuld", "shop_agent.py has no attribute 'biuld'; did you mean 'build'?"),
        ("shop_agnet:build", "there is no module 'shop_agnet'; did you mean 'shop_agent'?"),
        ("shop_agent:NUMBER", "'shop_agent:NUMBER' is int, not an agent"),
        ("shop_agent:sys", "is a module; name a factory or an agent in it"),
        ("broken_agent:build", "importing broken_agent raised ZeroDivisionError: division by zero."),
        ("broken_agent.py:build", "importing broken_agent.py raised ZeroDivisionError: division by zero."),
        ("exits_agent.py:build", "importing exits_agent.py raised SystemExit: 3."),
        ("syntax_agent.py:build", "importing syntax_agent.py raised SyntaxError"),
        ("needs_agent:build", "importing needs_agent raised ModuleNotFoundError: No module named 'nothing_there'"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(folder: Path, name: str, sentence: str) -> None:
    (folder / "shop_agent.py").write_text("import sys\nNUMBER = 5\ndef build():\n    return str\n")
    (folder / "broken_agent.py").write_text("1 / 0\n")
    (folder / "exits_agent.py").write_text("raise SystemExit(3)\n")
    (folder / "syntax_agent.py").write_text("def (:\n")
    (folder / "needs_agent.py").write_text("import nothing_there\n")
    with pytest.raises(BadAgent) as caught:
        load_agent(name)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_suite_may_not_name_a_file_outside_its_folder(folder: Path) -> None:
    (folder / "inside").mkdir()
    (folder / "outside.py").write_text("def build():\n    return str\n")
    with pytest.raises(BadAgent, match="lies outside the suite's folder"):
        load_agent("../outside.py:build", folder=folder / "inside", suite_folder=folder / "inside", trusted=False)
    assert load_agent("../outside.py:build", folder=folder / "inside").is_factory


@pytest.mark.parametrize("name", ["os:system", "os.path:join", "subprocess:run", "shop_imports.py:os.system", "shop_imports:os.path.join"])
def test_a_suite_may_not_name_what_is_pythons_own(folder: Path, name: str) -> None:
    (folder / "shop_imports.py").write_text("import os\n")
    with pytest.raises(BadAgent, match="a module of Python's own; name your agent's module") as caught:
        load_agent(name, folder=folder, trusted=False)
    assert "\n" not in str(caught.value)
    assert load_agent(name, folder=folder).target is not None


def test_a_function_in_a_frameworks_module_is_no_framework() -> None:
    assert frameworks.caller_of(plain) is None


def pieces(text: str) -> Iterator[str]:
    yield text
    yield "!"


async def awaited_pieces(text: str) -> AsyncIterator[str]:
    for piece in pieces(text):
        yield piece


def states(text: str) -> Iterator[dict[str, str]]:
    yield {"output": "thinking"}
    yield {"output": text}


@pytest.mark.parametrize("agent", [pieces, awaited_pieces])
def test_a_reply_that_comes_piece_by_piece_is_waited_for(agent: Any) -> None:
    assert talk_with(agent, "hello") == ["> hello", "hello!"]


def test_of_pieces_that_are_no_texts_the_last_counts() -> None:
    assert talk_with(states, "hello") == ["> hello", "hello"]


class Unreadable:
    @property
    def text(self) -> str:
        raise ValueError("no text yet")


def test_an_answer_is_read_while_the_agent_runs_so_that_its_failure_is_the_agents() -> None:
    talk = Talk()
    with pytest.raises(ValueError, match="no text yet"):
        conversation(Agent.of(lambda _text: Unreadable()), ["hello"], read_reply)(talk)
    assert talk.said == ["> hello"]


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.setenv(name, "")  # so that what a test sets is taken back
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("no_keys")
def test_an_agent_that_is_made_where_it_is_imported_needs_no_key(tmp_path: Path) -> None:
    (tmp_path / "made_at_import.py").write_text("import openai\nclient = openai.OpenAI()\n\n\ndef ask(text):\n    return text\n")
    assert load_agent("made_at_import.py:ask", folder=tmp_path).target("hello") == "hello"
    assert "OPENAI_API_KEY" not in os.environ


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("made", ["", "import google.genai\ngemini = google.genai.Client()\n"])
def test_a_key_that_an_agents_module_brings_along_is_its_own(made: str, tmp_path: Path) -> None:
    """As `load_dotenv` does: what is set already is left alone."""
    ask = "def ask(text):\n    return os.environ['OPENAI_API_KEY']\n"
    (tmp_path / "brings_a_key.py").write_text(f"import os\nos.environ.setdefault('OPENAI_API_KEY', 'sk-from-a-file')\n{made}\n\n{ask}")
    assert load_agent("brings_a_key.py:ask", folder=tmp_path).target("hello") == "sk-from-a-file"


@pytest.mark.usefixtures("no_keys")
def test_what_an_import_without_keys_raised_is_told_if_keys_do_not_mend_it(tmp_path: Path) -> None:
    text = "import os\nraise ValueError('no ' + ('key' if 'OPENAI_API_KEY' in os.environ else 'database'))\n"
    (tmp_path / "raises_at_import.py").write_text(text)
    with pytest.raises(BadAgent, match="raised ValueError: no database"):
        load_agent("raises_at_import.py:ask", folder=tmp_path)
