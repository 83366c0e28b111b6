"""Objects of agent frameworks that are agents themselves, known by their module's name and never imported from here."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["WithHistory", "caller_of"]


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
        self._messages: list[Any] = []

    async def __call__(self, prompt: str) -> Any:
        runner = sys.modules["agents"].Runner
        result = await runner.run(self._agent, [*self._messages, {"role": "user", "content": prompt}])
        self._messages = result.to_input_list()
        return result


class _LangChain:
    def __init__(self, runnable: Any) -> None:
        self._runnable = runnable
        self._messages: list[Any] = []

    async def __call__(self, prompt: str) -> Any:
        result = await self._runnable.ainvoke({"messages": [*self._messages, {"role": "user", "content": prompt}]})
        if isinstance(result, dict) and isinstance(result.get("messages"), list):
            self._messages = result["messages"]
        return result


def caller_of(target: Any) -> Callable[[str], Any] | None:
    """How to ask an object of a framework; None for anything else (functions that merely live in a framework's module included)."""
    root = type(target).__module__.partition(".")[0]
    if root == "pydantic_ai" and hasattr(target, "run"):
        return _PydanticAI(target)
    if root == "agents" and hasattr(sys.modules.get("agents"), "Runner") and hasattr(target, "instructions"):
        return _OpenAIAgents(target)
    if root.startswith(("langchain", "langgraph")) and hasattr(target, "ainvoke"):
        return _LangChain(target)
    return None
