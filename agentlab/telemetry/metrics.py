"""Metrics by the OpenTelemetry API. Without a configured SDK each is a no-op."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agentlab.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider
    from opentelemetry.metrics import _Gauge as Gauge

__all__ = ["STATES", "Instruments", "instruments"]

CALL_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
AGENT_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 25.6, 51.2, 102.4, 204.8, 409.6)
"""The conventions' boundaries, and 15 s: there an alert asks which part of the runs took longer, and has the exact answer."""
TOKENS: Final = tuple(float(4**n) for n in range(14))
SCORES: Final = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0)

STATES: Final[Mapping[str, int]] = {"closed": 0, "half_open": 1, "open": 2}
"""What the breakers' gauge says for each state."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Every instrument, made by one provider. Units in braces are annotations: Prometheus' names have no suffix for them."""

    agent_seconds: Histogram
    call_seconds: Histogram
    first_chunk_seconds: Histogram
    tool_seconds: Histogram
    tokens: Histogram
    runs: Counter
    cost: Counter
    breakers: Gauge
    stores: Gauge
    scores: Histogram


_made: tuple[MeterProvider, Instruments] | None = None


def instruments() -> Instruments:
    """The instruments of the current provider, made once for each."""
    global _made  # noqa: PLW0603  # one process has one provider; making the instruments anew for each call would cost more than using them
    from opentelemetry import metrics  # noqa: PLC0415  # loaded at first use: importing agentlab stays cheap

    provider = metrics.get_meter_provider()
    if _made is None or _made[0] is not provider:
        _made = provider, _make(provider.get_meter("agentlab"))
    return _made[1]


def _make(meter: Meter) -> Instruments:
    def seconds(name: str, description: str, boundaries: tuple[float, ...] = CALL_SECONDS) -> Histogram:
        return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=boundaries)

    return Instruments(
        agent_seconds=seconds(names.AGENT_DURATION, "Duration of one turn of an agent.", AGENT_SECONDS),
        call_seconds=seconds(names.OPERATION_DURATION, "Duration of one model call, its retries included."),
        first_chunk_seconds=seconds(names.TIME_TO_FIRST_CHUNK, "Time to the first chunk of a streamed answer."),
        tool_seconds=seconds(names.TOOL_DURATION, "Duration of one tool call, its retries included."),
        tokens=meter.create_histogram(
            names.TOKEN_USAGE, "{token}", "Tokens of one model call, as reported.", explicit_bucket_boundaries_advisory=TOKENS
        ),
        runs=meter.create_counter(names.RUNS, "{run}", "Turns of an agent, by how they ended and which layer answered."),
        cost=meter.create_counter(names.COST, "{USD}", "What model calls cost, by their models' prices."),
        breakers=meter.create_gauge(names.BREAKER_GAUGE, "{state}", "A circuit breaker: 0 closed, 1 half open, 2 open."),
        stores=meter.create_gauge(names.STORE_GAUGE, "{state}", "A shared store: 1 in use, 0 away and replaced by this process's memory."),
        scores=meter.create_histogram(
            names.SCORE, "{score}", "Scores of evaluated runs, 0 to 5.", explicit_bucket_boundaries_advisory=SCORES
        ),
    )
