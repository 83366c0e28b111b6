"""Cassettes: recorded without secrets, found again by what is asked, and honest about what differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest
from agentlab_faults import Setup, Talk, play
from agentlab_faults.cassette import BadCassette, CassetteMismatch, Player, Recorder, Take, load
from agentlab_faults.catalogue import select
from agentlab_faults.exchange import Exchange, Pause, Timeouts, WireRequest
from agentlab_faults.proxy import Front, Scopes, Scripted, Server
from agentlab_faults.schedule import Injection, Schedule
from agentlab_faults.scrub import Scrubber
from google import genai

from .proxy_sockets import Chaos, chat, post

JSON = (("content-type", "application/json"),)
SSE = (("content-type", "text/event-stream"),)


def wire(body: Any, url: str = "http://api.openai.com/v1/chat/completions", **headers: str) -> WireRequest:
    path = url.partition("//")[2].partition("/")[2].partition("?")[0]
    return WireRequest("socket", "POST", url, "api.openai.com", f"/{path}", headers, json.dumps(body).encode(), Timeouts(), sync=False)


def completion(text: str | None, calls: Any = None, finish: str = "stop") -> bytes:
    message = {"role": "assistant", "content": text} | ({"tool_calls": calls} if calls else {})
    choice = {"index": 0, "message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    body = {"id": "chatcmpl-real", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [choice], "usage": usage}
    return json.dumps(body).encode()


CALL = [{"id": "call_abc", "type": "function", "function": {"name": "lookup_order", "arguments": '{"id":"5512"}'}}]
RESULT = {"role": "tool", "tool_call_id": "call_abc", "content": '{"status": "delivered"}'}
FIRST = chat()
SECOND = chat() | {"messages": [*FIRST["messages"], {"role": "assistant", "content": None, "tool_calls": CALL}, RESULT]}


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A recording of two calls: a tool's, and the last words after it."""
    path = tmp_path / "order.jsonl"
    recorder = Recorder(path, "api.openai.com", Scrubber())
    recorder(wire(FIRST), Exchange(200, JSON), [(0.75, completion(None, CALL, "tool_calls"))])
    recorder(wire(SECOND), Exchange(200, JSON), [(0.25, completion("It was delivered."))])
    return path


def test_what_was_recorded_is_read_back(tape: Path) -> None:
    head, takes = load(tape)
    assert head.upstream == "api.openai.com"
    assert [take.request for take in takes] == [FIRST, SECOND]
    assert takes[0].exchange == Exchange(200, JSON, (completion(None, CALL, "tool_calls"),), (Pause(0.75),))


def test_each_request_finds_its_take_and_a_retry_the_same_again(tape: Path) -> None:
    _, takes = load(tape)
    player = Player(takes)
    asked = [json.dumps(body).encode() for body in (FIRST, FIRST, SECOND, SECOND)]
    assert [player.find("openai.chat", body) for body in asked] == [takes[0], takes[0], takes[1], takes[1]]


def test_ids_uuids_and_timestamps_may_differ(tape: Path) -> None:
    _, takes = load(tape)
    other = json.loads(json.dumps(SECOND).replace("call_abc", "call_xyz9"))
    assert Player(takes).find("openai.chat", json.dumps(other).encode()) == takes[1]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "gpt-9"}, 'Request 1 differs from take 1 of the cassette at model: expected "gpt-4o-mini", got "gpt-9";'),
        ({"temperature": 0}, "at temperature: expected nothing, got 0;"),
        ({"messages": [{"role": "user", "content": "Else."}]}, 'at messages[0].content: expected "Where is order 5512?", got "Else.";'),
        (
            {"messages": [{"role": "user", "content": "Where is order 5512? " + "It is late, " * 9}]},
            'expected ...Where is order 5512?", got ...Where is order 5512? It is late, It is late, It is late, It ...;',
        ),
        ({"messages": []}, "at messages[0]: expected {"),
        ({"tools": [], "n": 2}, "(and in 1 more place)"),
    ],
)
def test_a_mismatch_says_what_differed(tape: Path, change: dict[str, Any], sentence: str) -> None:
    _, takes = load(tape)
    with pytest.raises(CassetteMismatch) as raised:
        Player(takes).find("openai.chat", json.dumps(FIRST | change).encode())
    assert sentence in str(raised.value)
    assert str(raised.value).count(". ") == 0


def test_one_request_too_many_is_told_so(tape: Path) -> None:
    _, takes = load(tape)
    player = Player(takes)
    player.find("openai.chat", json.dumps(FIRST).encode())
    player.find("openai.chat", json.dumps(SECOND).encode())
    with pytest.raises(CassetteMismatch, match=r"Request 3 .* is one more than the cassette holds: 2 were recorded"):
        player.find("openai.chat", json.dumps(chat("Another.")).encode())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", ":1: The first line of a cassette says its version"),
        ("{}", ":1: "),
        ('{"kind":"cassette","version":2,"upstream":"x"}', ":1: version is wrong: Input should be 1"),
        ('{"kind":"cassette","version":1,"upstream":"x"}\n{"kind":"take"}', ":2: api is wrong: Field required"),
    ],
)
def test_what_is_no_cassette_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text)
    with pytest.raises(BadCassette) as raised:
        load(path)
    assert sentence in str(raised.value)


def test_a_cassette_that_is_not_there_says_how_to_record_one(tmp_path: Path) -> None:
    with pytest.raises(BadCassette, match=r"record one with `agentlab chaos --upstream URL --record none\.jsonl`"):
        load(tmp_path / "none.jsonl")


def agent(talk: Talk) -> None:
    talk.turn("Where is order 5512?")
    messages: list[Any] = list(FIRST["messages"])
    client = openai.OpenAI()
    while True:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=FIRST["tools"])
        message = answer.choices[0].message
        if not message.tool_calls:
            talk.reply(message.content)
            return
        messages.append({"role": "assistant", "content": None, "tool_calls": [call.model_dump() for call in message.tool_calls]})
        messages += [{**RESULT, "tool_call_id": call.id} for call in message.tool_calls]


def test_a_cassette_is_played_in_virtual_time(tape: Path) -> None:
    played = play(agent, Setup(cassette=tuple(load(tape)[1])))
    assert (played.ending, played.replies) == ("returned", ("It was delivered.",))
    assert played.seconds == pytest.approx(1.0)
    assert played.tokens == 30
    assert [(point.name, point.calls_tools) for point in played.points] == [("openai.chat.1", True), ("openai.chat.2", False)]


@pytest.mark.parametrize("name", ["http_500", "net_reset_mid_body", "body_truncated_json", "content_empty_choices"])
def test_faults_strike_what_was_recorded(tape: Path, name: str) -> None:
    setup = Setup(cassette=tuple(load(tape)[1]))
    clean = play(agent, setup)
    [fault] = select([name])
    played = play(agent, setup, Schedule(name, (Injection(fault=fault(), at="openai.chat.1"),)), clean=clean.clean)
    assert [(strike.fault, strike.changed) for strike in played.strikes] == [(name, True)]
    assert played.problems == ()


def test_an_agent_that_asks_for_something_else_makes_the_run_the_labs_own_failure(tape: Path) -> None:
    setup = Setup(cassette=tuple(load(tape)[1][1:]))
    played = play(agent, setup)
    assert played.ending == "lab"
    assert played.problems[0].startswith("Request 1 differs from take 1 of the cassette at messages[1]: expected {")


def test_geminis_streams_are_found_beside_its_answers_in_one_piece(tmp_path: Path) -> None:
    def said(text: str) -> str:
        candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}
        usage = {"promptTokenCount": 7, "totalTokenCount": 9, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]}
        return json.dumps({"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "usageMetadata": usage})

    def both(talk: Talk) -> None:
        with genai.Client() as client:
            ask: Any = {"model": "gemini-2.5-flash", "contents": "Hi."}
            talk.reply("".join(piece.text or "" for piece in client.models.generate_content_stream(**ask)))
            answer = client.models.generate_content(**ask)
            talk.reply(answer.text or "")
            assert answer.usage_metadata is not None
            talk.reply(str(answer.usage_metadata.total_token_count))

    recorder = Recorder(tmp_path / "both.jsonl", "generativelanguage.googleapis.com", Scrubber())
    body = {"contents": [{"parts": [{"text": "Hi."}], "role": "user"}]}
    models = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
    recorder(wire(body, f"{models}:generateContent"), Exchange(200, JSON), [(0.5, said("In one piece.").encode())])
    streamed = f"data: {said('As a stream.')}\n\n".encode()
    recorder(wire(body, f"{models}:streamGenerateContent?alt=sse"), Exchange(200, SSE), [(0.5, streamed)])
    played = play(both, Setup(cassette=tuple(load(tmp_path / "both.jsonl")[1])))
    assert (played.problems, played.replies) == ((), ("As a stream.", "In one piece.", "9"))


async def test_a_cassette_is_played_on_a_socket(tape: Path) -> None:
    scopes = Scopes(cassette=[take.model_copy(update={"pieces": take.pieces}) for take in load(tape)[1]])
    server = Server(Front(scopes, Scripted()))
    await server.start()
    try:
        asking = Chaos(server, scopes)
        status, body = await asking.ask(post("/v1/chat/completions", SECOND, "authorization: Bearer k"))
        assert (status, json.loads(body)["choices"][0]["message"]["content"]) == (200, "It was delivered.")
        status, body = await asking.ask(post("/v1/chat/completions", chat("Else."), "authorization: Bearer k"))
        assert status == 400
        assert b"differs from take 1 of the cassette at messages[0].content" in body
    finally:
        await server.close()


def streamed(*deltas: dict[str, Any]) -> list[tuple[float, bytes]]:
    """Chunks of a stream, cut in the middle of events."""
    whole = b"".join(b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n" for delta in deltas)
    return [(0.1, piece) for piece in (whole[:50], whole[50:130], whole[130:])]


def test_a_secret_that_a_stream_cuts_into_pieces_is_hidden(tmp_path: Path) -> None:
    parts = ['{"pass', 'word": "hun', "ter2-very", '-long", "id": 7}']
    deltas = [{"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in parts]
    words = [{"content": "The key is sk-pro"}, {"content": "j-0123456789"}, {"content": "abcdef."}]
    path = tmp_path / "stream.jsonl"
    Recorder(path, "api.openai.com", Scrubber())(wire(chat(stream=True)), Exchange(200, SSE), streamed(*deltas, *words))
    [take] = load(path)[1]
    content = take.exchange.content.decode()
    found = [json.loads(line[6:])["choices"][0]["delta"] for line in content.splitlines() if line]
    arguments = "".join(delta["tool_calls"][0]["function"]["arguments"] for delta in found if "tool_calls" in delta)
    assert json.loads(arguments) == {"password": "[secret]", "id": 7}
    assert "".join(delta.get("content", "") for delta in found) == "The key is [secret]."
    assert take.exchange.seconds == pytest.approx(0.3)


def test_a_secret_learned_late_is_out_of_what_was_written_before(tmp_path: Path) -> None:
    scrubber = Scrubber()
    recorder = Recorder(tmp_path / "late.jsonl", "x", scrubber)
    recorder(wire(chat("open sesame-4711 please")), Exchange(200, JSON), [(0.0, completion("sesame-4711 it is."))])
    assert "sesame-4711" in (tmp_path / "late.jsonl").read_text()
    recorder(wire(chat(metadata={"door_password": "sesame-4711"})), Exchange(200, JSON), [(0.0, completion("ok"))])
    assert "sesame-4711" not in (tmp_path / "late.jsonl").read_text()


def test_only_headers_that_are_allowed_are_kept(tmp_path: Path) -> None:
    headers = (*JSON, ("set-cookie", "a=b"), ("openai-organization", "org-x"), ("Retry-After", "3"))
    Recorder(tmp_path / "h.jsonl", "x", Scrubber())(wire(chat()), Exchange(429, headers), [(0.0, b"{}")])
    [take] = load(tmp_path / "h.jsonl")[1]
    assert take.headers == (*JSON, ("retry-after", "3"))


def test_bytes_that_are_no_text_are_kept_as_they_are() -> None:
    take = Take.model_validate({"api": "x", "method": "POST", "path": "/", "request": None, "status": 200, "pieces": [{"base64": "/w=="}]})
    assert take.exchange.content == b"\xff"
