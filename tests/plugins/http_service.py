"""A small service on loopback, and the read door that the product itself uses."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.http_door import http_context
from warroom.api import Clock, Context
from warroom_http.config import Config


@dataclass
class Service:
    """Sign-in, a session in a cookie, a token in JSON; every part of it can be broken."""

    health: dict[str, Any] = field(
        default_factory=lambda: {"status": "ok", "database": "connected", "redis": "connected"}
    )
    health_status: int = 200
    signin_status: int = 200
    password: str = "Test123!"
    tokens: int = 0
    version: dict[str, Any] = field(default_factory=lambda: {"version": "v1.0.0-beta.2", "commit": "41ab" * 10})
    metrics: Any = field(
        default_factory=lambda: {"memory": {"used": 61, "limit": 100}, "requests": 812, "flag": True, "name": "x"}
    )
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    location: str = "/api/health"
    url: str = ""

    async def on_health(self, request: web.Request) -> web.Response:
        return web.json_response(self.health, status=self.health_status)

    async def on_version(self, request: web.Request) -> web.Response:
        return web.json_response(self.version)

    async def on_metrics(self, request: web.Request) -> web.Response:
        return web.json_response(self.metrics)

    async def on_signin(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.signin_status != 200:
            return web.json_response({"error": "internal server error"}, status=self.signin_status)
        if body != {"email": "test@example.com", "password": self.password}:
            return web.json_response({"error": "wrong e-mail or password"}, status=401)
        reply = web.json_response({"token": self._token(), "user": {"id": 7}})
        reply.set_cookie("session", "s-1", httponly=True)
        return reply

    async def on_refresh(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("token") != f"t-{self.tokens}":
            return web.json_response({"error": "sign in again"}, status=401)
        return web.json_response({"token": self._token()})

    def _token(self) -> str:
        self.tokens += 1
        return f"t-{self.tokens}"

    async def on_conversations(self, request: web.Request) -> web.Response:
        if request.cookies.get("session") != "s-1":
            return web.json_response({"error": "sign in first"}, status=401)
        return web.json_response({"conversations": [{"id": "c/1 é"}]})

    async def on_send(self, request: web.Request) -> web.Response:
        if request.match_info["id"] != "c/1 é":
            return web.json_response({"error": "no such conversation"}, status=404)
        self.messages.append((await request.json())["content"])
        return web.json_response({"id": "m1"}, status=201)

    async def on_moved(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": self.location})

    async def on_plain(self, request: web.Request) -> web.Response:
        return web.Response(text="ok")

    def app(self) -> web.Application:
        @web.middleware
        async def note(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
            self.asked.append((request.method, request.path_qs, dict(request.headers)))
            reply: web.StreamResponse = await handler(request)
            return reply

        app = web.Application(middlewares=[note])
        app.add_routes(
            [
                web.get("/api/health", self.on_health),
                web.get("/api/version", self.on_version),
                web.get("/api/metrics", self.on_metrics),
                web.post("/api/auth/signin", self.on_signin),
                web.post("/api/auth/refresh", self.on_refresh),
                web.get("/api/conversations", self.on_conversations),
                web.post("/api/conversations/{id}/messages", self.on_send),
                web.get("/moved", self.on_moved),
                web.get("/plain", self.on_plain),
            ]
        )
        return app


@asynccontextmanager
async def serving(service: Service | None = None) -> AsyncIterator[Service]:
    service = service or Service()
    runner = web.AppRunner(service.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    service.url = f"http://{host}:{port}"
    try:
        yield service
    finally:
        await runner.cleanup()


@asynccontextmanager
async def looking_at(
    base_url: str, *, secrets: Mapping[str, str] | None = None, clock: Clock | None = None, **config: Any
) -> AsyncIterator[Context]:
    """A context with the product's own read door. ``config`` is the plugin's, as a runbook file writes it."""
    made = Config.model_validate({"base_url": base_url, "timeout": 20, **config})
    async with http_context("web", made, secrets or {}, clock) as ctx:
        yield ctx


FLOW: dict[str, Any] = {
    "signin": {
        "method": "POST",
        "path": "/api/auth/signin",
        "body": {"email": "test@example.com", "password": {"secret": "env:PASSWORD"}},
        "capture": {"token": "json:token", "session": "cookie:session"},
    },
    "refresh": {
        "method": "POST",
        "path": "/api/auth/refresh",
        "body": {"token": "${token}"},
        "capture": {"token": "json:token"},
    },
    "conversations": {"path": "/api/conversations", "capture": {"conversation": "json:conversations.0.id"}},
    "send": {
        "method": "POST",
        "path": "/api/conversations/${conversation}/messages",
        "body": {"content": "hello from ${token}"},
        "status": 201,
        "expect": {"id": "m1"},
    },
}
