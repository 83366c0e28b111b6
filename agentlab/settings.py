"""Settings: one typed object for what a deployment decides, from code, a file or the environment; `Agent.from_settings` takes it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError
from pydantic_core import PydanticCustomError

from agentlab import telemetry
from agentlab.bounds import Bounds
from agentlab.breaker import BreakerPolicy
from agentlab.cache import ResponseCache
from agentlab.closing import close_all
from agentlab.embeddings import Embeddings
from agentlab.errors import SettingsError
from agentlab.models import Api, Model
from agentlab.prices import price_of
from agentlab.redis_breakers import RedisBreakers
from agentlab.secrets import hide_secrets
from agentlab.settings_sources import Found, from_environment, from_file, merged, nearest
from agentlab.stores.in_memory import InMemoryStore
from agentlab.stores.redis_store import RedisStore
from agentlab.stores.sqlite import SqliteStore
from agentlab.stores.store import Store

__all__ = [
    "BoundsSettings",
    "BreakerSettings",
    "CacheSettings",
    "ModelSettings",
    "Settings",
    "StoreSettings",
    "TelemetrySettings",
]

SHAPES = {
    "model_type": "it must be a section with fields",
    "tuple_type": "it must be a list",
    "dict_type": "it must be a section with fields",
}
"""What is wrong, in the words of a settings file, by pydantic's name for it."""
Share = Annotated[float, Field(ge=0, le=1)]
Dollars = Annotated[float, Field(ge=0)]


def _address(url: str) -> str:
    """The URL. Raises an error, without a word of it, if it can be none: whoever connects with it would only find a store that is away."""
    try:
        urlsplit(url).port  # noqa: B018  # its getter raises where there can be no such port
    except ValueError:
        raise PydanticCustomError("address", "this is no address that can be connected to") from None
    return url


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class BoundsSettings(_Section):
    """`agentlab.Bounds` of one turn: model answers, tokens, US dollars (none: unlimited), seconds."""

    steps: PositiveInt = 8
    tokens: PositiveInt = 200_000
    money: PositiveFloat | None = None
    seconds: PositiveFloat = 120.0


class ModelSettings(_Section):
    """One model of the chain; the fields are those of `agentlab.Model`. The key is in the environment, under `key_variable`."""

    name: Annotated[str, Field(min_length=1)]
    api: Api = "openai-chat"
    base_url: str = ""
    key_variable: str = ""
    timeout: PositiveFloat = 30.0
    connect_timeout: PositiveFloat = 5.0
    stream: bool = False
    stall_timeout: PositiveFloat = 15.0
    max_tokens: PositiveInt = 1024
    limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    price: tuple[Dollars, Dollars] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    extra: dict[str, Any] = Field(default_factory=dict)


class BreakerSettings(_Section):
    """`agentlab.BreakerPolicy`: failures in a row to open, seconds until a probe, successful probes to close."""

    failures: PositiveInt = 4
    reset: PositiveFloat = 30.0
    successes: PositiveInt = 1


class CacheSettings(_Section):
    """The response cache: whether there is one, least similarity of a hit, entries of one tenant.

    `embeddings` names OpenAI's model that compares meanings besides; empty: words alone.
    """

    enabled: bool = True
    threshold: Share = 0.85
    size: PositiveInt = 1000
    embeddings: str = ""


class TelemetrySettings(_Section):
    """Where telemetry goes, and the part of the turns that an evaluator scores."""

    exporter: Literal["none", "console", "otlp"] = "none"
    evaluate_share: Share = 0.1


class StoreSettings(_Section):
    """Where state lives that outlasts a turn. Breakers: `redis://host:6379/0`, or empty: in each process.

    Checkpoints: `redis://...`, `sqlite:FILE`, `memory` (gone with the process), or empty: none are kept.
    """

    breakers: Annotated[str, Field(pattern=r"^(rediss?://.*)?$"), AfterValidator(_address)] = ""
    checkpoints: Annotated[str, Field(pattern=r"^(memory|sqlite:.+|rediss?://.*)?$"), AfterValidator(_address)] = ""


class Settings(_Section):
    """What a deployment decides about its agents.

    >>> settings = Settings.load(environment={}, bounds={"seconds": 30}, models=[{"name": "gpt-4o-mini"}])
    >>> settings.bounds.seconds, settings.models[0].timeout
    (30.0, 30.0)

    `prices` are US dollars for a million input and output tokens, by model; they win over the table in `agentlab.prices`, and a model's own
    `price` over both.
    """

    bounds: BoundsSettings = BoundsSettings()
    models: tuple[ModelSettings, ...] = ()
    prices: dict[str, tuple[Dollars, Dollars]] = Field(default_factory=dict)
    model_breaker: BreakerSettings = BreakerSettings()
    tool_breaker: BreakerSettings = BreakerSettings()
    cache: CacheSettings = CacheSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    stores: StoreSettings = StoreSettings()
    degrade: bool = True

    @classmethod
    def load(cls, path: str | Path | None = None, *, environment: Mapping[str, str] | None = None, **values: Any) -> Self:
        """Settings of a TOML or YAML file, of the environment over it, and of code (`values`) over both.

        Without `path` the file is the one that AGENTLAB_SETTINGS names, else `agentlab.toml` or `agentlab.yaml` in the current folder, if
        there is one. In the environment a name is AGENTLAB_ and the field, sections separated by two underscores
        (`AGENTLAB_BOUNDS__SECONDS=30`); what is no plain value is JSON. Raises SettingsError with the field, where it stands, and the
        nearest right name.
        """
        return cls._checked(cls._found(path, os.environ if environment is None else environment, values))

    @classmethod
    def explained(cls, path: str | Path | None = None, *, environment: Mapping[str, str] | None = None) -> list[tuple[str, str, str]]:
        """Every field with its value and where that stands (empty: the default), secrets hidden. Raises SettingsError."""
        found = cls._found(path, os.environ if environment is None else environment, {})
        shown = cls._checked(found).model_dump(mode="json")
        return [(field, hide_secrets(str(value)), found.places.get(field, "")) for field, value in _flat(shown)]

    @classmethod
    def _found(cls, path: str | Path | None, environment: Mapping[str, str], values: Mapping[str, Any]) -> Found:
        return merged(from_file(path, environment), from_environment(environment, cls.model_fields), Found(dict(values), {}, "code"))

    @classmethod
    def _checked(cls, found: Found) -> Self:
        try:
            settings = cls.model_validate(found.values)
        except ValidationError as error:
            raise SettingsError(_sentence(found, error)) from None
        refused = [f"{found.where(field) or 'code'}: {field}: {wrong}" for field, wrong in settings._clashes()]
        if refused:
            raise SettingsError(f"{'; '.join(refused)}. Correct it there.")
        return settings

    def _clashes(self) -> Iterator[tuple[str, str]]:
        """What no agent can be made of, although each value is one: the field, and what is wrong with it."""
        names = [model.name for model in self.models]
        for n, model in enumerate(self.models):
            if model.name in names[:n]:
                yield f"models.{n}.name", "another model of the chain has the same name"
            if self.bounds.money is not None and not self._model(model).priced:
                yield f"models.{n}.name", "bounds.money needs the price of this model; give it as its price, or under prices"

    def options(self) -> dict[str, Any]:
        """What `Agent` takes of these settings, by its parameters' names. The cache and the stores are the same for each agent."""
        return {
            "models": [self._model(model) for model in self.models],
            "bounds": Bounds(**self.bounds.model_dump()),
            "cache": self._cache if self.cache.enabled else None,
            "checkpoints": self._checkpoints,
            "degrade": self.degrade,
            "model_breaker": BreakerPolicy(**self.model_breaker.model_dump(), shared=self._breakers),
            "tool_breaker": BreakerPolicy(**self.tool_breaker.model_dump(), shared=self._breakers),
            "evaluate_share": self.telemetry.evaluate_share,
        }

    def start_telemetry(self) -> Callable[[], None]:
        """Set up what `telemetry.exporter` asks for. The result flushes and stops it."""
        if self.telemetry.exporter == "console":
            return telemetry.console()
        return telemetry.otlp() if self.telemetry.exporter == "otlp" else lambda: None

    async def aclose(self) -> None:
        """Close the connections to stores and embeddings, after the last agent of these settings. What cannot be closed is raised after
        the others are."""
        await close_all(self._breakers, self._checkpoints, self._embeddings)

    @functools.cached_property
    def _cache(self) -> ResponseCache:
        return ResponseCache(threshold=self.cache.threshold, size=self.cache.size, embed=self._embeddings)

    @functools.cached_property
    def _embeddings(self) -> Embeddings | None:
        return Embeddings(self.cache.embeddings) if self.cache.embeddings else None

    @functools.cached_property
    def _breakers(self) -> RedisBreakers | None:
        return RedisBreakers.from_url(self.stores.breakers) if self.stores.breakers else None

    @functools.cached_property
    def _checkpoints(self) -> Store | None:
        url = self.stores.checkpoints
        if url == "memory":
            return InMemoryStore()
        if url.startswith("sqlite:"):
            return SqliteStore(url.removeprefix("sqlite:"))
        return RedisStore(url) if url else None

    def _model(self, model: ModelSettings) -> Model:
        price = model.price or self.prices.get(model.name) or price_of(model.name)
        return Model(**{**model.model_dump(), "price": price})


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """The fields by their dotted names; a list's items by their number."""
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = {str(n): item for n, item in enumerate(value)}  # noqa: PLW2901  # the same, by number
        if isinstance(value, dict) and value and name != "extra":
            found += _flat(value, f"{before}{name}.")
        else:
            found.append((f"{before}{name}", value))
    return found


def _sentence(found: Found, error: ValidationError) -> str:
    problems = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            wrong = f"there is no such setting{nearest(str(problem['loc'][-1]), _section(problem['loc']).model_fields)}"
        else:
            wrong = SHAPES.get(problem["type"], problem["msg"])
        problems.append(f"{found.where(field) or 'code'}: {field}: {wrong}")
    said = "; ".join(problems)
    return f"{said}{'' if said.endswith('?') else '.'} Correct it there."


def _section(place: Sequence[int | str]) -> type[BaseModel]:
    """The section in which this place is."""
    section: type[BaseModel] = Settings
    for part in place[:-1]:
        if isinstance(part, str):
            kind = section.model_fields[part].annotation
            section = next(one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, BaseModel))
    return section
