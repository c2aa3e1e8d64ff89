"""Active probes on a service whose protections can be switched off, and on one where nobody gave leave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pytest
import pytest_asyncio
from aiohttp import web

from tests.plugins.http_service import looking_at
from warroom.api import Context
from warroom.model.signal import Sample
from warroom.testing.clock import VirtualClock
from warroom.testing.conformance import check_plugin
from warroom_http import plugin
from warroom_http.config import Config

PASSWORD = "Probe-of-the-test-1"
SECRETS = {"env:PASSWORD": PASSWORD, "env:KEY": "key-of-the-gateway"}
FLOWS: dict[str, Any] = {
    "account": {
        "steps": {
            "signin": {
                "method": "POST",
                "path": "/signin",
                "body": {"email": "probe@example.com", "password": {"secret": "env:PASSWORD"}},
                "capture": {"csrf": "json:csrf"},
            },
            "control": {
                "method": "POST",
                "path": "/profile",
                "headers": {"X-CSRF-Token": "${csrf}"},
                "body": {"name": "probe"},
            },
            "private": {"path": "/private"},
        }
    }
}
PROFILE = {"method": "POST", "path": "/profile", "body": {"name": "probe"}}
GUESS = {"method": "POST", "path": "/signin", "body": {"email": "nobody@example.com", "password": "wrong"}}
SIGNALS: dict[str, Any] = {
    "csrf": {"kind": "csrf-protection", "flow": "account", "request": PROFILE},
    "limit": {"kind": "rate-limiting", "request": GUESS, "attempts": 8},
    "auth": {"kind": "auth-enforced", "flow": "account", "request": {"path": "/private"}},
}


@dataclass
class Guarded:
    """``token`` is which bearer the private page takes besides a session: none, any, or one without a signature."""

    csrf: bool = True
    limit: int | None = 5
    auth: bool = True
    token: Literal["none", "any", "unsigned"] = "none"
    status: dict[str, int] = field(default_factory=dict)
    location: str = ""
    guesses: int = 0
    asked: list[web.Request] = field(default_factory=list)
    url: str = ""

    async def on_signin(self, request: web.Request) -> web.Response:
        if (await request.json())["password"] == PASSWORD:
            reply = web.json_response({"csrf": "c-1"})
            reply.set_cookie("session", "s-1")
            return reply
        self.guesses += 1
        if self.limit is not None and self.guesses > self.limit:
            return web.json_response({}, status=429)
        return web.json_response({}, status=401)

    async def on_profile(self, request: web.Request) -> web.Response:
        if request.cookies.get("session") != "s-1":
            return web.json_response({}, status=401)
        if self.csrf and request.headers.get("X-CSRF-Token") != "c-1":
            return web.json_response({}, status=403)
        return web.json_response({"ok": True})

    async def on_private(self, request: web.Request) -> web.Response:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        taken = {"none": False, "any": bool(bearer), "unsigned": bearer.endswith(".") and bearer.count(".") == 2}
        if self.auth and request.cookies.get("session") != "s-1" and not taken[self.token]:
            return web.json_response({}, status=401)
        return web.json_response({"mine": 1})

    @web.middleware
    async def each(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request)
        own = "session" not in request.cookies and request.path == "/private"
        if request.path in self.status and (own or request.path != "/private"):
            return web.Response(status=self.status[request.path], headers={"Location": self.location})
        reply: web.StreamResponse = await handler(request)
        return reply


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Guarded]:
    service = Guarded()
    app = web.Application(middlewares=[service.each])
    app.add_routes(
        [
            web.post("/signin", service.on_signin),
            web.post("/profile", service.on_profile),
            web.get("/private", service.on_private),
            web.get("/api/health", service.on_private),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


async def one(
    service: Guarded, name: str, environment: Literal["production", "staging", "drill"] = "staging", **config: Any
) -> Sample:
    made = {"signals": SIGNALS, "flows": FLOWS, "active": {"per_minute": 600}, **config}
    async with looking_at(service.url, secrets=SECRETS, **made) as ctx:
        return await sampled(replace(ctx, environment=environment), name)


async def sampled(ctx: Context, name: str) -> Sample:
    assert plugin.signals is not None
    stream = plugin.signals.samples(ctx, frozenset({name}))
    try:
        async with asyncio.timeout(60):
            return await anext(stream)
    finally:
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say


async def test_what_is_protected_is_well(service: Guarded) -> None:
    found = {name: await one(service, name) for name in SIGNALS}
    assert {name: (sample.value, sample.count) for name, sample in found.items()} == dict.fromkeys(SIGNALS, (1, 1))
    assert found["csrf"].words == "refused a foreign page's request without its token: HTTP 403"
    assert found["limit"].words == "refused attempt 6: HTTP 429"
    assert found["auth"].words == "refused nobody, a forged token, an unsigned token"


@pytest.mark.parametrize(
    ("name", "off", "words"),
    [
        ("csrf", {"csrf": False}, "accepted a foreign page's request without its token: HTTP 200"),
        ("limit", {"limit": None}, "refused none of 8 attempts in "),
        ("auth", {"auth": False}, "let in nobody: HTTP 200"),
        ("auth", {"token": "any"}, "let in a forged token: HTTP 200"),
        ("auth", {"token": "unsigned"}, "let in an unsigned token: HTTP 200"),
    ],
)
async def test_what_is_not_protected_is_told(service: Guarded, name: str, off: dict[str, Any], words: str) -> None:
    for key, value in off.items():
        setattr(service, key, value)
    sample = await one(service, name)
    assert (sample.value, sample.count) == (0, 1)
    assert sample.words.startswith(words)


@pytest.mark.parametrize("status", [500, 503, 302, 404])
@pytest.mark.parametrize(("name", "path"), [("csrf", "/profile"), ("limit", "/signin"), ("auth", "/private")])
async def test_what_shows_neither_is_unknown(service: Guarded, name: str, path: str, status: int) -> None:
    service.status, service.location = {path: status}, "/elsewhere"
    sample = await one(service, name)
    assert (sample.value, sample.count) == (None, None)
    assert sample.words


async def test_a_flow_that_does_not_work_shows_nothing(service: Guarded) -> None:
    """A broken sign-in answers 401 to everything: that is no protection."""
    async with looking_at(service.url, secrets={"env:PASSWORD": "wrong"}, signals=SIGNALS, flows=FLOWS) as ctx:
        for name in ("csrf", "auth"):
            sample = await sampled(replace(ctx, environment="drill"), name)
            assert sample.value is None
            assert sample.words.startswith("not tried, since its flow does not work: signin: HTTP 401")
    assert {request.path for request in service.asked} == {"/signin"}


async def test_nobody_there_is_unknown() -> None:
    gone = Guarded(url="http://127.0.0.1:1")
    for name in SIGNALS:
        assert (await one(gone, name)).value is None


async def test_a_redirect_to_the_sign_in_can_be_named_as_a_refusal(service: Guarded) -> None:
    service.status, service.location = {"/private": 302}, "/signin"
    signals = {"auth": {"kind": "auth-enforced", "request": {"path": "/private"}, "refused": [302, 401]}}
    assert (await one(service, "auth", signals=signals)).value == 1


async def test_as_nobody_no_secret_goes_along(service: Guarded) -> None:
    headers = {"X-Gateway": {"secret": "env:KEY"}, "Authorization": "Basic x", "X-Plain": "1"}
    await one(service, "auth", headers=headers)
    bare = [request.headers for request in service.asked if request.path == "/private"][-3:]
    assert [("X-Gateway" in sent, sent["X-Plain"], sent.get("Cookie")) for sent in bare] == [(False, "1", None)] * 3
    assert "Authorization" not in bare[0]


@pytest.mark.parametrize("name", SIGNALS)
async def test_in_production_nothing_is_sent_without_leave(service: Guarded, name: str) -> None:
    sample = await one(service, name, "production")
    assert sample.value is None
    assert sample.words.startswith("off in production: ")
    assert service.asked == []
    leave = {"in_production": True, "every": "60s"}
    assert (await one(service, name, "production", active=leave)).value == 1


@pytest.mark.parametrize(
    ("environment", "leave", "status"),
    [("production", False, "unknown"), ("production", True, "ready"), ("drill", False, "ready")],
)
async def test_readiness_says_whether_they_are_on(
    service: Guarded, environment: Literal["production", "drill"], leave: bool, status: str
) -> None:
    active = {"in_production": leave, "every": "60s"}
    made: dict[str, Any] = {"signals": SIGNALS, "flows": FLOWS, "active": active}
    async with looking_at(service.url, secrets=SECRETS, **made) as ctx:
        assert plugin.readiness is not None
        rows = {row.id: row for row in await plugin.readiness.ready(replace(ctx, environment=environment))}
    assert rows["http-active"].status == status
    assert "csrf, limit, auth" in rows["http-active"].words


async def test_who_says_nothing_of_the_environment_means_production(service: Guarded) -> None:
    async with looking_at(service.url, secrets=SECRETS, signals=SIGNALS, flows=FLOWS) as ctx:
        assert (await sampled(ctx, "csrf")).words.startswith("off in production")


async def test_started_again_it_is_not_tried_more_often(service: Guarded) -> None:
    """What restarts the signals of a platform must not get round the rate."""
    clock = VirtualClock()
    made = {"signals": SIGNALS, "flows": FLOWS, "active": {"every": "60s"}}
    async with looking_at(service.url, secrets=SECRETS, clock=clock, **made) as given:
        ctx = replace(given, environment="staging")
        await sampled(ctx, "limit")
        before = len(service.asked)
        again = asyncio.ensure_future(sampled(ctx, "limit"))
        while not clock.sleepers:
            await asyncio.sleep(0)
        await clock.advance(59)
        assert len(service.asked) == before
        assert not again.done()
        await clock.advance(2)
        assert (await again).value == 1
        assert len(service.asked) > before


def test_an_offer_says_that_it_is_active_and_how_often() -> None:
    assert plugin.signals is not None
    raw = {
        "base_url": "http://127.0.0.1:1",
        "flows": FLOWS,
        "signals": {**SIGNALS, "csrf": {**SIGNALS["csrf"], "every": "5m"}, "auth": {**SIGNALS["auth"], "every": "1s"}},
    }
    offers = plugin.signals.offers(Config.model_validate(raw))
    assert {name: (offer.active, offer.every, offer.unit) for name, offer in offers.items()} == {
        "csrf": (True, 300, "state"),
        "limit": (True, 60, "state"),
        "auth": (True, 60, "state"),
    }


async def test_the_plugin_conforms_with_active_probes(service: Guarded) -> None:
    made: dict[str, Any] = {"signals": SIGNALS, "flows": FLOWS, "active": {"every": "1s", "per_minute": 6000}}
    async with looking_at(service.url, secrets=SECRETS, **made) as ctx:
        signals_alone = replace(plugin, identity=None, releases=None, probes=())
        await check_plugin(signals_alone, replace(ctx, environment="staging"), patience=3)
