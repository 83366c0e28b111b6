"""Providers: a neutral history is written in each provider's words, accepted there and read back; an answer in them is read."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from typing import Any

import pytest
from agentlab_faults import intercept
from agentlab_faults.dialects import Usage
from agentlab_faults.script.spec import Called
from agentlab_faults.sim import Simulation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentlab.client import ModelClient
from agentlab.errors import InvalidAnswerError, MissingExtraError, UnsupportedContentError
from agentlab.history import History, Kept, Message, StoredCall, plain_text
from agentlab.models import Model
from agentlab.providers import provider, provider_of
from agentlab.text import canonical, clean, without_thoughts

from .talking import APIS, MODELS, Dialects, said

TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
WORDS = TEXT.filter(lambda text: clean(text).strip())
ARGUMENTS = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5), max_size=3)
CALLS = st.lists(st.tuples(st.text(max_size=70), st.text(max_size=12), ARGUMENTS.map(canonical), WORDS, st.booleans()), max_size=3)
TURNS = st.lists(st.tuples(TEXT, st.lists(st.tuples(TEXT, CALLS), max_size=3), WORDS | st.none()), min_size=1, max_size=3)
RULES = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}}]


@pytest.fixture
def dialects() -> Iterator[Dialects]:
    intercept.install()
    simulation = Simulation(seed=0, cap=1e9)
    lab = Dialects(simulation)
    with intercept.armed(lab), simulation:
        yield lab


def history_of(turns: list[Any]) -> History:
    """A history as the agent makes one, of anything that users, models and tools may say."""
    history = History()
    for text, steps, last in turns:
        history.add_user(text)
        for thought, calls in steps:
            if not calls:
                continue
            stored = history.add_assistant(thought, [StoredCall(call_id, name, arguments) for call_id, name, arguments, _, _ in calls])
            for call, (*_, result, failed) in zip(stored, calls, strict=True):
                history.add_result(call.id, result, failed=failed)
        if last is not None:
            history.add_assistant(last)
    return history


def told(messages: list[Message]) -> list[Any]:
    """What a conversation says, whatever form it has: words joined by speaker, calls with their results in order, no ids."""
    named = {call["id"]: n for n, call in enumerate(call for message in messages for call in message.get("tool_calls") or ())}
    said_: list[Any] = []
    for role, run in groupby(messages, key=lambda message: message["role"]):
        for message in run:
            text = message.get("content") or ""
            if role == "tool":
                said_.append((role, named[message["tool_call_id"]], text.removeprefix("Error: ")))
                continue
            text = text if text.strip() else "(no text)" if role == "user" else ""
            text = text.rstrip() if role == "assistant" else text
            if said_ and said_[-1][0] == role == "user":
                said_[-1] = (role, said_[-1][1] + text, ())
                continue
            calls = tuple((c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls") or ())
            said_.append((role, text, calls))
    return said_


def response(text: str) -> str:
    """A tool's result as Gemini's reader tells it: an error keeps its wrapper."""
    try:
        read = json.loads(text)
    except ValueError:
        return text
    return read["error"] if isinstance(read, dict) and list(read) == ["error"] and isinstance(read["error"], str) else text


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_history_is_accepted_by_every_provider_and_read_back_the_same(dialects: Dialects, name: str, stream: bool) -> None:
    client = ModelClient(replace(MODELS[name], stream=stream))

    @RULES
    @given(turns=TURNS, level=st.integers(0, 2), may_call=st.booleans())
    def law(turns: list[Any], level: int, may_call: bool) -> None:
        messages = history_of(turns).request("Help.", level)
        dialects.refusals.clear()
        dialects.ask(client, messages, tools=TOOLS, may_call=may_call)
        assert dialects.refusals == []
        read = [message | {"content": response(message["content"] or "")} for message in dialects.read[-1]]
        sent = [message | {"content": response(message["content"] or "")} for message in messages]
        assert told(read) == told(sent)

    law()
    dialects.simulation.settle(client.aclose())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_answer_of_every_provider_is_read(dialects: Dialects, name: str, stream: bool) -> None:
    client = ModelClient(replace(MODELS[name], stream=stream))
    call = st.builds(
        Called, st.from_regex(r"[a-z0-9_]{1,9}", fullmatch=True), st.from_regex(r"[a-z_]{1,9}", fullmatch=True), ARGUMENTS.map(canonical)
    )
    history = History()
    history.add_user("Hi")
    messages = history.request("Help.")

    @RULES
    @given(text=WORDS, calls=st.lists(call, max_size=3, unique_by=lambda made: made.id), counted=st.booleans())
    def law(text: str, calls: list[Called], counted: bool) -> None:
        text = clean(text)
        usage = Usage(7, 3, 10) if counted else None
        dialects.answer = said(text, *calls, finish="tool_calls" if calls else "stop", usage=usage)
        shown: list[str] = []
        answer = dialects.ask(client, messages, shown, tools=TOOLS)
        assert answer.text == without_thoughts(text)
        read = [json.loads(c.arguments) if isinstance(c.arguments, str) else c.arguments for c in answer.calls]
        assert read == [json.loads(c.arguments) for c in calls]
        assert [c.name for c in answer.calls] == [c.name for c in calls]
        assert (answer.input_tokens, answer.output_tokens, answer.estimated)[not counted :] == (
            (7, 3, False) if counted else (answer.output_tokens, True)
        )
        assert "".join(shown) == (text if stream else "")

    law()
    dialects.simulation.settle(client.aclose())


FINISHES = {
    "length": ("cut", "context"),
    "content_filter": (None, "content_filter"),
    "malformed_call": (None, "transient"),
    "never_heard_of": ("unfinished", "transient"),
    None: (None, "transient"),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("finish", FINISHES, ids=str)
@pytest.mark.filterwarnings("ignore:never_heard_of is not a valid FinishReason:UserWarning")  # google-genai's way to meet a new word
def test_an_answer_that_did_not_finish_is_none(dialects: Dialects, api: str, stream: bool, finish: str | None) -> None:
    client = ModelClient(replace(MODELS[api], stream=stream))
    reason, category = FINISHES[finish]
    dialects.answer = said("" if finish == "malformed_call" else "There are", finish=finish)  # type: ignore[arg-type]
    with pytest.raises(InvalidAnswerError) as raised:
        dialects.ask(client, [{"role": "user", "content": "Hi"}])
    assert raised.value.category == category
    assert reason in {None, raised.value.reason}


def test_anthropics_thoughts_come_back_to_the_model_that_had_them_and_to_no_other(dialects: Dialects) -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    thinker = Model(name="claude-sonnet-5", api="anthropic", extra={"thinking": {"type": "enabled", "budget_tokens": 500}})
    answer = provider_of(thinker).read(
        {
            "content": [thought, {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 5, "output_tokens": 4, "cache_read_input_tokens": 3},
        }
    )
    assert (answer.private, answer.input_tokens) == ([thought], 8)
    history = History()
    history.add_user("Look.")
    history.add_assistant("", [StoredCall("toolu_1", "look", "{}")], private={"of": thinker.identity, "note": answer.private})
    history.add_result("toolu_1", "3")
    bodies = {}
    for model in (thinker, replace(thinker, name="claude-opus-5"), *MODELS.values()):
        dialects.ask(ModelClient(model), history.request("Help."))
        bodies[model.name] = dialects.bodies[-1]
    assert dialects.refusals == []
    assert bodies.pop("claude-sonnet-5")["messages"][1]["content"][0] == thought
    assert "thinking" not in json.dumps(bodies)
    assert "private" not in json.dumps(bodies)


def test_geminis_signatures_come_back_and_a_foreign_call_has_the_one_for_foreign_calls(dialects: Dialects) -> None:
    gemini = MODELS["google 3"]
    dialects.answer = replace(said(None, Called("a", "look", "{}"), Called("b", "look", "{}"), finish="tool_calls"), model=gemini.name)
    for stream in (False, True):
        answer = dialects.ask(ModelClient(replace(gemini, stream=stream)), [{"role": "user", "content": "Hi"}], tools=TOOLS)
        signature = base64.b64encode(b"signed a").decode()
        assert [call.private for call in answer.calls] == [signature, None]
    history = History()
    history.add_user("Look.")
    for number, note in enumerate((signature, None)):
        private = note and {"of": gemini.identity, "note": note}
        history.add_assistant("", [StoredCall(str(number), "look", "{}", private)])
        history.add_result(str(number), "3")
    dialects.ask(ModelClient(gemini), history.request("Help."))
    signed = [
        part["thoughtSignature"] for content in dialects.bodies[-1]["contents"] for part in content["parts"] if "functionCall" in part
    ]
    assert signed == [signature, base64.b64encode(b"skip_thought_signature_validator").decode()]
    dialects.ask(ModelClient(MODELS["google"]), history.request("Help."))
    assert "thoughtSignature" not in json.dumps(dialects.bodies[-1])
    assert dialects.refusals == []


def test_reasoning_comes_back_encrypted_and_without_an_id_that_nobody_stores(dialects: Dialects) -> None:
    model = replace(MODELS["openai-responses"], extra={"include": ["reasoning.encrypted_content"]})
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz", "status": None},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"},
    ]
    answer = provider_of(model).read({"status": "completed", "output": output})
    history = History()
    history.add_user("Look.")
    history.add_assistant("", [StoredCall("call_1", "look", "{}")], private={"of": model.identity, "note": answer.private})
    history.add_result("call_1", "3")
    dialects.ask(ModelClient(model), history.request("Help."))
    body = dialects.bodies[-1]
    assert body["input"][1] == {"type": "reasoning", "summary": [], "encrypted_content": "xyz"}
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert dialects.refusals == []


def test_what_is_private_outlives_a_checkpoint(dialects: Dialects) -> None:
    model = MODELS["anthropic"]
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
    history, later = History(), History()
    history.add_user("Look.")
    history.add_assistant("", [StoredCall("toolu_1", "look", "{}")], private={"of": model.identity, "note": [thought]})
    history.add_result("toolu_1", "3", failed=True)
    later.restore(Kept(**json.loads(json.dumps(asdict(history.kept)))))
    dialects.ask(ModelClient(model), later.request("Help."))
    _, asked, result = dialects.bodies[-1]["messages"]
    assert (asked["content"][0], result["content"][0]["is_error"]) == (thought, True)
    assert dialects.refusals == []


def test_an_id_that_anthropic_does_not_take_is_replaced_everywhere_alike(dialects: Dialects) -> None:
    history = History()
    history.add_user("Look.")
    history.add_assistant("", [StoredCall("functions.look:0", "look", "{}")])
    history.add_result("functions.look:0", "3")
    dialects.ask(ModelClient(MODELS["anthropic"]), history.request("Help."))
    assert dialects.refusals == []
    asked, result = (message["content"][0] for message in dialects.bodies[-1]["messages"][1:])
    assert asked["id"] == result["tool_use_id"]


def test_thinking_does_not_begin_in_the_middle_of_another_models_turn(dialects: Dialects) -> None:
    thinker = replace(MODELS["anthropic"], extra={"thinking": {"type": "enabled", "budget_tokens": 500}})
    history = History()
    history.add_user("Look.")
    dialects.ask(ModelClient(thinker), history.request("Help."))
    history.add_assistant("", [StoredCall("call_1", "look", "{}")])
    history.add_result("call_1", "3")
    dialects.ask(ModelClient(thinker), history.request("Help."))
    assert ["thinking" in body for body in dialects.bodies] == [True, False]


@pytest.mark.parametrize(
    "content",
    [
        [{"type": "image_url", "image_url": {"url": "data:"}}],
        [{"type": "text", "text": "What is it?"}, {"type": "input_image"}],
        b"png",
        None,
        [],
    ],
    ids=["image", "text and image", "bytes", "none", "nothing"],
)
def test_what_is_no_text_is_refused_with_a_sentence(content: Any) -> None:
    with pytest.raises(UnsupportedContentError, match="An agent reads text only"):
        plain_text(content)


def test_parts_that_are_texts_are_a_text() -> None:
    assert plain_text([{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]) == "One.\nTwo."


@pytest.mark.parametrize(("api", "package", "extra"), [("anthropic", "anthropic", "anthropic"), ("google", "google.genai", "google")])
def test_a_missing_sdk_is_one_sentence_that_names_the_extra(monkeypatch: pytest.MonkeyPatch, api: Any, package: str, extra: str) -> None:
    monkeypatch.setattr(provider, "find_spec", lambda name: None if name == package else 1)
    with pytest.raises(
        MissingExtraError, match=rf"^m needs the SDK '{package}', which is not installed: pip install 'agentlab-chaos\[{extra}\]'\.$"
    ):
        ModelClient(Model(name="m", api=api))


def test_an_unknown_api_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^m has the api 'cohere'; known are: openai-chat, "):
        ModelClient(Model(name="m", api="cohere"))  # type: ignore[arg-type]
