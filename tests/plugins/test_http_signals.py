"""Signals over HTTP: what is failing, what is unknown, and what was measured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.plugins.http_service import FLOW, Service, looking_at, serving
from warroom.api import Context
from warroom.errors import BadInput
from warroom.model.signal import Sample
from warroom.testing.clock import VirtualClock
from warroom_http import plugin
from warroom_http.measures import Met, Window, percentile

NOBODY = "http://127.0.0.1:1"
SIGNALS: dict[str, Any] = {
    "health-web": {"path": "/api/health", "field": "status", "equals": "ok"},
    "health-db": {"path": "/api/health", "field": "database", "equals": "connected"},
    "page": {"path": "/plain"},
    "memory": {
        "kind": "number",
        "path": "/api/metrics",
        "field": "memory.used",
        "over": "/memory/limit",
        "unit": "ratio",
    },
    "requests": {"kind": "number", "path": "/api/metrics", "field": "requests", "count": "requests"},
    "slow": {"kind": "p95", "path": "/api/health", "window": "60s"},
    "failures": {"kind": "error-ratio", "path": "/api/health", "window": "60s"},
    "auth-signin": {"kind": "flow", "flow": "auth", "step": "signin"},
    "auth-refresh": {"kind": "flow", "flow": "auth", "step": "refresh"},
    "auth": {"kind": "flow", "flow": "auth"},
}
FLOWS = {"auth": {"steps": FLOW, "every": "2s"}}


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


async def first(url: str, *names: str, **config: Any) -> dict[str, Sample]:
    """The first sample of each of the signals."""
    made = {"signals": SIGNALS, "flows": FLOWS, **config}
    async with looking_at(url, secrets={"env:PASSWORD": "Test123!"}, **made) as ctx:
        return await collected(ctx, *names)


async def collected(ctx: Context, *names: str) -> dict[str, Sample]:
    assert plugin.signals is not None
    found: dict[str, Sample] = {}
    stream = plugin.signals.samples(ctx, frozenset(names))
    async for sample in stream:
        found[sample.signal] = sample
        if set(found) == set(names):
            break
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    return found


async def test_everything_well(service: Service) -> None:
    found = await first(service.url, *SIGNALS)
    values = {name: sample.value for name, sample in found.items()}
    assert values.pop("slow") is not None
    assert values == {
        "health-web": 1,
        "health-db": 1,
        "page": 1,
        "memory": 0.61,
        "requests": 812,
        "failures": 0,
        "auth-signin": 1,
        "auth-refresh": 1,
        "auth": 1,
    }
    assert found["requests"].count == 812
    assert found["slow"].count == 1


async def test_one_broken_part_fails_alone_though_the_page_answers_503(service: Service) -> None:
    service.health_status = 503
    service.health = {"status": "error", "database": "connected", "redis": "disconnected"}
    found = await first(service.url, "health-web", "health-db", "failures")
    assert (found["health-web"].value, found["health-db"].value, found["failures"].value) == (0, 1, 1)
    assert found["health-web"].words == 'status is "error" (HTTP 503)'


async def test_nobody_there_is_failing_for_health_and_unknown_for_metrics() -> None:
    found = await first(NOBODY, "health-web", "page", "memory", "slow", "failures", "auth-signin", "auth-refresh")
    assert {name: sample.value for name, sample in found.items()} == {
        "health-web": 0,
        "page": 0,
        "memory": None,
        "slow": None,
        "failures": 1,
        "auth-signin": 0,
        "auth-refresh": None,
    }
    assert "no reply" in found["health-web"].words
    assert "not reached" in found["auth-refresh"].words


@pytest.mark.parametrize(
    ("health", "status", "value"),
    [
        ({}, 200, None),  # a page without the field says nothing
        ({}, 500, 0),
        ({}, 401, None),  # not let in: nothing was seen
        ({}, 429, None),
        ({"status": "degraded"}, 200, 0),
        ({"status": None}, 200, 0),
    ],
)
async def test_health(service: Service, health: dict[str, Any], status: int, value: float | None) -> None:
    service.health, service.health_status = health, status
    assert (await first(service.url, "health-web"))["health-web"].value == value


@pytest.mark.parametrize(
    "metrics", [{}, [], {"memory": {"used": "61"}}, {"memory": {"used": 1, "limit": 0}}, "x", None]
)
async def test_a_metric_that_is_not_there_is_unknown_never_zero(service: Service, metrics: Any) -> None:
    service.metrics = metrics
    found = (await first(service.url, "memory"))["memory"]
    assert found.value is None
    assert found.words


async def test_a_page_that_never_was_there_is_unknown_and_one_that_is_gone_has_failed(service: Service) -> None:
    """What is written wrongly in the runbook must not fire; a release that lost a route must."""
    async with looking_at(service.url, secrets={"env:PASSWORD": "Test123!"}, signals=SIGNALS, flows=FLOWS) as ctx:
        service.health, service.health_status = {}, 404
        before = (await collected(ctx, "health-web"))["health-web"]
        assert before.value is None
        assert before.words == "HTTP 404: it was not well once since warroom began; is the path /api/health right?"
        service.health, service.health_status = {"status": "ok"}, 200
        assert (await collected(ctx, "health-web"))["health-web"].value == 1
        service.health, service.health_status = {}, 404
        gone = (await collected(ctx, "health-web"))["health-web"]
        assert (gone.value, gone.words) == (0, "HTTP 404")
        service.signin_status = 404
        never = (await collected(ctx, "auth-signin"))["auth-signin"]
        assert never.value is None
        assert "is the path /api/auth/signin right?" in never.words
        service.signin_status = 200
        assert (await collected(ctx, "auth-signin"))["auth-signin"].value == 1
        service.signin_status = 404
        assert (await collected(ctx, "auth-signin"))["auth-signin"].value == 0


async def test_a_name_that_can_t_be_resolved_says_nothing_of_the_service() -> None:
    """A laptop without a network would otherwise see every sign-in fail."""
    names = ("health-web", "page", "failures", "auth-signin", "auth")
    found = await first("http://no-such-host.invalid", *names)
    assert {sample.value for sample in found.values()} == {None}
    assert "no-such-host.invalid can't be resolved" in found["health-web"].words
    assert "check the name, and this machine's own network" in found["auth"].words


async def test_a_sign_in_that_answers_500_fails_and_what_follows_is_unknown(service: Service) -> None:
    service.signin_status = 500
    found = await first(service.url, "auth-signin", "auth-refresh", "auth")
    assert [found[n].value for n in ("auth-signin", "auth-refresh", "auth")] == [0, None, 0]
    assert found["auth"].words == "signin: HTTP 500, 2xx was expected"


async def test_a_missing_secret_is_unknown_and_nothing_is_sent(service: Service) -> None:
    async with looking_at(service.url, signals=SIGNALS, flows=FLOWS) as ctx:
        found = await collected(ctx, "auth-signin")
    assert found["auth-signin"].value is None
    assert "env:PASSWORD" in found["auth-signin"].words
    assert service.asked == []


@pytest.mark.parametrize("location", ["/api/health", "http://169.254.169.254/latest", "//evil.example.com/", ""])
async def test_no_redirect_is_followed(service: Service, location: str) -> None:
    """A health page that sends on to a sign-in page, which answers 200, would look well."""
    service.location = location
    signals = {"moved": {"path": "/moved"}, "p95": {"kind": "p95", "path": "/moved"}}
    found = await first(service.url, "moved", "p95", signals=signals)
    assert (found["moved"].value, found["p95"].value) == (None, None)
    assert found["moved"].words.startswith("a redirect was not followed: HTTP 302 leads to ")
    assert [path for _, path, _ in service.asked] == ["/moved"]


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("/moved/?token=hunter2", "leads to /moved/; if that is the page that is meant, write its path: /moved/"),
        ("health", "leads to /health; if that is the page that is meant, write its path: /health"),
        (
            "https://me:hunter2@shop.example.com/moved",
            "leads to https://shop.example.com/moved; if that is the service, write base_url: https://shop.example.com",
        ),
        (
            "https://shop.example.com:8443/live#hunter2",
            "leads to https://shop.example.com:8443/live; if that is the page that is meant, write base_url: "
            "https://shop.example.com:8443 and the path /live",
        ),
        ("http://169.254.169.254/moved", "leads to no address that may be asked; see what the service sends"),
        ("https://[", "leads to no address that may be asked; see what the service sends"),
        ("", "leads to no address that may be asked; see what the service sends"),
    ],
)
async def test_where_a_redirect_leads_is_said_as_it_would_be_written(
    service: Service, location: str, said: str
) -> None:
    service.location = location
    found = await first(service.url, "moved", signals={"moved": {"path": "/moved"}})
    assert found["moved"].words == f"a redirect was not followed: HTTP 302 {said}"


async def test_one_request_serves_all_signals_of_a_page(service: Service) -> None:
    await first(service.url, "health-web", "health-db", "slow", "failures")
    assert len(service.asked) == 1


async def test_secret_headers_go_along(service: Service) -> None:
    headers = {"Authorization": {"secret": "env:TOKEN", "prefix": "Bearer "}}
    async with looking_at(
        service.url, secrets={"env:TOKEN": "abc"}, headers=headers, signals={"page": SIGNALS["page"]}
    ) as ctx:
        await collected(ctx, "page")
    assert service.asked[0][2]["Authorization"] == "Bearer abc"


async def test_no_cookie_of_one_walk_reaches_the_next(service: Service) -> None:
    """A session left over from an earlier walk would make a broken sign-in look well."""
    async with looking_at(service.url, secrets={"env:PASSWORD": "Test123!"}, signals=SIGNALS, flows=FLOWS) as ctx:
        await collected(ctx, "auth")
        await collected(ctx, "page")
    assert "Cookie" not in service.asked[-1][2]


@pytest.mark.parametrize(
    ("signal", "value", "words"),
    [
        ({"field": "webhooks.pending", "below": 100}, 1, "webhooks.pending is 40, below 100 was expected (HTTP 200)"),
        ({"field": "webhooks.pending", "below": 40}, 0, "is 40, below 40 was expected"),
        ({"field": "webhooks.pending", "above": 39}, 1, "above 39"),
        ({"field": "webhooks.failed", "length": True, "below": 3}, 1, "webhooks.failed is 2"),
        ({"field": "webhooks.failed", "length": True, "below": 2}, 0, "webhooks.failed is 2"),
        ({"field": "webhooks.failed", "below": 2}, None, "not a number"),
        ({"field": "webhooks.pending", "length": True, "below": 2}, None, "not a list"),
        ({"field": "webhooks.nothing", "below": 2}, None, "the reply has no webhooks.nothing"),
        ({"field": "name", "equals": "x", "expect": {"flag": True}}, 1, 'name is "x"'),
        ({"field": "name", "equals": "x", "expect": {"flag": False}}, 0, "flag is true, false was expected"),
        ({"expect": {"webhooks": {"pending": 40}}}, 1, "HTTP 200"),
        ({"contains": '"pending": 40'}, 1, "HTTP 200"),
        ({"contains": "all is well"}, 0, 'does not contain "all is well"'),
        ({"path": "/plain", "contains": "ok"}, 1, "HTTP 200"),
        ({"path": "/plain", "expect": {"a": 1}}, None, "the reply is not JSON (text/plain)"),
        ({"path": "/plain", "field": "status"}, None, "the reply is not JSON (text/plain)"),
        ({"kind": "number", "field": "webhooks.failed", "length": True}, 2, ""),
        ({"kind": "number", "path": "/plain", "field": "a"}, None, "the reply is not JSON (text/plain)"),
        ({"kind": "number", "field": "webhooks.minus"}, None, "-1 is negative"),
        ({"kind": "number", "field": "webhooks.pending", "unit": "ratio"}, None, "40 is no ratio"),
        ({"kind": "number", "field": "webhooks.pending", "count": "webhooks.minus"}, None, "is -1, no count"),
    ],
)
async def test_what_a_document_and_a_body_say(
    service: Service, signal: dict[str, Any], value: float | None, words: str
) -> None:
    service.metrics = {"webhooks": {"pending": 40, "failed": ["a", "b"], "minus": -1}, "flag": True, "name": "x"}
    found = (await first(service.url, "x", signals={"x": {"path": "/api/metrics", **signal}}))["x"]
    assert found.value == value
    assert words in found.words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (lambda now: now.isoformat(), ""),
        (lambda now: now.isoformat().replace("+00:00", "Z"), ""),
        (lambda now: now.timestamp(), ""),
        (lambda now: now.timestamp() * 1000, ""),
        (lambda now: (now - timedelta(hours=1)).isoformat(), "it is 1:00:0"),
        (lambda now: now.timestamp() + 3600, "in the future"),
        (lambda now: "yesterday", "at is no time"),
        (lambda now: True, "at is no time"),
        (lambda now: 1e300, "at is no time"),
        (lambda now: None, "at is no time"),
    ],
)
@pytest.mark.parametrize("kind", ["number", "health"])
async def test_a_document_has_its_own_time(service: Service, kind: str, said: Any, words: str) -> None:
    now = datetime.now(UTC)
    service.metrics = {"pending": 3, "at": said(now)}
    limit = {"below": 5} if kind == "health" else {}
    signal = {"kind": kind, "path": "/api/metrics", "field": "pending", "at": "at", **limit}
    found = (await first(service.url, "x", signals={"x": signal}))["x"]
    assert words in found.words
    assert (found.value is None) is bool(words)
    if not words:
        assert abs((found.at - now).total_seconds()) < 0.01


async def test_a_document_that_does_not_say_when_is_unknown(service: Service) -> None:
    service.metrics = {"pending": 3}
    signal = {"kind": "number", "path": "/api/metrics", "field": "pending", "at": "time"}
    found = (await first(service.url, "x", signals={"x": signal}))["x"]
    assert (found.value, found.words) == (None, "it does not say when: it has no time")


async def test_signals_that_nobody_declared(service: Service) -> None:
    with pytest.raises(BadInput):
        await first(service.url, "memroy")


async def test_offers() -> None:
    async with looking_at(NOBODY, signals=SIGNALS, flows=FLOWS) as ctx:
        assert plugin.signals is not None
        offers = plugin.signals.offers(ctx.config)
    assert {name: offer.unit for name, offer in offers.items()} == {
        "health-web": "state",
        "health-db": "state",
        "page": "state",
        "memory": "ratio",
        "requests": "count",
        "slow": "ms",
        "failures": "ratio",
        "auth-signin": "state",
        "auth-refresh": "state",
        "auth": "state",
    }


async def test_each_pause_is_kept_on_a_steady_clock() -> None:
    """One look at once, then one every five seconds; the flow keeps its own pace."""
    clock = VirtualClock()
    seen: list[tuple[str, float]] = []
    signals = {
        "page": {"path": "/plain"},
        "often": {"path": "/api/health", "every": "2s"},
    }
    async with looking_at("http://127.0.0.1:1", clock=clock, signals=signals) as ctx:
        assert plugin.signals is not None
        stream = plugin.signals.samples(ctx, frozenset(signals))
        began = clock.monotonic()
        for _ in range(5):
            while True:
                sample = await anext(stream)
                seen.append((sample.signal, clock.monotonic() - began))
                if {name for name, at in seen if at == clock.monotonic() - began} >= due(clock.monotonic() - began):
                    break
            while clock.sleepers < 2:
                await clock.settle()
            await clock.advance(1)
            while not due(clock.monotonic() - began):
                await clock.advance(1)
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    assert seen[:2] == [("often", 0), ("page", 0)] or seen[:2] == [("page", 0), ("often", 0)]
    assert [at for name, at in seen if name == "often"][:3] == [0, 2, 4]
    assert [at for name, at in seen if name == "page"][:2] == [0, 5]


def due(elapsed: float) -> set[str]:
    return {name for name, every in (("page", 5), ("often", 2)) if elapsed % every == 0}


@pytest.mark.parametrize(
    ("values", "p95"), [([5.0], 5.0), (list(map(float, range(1, 21))), 19.0), (list(map(float, range(1, 101))), 95.0)]
)
def test_the_percentile_is_one_that_was_measured(values: list[float], p95: float) -> None:
    assert percentile(values, 0.95) == p95


def test_the_median_beside_the_percentile() -> None:
    window = Window(60)
    for second in range(1, 12):
        window.add(Met(second, second / 10, failed=False))
    assert window.read("p50") == (600, 11)
    assert window.read("p95") == (1100, 11)


def test_a_window_forgets_and_a_timeout_counts_as_slow() -> None:
    window = Window(60)
    assert window.read("p95") == (None, 0)
    assert window.read("error-ratio") == (None, 0)
    for second in range(10):
        window.add(Met(second, 0.1, failed=False))
    window.add(Met(10, 5.0, failed=True))
    window.add(Met(11, None, failed=True))
    assert window.read("p95") == (5000, 11)
    assert window.read("error-ratio") == (2 / 12, 12)
    window.add(Met(70, 0.2, failed=False))
    assert window.read("error-ratio") == (1 / 2, 2)
