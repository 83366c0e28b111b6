"""What the wire catalogue measured (its rows marked M) holds with the SDKs that are installed.

`golden/measured.json` keeps what each of those rows says: the exception's class (null: none), the number of tries, and the wait where the
row tells one. For the faults of the wire it is held against the tables that the other tests play to the real SDKs, by SDK or wire API; any
other row names the test that sees it. A row that a newer SDK made untrue is corrected there, and `differs_from_the_wire_catalogue` of the
table says so, with the version.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest
from agentlab_faults import Injection, Played, Schedule, Setup, Talk, play
from agentlab_faults.catalogue import select
from agentlab_faults.fault import Shape
from agentlab_faults.script import Call, Say, ScriptSpec
from google import genai

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
FAULTS = {fault.row.id: fault for fault in select(["*"])}
ROWS: dict[str, dict[str, Any]] = json.loads((GOLDEN / "measured.json").read_text())["rows"]
MEASURED = {"network": 22, "provider-http": 37, "content": 55, "stream": 28, "mcp": 21, "state": 24, "semantic": 3}
"""How many rows of each boundary the wire catalogue marks M."""

CHAT = json.loads((GOLDEN / "catalogue.json").read_text())["openai"]["measured"]
SDKS = json.loads((GOLDEN / "sdks.json").read_text())
STREAMS = json.loads((GOLDEN / "streams.json").read_text())
WHOLE = {
    "openai": [CHAT, SDKS["openai-responses"]["measured"]],
    "anthropic": [SDKS["anthropic"]["measured"]],
    "gemini": [SDKS["google-genai"]["measured"] | SDKS["google-genai"]["with a timeout of 5 s"]],
}
"""The tables of answers in one piece, by SDK. Google's has no timeout of its own, so it is given one where it would wait for ever."""


def tables(where: str, way: str) -> list[dict[str, Any]]:
    """What was seen there: by SDK for whole answers, by wire API for streams, which are read in two ways."""
    return [STREAMS[where][way]] if where in STREAMS else WHOLE[where]


def untrue(claims: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """The claims of a row that what was seen does not bear out."""
    return {key: claim for key, claim in claims.items() if seen.get(key) != claim}


def names(tree: ast.Module, test: str) -> set[str]:
    """The texts in a test, in its decorators and in the tables that these name."""
    [function] = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test]
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    tables = [node for node in tree.body if isinstance(node, ast.Assign) and used & {getattr(to, "id", "") for to in node.targets}]
    constants = (node for part in (function, *tables) for node in ast.walk(part) if isinstance(node, ast.Constant))
    return {constant.value for constant in constants if isinstance(constant.value, str)}


def test_every_measured_row_is_a_fault_of_the_catalogue_and_is_listed() -> None:
    assert set(ROWS) <= set(FAULTS)
    assert Counter(FAULTS[name].row.boundary for name in ROWS) == MEASURED


@pytest.mark.parametrize("name", ROWS)
def test_a_measured_row_is_seen_with_the_real_sdk(name: str) -> None:
    row = dict(ROWS[name])
    if seen_by := row.pop("seen_by", ""):
        path, _, test = seen_by.partition("::")
        assert name in names(ast.parse((ROOT / path).read_text()), test)
    assert row or seen_by
    for where, claims in row.items():
        told = {key: claim for key, claim in claims.items() if key != "helper"}
        seen = [table[name] for table in tables(where, "events") if name in table]
        assert seen, where
        assert [untrue(told, one) for one in seen] == [{}] * len(seen)
        if "helper" in claims:
            assert tables(where, "helper")[0][name]["raises"] == claims["helper"]


def test_a_claim_that_does_not_hold_is_found_out() -> None:
    row, seen = ROWS["http_500"]["openai"], CHAT["http_500"]
    assert untrue(row, seen) == {}
    assert untrue(row, seen | {"tries": 1}) == {"tries": 3}
    assert untrue(row, {"returns": "ChatCompletion", "tries": 3}) == {"raises": "InternalServerError"}
    assert untrue({"raises": None}, seen) == {"raises": None}


# The rows that take more than one call of an SDK, or a request of another kind

PROMPT = "Where is order 5512? Answer in json."
SCRIPT = ScriptSpec(turns=(Call((("lookup_order", {"id": "5512"}),)), Say({"order": "5512"})))
SAYS = ScriptSpec(turns=(Say({"order": "5512"}),))
MESSAGES: Any = [{"role": "user", "content": PROMPT}]


class Order(pydantic.BaseModel):
    """What is asked for."""

    order: str


def struck(name: str, at: str, agent: Callable[[], Any], script: ScriptSpec = SAYS, shape: Shape = "always") -> tuple[Any, Played]:
    """What the agent returned or raised, with the fault there."""

    def conversation(talk: Talk) -> None:
        talk.turn(PROMPT)
        talk.reply(agent())

    schedule = Schedule("t", (Injection(fault=FAULTS[name](), at=at, shape=shape),))
    played = play(conversation, Setup(scripts=(script,), prompts=(PROMPT,)), schedule, seed=1)
    assert played.problems == ()
    assert any(strike.changed for strike in played.strikes)
    return (played.error or played.replies[0]), played


@pytest.mark.parametrize(("retries", "requests"), [(2, 9), (0, 3)], ids=["upon the SDK's", "alone"])
def test_retries_upon_retries_multiply(retries: int, requests: int) -> None:
    def agent() -> Any:
        with openai.OpenAI(api_key="k", max_retries=retries) as client:
            for left in (2, 1, 0):
                try:
                    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES)
                except openai.InternalServerError as error:
                    told = error.response.headers["x-gateway-attempted-retries"]
                    if not left:
                        raise
        raise AssertionError(told)

    error, played = struck("sem_retry_amplification", "openai.chat.1", agent)
    assert (type(error), played.requests) == (openai.InternalServerError, requests)
    assert error.response.headers["x-gateway-attempted-retries"] == "2", "and the gateway tried three times for each"


def test_google_genai_runs_a_looping_models_tool_until_its_own_limit() -> None:
    ran: list[str] = []

    def lookup_order(id: str) -> str:  # noqa: A002 - the wire's own name
        """Look an order up."""
        ran.append(id)
        return "shipped"

    def agent() -> Any:
        with genai.Client(api_key="k") as client:
            config = genai.types.GenerateContentConfig(tools=[lookup_order])
            return client.models.generate_content(model="gemini-2.5-flash", contents=PROMPT, config=config)

    response, played = struck("sem_loop_same_call", "gemini.generate.2", agent, SCRIPT)
    assert [call.name for call in response.function_calls] == ["lookup_order"]
    assert (played.requests, ran) == (10, ["5512"] * 9)


def test_prose_for_json_breaks_parse_alone() -> None:
    asked: Any = {"model": "gpt-4o-mini", "messages": MESSAGES}

    def parsed() -> Any:
        with openai.OpenAI(api_key="k") as client:
            return client.chat.completions.parse(**asked, response_format=Order)

    def created() -> Any:
        with openai.OpenAI(api_key="k") as client:
            return client.chat.completions.create(**asked, response_format={"type": "json_object"})

    error, played = struck("sem_json_mode_prose", "openai.chat.1", parsed)
    assert (type(error), played.requests) == (pydantic.ValidationError, 1)
    answer, played = struck("sem_json_mode_prose", "openai.chat.1", created)
    assert answer.choices[0].message.content.startswith("Sure! Here is the JSON you asked for:\n```json\n{")
    assert played.requests == 1
