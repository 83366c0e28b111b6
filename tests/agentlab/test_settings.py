"""Settings from code, file and environment: typed, refused with field and place, shown without secrets, and an agent made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, TieredPrices

from agentlab import Agent, Bounds, Model, Settings
from agentlab.errors import SettingsError
from agentlab.prices import PRICES, price_of
from agentlab.secrets import hide_secrets
from agentlab.stores.in_memory import InMemoryStore
from agentlab.stores.redis_store import RedisStore
from agentlab.stores.sqlite import SqliteStore

from .conftest import Wire, say

TOML = """
degrade = false

[bounds]
seconds = 30

[[models]]
name = "gpt-4o-mini"

[[models]]
name = "backup"
api = "openai-chat"
base_url = "https://llm.fallback.example/v1"
key_variable = "FALLBACK_API_KEY"
price = [0.5, 1.5]

[model_breaker]
failures = 2
"""
YAML = """
degrade: false
bounds: {seconds: 30}
models:
  - name: gpt-4o-mini
  - name: backup
    api: openai-chat
    base_url: https://llm.fallback.example/v1
    key_variable: FALLBACK_API_KEY
    price: [0.5, 1.5]
model_breaker:
  failures: 2
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_toml_yaml_and_code_mean_the_same(tmp_path: Path) -> None:
    toml = Settings.load(written(tmp_path, "a.toml", TOML), environment={})
    assert toml == Settings.load(written(tmp_path, "a.yaml", YAML), environment={})
    models: Any = [
        {"name": "gpt-4o-mini"},
        {"name": "backup", "base_url": "https://llm.fallback.example/v1", "key_variable": "FALLBACK_API_KEY", "price": (0.5, 1.5)},
    ]
    assert toml == Settings.load(environment={}, degrade=False, bounds={"seconds": 30}, models=models, model_breaker={"failures": 2})


def test_the_environment_wins_over_the_file_and_code_over_both(tmp_path: Path) -> None:
    path = written(tmp_path, "a.toml", TOML)
    environment = {"AGENTLAB_SETTINGS": str(path), "AGENTLAB_BOUNDS__STEPS": "5", "AGENTLAB_BOUNDS__SECONDS": "20", "AGENTLAB_FULL": "1"}
    settings = Settings.load(environment=environment, bounds={"seconds": 10})
    assert (settings.bounds.steps, settings.bounds.seconds, settings.models[1].name) == (5, 10.0, "backup")
    models = Settings.load(environment={"AGENTLAB_MODELS": '[{"name": "o3"}]'}).models
    assert [model.name for model in models] == ["o3"]


def test_a_file_in_the_current_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load(environment={}) == Settings()
    written(tmp_path, "agentlab.yaml", YAML)
    assert Settings.load(environment={}).model_breaker.failures == 2


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "[bounds]\nsteps = 0\n", r"a.toml:2: bounds.steps: Input should be greater than 0"),
        (
            "a.toml",
            '[[models]]\nname = "a"\n[[models]]\nname = "b"\napi = "soap"\n',
            r"a.toml:5: models.1.api: Input should be 'openai-chat'",
        ),
        ("a.toml", "[bounds]\nstep = 3\n", r"a.toml:2: bounds.step: there is no such setting; did you mean 'steps'\?"),
        ("a.toml", "[bound]\nsteps = 3\n", r"a.toml:1: bound: there is no such setting; did you mean 'bounds'\?"),
        ("a.yaml", "models:\n  - name: a\n    base_uri: x\n", r"a.yaml:3: models.0.base_uri: .*did you mean 'base_url'\?"),
        ("a.yaml", "models: [gpt-4o-mini]\n", r"a.yaml:1: models.0: it must be a section with fields"),
        ("a.yaml", "colour: red\n", r"a.yaml:1: colour: there is no such setting\. Correct"),
        ("a.toml", "bounds.seconds = 'soon'\n", r"a.toml:1: bounds.seconds: Input should be a valid number"),
        ("a.toml", "bounds = 3\n", r"a.toml:1: bounds: "),
        ("a.toml", "[bounds\n", r"a.toml cannot be read: "),
        ("a.yaml", "cache:\n  enabled: true\n  threshold: 7\n", r"a.yaml:3: cache.threshold: Input should be less than or equal to 1"),
        ("a.yaml", "models:\n  - api: google\n", r"a.yaml:2: models.0.name: Field required"),
        ("a.yaml", "stores: {breakers: 'mysql://x'}\n", r"a.yaml:1: stores.breakers: "),
        ("a.yaml", "stores: {breakers: 'redis://h:port/0'}\n", r"a.yaml:1: stores.breakers: this is no address that can be connected to"),
        ("a.toml", "[stores]\ncheckpoints = 'redis://h:99999'\n", r"a.toml:2: stores.checkpoints: this is no address"),
        ("a.yaml", "models: gpt-4o-mini\n", r"a.yaml:1: models: it must be a list"),
        ("a.yaml", "models:\n- name: a\n- name: a\n", r"a.yaml:3: models.1.name: another model of the chain has the same name"),
        ("a.yaml", "bounds: {money: 1}\nmodels:\n- name: a\n", r"a.yaml:3: models.0.name: bounds.money needs the price of this model"),
        ("a.yaml", "a: [1\n", r"a.yaml cannot be read: line 2: "),
        ("a.yaml", "a: &x [1]\nb: [*x, *x]\n", r"a.yaml cannot be read: aliases"),
        ("a.yaml", "- 1\n", r"a.yaml holds no settings"),
    ],
)
def test_a_bad_value_is_refused_with_its_field_and_line(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Settings.load(written(tmp_path, name, text), environment={})


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("AGENTLAB_BOUNDS__SECONDS", "soon", r"^AGENTLAB_BOUNDS__SECONDS: bounds.seconds: Input should be a valid number"),
        ("AGENTLAB_BOUNDS__SECOND", "3", r"^AGENTLAB_BOUNDS__SECOND: bounds.second: there is no such setting"),
        ("AGENTLAB_BOUND__STEPS", "3", r"^AGENTLAB_BOUND__STEPS: bound: there is no such setting; did you mean 'bounds'\?"),
        ("AGENTLAB_MODELS", '[{"name": "a"', r"^AGENTLAB_MODELS: this is not valid JSON \(character 14\)\. Correct it there\.$"),
        ("AGENTLAB_MODELS", "[" * 100_000, r"^AGENTLAB_MODELS: this is not valid JSON"),
        ("AGENTLAB_DEGRDE", "no", r"^AGENTLAB_DEGRDE: there is no such setting; did you mean AGENTLAB_DEGRADE\?"),
        ("AGENTLAB_DEGRADE", "perhaps", r"^AGENTLAB_DEGRADE: degrade: Input should be a valid boolean"),
        ("AGENTLAB_SETTINGS", "/no/such/file.toml", r"^/no/such/file.toml cannot be read: No such file or directory\."),
    ],
)
def test_a_bad_variable_is_refused_by_its_name(variable: str, value: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Settings.load(environment={variable: value})


def test_what_takes_the_place_of_a_list_of_the_file_is_refused_where_it_stands_itself(tmp_path: Path) -> None:
    file = written(tmp_path, "a.toml", '[bounds]\nsteps = 3\n[[models]]\nname = "a"\napi = "anthropic"\n')
    for value in ('[{"name": "b", "api": "x"}]', '[{"name": "b", "api": "google"}, {"api": "google"}]'):
        with pytest.raises(SettingsError, match=r"^AGENTLAB_MODELS: models\.\d\."):
            Settings.load(file, environment={"AGENTLAB_MODELS": value})
    with pytest.raises(SettingsError, match=r"a\.toml:2: bounds\.steps"):
        Settings.load(written(tmp_path, "a.toml", "[bounds]\nsteps = 0\n"), environment={"AGENTLAB_BOUNDS": '{"seconds": 3}'})


def test_a_question_ends_the_sentence_itself() -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'steps'\? Correct it there\.$"):
        Settings.load(environment={"AGENTLAB_BOUNDS__STEP": "3"})


async def test_a_store_that_cannot_be_closed_keeps_no_other_one_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stores = {"breakers": "redis://localhost:1/0", "checkpoints": "memory"}
    settings = Settings.load(environment={}, stores=stores, cache={"embeddings": "small"})
    settings.options()
    closed: list[str] = []

    def breaking(name: str) -> Callable[[], Awaitable[None]]:
        async def aclose() -> None:
            closed.append(name)
            raise OSError(name)

        return aclose

    for name in ("_breakers", "_checkpoints", "_embeddings"):
        monkeypatch.setattr(getattr(settings, name), "aclose", breaking(name))
    with pytest.raises(ExceptionGroup, match="could not be closed"):
        await settings.aclose()
    assert closed == ["_breakers", "_checkpoints", "_embeddings"]


def test_a_bad_value_in_code_is_refused_as_such() -> None:
    with pytest.raises(SettingsError, match=r"^code: bounds.steps: "):
        Settings.load(environment={}, bounds={"steps": -1})


def test_no_value_is_told_when_one_is_refused() -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(environment={"AGENTLAB_STORES__BREAKERS": "http://me:hunter2@cache"})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "x: hunter2: y\n"), ("a.toml", 'x = "hunter2\n')])
def test_nothing_of_a_file_is_told_when_it_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load(written(tmp_path, name, text), environment={})
    assert "hunter2" not in str(refused.value)


def test_an_agent_is_made_of_settings_and_works(wire: Wire) -> None:
    settings = Settings(models=[{"name": "gpt-4o-mini"}], bounds={"seconds": 30, "money": 0.01}, prices={"gpt-4o-mini": (10, 10)})
    agent = Agent.from_settings("helper", settings, instructions="Help.", bounds=Bounds(seconds=40, money=0.5))

    async def ask() -> Any:
        async with agent:
            return await agent("Hello?")

    wire.primary(say("Hello."))
    reply = wire.run(ask())
    assert (reply.text, agent.bounds.seconds) == ("Hello.", 40)
    assert reply.usage.money == pytest.approx(110 * 10 / 1e6)


def test_breakers_are_shared_through_the_redis_that_is_named() -> None:
    options = Settings(stores={"breakers": "redis://localhost:1/0"}, model_breaker={"failures": 2}).options()
    assert options["model_breaker"].shared is options["tool_breaker"].shared is not None
    assert options["model_breaker"].failures == 2
    assert Settings().options()["model_breaker"].shared is None


@pytest.mark.parametrize(("url", "kind"), [("memory", InMemoryStore), ("sqlite:x.db", SqliteStore), ("redis://h", RedisStore), ("", None)])
async def test_checkpoints_are_kept_where_it_says(url: str, kind: type | None) -> None:
    settings = Settings(stores={"checkpoints": url})
    store = settings.options()["checkpoints"]
    assert type(store) is (kind or type(None))
    assert settings.options()["checkpoints"] is store
    await settings.aclose()


def test_agents_of_the_same_settings_share_their_cache(wire: Wire) -> None:
    settings = Settings(models=[{"name": "gpt-4o-mini"}])
    assert settings.options()["cache"] is settings.options()["cache"] is not None
    assert Settings(cache={"enabled": False}).options()["cache"] is None


def test_what_is_configured_is_shown_with_its_place_and_no_secret(tmp_path: Path) -> None:
    text = TOML + '[stores]\nbreakers = "redis://me:hunter2@cache:6379/0"\n'
    text = text.replace('api = "openai-chat"', 'extra = { headers = { api_key = "hunter3", x = "sk-0123456789abcdef" } }')
    path = written(tmp_path, "a.toml", text)
    shown = {field: (value, place) for field, value, place in Settings.explained(path, environment={"AGENTLAB_BOUNDS__STEPS": "5"})}
    assert shown["bounds.steps"] == ("5", "AGENTLAB_BOUNDS__STEPS")
    assert shown["bounds.seconds"] == ("30.0", f"{path}:5")
    assert shown["bounds.tokens"] == ("200000", "")
    assert shown["stores.breakers"][0] == "redis://[secret]@cache:6379/0"
    assert not any(secret in str(shown) for secret in ("hunter2", "hunter3", "sk-0"))


def test_the_command_shows_it_and_refuses_a_bad_file_with_exit_code_2(tmp_path: Path) -> None:
    def shown(text: str, *options: str) -> subprocess.CompletedProcess[str]:
        written(tmp_path, "agentlab.toml", text)
        command = [str(Path(sys.executable).with_name("agentlab")), "run", "--show-config", *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)

    done = shown(TOML)
    assert done.returncode == 0, done.stderr
    assert "bounds.seconds" in done.stdout
    assert "30.0  (agentlab.toml:5)" in done.stdout
    refused = shown("[bounds]\nsteps = 0\n", "--json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "agentlab.toml:2: bounds.steps" in refused.stderr


def theirs(name: str) -> tuple[float, float]:
    """The standard price of a model today, as genai-prices has it."""
    found = next(
        model for provider in providers if provider.id in {"openai", "anthropic", "google"} for model in provider.models if model.id == name
    )
    price = found.prices if isinstance(found.prices, ModelPrice) else found.prices[-1].prices

    def base(value: Any) -> float:
        return float(value.base if isinstance(value, TieredPrices) else value)

    return base(price.input_mtok), base(price.output_mtok)


@pytest.mark.parametrize("model", PRICES)
def test_each_price_is_the_list_price(model: str) -> None:
    assert PRICES[model] == theirs(model)


def test_a_dated_name_has_its_models_price_and_an_unknown_one_none() -> None:
    assert price_of("gpt-4o-mini-2024-07-18") == PRICES["gpt-4o-mini"]
    assert price_of("claude-haiku-4-5-20251001") == PRICES["claude-haiku-4-5"]
    assert price_of("my-own-model") is None


def test_a_models_own_price_wins_over_the_table() -> None:
    assert Model(name="gpt-4o-mini").cost(1_000_000, 1_000_000) == pytest.approx(0.75)
    assert Model(name="gpt-4o-mini", price=(0, 0)).cost(1_000_000, 0) == 0


def test_money_is_not_bounded_in_silence_where_no_price_is_known() -> None:
    with pytest.raises(ValueError, match=r"needs the price of my-own-model"):
        Agent("helper", instructions="", models=[Model(name="my-own-model")], bounds=Bounds(money=0.1))
    Agent("helper", instructions="", models=[Model(name="my-own-model", price=(0, 0))], bounds=Bounds(money=0.1))


@pytest.mark.parametrize("header", ["Basic dTpw", "Bearer abcdef", "abcdef"])
def test_a_short_credential_behind_its_scheme_is_hidden(header: str) -> None:
    models = json.dumps([{"name": "m", "extra": {"headers": {"Authorization": header}}}])
    extra = next(value for field, value, _ in Settings.explained(environment={"AGENTLAB_MODELS": models}) if field == "models.0.extra")
    assert extra == "{'headers': {'Authorization': '[secret]'}}"


@pytest.mark.parametrize("value", ["inf", "nan"])
def test_no_bound_is_switched_off_by_a_number_that_is_none(value: str) -> None:
    with pytest.raises(SettingsError, match=r"bounds\.seconds.*AGENTLAB_BOUNDS__SECONDS|AGENTLAB_BOUNDS__SECONDS.*bounds\.seconds"):
        Settings.load(environment={"AGENTLAB_BOUNDS__SECONDS": value})


def test_a_key_in_the_place_of_a_user_is_hidden() -> None:
    assert hide_secrets("https://only-a-token@host/v1") == "https://[secret]@host/v1"
    assert hide_secrets("redis://:p@ss@host/0") == "redis://[secret]@host/0"
    assert hide_secrets("sk_live_0123456789abcdef, glpat-0123456789abcdef") == "[secret], [secret]"
