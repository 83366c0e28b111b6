"""Breakers that all workers share through Redis, by one Lua script: what one learns, each knows, and one of them probes at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

from agentlab import telemetry
from agentlab.bounds import within
from agentlab.breaker import BreakerPolicy, BreakerState, Known, Wish
from agentlab.errors import MissingExtraError
from agentlab.loops import LoopWatch

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = ["RedisBreakers"]

SCRIPT: Final = """
local key, wish, token = KEYS[1], ARGV[1], ARGV[2]
local most_failures, reset, enough, given = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local kept = redis.call('HMGET', key, 'state', 'until', 'failures', 'successes', 'probe', 'lease')
local state, open_until = kept[1] or 'closed', tonumber(kept[2] or 0)
local failures, successes = tonumber(kept[3] or 0), tonumber(kept[4] or 0)
local probe, lease = kept[5] or '', tonumber(kept[6] or 0)
local admitted = 0

if state == 'open' and now >= open_until then state, successes = 'half_open', 0 end
if probe ~= '' and now >= lease then probe = '' end
local is_probe = probe ~= '' and probe == token

local function open(wanted)
  state, open_until, failures, successes = 'open', math.max(open_until, now + math.max(reset, wanted)), 0, 0
end

if wish == 'admit' then
  if state == 'closed' then
    admitted = 1
  elseif state == 'half_open' and probe == '' then
    admitted, probe, lease = 1, token, now + given
  end
elseif wish == 'trip' then
  open(given)
elseif is_probe then
  probe = ''
  if state == 'half_open' and wish == 'succeed' then
    successes = successes + 1
    if successes >= enough then state, failures, successes = 'closed', 0, 0 end
  elseif state == 'half_open' and wish == 'fail' then
    open(0)
  end
elseif state == 'closed' and wish == 'succeed' then
  failures = 0
elseif state == 'closed' and wish == 'fail' then
  failures = failures + 1
  if failures >= most_failures then open(0) end
end

if state == 'closed' and failures == 0 and probe == '' then
  redis.call('DEL', key)
else
  redis.call('HSET', key, 'state', state, 'until', open_until, 'failures', failures, 'successes', successes, 'probe', probe, 'lease', lease)
  redis.call('PEXPIRE', key, math.max(open_until - now, lease - now, 0) + 86400000)
end
local wait = 0
if state == 'open' then wait = open_until - now elseif state == 'half_open' and admitted == 0 and probe ~= '' then wait = lease - now end
return {admitted, state, wait, failures, successes}
"""
"""One wish on one breaker, at the server's own time in ms, so that the workers' clocks do not matter. A breaker that is closed and has no
failure needs no key; any other is forgotten a day after its last use."""


class RedisBreakers:
    """Shared state for `BreakerPolicy(shared=...)`. `client` is a `redis.asyncio.Redis`; keys begin with `prefix`.

    A Redis that does not answer within `timeout` seconds is away: each process goes on with what it knows, and asks again after `pause`
    seconds. Telemetry says so: the event `agentlab.store` and the metric `agentlab.store.available`.

    >>> import fakeredis
    >>> policy = BreakerPolicy(failures=3, shared=RedisBreakers(fakeredis.FakeAsyncRedis()))
    """

    def __init__(self, client: Redis, *, prefix: str = "agentlab:breaker:", timeout: float = 0.25, pause: float = 2.0) -> None:
        self._client = client
        self._script = client.register_script(SCRIPT)
        self._prefix = prefix
        self._timeout = timeout
        self._pause = pause
        self._away_until: float | None = None
        self._loop = LoopWatch()

    @classmethod
    def from_url(cls, url: str, **options: Any) -> Self:
        """Breakers in the Redis at `url` (`redis://host:6379/0`). Raises MissingExtraError without the extra `redis`."""
        try:
            from redis.asyncio import Redis  # noqa: PLC0415  # an extra
        except ImportError as error:
            raise MissingExtraError("Breakers in Redis need the extra `redis`: pip install 'agentlab-chaos[redis]'.") from error
        return cls(Redis.from_url(url), **options)

    async def ask(self, name: str, policy: BreakerPolicy, wish: Wish, token: str, seconds: float) -> Known | None:
        """Carry out one wish; None while Redis is away."""
        if self._away_until is not None and time.monotonic() < self._away_until:
            return None
        arguments = (wish, token, policy.failures, round(policy.reset * 1000), policy.successes, round(seconds * 1000))
        try:
            answer = await within(self._timeout, self._run(f"{self._prefix}{name}", arguments))
            known = _known(answer)
        except Exception:  # noqa: BLE001  # whatever a store's client raises, the calls go on with this process's state; telemetry says so
            self._is_away()
            return None
        if self._away_until is not None:
            self._away_until = None
            telemetry.store_changed("breakers", available=True)
        return known

    async def _run(self, key: str, arguments: tuple[str | int, ...]) -> Any:
        self._leave_what_is_over()
        return await self._script(keys=[key], args=list(arguments))

    def _is_away(self) -> None:
        if self._away_until is None:
            telemetry.store_changed("breakers", available=False)
        self._away_until = time.monotonic() + self._pause

    async def aclose(self) -> None:
        """Close the connections."""
        self._leave_what_is_over()
        await self._client.aclose()

    def _leave_what_is_over(self) -> None:
        if self._loop.over():
            pool: Any = self._client.connection_pool
            pool.reset()


STATES: Final[dict[str, BreakerState]] = {"closed": "closed", "open": "open", "half_open": "half_open"}


def _known(answer: Any) -> Known:
    """The script's answer, read. Raises ValueError, TypeError or KeyError for anything else."""
    admitted, state, wait, failures, successes = answer
    name = state.decode() if isinstance(state, bytes) else str(state)
    return Known(bool(admitted), STATES[name], max(0, int(wait)) / 1000, int(failures), int(successes))
