"""The server's own JSON API, for switches while it runs: what is broken now, and what has been seen."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from agentlab_faults.exchange import Exchange, WireRequest
from agentlab_faults.intercept.endpoints import is_loopback
from agentlab_faults.proxy.plan import NOTHING, Plan, make_plan
from agentlab_faults.proxy.reading import Arrived
from agentlab_faults.proxy.scopes import HEADER, Scope, Scopes
from agentlab_faults.proxy.server import problem

__all__ = ["PREFIX", "Control"]

PREFIX: Final = "/_agentlab/"
_MOST: Final = 64 * 1024
"""Bytes of a request to this API."""


class _Switch(BaseModel):
    """What to break from now on."""

    model_config = ConfigDict(extra="forbid")
    faults: list[str] = []
    mode: str | None = None
    rate: float | None = None
    at: str | None = None
    shape: str = "once"
    paused: bool | None = None


class Control:
    """GET, POST and DELETE of `faults`, GET of `log`, DELETE of `scope`.

    Requests that a web page made are refused (an Origin that is not loopback, or a body that is not declared as JSON), so that no page can
    switch anything.
    """

    def __init__(self, scopes: Scopes) -> None:
        self._scopes = scopes

    def answer(self, arrived: Arrived) -> Exchange:
        """The answer to one request."""
        wire = arrived.wire
        if (refusal := _refused(wire)) is not None:
            return refusal
        name = wire.headers.get(HEADER)
        match wire.method, wire.path.removeprefix(PREFIX):
            case "GET", "faults":
                return _json(self._state(name))
            case "POST", "faults":
                return self._switch(wire.body, name)
            case "DELETE", "faults":
                self._scopes.switch(NOTHING, name)
                return _json(self._state(name))
            case "GET", "log":
                return self._log(arrived.target, name)
            case "DELETE", "scope":
                self._scopes.forget(name or "")
                return _json({"forgotten": name or ""})
        return problem(HTTPStatus.NOT_FOUND, "There are GET, POST and DELETE of faults, GET of log, and DELETE of scope.")

    def _switch(self, body: bytes, name: str | None) -> Exchange:
        try:
            wanted = _Switch.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(step) for step in first["loc"])
            return problem(HTTPStatus.BAD_REQUEST, f"{where or 'The body'}: {first['msg']}.")
        if wanted.paused is not None:
            self._scopes.paused = wanted.paused
        if wanted.model_fields_set - {"paused"}:
            try:
                plan = make_plan(wanted.faults, mode=wanted.mode, rate=wanted.rate, at=wanted.at, shape=wanted.shape, tls=self._scopes.tls)
            except ValueError as error:
                return problem(HTTPStatus.BAD_REQUEST, str(error))
            self._scopes.switch(plan, name)
        return _json(self._state(name))

    def _state(self, name: str | None) -> dict[str, Any]:
        scope = next((one for one in self._scopes.all if one.name == (name or "")), None)
        plan = (scope.plan if scope is not None else None) or self._scopes.plan
        return {"scope": name or "", "paused": self._scopes.paused, "plan": _plain(plan), **_counts(scope)}

    def _log(self, target: str, name: str | None) -> Exchange:
        since = parse_qs(urlsplit(target).query).get("since", ["0"])[0]
        try:
            after = float(since)
        except ValueError:
            return problem(HTTPStatus.BAD_REQUEST, "since is a number of seconds.")
        entries = [entry.as_dict() for entry in self._scopes.log if entry.seconds >= after and name in {None, entry.scope}]
        return _json({"now": round(self._scopes.now(), 3), "entries": entries})


def _refused(wire: WireRequest) -> Exchange | None:
    origin = wire.headers.get("origin")
    if origin is not None and not is_loopback(urlsplit(origin).hostname or "web.page"):
        return problem(HTTPStatus.FORBIDDEN, "Web pages may not use this API.")
    if wire.method == "POST" and wire.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with content-type: application/json.")
    if len(wire.body) > _MOST:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {_MOST:,} bytes are read here.")
    return None


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "faults": [fault.row.id for fault in plan.faults] or [injection.fault.row.id for injection in plan.schedule.injections],
        "rate": plan.rate,
        "left_out": list(plan.left_out),
    }


def _counts(scope: Scope | None) -> dict[str, Any]:
    if scope is None:
        return {"requests": 0, "struck": []}
    return {"requests": scope.conduct.requests, "struck": [blow.as_dict() for blow in scope.conduct.blows]}


def _json(value: Any) -> Exchange:
    body = json.dumps(value).encode()
    headers = (("content-type", "application/json"), ("content-length", str(len(body))), ("cache-control", "no-store"))
    return Exchange(200, headers, (body,))
