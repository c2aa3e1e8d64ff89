"""The lab's control endpoint: HTTP with JSON on a random loopback port, for who has the token."""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Set
from dataclasses import asdict
from typing import Any, Protocol

from aiohttp import web
from aiohttp.typedefs import Middleware

from warroom.drills.lab.changing import Changes
from warroom.drills.lab.listening import listen
from warroom.drills.lab.logs import SOURCES, read_log
from warroom.drills.lab.operations import BusyError, ConflictError, Operations, Work
from warroom.drills.lab.repository import Repository
from warroom.errors import BadInput, WarroomError

LONGEST_WAIT = 60.0
COMPONENTS = ("app", "postgres", "redis", "ai", "mail")
SETTINGS = frozenset({"CSRF_PROTECTION", "SIGN_IN_ATTEMPTS", "TRACES", "VERIFY_TOKENS"})
"""Those of the app that may be set; the others say where its neighbours are."""


class Controlled(Protocol):
    """What the endpoint needs of the lab."""

    repository: Repository
    operations: Operations
    changes: Changes

    async def state(self) -> dict[str, Any]: ...
    async def counters(self) -> dict[str, Any]: ...
    async def counts(self) -> dict[str, int]: ...
    async def integrity(self) -> dict[str, int]: ...
    def deployments(self) -> list[dict[str, Any]]: ...
    def log_path(self, source: str) -> str: ...
    async def rows(self) -> dict[str, dict[str, int]]: ...
    async def back_up(self) -> list[str]: ...


class Control:
    def __init__(self, lab: Controlled) -> None:
        self.token = secrets.token_urlsafe(32)
        self.port = 0
        self._lab = lab
        app = web.Application(middlewares=[self._guard()], client_max_size=64 * 1024)
        app.add_routes(
            [
                web.get("/state", self._state),
                web.get("/releases", self._releases),
                web.get("/deployments", self._deployments),
                web.get("/diff", self._diff),
                web.get("/counters", self._counters),
                web.get("/counts", self._counts),
                web.get("/rows", self._rows),
                web.get("/logs", self._logs),
                web.get("/integrity", self._integrity),
                web.get("/resolve", self._resolve),
                web.get("/operations/{id}", self._operation),
                web.get("/operations/{id}/outcome", self._outcome),
                web.post("/deploy", self._deploy),
                web.post("/restart", self._restart),
                web.post("/stop-app", self._stop_app),
                web.post("/start-app", self._start_app),
                web.post("/back-up", self._back_up),
                web.post("/configure", self._configure),
                web.post("/stop-writes", self._stop_writes),
                web.post("/resume-writes", self._resume_writes),
                web.post("/clear-cache", self._clear_cache),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, port: int = 0) -> None:
        await self._runner.setup()
        self.port = await listen(self._runner, port)

    async def stop(self) -> None:
        await self._runner.cleanup()

    def _guard(self) -> Middleware:
        """Asks for the token, and turns errors into answers: ``{"error": title, "cause": …, "hint": …}``."""

        @web.middleware
        async def guard(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            given = request.headers.get("Authorization", "").encode("utf-8", "replace")
            if not hmac.compare_digest(given, f"Bearer {self.token}".encode()):
                return _problem(401, WarroomError("The lab's token is missing or wrong", "", "It is in lab.json."))
            try:
                return await handler(request)
            except BusyError as error:
                return _problem(423, error)
            except ConflictError as error:
                return _problem(409, error)
            except BadInput as error:
                return _problem(400, error)
            except WarroomError as error:
                return _problem(503, error)

        return guard

    # ---- looking -------------------------------------------------------------------------------------------

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lab.state())

    async def _releases(self, request: web.Request) -> web.Response:
        releases = await self._lab.repository.described()
        return web.json_response({"releases": releases, "deployments": self._lab.deployments()})

    async def _deployments(self, request: web.Request) -> web.Response:
        return web.json_response({"deployments": self._lab.deployments()})

    async def _diff(self, request: web.Request) -> web.Response:
        old, new = request.query.get("from", ""), request.query.get("to", "")
        return web.json_response(await self._lab.repository.diff(old, new))

    async def _counters(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lab.counters())

    async def _counts(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lab.counts())

    async def _integrity(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lab.integrity())

    async def _resolve(self, request: web.Request) -> web.Response:
        """A tag, branch or commit: which commit that is, its tag where it has one, and its digest."""
        repository = self._lab.repository
        commit = await repository.resolve(request.query.get("ref", ""))
        tagged = next((each for each in await repository.releases() if each.commit == commit), None)
        found = asdict(tagged) if tagged else await repository.untagged(commit)
        return web.json_response(found)

    async def _rows(self, request: web.Request) -> web.Response:
        return web.json_response(await self._lab.rows())

    async def _logs(self, request: web.Request) -> web.Response:
        source = request.query.get("source", "app")
        if source not in SOURCES:
            raise BadInput(f"There is no log {source!r}", f"the lab has {', '.join(SOURCES)}")
        try:
            offset = int(request.query.get("offset", "0"))
        except ValueError:
            raise BadInput("The offset must be a whole number of bytes") from None
        return web.json_response(read_log(self._lab.log_path(source), offset))

    async def _operation(self, request: web.Request) -> web.Response:
        found = await self._lab.operations.wait(request.match_info["id"], _wait(request))
        if found is None:
            return _problem(404, WarroomError("There is no such operation", "nothing was begun under this key"))
        return web.json_response(found)

    async def _outcome(self, request: web.Request) -> web.Response:
        """As the operation's record, with its outcome as a status: 200 done, 202 still running, 424 anything else."""
        found = await self._lab.operations.wait(request.match_info["id"], _wait(request))
        if found is None:
            return _problem(404, WarroomError("There is no such operation", "nothing was begun under this key"))
        return web.json_response(found, status={"done": 200, "running": 202}.get(found["state"], 424))

    # ---- changing ------------------------------------------------------------------------------------------

    async def _begin(
        self, request: web.Request, kind: str, arguments: dict[str, Any], work: Work, key: str
    ) -> web.Response:
        begun = self._lab.operations.begin(key, kind, arguments, work)
        found = await self._lab.operations.wait(begun["id"], _wait(request)) or begun
        return web.json_response(found, status=202 if found["state"] == "running" else 200)

    async def _deploy(self, request: web.Request) -> web.Response:
        body = await _body(request, {"ref", "by"})
        commit = await self._lab.repository.resolve(body.get("ref", ""))
        by, key = body.get("by", "someone")[:100], _key(request)
        work = self._lab.changes.deploying(commit, by, key)
        return await self._begin(request, "deploy", {"commit": commit, "by": by}, work, key)

    async def _restart(self, request: web.Request) -> web.Response:
        component = (await _body(request, {"component"})).get("component", "app")
        if component not in COMPONENTS:
            raise BadInput(f"There is no component {component!r}", f"the lab has {', '.join(COMPONENTS)}")
        work = self._lab.changes.restarting(component)
        return await self._begin(request, "restart", {"component": component}, work, _key(request))

    async def _stop_app(self, request: web.Request) -> web.Response:
        return await self._begin(request, "stop-app", {}, self._lab.changes.stopping_app(), _key(request))

    async def _start_app(self, request: web.Request) -> web.Response:
        return await self._begin(request, "start-app", {}, self._lab.changes.starting_app(), _key(request))

    async def _back_up(self, request: web.Request) -> web.Response:
        """No operation: the host's own job asks nobody, and holds up nothing."""
        return web.json_response({"written": await self._lab.back_up()})

    async def _configure(self, request: web.Request) -> web.Response:
        settings = await _body(request, SETTINGS)
        work = self._lab.changes.configuring(settings)
        return await self._begin(request, "configure", dict(settings), work, _key(request))

    async def _stop_writes(self, request: web.Request) -> web.Response:
        return await self._begin(request, "stop-writes", {}, self._lab.changes.stopping_writes(True), _key(request))

    async def _resume_writes(self, request: web.Request) -> web.Response:
        return await self._begin(request, "resume-writes", {}, self._lab.changes.stopping_writes(False), _key(request))

    async def _clear_cache(self, request: web.Request) -> web.Response:
        return await self._begin(request, "clear-cache", {}, self._lab.changes.clearing_cache(), _key(request))


def _key(request: web.Request) -> str:
    return request.headers.get("Idempotency-Key", "") or secrets.token_hex(8)


def _wait(request: web.Request) -> float:
    """The seconds the caller is ready to wait for an operation's end, from ``?wait=``."""
    try:
        seconds = float(request.query.get("wait", "0"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise BadInput(f"wait must be a number of seconds up to {LONGEST_WAIT:g}")
    return seconds


async def _body(request: web.Request, names: Set[str]) -> dict[str, str]:
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise BadInput("The request's body is not JSON") from None
    if not isinstance(body, dict) or not all(isinstance(value, str) for value in body.values()):
        raise BadInput("The request's body must be an object of texts")
    if unknown := sorted(body.keys() - names):
        raise BadInput(f"The request's body has unknown names: {', '.join(unknown)}")
    return body


def _problem(status: int, error: WarroomError) -> web.Response:
    return web.json_response({"error": error.title, "cause": error.cause, "hint": error.hint}, status=status)
