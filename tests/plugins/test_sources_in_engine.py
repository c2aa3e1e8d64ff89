"""From a runbook's file to a trigger that fires on what Prometheus says, and stays unknown when it says nothing."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.runbooks import HEAD
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model.signal import TriggerReading
from warroom.runbook import load

RUNBOOK = (
    HEAD
    + """
platforms:
  metrics:
    plugin: prometheus
    config:
      base_url: BASE_URL
      every: 0.3s
      auth: {bearer: env:WARROOM_TEST_TOKEN}
      signals:
        errors:
          unit: ratio
          query: sum(rate(bad[1m])) / sum(rate(all[1m]))
          count_query: sum(increase(all[1m]))
signals:
  http-error-ratio: {title: 5xx ratio, unit: ratio, source: {platform: metrics, signal: errors}}
triggers:
  high-error-rate:
    title: High Error Rate
    severity: critical
    conditions:
      errors: {sentence: too many, signal: http-error-ratio, above: 0.05, over: 3s, for: 1s, at_least: 20}
"""
)
TOKEN = "canary-of-the-test-7f3a91"
Shape = Callable[[dict[str, Any]], web.Response]


@asynccontextmanager
async def metrics(values: dict[str, float], shape: Shape = web.json_response) -> AsyncIterator[str]:
    """A server that answers each query by name, with the newest sample being two seconds old."""

    async def on_query(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        now = time.time()
        names = re.findall(r'\n\), "warroom", "([a-z]+)"', request.query["query"])
        assert names == ["value", "newest", "count"]
        said = {**values, "newest": now - 2}
        result = [{"metric": {"warroom": name}, "value": [now, str(said[name])]} for name in names]
        return shape({"status": "success", "data": {"resultType": "vector", "result": result}})

    app = web.Application()
    app.router.add_get("/api/v1/query", on_query)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def watching(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    monkeypatch.setenv("WARROOM_TEST_TOKEN", TOKEN)
    path = tmp_path / "warroom.yaml"
    path.write_text(RUNBOOK.replace("BASE_URL", url), encoding="utf-8")
    async with Engine(load(path).runbook, StateFolder(tmp_path / "state")) as engine:
        yield engine


async def until(engine: Engine, met: Callable[[TriggerReading], bool]) -> TriggerReading:
    reading = None
    async with asyncio.timeout(60):
        while reading is None or not met(reading):
            reading = engine.sensing.readings.get("high-error-rate")
            await asyncio.sleep(0.05)
    return reading


async def test_it_fires_on_the_fault_and_opens_an_incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with metrics({"value": 0.2, "count": 6000}) as url, watching(tmp_path, url, monkeypatch) as engine:
        reading = await until(engine, lambda reading: reading.status == "firing")
        assert reading.value == pytest.approx(0.2)
        async with asyncio.timeout(60):
            while engine.core.state.incident is None:
                await asyncio.sleep(0.05)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept


def html(_: dict[str, Any]) -> web.Response:
    return web.Response(text="<html>gateway", content_type="text/html")


def an_hour_ago(said: dict[str, Any]) -> web.Response:
    for one in said["data"]["result"]:
        one["value"][0] -= 3600
    return web.json_response(said)


def nan(said: dict[str, Any]) -> web.Response:
    said["data"]["result"][0]["value"][1] = "NaN"
    return web.json_response(said)


def absurd(said: dict[str, Any]) -> web.Response:
    said["data"]["result"][0]["value"][1] = "-7"
    return web.json_response(said)


def failing(_: dict[str, Any]) -> web.Response:
    return web.Response(status=500, text=json.dumps({"status": "error"}), content_type="application/json")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        (html, "no Prometheus"),
        (an_hour_ago, "clock is"),
        (nan, "NaN"),
        (absurd, "-7 is no ratio"),
        (failing, "refuses the query"),
    ],
)
async def test_what_it_can_not_know_is_unknown_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: Shape, words: str
) -> None:
    async with (
        metrics({"value": 0.2, "count": 6000}, shape) as url,
        watching(tmp_path, url, monkeypatch) as engine,
        asyncio.timeout(60),
    ):
        while words not in engine.sensing.signals.readings()["http-error-ratio"].words:
            await asyncio.sleep(0.05)
        reading = await until(engine, lambda reading: True)
        assert reading.status == "unknown"
        assert engine.sensing.signals.readings()["http-error-ratio"].value is None
        assert engine.core.state.incident is None
