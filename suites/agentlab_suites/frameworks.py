"""Objects of agent frameworks that are agents themselves, known by their module's name and never imported from here."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["WithHistory", "begun", "caller_of", "kind_of"]

_KINDS = {
    ("pydantic_ai.agent.abstract", "AbstractAgent"): "pydantic-ai agent",
    ("agents.agent", "Agent"): "openai-agents agent",
    ("langgraph.pregel.protocol", "PregelProtocol"): "langgraph graph",
    ("langchain_core.runnables.base", "Runnable"): "langchain runnable",
}
"""Classes that are agents, by module and name; a class of the user's own counts by the one it derives from."""


class WithHistory:
    """Calls an agent as `agent(text, history=[...])`, with the messages of the turns before."""

    def __init__(self, agent: Callable[..., Any]) -> None:
        self._agent = agent
        self._history: list[dict[str, str]] = []

    def __call__(self, prompt: str) -> Any:
        """One turn."""
        answer = self._agent(prompt, history=list(self._history))
        if isinstance(answer, Awaitable):
            return self._later(prompt, answer)
        self._remember(prompt, answer)
        return answer

    async def _later(self, prompt: str, answer: Awaitable[Any]) -> Any:
        value = await answer
        self._remember(prompt, value)
        return value

    def _remember(self, prompt: str, answer: Any) -> None:
        from agentlab_suites.replies import text_of  # noqa: PLC0415 - both modules know replies; a cycle at import time otherwise

        self._history += [{"role": "user", "content": prompt}, {"role": "assistant", "content": text_of(answer)}]


class _PydanticAI:
    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self._messages: Any = None

    async def __call__(self, prompt: str) -> Any:
        result = await self._agent.run(prompt, message_history=self._messages)
        self._messages = result.all_messages()
        return result


class _OpenAIAgents:
    def __init__(self, agent: Any) -> None:
        self._agent = agent
        self._items: list[Any] = []

    async def __call__(self, prompt: str) -> Any:
        runner = sys.modules["agents"].Runner
        result = await runner.run(self._agent, [*self._items, {"role": "user", "content": prompt}])
        self._items = result.to_input_list()
        return result


class _LangGraph:
    """A graph whose state has messages. With a checkpointer it remembers by itself, under one thread that begins empty."""

    _THREAD = "agentlab"

    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._messages: list[Any] = []
        saver = getattr(graph, "checkpointer", None)
        self._saver = None if isinstance(saver, bool) else saver
        self._config = None if self._saver is None else {"configurable": {"thread_id": self._THREAD}}
        self._began = False

    async def __call__(self, prompt: str) -> Any:
        if self._saver is not None and not self._began:
            await self._saver.adelete_thread(self._THREAD)
        self._began = True
        result = await self._graph.ainvoke({"messages": [*self._messages, {"role": "user", "content": prompt}]}, self._config)
        if self._saver is None and isinstance(result, dict) and isinstance(result.get("messages"), list):
            self._messages = result["messages"]
        return result


class _LangChain:
    """Any other runnable. What it takes is what its input schema says: a text, messages, or an object with one of either or both."""

    def __init__(self, runnable: Any) -> None:
        self._runnable = runnable
        schema = runnable.get_input_jsonschema()
        self._takes_text = schema.get("type") == "string"
        fields: dict[str, Any] = schema.get("properties", {})
        texts = [name for name, field in fields.items() if field.get("type") != "array"]
        self._text = next((name for name in texts if name in schema.get("required", ())), texts[0] if texts else None)
        self._history = next((name for name, field in fields.items() if field.get("type") == "array"), None)
        self._messages: list[Any] = []

    async def __call__(self, prompt: str) -> Any:
        asked = {"role": "user", "content": prompt}
        result = await self._runnable.ainvoke(self._input(prompt, asked))
        from agentlab_suites.replies import text_of  # noqa: PLC0415 - as above

        self._messages += [asked, {"role": "assistant", "content": text_of(result)}]
        return result

    def _input(self, prompt: str, asked: dict[str, str]) -> Any:
        if self._takes_text:
            return prompt
        if self._text is None and self._history is None:
            return [*self._messages, asked]
        if self._text is None:
            return {self._history: [*self._messages, asked]}
        return {self._text: prompt} | ({self._history: list(self._messages)} if self._history else {})


_OURS = ("agentlab.agent", "Agent")
"""The reference runtime's agent is one conversation, and begins others."""


def begun(instance: Any) -> Any:
    """The agent for one more run of a session: a new conversation of the reference runtime's, else the very same object."""
    ours = any((cls.__module__, cls.__name__) == _OURS for cls in type(instance).__mro__)
    return instance.new_conversation() if ours else instance


def kind_of(target: Any) -> str | None:
    """The framework's word for the object, if it is an agent by itself; None for anything else."""
    return next((kind for cls in type(target).__mro__ if (kind := _KINDS.get((cls.__module__, cls.__name__)))), None)


def caller_of(target: Any) -> Callable[[str], Any] | None:
    """How to ask an object of a framework; None for anything else (functions that merely live in a framework's module included)."""
    match kind_of(target):
        case "pydantic-ai agent":
            return _PydanticAI(target)
        case "openai-agents agent":
            return _OpenAIAgents(target)
        case "langgraph graph" if "messages" in getattr(target, "channels", ("messages",)):
            return _LangGraph(target)
        case "langgraph graph" | "langchain runnable":
            return _LangChain(target)
    return None
