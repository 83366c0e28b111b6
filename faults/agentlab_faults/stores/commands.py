"""What a Redis command is: whether it writes, and which key it acts on.

Source: the command tables of Redis 8 (flags `readonly` and `write`, and the position of the first key).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

__all__ = ["BLOCKING", "GROUPS", "HANDSHAKE", "READS", "effect_of", "key_of", "masked"]

READS: Final = frozenset(
    [
        "bitcount",
        "bitpos",
        "dbsize",
        "dump",
        "echo",
        "exists",
        "expiretime",
        "geodist",
        "geohash",
        "geopos",
        "geosearch",
        "get",
        "getbit",
        "getrange",
        "hexists",
        "hget",
        "hgetall",
        "hkeys",
        "hlen",
        "hmget",
        "hrandfield",
        "hscan",
        "hstrlen",
        "hvals",
        "info",
        "keys",
        "lindex",
        "llen",
        "lpos",
        "lrange",
        "mget",
        "object",
        "pexpiretime",
        "pfcount",
        "ping",
        "pttl",
        "randomkey",
        "scan",
        "scard",
        "sdiff",
        "sinter",
        "sintercard",
        "sismember",
        "smembers",
        "smismember",
        "srandmember",
        "sscan",
        "strlen",
        "sunion",
        "time",
        "touch",
        "ttl",
        "type",
        "xinfo",
        "xlen",
        "xpending",
        "xrange",
        "xread",
        "xrevrange",
        "zcard",
        "zcount",
        "zdiff",
        "zinter",
        "zintercard",
        "zlexcount",
        "zmscore",
        "zrandmember",
        "zrange",
        "zrangebylex",
        "zrangebyscore",
        "zrank",
        "zrevrange",
        "zrevrangebyscore",
        "zrevrank",
        "zscan",
        "zscore",
        "zunion",
        "json.get",
        "json.mget",
        "json.type",
        "ft.search",
        "evalsha_ro",
        "eval_ro",
    ]
)
"""Commands that only read."""

BLOCKING: Final = frozenset(
    ["blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "wait", "xread", "xreadgroup"]
)
"""Commands that may wait on the server."""

GROUPS: Final = frozenset(["xack", "xautoclaim", "xclaim", "xpending", "xreadgroup"])
"""Commands of a stream's consumer groups."""

HANDSHAKE: Final = frozenset({"AUTH", "CLIENT", "HELLO", "READONLY", "SELECT"})
"""What a client sends by itself when it connects."""

_KEYLESS: Final = frozenset(
    ["dbsize", "echo", "flushall", "flushdb", "info", "keys", "ping", "pipeline", "publish", "randomkey", "scan", "script", "time", "wait"]
)
_NUMBERS = re.compile(r"[0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}|\d+")


def effect_of(command: str) -> Literal["read", "write"]:
    """Whether a command (in lower case) reads or writes; one that is not known writes."""
    return "read" if command in READS else "write"


def key_of(command: str, arguments: Sequence[str]) -> str:
    """The first key that the command acts on; empty if it has none.

    >>> key_of("get", ["user:7"]), key_of("evalsha", ["ab12", "1", "lock"]), key_of("ping", [])
    ('user:7', 'lock', '')
    """
    if command in _KEYLESS:
        return ""
    if command in ("xread", "xreadgroup"):
        words = [word.lower() for word in arguments]
        return arguments[words.index("streams") + 1] if "streams" in words[:-1] else ""
    place = 2 if command.startswith(("eval", "fcall")) else 0
    return arguments[place] if len(arguments) > place else ""


def masked(key: str) -> str:
    """A key without its numbers and ids, so that two runs and two users have the same.

    >>> masked("session:5512:cart")
    'session:#:cart'
    """
    return _NUMBERS.sub("#", key)
