"""Verification's questions over HTTP, and what the service says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from tests.plugins.http_service import FLOW, Service, looking_at, serving
from warroom.api import Context, Probed, Unreachable
from warroom.engine.core import SystemClock
from warroom.errors import DoorRefused, WarroomError
from warroom.model.release import Release
from warroom_http import plugin

NOBODY = "http://127.0.0.1:1"
PASSWORD = {"env:PASSWORD": "Test123!"}


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


async def probed(ctx: Context, name: str, **args: Any) -> Probed:
    probe = plugin.probe(name)
    assert probe is not None
    return await probe.probe(ctx, probe.args.model_validate(args))


async def test_get(service: Service) -> None:
    async with looking_at(service.url) as ctx:
        good = await probed(ctx, "get", path="/api/health", expect={"status": "ok", "database": "connected"})
        assert good.verdict == "pass"
        service.health["database"] = "disconnected"
        bad = await probed(ctx, "get", path="/api/health", expect={"database": "connected"})
        assert (bad.verdict, bad.words) == (
            "fail",
            'GET /api/health: database is "disconnected", "connected" was expected',
        )
        service.health_status = 503
        assert (await probed(ctx, "get", path="/api/health")).verdict == "fail"
        assert (await probed(ctx, "get", path="/api/health", status=[503, 500])).verdict == "pass"
        assert (await probed(ctx, "get", path="/plain", expect={"status": "ok"})).verdict == "fail"
        assert (await probed(ctx, "get", path="/moved", status=302)).verdict == "pass"


async def test_get_with_nobody_there_fails() -> None:
    async with looking_at(NOBODY) as ctx:
        got = await probed(ctx, "get", path="/api/health")
    assert got.verdict == "fail"
    assert "no reply" in got.words


class Instant(SystemClock):
    """Sleeping takes no time, but the clock sees it; ``then`` runs after each sleep."""

    def __init__(self, service: Service, heals_after: int) -> None:
        self.service, self.heals_after, self.slept, self.at = service, heals_after, 0, 0.0

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept += 1
        self.at += seconds
        if self.slept == self.heals_after:
            self.service.health_status = 200


@pytest.mark.parametrize(("heals_after", "verdict"), [(2, "pass"), (8, "pass"), (20, "fail")])
async def test_passes_in_a_row_begin_again_after_a_bad_one(service: Service, heals_after: int, verdict: str) -> None:
    service.health_status = 503
    clock = Instant(service, heals_after)
    async with looking_at(service.url, clock=clock) as ctx:
        got = await probed(ctx, "get", path="/api/health", passes=3, every="1s", within="10s")
    assert got.verdict == verdict
    assert got.numbers["passes"] == (3 if verdict == "pass" else 0)


class Relapsing(Instant):
    """Well for two askings, ill for one, then well."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        self.service.health_status = 503 if self.slept == 2 else 200


async def test_good_replies_before_a_bad_one_do_not_count(service: Service) -> None:
    async with looking_at(service.url, clock=Relapsing(service, heals_after=0)) as ctx:
        got = await probed(ctx, "get", path="/api/health", passes=3, every="1s", within="10s")
    assert (got.verdict, got.numbers["asked"]) == ("pass", 6)


async def test_flow(service: Service) -> None:
    async with looking_at(service.url, secrets=PASSWORD, flows={"auth": {"steps": FLOW}}) as ctx:
        good = await probed(ctx, "flow", flow="auth")
        assert (good.verdict, good.numbers["worked"]) == ("pass", 4)
        assert service.messages == ["hello from t-2"]
        service.password = "changed"
        bad = await probed(ctx, "flow", flow="auth")
        assert (bad.verdict, bad.words) == ("fail", "signin: HTTP 401, 2xx was expected")
        assert service.messages == ["hello from t-2"]
        assert (await probed(ctx, "flow", flow="other")).verdict == "inconclusive"


async def test_a_flow_whose_secret_is_missing_proves_nothing(service: Service) -> None:
    async with looking_at(service.url, flows={"auth": {"steps": FLOW}}) as ctx:
        assert (await probed(ctx, "flow", flow="auth")).verdict == "inconclusive"


@pytest.mark.parametrize("capture", [{"x": "json:nothing"}, {"x": "cookie:nothing"}, {"x": "json:user"}])
async def test_a_reply_without_what_is_to_be_captured_fails(service: Service, capture: dict[str, str]) -> None:
    steps = {"signin": {**FLOW["signin"], "capture": capture}}
    async with looking_at(service.url, secrets=PASSWORD) as ctx:
        assert (await probed(ctx, "flow", steps=steps)).verdict == "fail"


@pytest.mark.parametrize(
    "args", [{}, {"flow": "a", "steps": {"s": {"path": "/"}}}, {"steps": {"s": {"path": "/${x}"}}}]
)
def test_flow_arguments(args: dict[str, Any]) -> None:
    probe = plugin.probe("flow")
    assert probe is not None
    with pytest.raises(ValidationError):
        probe.args.model_validate(args)


@pytest.mark.parametrize(
    ("said", "args", "verdict"),
    [
        ({"version": "v2", "commit": "abcdef0123"}, {}, "pass"),
        ({"version": "v2", "commit": "abcdef0123"}, {"version": "v2", "commit": "abcdef0"}, "pass"),
        ({"version": "v2", "commit": "abcdef0123"}, {"version": "v3"}, "fail"),
        ({"version": "v2", "commit": "abcdef0123"}, {"commit": "abcdee0"}, "fail"),
        ({"version": "v2", "commit": "abc"}, {"commit": "abcdef0"}, "fail"),
        ({"version": "v2"}, {"version": "v2", "commit": "abcdef0"}, "inconclusive"),
        ({}, {}, "inconclusive"),
    ],
)
async def test_version(service: Service, said: dict[str, str], args: dict[str, str], verdict: str) -> None:
    service.version = said
    async with looking_at(service.url) as ctx:
        assert (await probed(ctx, "version", **args)).verdict == verdict


async def test_running_is_the_services_own_word(service: Service) -> None:
    assert plugin.releases is not None
    async with looking_at(service.url) as ctx:
        assert await plugin.releases.running(ctx) is None
    async with looking_at(service.url, version={"path": "/api/version"}) as ctx:
        running = await plugin.releases.running(ctx)
        assert isinstance(running, Release)
        assert (running.version, running.commit) == ("v1.0.0-beta.2", "41ab" * 10)
        with pytest.raises(Unreachable):  # no verdict on the release: a person may still name it
            await plugin.releases.resolve(ctx, "v1")


async def test_fingerprint(service: Service) -> None:
    assert plugin.identity is not None
    service.metrics = {"cluster": "c-1", "empty": ""}
    for field, fingerprint in (("cluster", "c-1"), ("empty", None), ("missing", None), (None, None)):
        identity: dict[str, Any] = {"identity": {"path": "/api/metrics", "field": field}} if field else {}
        async with looking_at(service.url, **identity) as ctx:
            if fingerprint:
                assert await plugin.identity.fingerprint(ctx) == fingerprint
            else:
                with pytest.raises(WarroomError):
                    await plugin.identity.fingerprint(ctx)


async def test_readiness(service: Service) -> None:
    assert plugin.readiness is not None
    async with looking_at(service.url, flows={"auth": {"steps": FLOW}}) as ctx:
        rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert rows["http-health"].status == "ready"
    assert rows["http-secret-env:PASSWORD"].status == "not-ready"
    assert rows["http-secret-env:PASSWORD"].fix
    service.health_status = 503
    async with looking_at(service.url) as ctx:
        assert [row.status for row in await plugin.readiness.ready(ctx)] == ["not-ready"]
    async with looking_at(NOBODY) as ctx:
        assert [row.status for row in await plugin.readiness.ready(ctx)] == ["not-ready"]


async def test_a_name_that_leads_to_a_metadata_address_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Held by the door, at the connection itself: a literal check would miss what a name resolves to."""
    import asyncio

    async def resolve(self: object, host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)
    async with looking_at("http://rebound.example.com") as ctx:
        got = await probed(ctx, "get", path="/api/health")
        with pytest.raises(DoorRefused):
            await ctx.read.http("GET", "http://rebound.example.com/", timeout=1)
    assert got.verdict == "inconclusive"
    assert "metadata" in got.words
