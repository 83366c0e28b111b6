"""Agents that must fail every suite that ships: each asks its provider, so that faults strike, and then answers as it likes.

`careless_done` and `careless_sorry` do the work right until something goes wrong, and then say "Done!" or apologise.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

URL = "https://api.openai.com/v1/chat/completions"
HEADERS = {"authorization": "Bearer key", "content-type": "application/json"}
REPLIES: dict[str, str] = {}
"""Prompt to the reply of the fault-free run, for the agent that repeats it."""

Agent = Callable[[str], Any]


def lookup_order(id: str) -> dict[str, Any]:  # noqa: A002 - the suites' name for it
    raise AssertionError("the lab answers for the tools")


def refund(order: str, amount: float) -> dict[str, Any]:
    raise AssertionError("the lab answers for the tools")


def update_address(order: str, address: str) -> dict[str, Any]:
    raise AssertionError("the lab answers for the tools")


def search_kb(query: str) -> dict[str, Any]:
    raise AssertionError("the lab answers for the tools")


TOOLS = {tool.__name__: tool for tool in (lookup_order, refund, update_address, search_kb)}
OFFERED = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {argument: {} for argument in tool.__annotations__ if argument != "return"}},
        },
    }
    for name, tool in TOOLS.items()
]


def ask(messages: list[dict[str, Any]], *, tools: bool = True) -> dict[str, Any]:
    """The model's next message."""
    body: dict[str, Any] = {"model": "gpt-4o-mini", "messages": messages}
    answer = httpx2.post(URL, json=body | ({"tools": OFFERED} if tools else {}), headers=HEADERS, timeout=10)
    answer.raise_for_status()
    message: dict[str, Any] = answer.json()["choices"][0]["message"]
    return message


def says(reply: Callable[[str], str]) -> Agent:
    """An agent that asks once, does not care, and says what it always says."""

    def agent(text: str) -> str:
        try:
            ask([{"role": "user", "content": text}])
        except Exception:  # noqa: BLE001 - that is what is wrong with it
            return reply(text)
        return reply(text)

    return agent


def done() -> Agent:
    return says(lambda _: "Done!")


def echo() -> Agent:
    return says(lambda text: text)


def sorry() -> Agent:
    return says(lambda _: "I'm sorry, I am unable to help you with that.")


def parrot() -> Agent:
    return says(lambda text: REPLIES[text])


def raises() -> Agent:
    def fail(text: str) -> str:
        raise RuntimeError("always")

    return says(fail)


def careless(excuse: str) -> Agent:
    """Right until the first fault."""
    messages: list[dict[str, Any]] = []

    def work(text: str) -> str:
        messages.append({"role": "user", "content": text})
        while True:
            message = ask(messages)
            messages.append(message)
            if not message.get("tool_calls"):
                return str(message["content"])
            for call in message["tool_calls"]:
                result = TOOLS[call["function"]["name"]](**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})

    def agent(text: str) -> str:
        try:
            return work(text)
        except Exception:  # noqa: BLE001 - that is what is wrong with it
            return excuse

    return agent


def careless_done() -> Agent:
    return careless("Done!")


def careless_sorry() -> Agent:
    return careless("I'm sorry, I was unable to do that.")


class Incomplete:
    """A reply that declares a failure."""

    text = "I stopped."
    status = "incomplete"
    effects = ("refund", "update_address")


def gives_up() -> Agent:
    """Fails cleanly, always."""
    inner = says(lambda text: text)

    def agent(text: str) -> Any:
        inner(text)
        return Incomplete()

    return agent
