"""How an app took its strikes, told from the journal of a run: the app is a bare client of the real SDK, in virtual time."""

from __future__ import annotations

import openai
import pytest
from agentlab_faults import Injection, Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.fault import Fault
from agentlab_faults.proxy.conduct import Conduct
from agentlab_faults.script import Say, ScriptSpec

SETUP = Setup(scripts=(ScriptSpec(turns=(Say("It is on its way."),)),), prompts=("Where is it?",))


def ask(talk: Talk) -> None:
    talk.turn("Where is it?")
    with openai.OpenAI(api_key="key", max_retries=2) as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Where is it?"}], stream=True)
        talk.reply("".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))


def made(name: str) -> Fault:
    [fault] = select([name])
    return fault.model_validate({"silence": 30.0} if "silence" in fault.model_fields else {})


@pytest.mark.parametrize(
    ("faults", "taken", "entries"),
    [
        (["stream_slow_first_token"], ["recovered"], ["broke", "saw", "recovered"]),
        (["http_503", "stream_slow_first_token"], ["recovered", "recovered"], ["broke", "saw", "retried", "broke", "saw", "recovered"]),
        (["http_503", "usage_bogus"], ["recovered"], ["broke", "saw", "retried", "recovered"]),
        (["content_finish_length"], ["kept it"], ["broke", "saw", "kept it"]),
    ],
)
def test_an_answer_that_is_only_late_is_a_good_one(faults: list[str], taken: list[str], entries: list[str]) -> None:
    conduct = Conduct("")
    struck = [Injection(fault=made(name), at="openai.chat.1", attempt=n) for n, name in enumerate(faults, 1)]
    played = play(ask, SETUP, Schedule("strikes", tuple(struck)))
    told = [entry.kind for event in played.journal for entry in conduct.feed(event)]
    told += [entry.kind for entry in conduct.finish(played.seconds)]
    assert ([blow.taken for blow in conduct.blows], told) == (taken, entries)
