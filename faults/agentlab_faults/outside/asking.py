"""One conversation with an agent outside this process: a command that is run for each turn, or an endpoint that each turn is posted to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import httpx2

from agentlab_faults.outside.agent import Outside, filled
from agentlab_faults.outside.child import MOST, Child
from agentlab_faults.scrub import cut

__all__ = ["AgentFailed", "CannotAsk", "CommandFailed", "EndpointFailed", "Told", "converse"]

_STARTS: Final = 30.0
"""Seconds that a server has to listen."""
_POLL: Final = 0.02
CONVERSATION: Final = "AGENTLAB_CONVERSATION"
"""Tells a command which conversation a turn belongs to: the same for its turns, never the same again."""

_Ask = Callable[[str], Awaitable[Any]]


class AgentFailed(Exception):  # noqa: N818 - it is what the agent did, not an error of ours
    """The agent ended otherwise than with a reply."""


class CommandFailed(AgentFailed):
    """The command ended with an exit code other than 0, or by a signal."""


class EndpointFailed(AgentFailed):
    """The endpoint answered with an error, or not at all."""


class CannotAsk(Exception):  # noqa: N818 - it says what is so
    """There is no agent to ask; the text is one sentence that says what to do."""


class Told(Protocol):
    """Who hears how the conversation goes."""

    def begin(self) -> None:
        """The agent is there to be asked."""
        ...

    def turn(self, prompt: str) -> None:
        """A user's turn begins."""
        ...

    def reply(self, value: Any) -> None:
        """The agent answered the turn."""
        ...


async def converse(agent: Outside, prompts: Sequence[str], environment: Mapping[str, str], told: Told) -> None:
    """Play every turn. Whatever was started has ended afterwards. Raises AgentFailed, CannotAsk and CannotRun."""
    words = {"conversation": uuid.uuid4().hex}
    environment = {**environment, CONVERSATION: words["conversation"]}
    async with _endpoint(agent, environment, words) if agent.url else _command(agent, environment, words) as ask:
        told.begin()
        for prompt in prompts:
            told.turn(prompt)
            told.reply(await ask(prompt))


@contextlib.asynccontextmanager
async def _command(agent: Outside, environment: Mapping[str, str], words: Mapping[str, str]) -> AsyncIterator[_Ask]:
    named = any("{prompt}" in word for word in agent.command)

    async def ask(prompt: str) -> str:
        command = filled(agent.command, {"prompt": prompt, **words})
        child = await Child.start(command if named else [*command, prompt], environment)
        try:
            code = await child.wait()
        finally:
            await child.end()
        if code:
            raise CommandFailed(_ended(code, child))
        return child.out

    yield ask


def _ended(code: int, child: Child) -> str:
    """How a command ended, with the last line that it wrote to standard error."""
    lines = child.err.splitlines()
    return (f"exit code {code}" if code > 0 else f"ended by signal {-code}") + (f": {lines[-1].strip()}" if lines else "")


@contextlib.asynccontextmanager
async def _endpoint(agent: Outside, environment: Mapping[str, str], words: Mapping[str, str]) -> AsyncIterator[_Ask]:
    port = str(_free_port()) if agent.command else ""
    words = {**words, "port": port} if port else words
    url = filled(agent.url, words)
    async with contextlib.AsyncExitStack() as stack:
        child = None
        if agent.command:
            child = await Child.start(filled(agent.command, words), {**environment, "PORT": port})
            stack.push_async_callback(child.end)
        await _listens(url, child)
        client = await stack.enter_async_context(httpx2.AsyncClient(timeout=None, trust_env=False))

        async def ask(prompt: str) -> Any:
            return await _posted(client, url, filled(agent.body, {"prompt": prompt, **words}))

        yield ask


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _listens(url: str, child: Child | None) -> None:
    """Wait until a server that was just started can be connected to. Raises CannotAsk, and AgentFailed if it ended instead."""
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    loop = asyncio.get_running_loop()
    end = loop.time() + (_STARTS if child is not None else 0)
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
            return
        if child is None:
            raise CannotAsk(f"Nothing listens at {host}:{port}; start the agent first, or name the command that starts it.")
        if child.code is not None:
            raise CommandFailed(f"{_ended(await child.wait(), child)}, before it listened at {host}:{port}")
        if loop.time() > end:
            raise CannotAsk(f"The command does not listen at {host}:{port} after {_STARTS:g} s; it is told its port by {{port}} or PORT.")
        await asyncio.sleep(_POLL)


async def _posted(client: httpx2.AsyncClient, url: str, body: Any) -> Any:
    """What the endpoint answers: the value of its JSON, else its text."""
    content = bytearray()
    try:
        async with client.stream("POST", url, json=body) as response:
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MOST:
                    raise EndpointFailed(f"its answer has more than {MOST:,} bytes")
    except httpx2.HTTPError as error:
        raise EndpointFailed(f"{type(error).__name__}: {error}") from error
    text = content.decode("utf-8", "replace")
    if not response.is_success:
        raise EndpointFailed(f"HTTP {response.status_code}: {cut(' '.join(text.split()), 300)}")
    if "json" in response.headers.get("content-type", ""):
        with contextlib.suppress(ValueError, RecursionError):  # it says JSON and is none: then it is its text
            return json.loads(text)
    return text.strip()
