"""The HTTP interface."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import redis.asyncio
from aiohttp import web
from aiohttp.typedefs import Middleware
from redis.exceptions import RedisError

from . import passwords, users
from .ai import AiProvider
from .attempts import Attempts
from .conversations import Conversations
from .database import Pool, PoolExhaustedError
from .log import log
from .mail import Mail
from .metrics import Metrics, resident_bytes
from .payments import Payments
from .release import Release
from .sessions import SESSION_SECONDS, Sessions
from .settings import Settings
from .traces import Traces

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    def __init__(self, settings: Settings, release: Release) -> None:
        self.settings = settings
        self.release = release
        self.metrics = Metrics()
        self.traces = Traces(settings.traces)
        self.pool = Pool(settings.database_url, settings.pool_size)
        self.redis = redis.asyncio.Redis.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=2)
        self.sessions = Sessions(self.redis, settings.app_secret, verify_tokens=settings.verify_tokens)
        self.attempts = Attempts(self.redis, settings.sign_in_attempts)
        self.conversations = Conversations(self.pool, self.redis)
        self.ai = AiProvider(settings.ai_socket, self.metrics)
        self.mail = Mail(settings.mail_socket, self.metrics)
        self.payments = Payments(self.pool, settings.payment_secret, self.mail)

    async def close(self) -> None:
        await self.ai.close()
        await self.pool.close()
        await self.redis.aclose()

    # ---- state ---------------------------------------------------------------------------------------------

    async def health(self, request: web.Request) -> web.Response:
        database = redis_state = "connected"
        try:
            async with self.pool.connection() as connection:
                await connection.execute("SELECT 1")
        except (psycopg.Error, PoolExhaustedError) as error:
            database = "disconnected"
            log("error", "database is not reachable", error=str(error).strip())
        try:
            await self.redis.ping()
        except (RedisError, OSError) as error:
            redis_state = "disconnected"
            log("error", "redis is not reachable", error=str(error))
        good = database == redis_state == "connected"
        state = {"status": "ok" if good else "error", "database": database, "redis": redis_state}
        return web.json_response(state, status=200 if good else 503)

    async def version(self, request: web.Request) -> web.Response:
        release = self.release
        return web.json_response({"version": release.version, "commit": release.commit, "digest": release.digest})

    async def system_metrics(self, request: web.Request) -> web.Response:
        memory = {"residentBytes": resident_bytes(), "limitBytes": self.settings.memory_limit}
        pool = {"size": self.pool.size, "used": self.pool.used}
        return web.json_response({"memory": memory, "pool": pool, **self.metrics.snapshot()})

    # ---- accounts ------------------------------------------------------------------------------------------

    async def signin(self, request: web.Request) -> web.Response:
        body = await _body(request, "email", "password")
        if await self.attempts.over(body["email"]):
            return web.json_response({"error": "too many attempts, wait a minute"}, status=429)
        async with self.pool.connection() as connection:
            user = await users.find_by_email(connection, body["email"])
        if user is None or not await passwords.matches(body["password"], user.password_hash):
            await self.attempts.failed(body["email"])
            return web.json_response({"error": "wrong e-mail or password"}, status=401)
        session, token = await self.sessions.open(user.id)
        async with self.pool.connection() as connection:
            await users.record_sign_in(connection, user.id)
        profile = {"id": user.id, "name": user.name, "tier": user.tier}
        csrf = self.sessions.csrf(session)
        response = web.json_response({"token": token, "csrf": csrf, "user": profile})
        response.set_cookie("session", session, max_age=SESSION_SECONDS, httponly=True, samesite="Lax")
        return response

    async def refresh(self, request: web.Request) -> web.Response:
        """A new token for the old one; without one, for the session in the cookie."""
        if request.can_read_body:
            body = await _body(request, "token")
            token = await self.sessions.refresh(body["token"])
        else:
            token = await self.sessions.renew(request.cookies.get("session", ""))
        if token is None:
            return web.json_response({"error": "sign in again"}, status=401)
        return web.json_response({"token": token})

    async def rename(self, request: web.Request) -> web.Response:
        user_id = await self._user_id(request)
        body = await _body(request, "name")
        async with self.pool.connection() as connection:
            await users.rename(connection, user_id, body["name"])
        return web.json_response({"id": user_id, "name": body["name"]})

    async def _user_id(self, request: web.Request) -> str:
        """Who asks, by the token or by the session in the cookie.

        A browser sends cookies along whichever page asks; what changes something needs our own pages' word as well.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        session = request.cookies.get("session", "")
        by_token = scheme == "Bearer"
        user_id = await (self.sessions.user_of_token(token) if by_token else self.sessions.user_of(session))
        if user_id is None:
            raise web.HTTPUnauthorized(text='{"error": "sign in first"}', content_type="application/json")
        if request.method != "GET" and not by_token and self.settings.csrf_protection:
            given = request.headers.get("X-CSRF-Token", "")
            if not hmac.compare_digest(self.sessions.csrf(session).encode(), given.encode("utf-8", "replace")):
                raise web.HTTPForbidden(text='{"error": "not from our own page"}', content_type="application/json")
        return user_id

    # ---- conversations and payments ------------------------------------------------------------------------

    async def list_conversations(self, request: web.Request) -> web.Response:
        user_id = await self._user_id(request)
        return web.json_response({"conversations": await self.conversations.of_user(user_id)})

    async def send_message(self, request: web.Request) -> web.Response:
        user_id = await self._user_id(request)
        body = await _body(request, "content")
        message_id = await self.conversations.send(user_id, request.match_info["id"], body["content"])
        if message_id is None:
            return web.json_response({"error": "no such conversation"}, status=404)
        reply = await self.ai.reply(body["content"])
        if reply is not None:
            await self.conversations.answer(request.match_info["id"], reply)
        return web.json_response({"id": message_id, "reply": reply}, status=201)

    async def export(self, request: web.Request) -> web.Response:
        user_id = await self._user_id(request)
        return web.json_response({"messages": await self.conversations.export(user_id, request.match_info["id"])})

    async def payment_webhook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        if not self.payments.signed(raw, request.headers.get("X-Signature", "")):
            return web.json_response({"error": "wrong signature"}, status=401)
        event = await _body(request, "id", "userId", "currency")
        new = await self.payments.take(event)
        return web.json_response({"received": True, "duplicate": not new})


async def _body(request: web.Request, *names: str) -> dict[str, Any]:
    """The request's JSON object; each of the names must be in it, as text."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        text = json.dumps({"error": f"expected a JSON object with {', '.join(names)}"})
        raise web.HTTPBadRequest(text=text, content_type="application/json")
    return body


def _observed(server: Server) -> Middleware:
    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        route = f"{request.method} {resource.canonical if resource else 'unknown'}"
        begun = time.perf_counter()
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status, text=error.text, content_type=error.content_type)
        except Exception as error:  # noqa: BLE001 - whatever a handler raised is logged and answered with a 500
            log("error", "unhandled error", route=route, error=repr(error), traceback=traceback.format_exc())
            response = web.json_response({"error": "internal server error"}, status=500)
        seconds = time.perf_counter() - begun
        server.metrics.count(route, response.status, seconds)
        server.traces.keep(route, response.status, seconds)
        level = "error" if response.status >= 500 else "info"
        log(level, "request", route=route, status=response.status, ms=round(seconds * 1000, 1))
        return response

    return observe


def make_app(settings: Settings, release: Release) -> web.Application:
    server = Server(settings, release)

    async def lifetime(app: web.Application) -> AsyncIterator[None]:
        mailing = asyncio.create_task(server.mail.run())
        yield
        mailing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await mailing
        await server.close()

    app = web.Application(middlewares=[_observed(server)])
    app.cleanup_ctx.append(lifetime)
    app.add_routes(
        [
            web.get("/api/health", server.health),
            web.get("/api/version", server.version),
            web.get("/api/metrics/system", server.system_metrics),
            web.post("/api/auth/signin", server.signin),
            web.post("/api/auth/refresh", server.refresh),
            web.post("/api/account", server.rename),
            web.get("/api/conversations", server.list_conversations),
            web.get("/api/conversations/{id}/export", server.export),
            web.post("/api/conversations/{id}/messages", server.send_message),
            web.post("/api/payments/webhook", server.payment_webhook),
        ]
    )
    return app
