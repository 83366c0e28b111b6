"""Tools: typed functions that a model may call. The schema comes from the signature, the result is checked against the annotation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from agentlab.errors import InvalidArgumentsError, InvalidResultError, ToolBusyError
from agentlab.threads import in_thread

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter

__all__ = ["ApprovalPolicy", "EffectClass", "Tool", "tool"]

EffectClass = Literal["read", "write", "external"]
"""What a tool does to the world: nothing, a change in a system of ours, or something outside (an email)."""

ApprovalPolicy = bool | Callable[[dict[str, Any]], bool]
"""Whether a call needs somebody's approval: always, never, or by its arguments."""

CONCURRENCY = 16
"""Calls of one tool that run at the same time, unless it says otherwise."""
KEY = "idempotency_key"
"""The parameter that receives an idempotency key; a model never sees it."""


@dataclass(frozen=True)
class _Signature:
    """What is known of a tool's function, worked out once per function."""

    arguments: type[BaseModel]
    result: TypeAdapter[Any] | None
    schema: dict[str, Any]
    takes_key: bool


class Tool:
    """A function with a name, a schema, a timeout in seconds and an effect class.

    `call` is the one way into the function, looked up on the class at each call.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: EffectClass = "read",
        timeout: float = 10.0,
        concurrency: int = CONCURRENCY,
        fallback: Tool | None = None,
        approval: ApprovalPolicy = False,
        cacheable: bool = False,
        repeatable: bool = False,
    ) -> None:
        self.function = function
        self.name: str = name or str(getattr(function, "__name__", "tool"))
        self.description: str = description or inspect.getdoc(function) or ""
        self.effect: EffectClass = effect
        self.timeout = timeout
        self.concurrency = concurrency
        self.fallback = fallback
        self.approval: ApprovalPolicy = approval
        self.cacheable = cacheable
        self.repeatable = repeatable
        self._owner: object = None
        self._threads: set[object] = set()

    def __repr__(self) -> str:
        return f"<Tool {self.name} {self.effect}>"

    def __get__(self, owner: object, _kind: type | None = None) -> Tool:
        """A tool defined as a method belongs to its object, as a method does."""
        if owner is None:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._owner = owner
        if self.fallback is not None and any(self.fallback is value for kind in type(owner).__mro__ for value in vars(kind).values()):
            bound.fallback = self.fallback.__get__(owner)
        return bound

    @property
    def writes(self) -> bool:
        """Whether it changes the world."""
        return self.effect != "read"

    @property
    def keyed(self) -> bool:
        """Whether its function takes an idempotency key, so that a call can be repeated safely."""
        return self._read.takes_key

    def needs_approval(self, arguments: dict[str, Any]) -> bool:
        """Whether a call with these arguments may run only after somebody said yes. A policy that breaks does not let it through."""
        if isinstance(self.approval, bool):
            return self.approval
        try:
            return bool(self.approval(arguments))
        except Exception:  # noqa: BLE001  # a policy may raise anything; a person decides then
            return True

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as OpenAI's `tools` parameter wants it."""
        return self._read.schema

    def validate(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments with their annotated types. Raises InvalidArgumentsError, written for the model."""
        from pydantic import ValidationError  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        try:
            checked = self._read.arguments.model_validate(arguments)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']}" for e in error.errors(include_input=False)[:5]
            )
            raise InvalidArgumentsError(f"The arguments do not fit {self.name}: {problems}.") from None
        return {name: getattr(checked, name) for name in type(checked).model_fields}

    def check(self, result: Any) -> Any:
        """The result, if it is what the return annotation says. Raises InvalidResultError."""
        from pydantic import ValidationError  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

        adapter = self._read.result
        if adapter is None:
            return result
        try:
            adapter.validate_python(result)
        except ValidationError as error:
            where = ", ".join(sorted({".".join(map(str, e["loc"])) or "the result" for e in error.errors(include_input=False)}))
            raise InvalidResultError(f"{self.name} returned something else than it declares ({where})") from None
        return result

    async def call(self, arguments: dict[str, Any], call_id: str | None = None) -> Any:
        """Run the function: a coroutine function here, any other in a worker thread. What can be awaited is awaited.

        `call_id` is for whoever watches. Raises ToolBusyError if as many threads as may run at a time do not come back.
        """
        del call_id
        given = arguments if self.keyed else {name: value for name, value in arguments.items() if name != KEY}
        function = self.function if self._owner is None else functools.partial(self.function, self._owner)
        try:
            if inspect.iscoroutinefunction(self.function):
                return await function(**given)
            result = await in_thread(self._counted, function, given)
            # a wrapped coroutine function, or an object's, does not look like one
            return await result if inspect.isawaitable(result) else result
        except SystemExit as error:  # a command's function, say, that does not like its arguments: no reason to end the process
            raise RuntimeError(f"{self.name} wanted to end the process") from error

    def _counted(self, function: Callable[..., Any], given: dict[str, Any]) -> Any:
        """Run in a thread, which counts until it ends, whether somebody still waits for it or not."""
        if len(self._threads) >= self.concurrency:
            raise ToolBusyError(f"{self.name} is busy: {self.concurrency} calls of it have not come back")
        mark = object()
        self._threads.add(mark)
        try:
            return function(**given)
        finally:
            self._threads.discard(mark)

    @property
    def _read(self) -> _Signature:
        return _signature(self.function, self.name, self.description, self._owner is not None)


@functools.lru_cache(maxsize=1024)
def _signature(function: Callable[..., Any], name: str, description: str, method: bool) -> _Signature:
    """Read the signature with pydantic, which is loaded here. Raises TypeError for a parameter that cannot be shown to a model."""
    from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"The tool {name!r} yields: it must return its whole result.")
    try:
        read = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise TypeError(
            f"The tool {name!r} has an annotation that cannot be read: {error}; types stand at the module's top level."
        ) from error
    parameters = list(read.parameters.values())[1 if method else 0 :]
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.name == KEY:
            continue
        if parameter.annotation is parameter.empty or parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise TypeError(f"The tool {name!r} needs a plain annotated parameter instead of {str(parameter)!r}.")
        if parameter.name.startswith("_") or (parameter.name.startswith("model_") and hasattr(BaseModel, parameter.name)):
            raise TypeError(f"The tool {name!r} needs another name for its parameter {parameter.name!r}: pydantic keeps it for itself.")
        fields[parameter.name] = (parameter.annotation, ... if parameter.default is parameter.empty else parameter.default)
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    arguments = create_model(f"{name}_arguments", __config__=config, **fields)
    schema = _plain(arguments.model_json_schema())
    result = None if read.return_annotation in {read.empty, Any} else TypeAdapter(read.return_annotation)
    return _Signature(
        arguments=arguments,
        result=result,
        schema={"type": "function", "function": {"name": name, "description": description, "parameters": schema}},
        takes_key=any(parameter.name == KEY for parameter in parameters),
    )


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without pydantic's titles."""
    cleaned = {key: value for key, value in schema.items() if key != "title"}
    cleaned["properties"] = {
        name: {key: value for key, value in field.items() if key != "title"} for name, field in schema.get("properties", {}).items()
    }
    return cleaned


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    effect: EffectClass = "read",
    timeout: float = 10.0,
    concurrency: int = CONCURRENCY,
    fallback: Tool | None = None,
    approval: ApprovalPolicy = False,
    cacheable: bool = False,
    repeatable: bool = False,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a tool of a typed function.

    `effect="write"` for one that changes something: it is then called with an `idempotency_key` if it has that parameter, and never
    repeated blindly if it has not; `external` is for what leaves our systems (an email). `timeout` is in seconds for one attempt;
    `concurrency` bounds the calls that run at a time. `fallback` is run with the same arguments when the tool has failed for good and
    certainly changed nothing, unless it needs approval itself. `approval`: somebody has to agree before a call runs. `cacheable`: answers
    made of its results only may be cached. `repeatable`: an identical second call in one turn, or in a later one, is wanted, not a slip.
    """
    if function is not None:
        return Tool(function)
    return functools.partial(Tool, **options)
