"""A strict Sentry on loopback: tokens with scopes, pages by cursor, limits, 404 for others' projects, and an error
for every path and parameter that its documentation does not know."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.http_door import http_context
from warroom.api import Clock, Context
from warroom_sentry.config import Config

TOKEN = "sntryu_of-the-test-only-0123456789"
ALL = ("event:read", "org:read", "project:read")
SCOPED = {"environment", "project"}
SEARCHES = {"events-stats": {"query", "yAxis", "interval", "statsPeriod"}}


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


@dataclass
class Sentry:
    """``minutes`` are errors by the minute, the last one being now; ``by_release`` those of one release alone."""

    scopes: tuple[str, ...] = ALL
    tells_scopes: bool = True
    minutes: list[int] = field(default_factory=lambda: [3, 4, 41, 2])
    by_release: dict[str, list[int]] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    page: int = 100
    step: int = 60
    ahead: float = 0
    remaining: int = 40
    reset_in: float = 5
    refuse: web.Response | None = None
    retry_after: str | None = None
    limited: bool = False
    circles: bool = False
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    now: float = field(default_factory=time.time)
    url: str = ""

    def __post_init__(self) -> None:
        now = self.now
        self.releases = self.releases or [
            self.release("web@1.0.0-beta.3", now - 600, deployed=now - 300),
            self.release("web@1.0.0-beta.2", now - 9000, deployed=now - 8000),
        ]
        self.issues = self.issues or [
            {"id": "11", "title": "TypeError: x is null", "count": "40", "firstSeen": iso(now - 200)},
            {"id": "12", "title": "Old trouble", "count": "900", "firstSeen": iso(now - 90_000)},
        ]
        self.events = self.events or {"11": {"eventID": "abc", "entries": [{"type": "exception"}]}}

    @staticmethod
    def release(version: str, made: float, deployed: float | None = None, environment: str = "prod") -> dict[str, Any]:
        deploy = {"environment": environment, "dateFinished": iso(deployed)} if deployed is not None else None
        return {"version": version, "dateCreated": iso(made), "dateReleased": None, "lastDeploy": deploy}

    async def on_index(self, request: web.Request) -> web.Response:
        self.known(request, set())
        auth = {"scopes": list(self.scopes)} if self.tells_scopes else None
        return web.json_response({"version": "0", "auth": auth, "user": None})

    async def on_project(self, request: web.Request) -> web.Response:
        self.known(request, set())
        self.needs("project:read")
        return web.json_response({"id": "4501", "slug": "web"})

    async def on_stats(self, request: web.Request) -> web.Response:
        self.known(request, SCOPED | SEARCHES["events-stats"])
        self.needs("event:read")
        self.searches_the_project(request)
        query = request.query
        if (query["yAxis"], query["interval"]) != ("count()", "1m") or query["statsPeriod"] not in ("15m", "1h"):
            self.stray(f"events-stats?{request.query_string}")
        minutes = self.minutes
        if 'release:"' in query["query"]:
            minutes = self.by_release.get(query["query"].split('release:"')[1].split('"')[0], [0, 0, 0, 0])
        last = int(self.now // 60) * 60
        starts = [last - self.step * (len(minutes) - 1 - place) for place in range(len(minutes))]
        data = [[start, [{"count": count}]] for start, count in zip(starts, minutes, strict=True)]
        return web.json_response({"data": data, "start": starts[0], "end": last, "isMetricsData": False})

    async def on_releases(self, request: web.Request) -> web.Response:
        self.known(request, SCOPED | {"per_page", "cursor"})
        self.needs("project:read", "project:releases", "org:ci")
        self.searches_the_project(request)
        return self.paged(request, self.releases)

    async def on_issues(self, request: web.Request) -> web.Response:
        self.known(request, SCOPED | {"query", "sort", "limit", "statsPeriod", "cursor"})
        self.needs("event:read")
        self.searches_the_project(request)
        return self.paged(request, self.issues)

    async def on_event(self, request: web.Request) -> web.Response:
        self.known(request, set())
        self.needs("event:read")
        if request.match_info["issue"] not in self.events:
            raise web.HTTPNotFound(text='{"detail": "The requested resource does not exist"}')
        return web.json_response(self.events[request.match_info["issue"]])

    def paged(self, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
        """Sentry names a next cursor on every page, the last one too; ``results`` says if there is anything there."""
        start = int(request.query.get("cursor", "0:0:0").split(":")[1])
        end = start + self.page
        more = "true" if end < len(items) or self.circles else "false"
        cursor = "0:0:0" if self.circles else f"0:{end}:0"
        address = str(request.url.with_query(None))
        before = f'<{address}?&cursor=0:{max(0, start - self.page)}:1>; rel="previous"; results="false"; cursor="0:0:1"'
        after = f'<{address}?&cursor={cursor}>; rel="next"; results="{more}"; cursor="{cursor}"'
        return web.json_response(items[start:end], headers={"Link": f"{before}, {after}"})

    def known(self, request: web.Request, params: set[str]) -> None:
        if strange := set(request.query) - params:
            self.stray(f"{request.path} with {strange}")

    def stray(self, what: str) -> None:
        self.unexpected.append(what)
        raise web.HTTPBadRequest(text='{"detail": "unknown parameter"}', content_type="application/json")

    def searches_the_project(self, request: web.Request) -> None:
        if request.query.getall("project", []) != ["4501"]:
            self.stray(f"{request.path} of project {request.query.getall('project', [])}")

    def needs(self, *scopes: str) -> None:
        if not set(scopes) & set(self.scopes):
            text = '{"detail": "You do not have permission to perform this action."}'
            raise web.HTTPForbidden(text=text, content_type="application/json")

    @web.middleware
    async def each(self, request: web.Request, handler: Any) -> web.StreamResponse:
        params = {key: request.query.getall(key) for key in request.query}
        self.asked.append((request.path.removeprefix("/api/0/"), params))
        reply: web.StreamResponse
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            reply = web.json_response({"detail": "Invalid token"}, status=401)
        elif self.limited:
            reply = web.json_response({"detail": "You are attempting to use this endpoint too often"}, status=429)
            if self.retry_after is not None:
                reply.headers["Retry-After"] = self.retry_after
        elif self.refuse is not None:
            reply = self.refuse
            self.refuse = None
        else:
            try:
                reply = await handler(request)
            except web.HTTPException as error:
                if not error.text or not error.text.startswith("{"):
                    self.unexpected.append(f"{request.method} {request.path_qs}")
                reply = web.Response(status=error.status, text=error.text, content_type="application/json")
        now = self.now + self.ahead
        reply.headers["Date"] = datetime.fromtimestamp(now, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        reply.headers["X-Sentry-Rate-Limit-Limit"] = "40"
        reply.headers["X-Sentry-Rate-Limit-Remaining"] = str(self.remaining)
        reply.headers["X-Sentry-Rate-Limit-Reset"] = str(int(now + self.reset_in))
        return reply

    def paths(self) -> Counter[str]:
        return Counter(path.rstrip("/").rpartition("/")[2] for path, _ in self.asked)


@asynccontextmanager
async def sentry(service: Sentry | None = None) -> AsyncIterator[Sentry]:
    """Fails at its end if it was asked for anything that Sentry does not know."""
    service = service or Sentry()
    app = web.Application(middlewares=[service.each])
    organization = "/api/0/organizations/acme"
    app.add_routes(
        [
            web.get("/api/0/", service.on_index),
            web.get("/api/0/projects/acme/web/", service.on_project),
            web.get(f"{organization}/events-stats/", service.on_stats),
            web.get(f"{organization}/releases/", service.on_releases),
            web.get(f"{organization}/issues/", service.on_issues),
            web.get(f"{organization}/issues/{{issue}}/events/latest/", service.on_event),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()
    assert service.unexpected == []


@asynccontextmanager
async def reading(
    base_url: str, *, secrets: Mapping[str, str] | None = None, clock: Clock | None = None, **config: Any
) -> AsyncIterator[Context]:
    """A context with the product's own read door, and the token under ``env:TOKEN``."""
    raw = {"base_url": base_url, "organization": "acme", "project": "web", "token": "env:TOKEN", **config}
    known = {"env:TOKEN": TOKEN} if secrets is None else secrets
    async with http_context("errors", Config.model_validate(raw), known, clock) as ctx:
        yield ctx
