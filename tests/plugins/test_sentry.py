"""Errors by the minute, new issues since the deploy, scopes, pages and limits: on a strict Sentry."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import ValidationError

from tests.plugins.sentry_service import TOKEN, Sentry, iso, reading, sentry
from tests.runbooks import HEAD
from warroom.api import Context, Ready, TryLater
from warroom.model.signal import Sample
from warroom.runbook.render import print_check
from warroom.testing.clock import VirtualClock
from warroom.testing.conformance import check_plugin
from warroom.testing.fakes import FakeFolder
from warroom_sentry import plugin
from warroom_sentry.config import Config

SIGNALS: dict[str, Any] = {
    "errors": {"query": "level:error"},
    "of-newest": {"kind": "errors", "release": "newest"},
    "of-one": {"kind": "errors", "release": "web@0.9"},
    "new": {"kind": "new-issues", "title": "new issues"},
}


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Sentry]:
    async with sentry() as service:
        yield service


async def collected(ctx: Context, *names: str) -> dict[str, Sample]:
    assert plugin.signals is not None
    found: dict[str, Sample] = {}
    stream = plugin.signals.samples(ctx, frozenset(names))
    async with asyncio.timeout(60):
        async for sample in stream:
            found[sample.signal] = sample
            if set(found) == set(names):
                break
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    return found


async def one(service: Sentry, name: str, **config: Any) -> Sample:
    async with reading(service.url, signals=SIGNALS, **config) as ctx:
        return (await collected(ctx, name))[name]


async def rows(service: Sentry, **config: Any) -> dict[str, Ready]:
    async with reading(service.url, **config) as ctx:
        assert plugin.readiness is not None
        return {row.id: row for row in await plugin.readiness.ready(ctx)}


async def test_the_newest_whole_minute_and_its_own_time(service: Sentry) -> None:
    service.now = service.now // 60 * 60 + 30
    sample = await one(service, "errors", skew="5m")
    assert sample.value == 41
    assert sample.at.timestamp() == service.now - 30
    assert sample.words.startswith("41 errors to ")
    assert service.asked[1][1]["query"] == ["event.type:error level:error"]


async def test_a_minute_is_whole_some_seconds_after_its_end(service: Sentry) -> None:
    service.now = service.now // 60 * 60 + 10
    sample = await one(service, "errors", skew="5m")
    assert (sample.value, sample.at.timestamp()) == (4, service.now - 70)


async def test_errors_of_a_release(service: Sentry) -> None:
    service.now = service.now // 60 * 60 + 30
    service.by_release = {"web@1.0.0-beta.3": [0, 0, 40, 1], "web@0.9": [0, 0, 1, 0]}
    async with reading(service.url, signals=SIGNALS, skew="5m", environment="prod") as ctx:
        found = await collected(ctx, *SIGNALS)
    assert (found["of-newest"].value, found["of-one"].value, found["errors"].value) == (40, 1, 41)
    assert found["of-newest"].words.startswith("40 errors of web@1.0.0-beta.3 to ")
    assert all(params.get("environment") == ["prod"] for path, params in service.asked if "organizations" in path)
    assert service.paths()["releases"] == 1
    assert service.paths()["web"] == 1


async def test_new_issues_are_those_since_the_deploy(service: Sentry) -> None:
    sample = await one(service, "new", environment="prod")
    assert sample.value == 1
    assert sample.words.startswith("1 new since web@1.0.0-beta.3 at ")
    asked = next(params for path, params in service.asked if path.endswith("issues/"))
    assert asked["query"][0].startswith("is:unresolved firstSeen:>=20")


async def test_a_deploy_elsewhere_is_none_here(service: Sentry) -> None:
    now = service.now
    service.releases = [
        service.release("web@3", now - 50, deployed=now - 40, environment="staging"),
        service.release("web@2", now - 900, deployed=now - 800),
    ]
    assert "since web@2 " in (await one(service, "new", environment="prod")).words
    service.releases = [service.release("web@3", now - 100_000)]
    sample = await one(service, "new")
    assert sample.value == 2
    assert sample.words.endswith("Sentry knows of no deploy")
    service.releases = [{"version": None}, {"version": "x", "dateCreated": "soon"}]
    sample = await one(service, "new")
    assert sample.value is None
    assert "knows of no release" in sample.words


async def test_pages_are_followed_by_cursor_and_bounded(service: Sentry) -> None:
    service.page = 7
    service.issues = [{"id": str(n), "title": "x", "firstSeen": iso(service.now)} for n in range(30)]
    sample = await one(service, "new")
    assert (sample.value, service.paths()["issues"]) == (30, 5)
    service.issues *= 2
    service.asked.clear()
    sample = await one(service, "new")
    assert (sample.value, service.paths()["issues"]) == (35, 5)
    assert sample.words.startswith("at least 35 new")


async def test_pages_in_circles_are_left(service: Sentry) -> None:
    service.circles = True
    sample = await one(service, "new")
    assert sample.value is None
    assert "lead in circles" in sample.words


@pytest.mark.parametrize(("retry_after", "wait"), [("90", 90), (None, 40), ("soon", 40)])
async def test_a_limit_is_obeyed_for_as_long_as_it_says(service: Sentry, retry_after: str | None, wait: float) -> None:
    """By Retry-After; without it, until the window's end by Sentry's own clock, whatever this machine's says."""
    clock = VirtualClock()
    service.limited, service.retry_after, service.reset_in, service.ahead = True, retry_after, 40, 5000
    async with reading(service.url, clock=clock, every="10s", signals=SIGNALS) as ctx:
        assert plugin.signals is not None
        stream = plugin.signals.samples(ctx, frozenset({"errors"}))
        first = await anext(stream)
        assert "You are attempting to use this endpoint too often" in first.words
        service.limited = False
        waited = 0
        while len(service.asked) == 1:
            turn = asyncio.ensure_future(anext(stream))
            while not clock.sleepers:
                await asyncio.sleep(0)
            await clock.advance(10)
            waited += 10
            sample = await turn
            assert sample.value is None
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    assert wait <= waited <= wait + 10


async def test_a_window_used_up_is_waited_out_before_it_is_refused(service: Sentry) -> None:
    service.remaining, service.reset_in = 0, 300
    sample = await one(service, "errors")
    assert len(service.asked) == 1
    assert sample.value is None
    assert "asks to be left alone: for " in sample.words


async def test_readiness_and_evidence_obey_what_the_signals_were_told(service: Sentry, tmp_path: Path) -> None:
    service.limited, service.retry_after = True, "300"
    async with reading(service.url, signals=SIGNALS) as ctx:
        await collected(ctx, "errors")
        assert plugin.readiness is not None
        rows = {row.id: row.status for row in await plugin.readiness.ready(ctx)}
        with pytest.raises(TryLater):
            await plugin.collectors[0].collect(ctx, FakeFolder(tmp_path))
    assert len(service.asked) == 1
    assert rows == {"sentry-token": "ready", "sentry-scopes": "unknown", "sentry-project": "unknown"}


async def test_an_organizations_own_token_is_told_beforehand(service: Sentry) -> None:
    service.scopes = ("org:ci",)
    found = await rows(service)
    assert found["sentry-scopes"].status == "not-ready"
    assert found["sentry-scopes"].words == "it lacks event:read, project:read, org:read; it has org:ci"
    assert "internal integration" in found["sentry-scopes"].fix
    assert found["sentry-project"].status == "not-ready"
    assert "scope project:read" in found["sentry-project"].fix
    assert "may not read the project: HTTP 403" in (await one(service, "errors")).words


async def test_each_question_is_tried_beforehand(service: Sentry) -> None:
    found = await rows(service, environment="prod")
    assert {row.status for row in found.values()} == {"ready"}
    assert set(found) == {
        "sentry-token",
        "sentry-scopes",
        "sentry-project",
        "sentry-errors",
        "sentry-releases",
        "sentry-issues",
    }
    assert "web@1.0.0-beta.3, deployed" in found["sentry-releases"].words
    service.scopes, service.tells_scopes = ("project:read",), False
    found = await rows(service)
    assert found["sentry-scopes"].status == "unknown"
    assert [found[f"sentry-{what}"].status for what in ("project", "errors", "releases", "issues")] == [
        "ready",
        "not-ready",
        "ready",
        "not-ready",
    ]


async def test_a_wrong_token_and_none(service: Sentry) -> None:
    found = await rows(service, secrets={"env:TOKEN": "wrong"})
    assert found["sentry-scopes"].words == "Sentry does not know the token: Invalid token"
    found = await rows(service, secrets={})
    assert set(found) == {"sentry-token"}
    assert found["sentry-token"].fix


def answer(text: str, status: int = 200, kind: str = "application/json", **headers: str) -> web.Response:
    return web.Response(text=text, status=status, content_type=kind, headers=headers)


@pytest.mark.parametrize(
    ("refuse", "words"),
    [
        (lambda: answer("<html>sign in", kind="text/html"), "not Sentry's API: HTTP 200 with text/html"),
        (lambda: answer("<html>"), "not Sentry's API"),
        (lambda: answer("[]"), "it has no number"),
        (lambda: answer('{"id": 4501}'), "it has no number"),
        (lambda: answer('{"id": "4501/../x"}'), "it has no number"),
        (lambda: answer("x", 502, "text/html"), "does not give the project: HTTP 502"),
        (lambda: answer('{"detail": {"message": "gone\\n away"}}', 400), "HTTP 400: gone away"),
        (lambda: answer("", 302, Location="https://us.example.com/api/0/"), "leads to https://us.example.com"),
        (lambda: answer("{}", 404), "no such project"),
        (lambda: answer('"' + "x" * 9_000_000 + '"'), "larger than 8 MB"),
    ],
)
async def test_a_strange_answer_is_unknown_and_says_why(service: Sentry, refuse: Any, words: str) -> None:
    service.refuse = refuse()
    sample = await one(service, "errors")
    assert sample.value is None
    assert words in sample.words


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step": 300}, "steps of [300.0] s, 60 were expected"),
        ({"minutes": []}, "no whole minute"),
        ({"minutes": [-1, -1, -1, -1]}, "is no minute and its count"),
        ({"minutes": ["7"] * 4}, "is no minute and its count"),
        ({"minutes": [None] * 4}, "is no minute and its count"),
        ({"ahead": 3600}, "Sentry's clock is "),
        ({"ahead": -3600}, "behind this one's"),
    ],
)
async def test_counts_that_can_not_be_told_are_unknown(service: Sentry, change: dict[str, Any], words: str) -> None:
    if change == {"minutes": []}:
        change = {"minutes": [5]}
        service.now = service.now // 60 * 60 + 30
    for name, value in change.items():
        setattr(service, name, value)
    sample = await one(service, "errors")
    assert sample.value is None
    assert words in sample.words


async def test_nobody_there() -> None:
    async with reading("http://127.0.0.1:1", signals=SIGNALS) as ctx:
        sample = (await collected(ctx, "errors"))["errors"]
    assert "could not be reached" in sample.words


@pytest.mark.parametrize(
    ("args", "verdict"),
    [
        ({}, "fail"),
        ({"at_most": 1}, "pass"),
        ({"within": "60s"}, "pass"),
        ({"within": "5m"}, "fail"),
    ],
)
async def test_new_issues_at_verification(service: Sentry, args: dict[str, Any], verdict: str) -> None:
    probe = plugin.probe("new-issues")
    assert probe is not None
    async with reading(service.url) as ctx:
        found = await probe.probe(ctx, probe.args.model_validate(args))
        assert found.verdict == verdict, found
        service.scopes = ("org:ci",)
        found = await probe.probe(ctx, probe.args.model_validate(args))
    assert found.verdict == "inconclusive"


async def test_more_pages_than_are_read_never_pass(service: Sentry) -> None:
    service.page = 1
    service.issues = [{"id": str(n), "firstSeen": iso(service.now)} for n in range(9)]
    probe = plugin.probe("new-issues")
    assert probe is not None
    async with reading(service.url) as ctx:
        found = await probe.probe(ctx, probe.args.model_validate({"at_most": 100}))
    assert found.verdict == "fail"


async def test_evidence(service: Sentry, tmp_path: Path) -> None:
    folder = FakeFolder(tmp_path)
    async with reading(service.url) as ctx:
        await plugin.collectors[0].collect(ctx, folder)
    assert set(folder.kinds) == {"issues.json", "event-of-issue-11.json", "event-of-issue-12.json", "releases.json"}
    assert [issue["id"] for issue in json.loads((tmp_path / "issues.json").read_text())["issues"]] == ["11", "12"]
    assert json.loads((tmp_path / "event-of-issue-11.json").read_text())["event"]["eventID"] == "abc"
    assert (
        "HTTP 404" in (tmp_path / "event-of-issue-12.json").read_text()
        or "no such" in (tmp_path / "event-of-issue-12.json").read_text()
    )
    told = json.loads((tmp_path / "releases.json").read_text())
    assert set(told["errors_by_minute"]) == {"all", "web@1.0.0-beta.3", "web@1.0.0-beta.2"}


async def test_the_plugin_conforms(service: Sentry, tmp_path: Path) -> None:
    async with reading(service.url, signals=SIGNALS, every="1s", environment="prod") as ctx:
        await check_plugin(plugin, ctx, probes={"new-issues": [{}, {"within": "1m"}]}, folder=tmp_path, patience=3)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"organization": "a/b"}, "organization"),
        ({"project": "../x"}, "project"),
        ({"token": TOKEN}, "token"),
        ({"signals": {"a": {"kind": "sessions"}}}, "kind is errors or new-issues"),
        ({"signals": {"a": {"release": 'x" OR "y'}}}, "release"),
        ({"signals": {"a": {"feild": 1}}}, "feild"),
        ({"base_url": "https://sentry.io/api/0?x=1"}, "query"),
        ({"environment": "a b"}, "environment"),
    ],
)
def test_mistakes_are_named(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"organization": "acme", "project": "web", "token": "env:TOKEN", **config})
    assert words in str(caught.value)


def test_a_mistake_in_a_runbook_has_its_place_and_shows_no_token(tmp_path: Path) -> None:
    path = tmp_path / "warroom.yaml"
    config = f"{{organization: acme, project: web, token: {TOKEN}}}"
    path.write_text(HEAD + f"platforms:\n  errors:\n    plugin: sentry\n    config: {config}\n", encoding="utf-8")
    lines, status = print_check(path)
    assert status == 1
    assert f":{len(HEAD.splitlines()) + 4}:" in lines[0]
    assert TOKEN not in "\n".join(lines)
