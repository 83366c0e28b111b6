"""The five alerts: Prometheus' own unit tests of the rules, and incidents in the lab whose exported metrics fire exactly what they should.

The metrics go through OpenTelemetry's own Prometheus exporter, so that the rules' and the dashboard's names are those that it gives.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import yaml
from agentlab_faults import Exchange, intercept
from agentlab_faults.sim import Simulation
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

from agentlab import Agent, BreakerPolicy, Model, RedisBreakers, Run, tool

from .conftest import Wire, call, error, say

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "alerts.yaml"
RUNBOOKS = Path(__file__).parents[2] / "docs" / "runbooks"
PROMTOOL = os.environ.get("AGENTLAB_PROMTOOL") or shutil.which("promtool") or "promtool"
ALERTS = {"AgentSuccessRateLow", "AgentSlow", "AgentCostHigh", "AgentBreakerOpen", "AgentEvaluationLow"}


@tool
async def look(item: str) -> str:
    """Look."""
    return "found"


@tool
async def broken(item: str) -> str:
    """Break."""
    raise ConnectionError


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass
class Scraped:
    """What Prometheus would have scraped, a sample of each series every `step` virtual seconds."""

    registry: CollectorRegistry
    step: float
    series: dict[str, list[str]] = field(default_factory=dict)
    scrapes: int = 0

    def scrape(self) -> None:
        for line in generate_latest(self.registry).decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples = self.series.setdefault(name, [])
                samples += ["_"] * (self.scrapes - len(samples)) + [value]
        self.scrapes += 1

    @property
    def labels(self) -> dict[str, set[str]]:
        """The labels that each metric came with."""
        found: dict[str, set[str]] = {}
        for series in self.series:
            name, _, rest = series.partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
        return found

    def fired(self, folder: Path, *minutes: float) -> list[set[str]]:
        """The alerts that fire at each of these minutes, as promtool evaluates the rules over the scraped series."""
        return [self._firing(folder / "fired.yaml", minute) for minute in minutes]

    def _firing(self, path: Path, minute: float) -> set[str]:
        """promtool compares: it is asked for no sample of any alert, and names the expressions that have one."""
        expected = [{"expr": f"ALERTS{{alertname='{name}'}}", "eval_time": f"{minute * 60:.0f}s", "exp_samples": []} for name in ALERTS]
        every = f"{self.step:.0f}s"
        series = [{"series": name, "values": " ".join(samples)} for name, samples in self.series.items()]
        test = {"interval": every, "input_series": series, "promql_expr_test": expected}
        path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": every, "tests": [test]}))
        done = subprocess.run([PROMTOOL, "test", "rules", str(path)], capture_output=True, text=True, timeout=120, check=False)
        firing = set(re.findall(r"expr: \"ALERTS{alertname='(\w+)'}", done.stdout + done.stderr))
        assert bool(firing) == (done.returncode != 0), done.stdout + done.stderr
        return firing


def good(answer: Exchange) -> Callable[[dict[str, Any]], Exchange]:
    """First a tool, then this answer."""
    return lambda body: answer if body["messages"][-1]["role"] == "tool" else call(("look", {"item": "x"}))


async def score(run: Run) -> Mapping[str, float]:
    return {"helpful": 5.0 if "Good" in run.reply.text else 2.0}


def played(step: float, story: Callable[[Wire, Agent, fakeredis.FakeServer, Scraped], Awaitable[None]]) -> Scraped:
    """A story in virtual time, scraped."""
    registry, server = CollectorRegistry(), fakeredis.FakeServer()
    scraped = Scraped(registry, step)
    provider = MeterProvider([PrometheusMetricReader(registry=registry)])
    simulation = Simulation(seed=0, cap=100_000.0)
    wire = Wire(simulation)
    intercept.install()
    with pytest.MonkeyPatch.context() as patch, intercept.armed(wire), simulation:
        patch.setattr(metrics, "get_meter_provider", lambda: provider)
        shared = BreakerPolicy(shared=RedisBreakers(fakeredis.FakeAsyncRedis(server=server)))
        agent = Agent(
            "helper",
            instructions="",
            models=[Model(name="m", price=(1.0, 1.0))],
            tools=[look, broken],
            model_breaker=shared,
            evaluator=score,
            evaluate_share=1.0,
        )

        async def scraping() -> None:
            while True:
                scraped.scrape()
                await asyncio.sleep(step)

        async def all_of_it() -> None:
            task = asyncio.create_task(scraping())
            await story(wire, agent, server, scraped)
            task.cancel()

        wire.run(all_of_it())
    provider.shutdown()
    return scraped


async def asked(wire: Wire, agent: Agent, *, until: float, every: float) -> None:
    """Turns with a pause after each, until a minute of the story."""
    while wire.now < until * 60:
        await agent("Is it there?")
        await asyncio.sleep(every)


@pytest.fixture(scope="module")
def outage() -> Scraped:
    """10 good minutes after a broken tool, the provider dead for 6 (Redis away for one of them), slow for 6, and 8 good ones."""

    async def story(wire: Wire, agent: Agent, server: fakeredis.FakeServer, scraped: Scraped) -> None:
        wire.primary(call(("broken", {"item": "x"})), say("It could not be done."))
        await agent("Break it.")
        wire.primary(good(say("Good.")))
        await asked(wire, agent, until=10, every=10)
        wire.primary(error(503))
        await asked(wire, agent, until=12, every=10)
        server.connected = False
        await asked(wire, agent, until=13, every=10)
        server.connected = True
        await asked(wire, agent, until=16, every=10)
        wire.primary(lambda body: slow(good(say("Good."))(body)))
        await asked(wire, agent, until=22.5, every=10)
        wire.primary(good(say("Good.")))
        await asked(wire, agent, until=30.5, every=10)

    return played(60, story)


def slow(exchange: Exchange) -> Exchange:
    (_, body) = exchange.body
    return Exchange(exchange.status, exchange.headers, (type(exchange.body[0])(10.0), body))


def test_prometheus_own_tests_of_the_rules_pass() -> None:
    promtool("check", "rules", RULES)
    promtool("test", "rules", *sorted((DEPLOY / "prometheus").glob("*.test.yaml")))


def test_an_outage_and_a_slow_provider_fire_what_they_should_and_nothing_else(outage: Scraped, tmp_path: Path) -> None:
    assert outage.fired(tmp_path, 9, 14, 22, 30) == [set(), {"AgentBreakerOpen", "AgentSuccessRateLow"}, {"AgentSlow"}, set()]


def test_a_day_that_ends_in_dear_and_bad_answers_fires_what_it_should(tmp_path: Path) -> None:
    async def story(wire: Wire, agent: Agent, server: fakeredis.FakeServer, scraped: Scraped) -> None:
        wire.primary(good(say("Good.")))
        await asked(wire, agent, until=26 * 60, every=1200)
        wire.primary(good(say("Well.", prompt_tokens=100, completion_tokens=5000, total_tokens=5100)))
        await asked(wire, agent, until=27.5 * 60, every=1200)

    day = played(1200, story)
    assert day.fired(tmp_path, 25 * 60, 27 * 60 + 20) == [set(), {"AgentCostHigh", "AgentEvaluationLow"}]


def names_in(expression: str) -> dict[str, set[str]]:
    """The metrics of a query, and the labels that it uses (of whichever metric)."""
    labels = {name for inside in re.findall(r"\{([^}]*)\}", expression) for name in re.findall(r"(\w+)\s*[=!]", inside)}
    labels |= {name.strip() for inside in re.findall(r"\bby\s*\(([^)]*)\)", expression) for name in inside.split(",")}
    bare = re.sub(r"\{[^}]*\}|\bby\s*\([^)]*\)", "", expression)
    return dict.fromkeys(re.findall(r"\b(?:agentlab|gen_ai)[\w:]*", bare), labels)


def queries() -> list[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "agents.json").read_text())
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    return [*(target["expr"] for panel in dashboard["panels"] for target in panel["targets"]), *(rule["expr"] for rule in rules)]


def test_every_metric_and_label_of_a_query_is_exported(outage: Scraped) -> None:
    recorded = {
        "agentlab:cost_dollars:increase1h": {"gen_ai_agent_name"},
        "agentlab:evaluation_score:mean1h": {"gen_ai_agent_name", "gen_ai_evaluation_name"},
        "agentlab:evaluation_score:baseline": {"gen_ai_agent_name", "gen_ai_evaluation_name"},
    }
    exported = {**outage.labels, **recorded}
    used = [(query, name, labels) for query in queries() for name, labels in names_in(query).items()]
    assert len(used) > 25
    assert [(query, name) for query, name, labels in used if name not in exported or not labels <= exported[name]] == []


def test_every_alert_has_its_runbook_and_no_runbook_is_left_over() -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    alerts = {rule["alert"]: rule for rule in rules if "alert" in rule}
    assert set(alerts) == ALERTS == {path.stem for path in RUNBOOKS.glob("*.md")}
    assert {name for name, rule in alerts.items() if rule["labels"]["severity"] == "critical"} == {
        "AgentSuccessRateLow",
        "AgentBreakerOpen",
    }
    assert all(rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md" for name, rule in alerts.items())
