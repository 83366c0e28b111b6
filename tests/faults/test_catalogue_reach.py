"""The best outcome that each row claims, shown by one careful agent: alone where the row says so, with a second host where it says that.

The agent is eighty lines on the real SDK: one deadline, a limit on each try, retries by category, answers checked before they are used,
idempotency keys. What it cannot reach, a row may not promise; what it reaches alone under a lasting fault, a row may not call out of reach.
"""

from __future__ import annotations

import asyncio
import functools
import json
import math
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, NamedTuple

import openai
import pytest
from agentlab_faults import FAULT_FREE, Fault, Played, Schedule, Setup, Talk, Tool, hook, play
from agentlab_faults.catalogue import Mode, all_modes, mode_schedule, modes_for, select, singles
from agentlab_faults.fault import Best, Row
from agentlab_faults.played import Conversation
from agentlab_faults.script import Call, Say, ScriptSpec

PROMPT = "Refund order 5512."
DONE = "I refunded EUR 49.90 for order 5512."
HOSTS = ("https://api.openai.com/v1", "https://llm.fallback.example/v1")
TOOLS = {
    "lookup_order": Tool(name="lookup_order", returns={"total": 49.9, "status": "shipped"}),
    "refund": Tool(name="refund", effect="write", identity=("order",), key="key"),
}
SCRIPT = ScriptSpec(turns=(Call((("lookup_order", {"id": "5512"}),)), Call((("refund", {"order": "5512"}),)), Say(DONE)))
SETUP = Setup(scripts=(SCRIPT,), prompts=(PROMPT,), tools=TOOLS)
NEEDS: dict[str, dict[str, type]] = {"lookup_order": {"id": str}, "refund": {"order": str}}
OFFERED: Any = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {key: {} for key in needs}}}}
    for name, needs in NEEDS.items()
]
BROKEN = (openai.APIConnectionError, openai.InternalServerError, ValueError, RecursionError, TimeoutError, asyncio.TimeoutError)
SORRY = "Sorry, I could not confirm that"


def lookup_order(id: str) -> dict[str, Any]:  # noqa: A002 - the wire's own name
    raise AssertionError("the lab must never run a tool whose body is fake")


def refund(order: str, key: str = "") -> dict[str, Any]:
    raise AssertionError("the lab must never run a tool whose body is fake")


BODIES: dict[str, Callable[..., Any]] = {"lookup_order": lookup_order, "refund": refund}


class Unusable(ValueError):  # noqa: N818 - named for the thing
    """An answer that is no answer; another sample may be one."""


class Asked(NamedTuple):
    """A tool call that can be run."""

    id: str
    name: str
    values: dict[str, Any]


class Refused(Exception):  # noqa: N818 - named for the thing
    """This host will not answer this request."""


def strict(arguments: Any, needs: Mapping[str, type]) -> dict[str, Any]:
    """A call's arguments as the tool's schema wants them."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) != len(dict(pairs)):
            raise Unusable("repeated key")
        return dict(pairs)

    if not isinstance(arguments, str):
        raise Unusable("arguments are no text")
    values = json.loads(arguments, object_pairs_hook=once)
    if not isinstance(values, dict) or {key: type(value) for key, value in values.items()} != needs:
        raise Unusable("arguments do not fit the schema")
    return values


def usable(answer: Any) -> tuple[str, list[Asked]]:
    """The text, and the calls, equal ones once. Raises Unusable or Refused."""
    if not isinstance(answer, openai.types.chat.ChatCompletion) or not answer.choices or answer.choices[0].message is None:
        raise Unusable("no message")
    choice: Any = answer.choices[0]
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        raise Refused("withheld")
    if choice.finish_reason not in ("stop", "tool_calls"):
        raise Unusable("unfinished")
    calls: dict[str, Asked] = {}
    for call in choice.message.tool_calls or ():
        function = getattr(call, "function", None)
        if function is None or function.name not in NEEDS:
            raise Unusable("unknown tool")
        values = strict(function.arguments, NEEDS[function.name])
        made = getattr(call, "id", None) or f"made_{uuid.uuid4().hex}"
        calls.setdefault(function.name + function.arguments, Asked(made, function.name, values))
    text = choice.message.content or ""
    if not isinstance(text, str) or not (text or calls):
        raise Unusable("nothing said")
    text = text.rpartition("</think>")[2].replace("\x00", "").encode("utf-8", "ignore").decode()
    return text.strip(), list(calls.values())


def as_sent(call: Asked) -> dict[str, Any]:
    """The call as the history shows it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.values)}}


@dataclass
class Careful:
    """The agent."""

    hosts: tuple[str, ...]
    streams: bool = False
    deadline: float = 60.0
    gone: set[str] = field(default_factory=set)
    """Hosts that are not worth another request in this run."""
    doubts: list[str] = field(default_factory=list)

    async def run(self, prompt: str) -> str:
        """The reply: the model's, or an honest one."""
        self.until = asyncio.get_running_loop().time() + self.deadline
        messages: list[Any] = [{"role": "user", "content": prompt}]
        while True:
            try:
                text, calls = await self.ask(messages)
            except Refused:
                return f"{SORRY}; no model could be reached. {self.doubts}"
            if not calls:
                return f"{SORRY}: {self.doubts}" if self.doubts else text
            messages.append({"role": "assistant", "content": None, "tool_calls": [as_sent(call) for call in calls]})
            messages += [{"role": "tool", "tool_call_id": call.id, "content": await self.use(call)} for call in calls]

    async def ask(self, messages: list[Any]) -> tuple[str, list[Asked]]:
        """The first host's answer that can be had. Raises Refused."""
        for n, host in enumerate(self.hosts):
            if host not in self.gone:
                try:
                    return await self.at(host, messages, last=n == len(self.hosts) - 1)
                except Refused:
                    self.gone.add(host)
        raise Refused("no host is left")

    async def at(self, host: str, messages: list[Any], *, last: bool) -> tuple[str, list[Asked]]:
        """One host's answer, with retries. Raises Refused."""
        async with openai.AsyncOpenAI(base_url=host, api_key="sk-test", max_retries=0) as client:
            for tried in range(6):
                left = self.until - asyncio.get_running_loop().time() - (0.0 if last else 20.0)
                if left <= 0:
                    break
                try:
                    async with asyncio.timeout(min(15.0, left)):
                        return usable(await self.answer(client, messages))
                except openai.RateLimitError as limited:
                    wait = told(limited, tried)
                    if limited.type in ("insufficient_quota", "budget_exceeded") or wait >= left or tried == 5:
                        break
                except openai.APIStatusError as status:
                    wait = 0.5 * 2**tried
                    again = status.response.headers.get("x-should-retry") == "true" or status.status_code in (408, 409)
                    if not (again or isinstance(status, BROKEN)) or tried == 3:
                        break
                except (openai.APIError, *BROKEN):
                    wait = 0.5 * 2**tried
                    if tried == 3:
                        break
                await asyncio.sleep(wait)
        raise Refused(host)

    async def answer(self, client: openai.AsyncOpenAI, messages: list[Any]) -> Any:
        """The answer, put together from its stream where the agent streams."""
        if not self.streams:
            return await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=OFFERED)
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        stream = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=OFFERED, **options)
        return put_together([chunk async for chunk in stream])

    async def use(self, call: Asked) -> str:
        """A tool's result, tried twice; what stays open is remembered."""
        key = {"key": f"{call.name}:{json.dumps(call.values)}"} if call.name == "refund" else {}
        run = functools.partial(BODIES[call.name], **call.values, **key)
        for _ in range(2):
            try:
                async with asyncio.timeout(5.0):
                    return json.dumps(await asyncio.to_thread(run))[:2000]
            except (RuntimeError, TimeoutError, OSError) as error:
                failed = f"error: {call.name}: {type(error).__name__}"
        self.doubts.append(f"{call.name} may or may not have happened")
        return failed


def put_together(chunks: list[Any]) -> openai.types.chat.ChatCompletion:
    """The completion that the chunks of a stream make up; without a finish reason if the stream had none. Raises Unusable for no chunk."""
    if not chunks:
        raise Unusable("not one event")
    text, finish = "", None
    calls: dict[int, dict[str, Any]] = {}
    for choice in (choice for chunk in chunks for choice in chunk.choices):
        text += choice.delta.content or ""
        finish = choice.finish_reason or finish
        for part in choice.delta.tool_calls or ():
            call = calls.setdefault(
                part.index, {"id": part.id, "type": "function", "function": {"name": part.function.name, "arguments": ""}}
            )
            call["function"]["arguments"] += part.function.arguments or ""
    message = {"role": "assistant", "content": text or None, "tool_calls": list(calls.values()) or None}
    head = {"id": chunks[0].id, "object": "chat.completion", "created": chunks[0].created, "model": chunks[0].model}
    return openai.types.chat.ChatCompletion.construct(**head, choices=[{"index": 0, "message": message, "finish_reason": finish}])


def told(limited: openai.RateLimitError, tried: int) -> float:
    """Seconds to wait after a 429."""
    headers = limited.response.headers
    if headers.get("x-should-retry") == "false":
        return math.inf
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    after = headers.get("retry-after", "")
    if after.isdigit():
        return float(after)
    seconds = parsedate_to_datetime(after).timestamp() - time() if after else 0.0
    return seconds if seconds > 0 else 2.0 * 2**tried


def conversation(hosts: int, *, streams: bool = False) -> Conversation:
    def talked(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(talk.settle(Careful(HOSTS[:hosts], streams).run(PROMPT)))

    return talked


@pytest.fixture(scope="module")
def clean() -> Iterator[Played]:
    """The fault-free run, with the tools hooked for the whole module."""
    hooked = [hook(lookup_order), hook(refund)]
    yield play(conversation(1), SETUP, FAULT_FREE, seed=3)
    for one in hooked:
        one.undo()


@pytest.fixture(scope="module")
def clean_stream() -> Iterator[Played]:
    """The fault-free run of the agent that streams."""
    hooked = [hook(lookup_order), hook(refund)]
    yield play(conversation(1, streams=True), SETUP, FAULT_FREE, seed=3)
    for one in hooked:
        one.undo()


def reaches(schedule: Schedule, clean: Played, *, hosts: int) -> bool:
    """Whether the agent reaches the right answer; if not it must have said so, and no effect may have been doubled."""
    streams = clean.points[0].streamed
    played = play(conversation(hosts, streams=streams), SETUP, schedule, seed=3, clean=clean.clean)
    assert (played.ending, played.error, played.problems) == ("returned", None, ())
    assert any(strike.changed for strike in played.strikes), f"{schedule.name} did nothing"
    assert played.ledger.duplicates() == []
    [reply] = played.replies
    if reply == DONE:
        assert len(played.ledger.of("refund")) == 1
    else:
        assert reply.startswith(SORRY)
    return bool(reply == DONE)


def kept(best: Best, schedule: Schedule, clean: Played, *, second_host_helps: bool, lasting: bool) -> bool:
    """Whether the agent gets exactly as far as the row says."""
    alone = reaches(schedule, clean, hosts=1)
    if best in ("recoverable", "undetectable"):
        return alone
    with_second = reaches(schedule, clean, hosts=2)
    if best == "needs_fallback" and second_host_helps:
        return with_second and not (lasting and alone)
    return not (lasting and with_second)


UNREAD = {"tool_empty_result", "tool_wrong_schema"}
"""A scripted model does not read what a tool returned, so it answers rightly in spite of these: better than the row's best."""


OUTSIDE = {"store", "mcp"}
"""The agent has neither: the suites of `examples/redis_memory.py` and `examples/mcp_tools.py` show how far one gets that has."""
IN_CHAT = [
    fault for fault in select(["*"]) if not fault.row.kinds & OUTSIDE and (fault.row.apis is None or "openai.chat" in fault.row.apis)
]
WHOLE = [
    fault
    for fault in IN_CHAT
    if fault.row.streamed != "only" and not (fault.row.tools or fault.row.unready or "structured" in fault.row.needs)
    if not (fault.row.boundary == "semantic" and "undetectable" in fault.row.best.values())
]
STREAMED = [fault for fault in IN_CHAT if fault.row.boundary == "stream" and "undetectable" not in fault.row.best.values()]
EASIER_HERE = {"stream_keepalive_comment"}
"""OpenAI's client passes over what google-genai's stumbles at."""


@pytest.mark.parametrize("fault", STREAMED, ids=lambda fault: fault.row.id)
def test_the_careful_agent_gets_as_far_with_streams_as_the_row_says(fault: type[Fault], clean_stream: Played) -> None:
    schedules = singles(clean_stream.points, [fault])
    assert schedules
    ends = {point.name: point.chunks for point in clean_stream.points}
    for schedule in schedules:
        [injection] = schedule.injections
        at_the_mark = injection.chunk is not None and injection.chunk == ends[injection.call or ""]  # all was said before `[DONE]`
        lasting = injection.shape == "always" and fault.row.id not in EASIER_HERE and not at_the_mark
        best = fault.row.best[injection.shape]
        assert kept(best, schedule, clean_stream, second_host_helps=True, lasting=lasting), schedule.name


def test_no_care_sees_that_an_event_came_twice(clean_stream: Played) -> None:
    [schedule, *_] = [s for s in singles(clean_stream.points[4:], select(["stream_dup_chunk"])) if s.injections[0].chunk == 4]
    [reply] = play(conversation(1, streams=True), SETUP, schedule, seed=3, clean=clean_stream.clean).replies
    assert reply != DONE
    assert not reply.startswith(SORRY)


LIES = [fault for fault in IN_CHAT if fault.row.boundary == "semantic" and "undetectable" in fault.row.best.values()]


@pytest.mark.parametrize("fault", LIES, ids=lambda fault: fault.row.id)
def test_no_care_sees_a_lie(fault: type[Fault], clean: Played) -> None:
    schedules = singles(clean.points, [fault])
    assert schedules or "system" in fault.row.needs
    for schedule in schedules:
        played = play(conversation(1), SETUP, schedule, seed=3, clean=clean.clean)
        assert any(strike.changed for strike in played.strikes), schedule.name
        assert played.replies != (DONE,) or played.ledger.of("refund") != [] or played.ledger.duplicates() == []


@pytest.mark.parametrize("fault", WHOLE, ids=lambda fault: fault.row.id)
def test_the_careful_agent_gets_as_far_as_the_row_says(fault: type[Fault], clean: Played) -> None:
    schedules = singles(clean.points, [fault])
    assert schedules
    for schedule in schedules:
        shape = schedule.injections[0].shape
        lasting = shape == "always" and fault.row.id not in UNREAD
        on_a_tool = fault.row.boundary == "tool"
        assert kept(fault.row.best[shape], schedule, clean, second_host_helps=not on_a_tool, lasting=lasting), schedule.name


def rows(mode: Mode) -> list[Row]:
    return [injection.fault.row for injection in mode.injections]


OF_STREAMS = [name for name, mode in all_modes().items() if any(row.streamed == "only" for row in rows(mode))]
OF_SEARCHES = [name for name, mode in all_modes().items() if any(row.tools for row in rows(mode))]
"""The agent has no knowledge base: `test_catalogue_acts.py` shows these at a tool that is one."""


@pytest.mark.parametrize("name", OF_STREAMS)
def test_the_careful_agent_gets_as_far_with_streams_as_the_mode_says(name: str, clean_stream: Played) -> None:
    mode = all_modes()[name]
    assert mode in modes_for(clean_stream.points)
    assert kept(mode.best, mode_schedule(name), clean_stream, second_host_helps=True, lasting=True)


OF_OUTSIDE = [name for name, mode in all_modes().items() if any(row.kinds & OUTSIDE for row in rows(mode))]


@pytest.mark.parametrize("name", [name for name in all_modes() if name not in (*OF_STREAMS, *OF_SEARCHES, *OF_OUTSIDE)])
def test_the_careful_agent_gets_as_far_as_the_mode_says(name: str, clean: Played) -> None:
    mode = all_modes()[name]
    on_tools = all(injection.kind == "tool" for injection in mode.injections)
    assert mode in modes_for(clean.points)
    assert kept(mode.best, mode_schedule(name), clean, second_host_helps=not on_tools, lasting=True)


def test_the_careful_agent_is_right_without_a_fault(clean: Played) -> None:
    assert (clean.replies, clean.strikes, clean.seconds) == ((DONE,), (), 3.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_storm_is_passed_alone_whatever_the_seed(seed: int, clean: Played) -> None:
    played = play(conversation(1), SETUP, mode_schedule("rate-limit-storm"), seed=seed, clean=clean.clean)
    assert played.replies == (DONE,)
