"""Queries, checks, readiness and evidence, on a real Prometheus that scrapes a real exporter."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.prometheus_server import Server, asking, exporting, prometheus
from warroom.api import Context, Probed, WarroomError
from warroom.model.signal import Sample
from warroom.testing.conformance import check_plugin
from warroom.testing.fakes import FakeFolder
from warroom_prometheus import plugin

pytestmark = pytest.mark.needs("prometheus")

RATIO = '(sum(rate(app_requests_total{code=~"5.."}[4s])) or vector(0)) / sum(rate(app_requests_total[4s]))'
SIGNALS: dict[str, Any] = {
    "errors": {"unit": "ratio", "query": RATIO, "count_query": "sum(increase(app_requests_total[4s]))"},
    "p95": {
        "unit": "ms",
        "query": "1000 * histogram_quantile(0.95, sum by (le) (rate(app_seconds_bucket[4s])))",
        "count_query": "sum(increase(app_seconds_count[4s]))",
    },
    "memory": {"unit": "ratio", "title": "memory in use", "query": "app_memory_ratio"},
    "up": {"unit": "state", "query": 'up{job="app"}'},
    "down": {"unit": "state", "query": 'up{job="gone"}'},
}
CONFIG: dict[str, Any] = {"every": "0.2s", "signals": SIGNALS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with exporting() as exporter, prometheus(tmp_path_factory.mktemp("prometheus"), exporter) as server:
        yield server


NO_SCRAPE = "none of its series has a sample"
"""What a busy machine may bring about: the test's exporter did not answer in its half a second, and for Prometheus all
its series are gone until the next scrape.
"""


async def collected(ctx: Context, *names: str, each: int = 1, known: bool = False) -> dict[str, list[Sample]]:
    """The first ``each`` samples of each of the signals; ``known``: of those with a value. On a busy machine a scrape
    or a question may fail in between.
    """
    assert plugin.signals is not None
    found: dict[str, list[Sample]] = {name: [] for name in names}
    stream = plugin.signals.samples(ctx, frozenset(names))
    async with asyncio.timeout(60):
        async for sample in stream:
            if sample.value is not None or not known:
                found[sample.signal].append(sample)
            if all(len(samples) >= each for samples in found.values()):
                break
    await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    return found


async def one(server: Server, unit: str, query: str, **more: Any) -> Sample:
    async with asking(server.url, signals={"x": {"unit": unit, "query": query, **more}}) as ctx:
        return (await collected(ctx, "x"))["x"][0]


async def probed(ctx: Context, **args: Any) -> Probed:
    probe = plugin.probe("query")
    assert probe is not None
    return await probe.probe(ctx, probe.args.model_validate(args))


async def test_the_numbers_are_those_of_the_exporter(server: Server) -> None:
    async with asking(server.url, **CONFIG) as ctx:
        found = {name: samples[0] for name, samples in (await collected(ctx, *SIGNALS, known=True)).items()}
    assert found["errors"].value == pytest.approx(0.1, abs=0.001)
    # 20 requests: 10 to 0.1 s, 5 to 0.5 s, 3 to 1 s, 2 to 2.5 s; the 19th is half-way between 1 and 2.5 s.
    assert found["p95"].value == pytest.approx(1750, abs=1)
    assert (found["memory"].value, found["up"].value, found["down"].value) == (0.61, 1, 0)
    assert all(sample.source == "metrics" for sample in found.values())


async def test_each_sample_has_the_scrapes_own_time_and_none_comes_twice(server: Server) -> None:
    async with asking(server.url, **CONFIG) as ctx:
        found = await collected(ctx, "up", "errors", each=3)
        now = ctx.clock.now()
    for samples in found.values():
        assert all(a.at < b.at for a, b in pairwise(samples) if None not in (a.value, b.value))
        assert 0 <= (now - samples[-1].at).total_seconds() < 30


async def test_counts_add_up_to_what_happened(server: Server) -> None:
    async with asking(server.url, **CONFIG) as ctx:
        samples = (await collected(ctx, "errors", each=7, known=True))["errors"]
    assert all(sample.count is not None for sample in samples)
    # The first counts what its whole range had; each later one what came since: 20 at each scrape, every 0.5 s.
    after = sum(sample.count or 0 for sample in samples[1:])
    spent = (samples[-1].at - samples[0].at).total_seconds()
    assert after == pytest.approx(40 * spent, rel=0.15, abs=2)


@pytest.mark.parametrize(
    ("unit", "query", "words"),
    [
        ("count", "app_nothing_like_it", "none of its series has a sample in the last 5 minutes"),
        ("count", "app_nothing_like_it or vector(0)", "none of its series has a sample"),
        ("ratio", "app_nan", "NaN"),
        ("ms", "histogram_quantile(0.95, sum by (le) (rate(app_idle_total[4s])))", "no series"),
        ("count", "app_many", "300 series"),
        ("count", "app_memory_ratio[1m]", "gives a matrix"),
        ("count", '"text"', "gives a string"),
        ("count", "sum by (", "is missing at the end"),
        ("count", "sum(app_memory_ratio) by", "can't read the query: bad_data"),
        ("ratio", "app_memory_ratio * 60", "36.6 is no ratio"),
        ("ratio", "app_memory_ratio / 0", "+Inf"),
        ("ms", "app_memory_ratio - 5", "is negative"),
        ("state", "app_memory_ratio", "is no state"),
        ("count", "app_old", "its newest sample is "),
    ],
)
async def test_what_is_not_known_says_why(server: Server, unit: str, query: str, words: str) -> None:
    if words == "is missing at the end":
        with pytest.raises(ValueError, match=words):
            await one(server, unit, query)
        return
    sample = await one(server, unit, query)
    assert (sample.value, sample.count) == (None, None)
    assert words in sample.words


async def test_no_traffic_is_knowledge_and_not_a_failure(server: Server) -> None:
    """0 / 0 is NaN; that nothing was counted says why."""
    query = "sum(rate(app_idle_total[4s])) / sum(rate(app_idle_total[4s]))"
    quiet = await one(server, "ratio", query, count_query="sum(increase(app_idle_total[4s]))")
    assert (quiet.value, quiet.count) == (None, 0)
    unknown = await one(server, "ratio", query, count_query="sum(increase(app_nothing_like_it[4s]))")
    assert (unknown.value, unknown.count) == (None, None)


async def test_readiness(server: Server) -> None:
    signals = {
        **SIGNALS,
        "wrong": {"unit": "count", "query": "sum(x) by"},
        "old": {"unit": "count", "query": "app_old"},
    }
    async with asking(server.url, signals=signals) as ctx:
        assert plugin.readiness is not None
        async with asyncio.timeout(60):
            while (
                NO_SCRAPE
                in (rows := {row.id: row for row in await plugin.readiness.ready(ctx)})[
                    "prometheus-signal-errors"
                ].words
            ):
                await asyncio.sleep(0.1)
    assert rows["prometheus-secret-env:PASSWORD"].status == "ready"
    assert rows["prometheus-server"].words.startswith("version 2.")
    assert rows["prometheus-signal-errors"].status == "ready"
    assert "newest sample 0:0" in rows["prometheus-signal-memory"].words
    assert "largest bucket, 2.5" in rows["prometheus-signal-p95"].words
    assert rows["prometheus-signal-wrong"].status == "not-ready"
    assert "parse error" in rows["prometheus-signal-wrong"].words
    assert rows["prometheus-signal-old"].words.startswith("its newest sample is ")
    assert rows["prometheus-signal-old"].fix


async def test_a_wrong_password_is_said(server: Server) -> None:
    async with asking(server.url, secrets={"env:PASSWORD": "wrong"}, **CONFIG) as ctx:
        assert plugin.readiness is not None
        rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
        sample = (await collected(ctx, "up"))["up"][0]
    assert rows["prometheus-server"].words == "Prometheus does not let warroom in: HTTP 401"
    assert sample.value is None
    assert "does not let warroom in" in sample.words


@pytest.mark.parametrize(
    ("args", "verdict"),
    [
        ({"query": RATIO, "below": 0.2}, "pass"),
        ({"query": RATIO, "below": 0.05}, "fail"),
        ({"query": 'up{job="app"}', "equals": 1}, "pass"),
        ({"query": "app_nothing_like_it", "below": 5}, "inconclusive"),
        ({"query": "app_old", "equals": 7}, "inconclusive"),
        ({"query": "app_many", "equals": 1}, "inconclusive"),
        ({"query": "sum(x) by", "equals": 1}, "inconclusive"),
        ({"query": "vector(3)", "above": 2, "over": "5m"}, "pass"),
        ({"query": "vector(3)", "above": 3, "over": "5m"}, "fail"),
        ({"query": "app_memory_ratio", "below": 1, "over": "1h"}, "inconclusive"),
    ],
)
async def test_a_query_at_verification(server: Server, args: dict[str, Any], verdict: str) -> None:
    async with asking(server.url) as ctx:
        async with asyncio.timeout(60):
            while NO_SCRAPE in (found := await probed(ctx, **args)).words and verdict != "inconclusive":
                await asyncio.sleep(0.1)
    assert found.verdict == verdict, found


async def test_the_fingerprint_is_a_label(server: Server) -> None:
    assert plugin.identity is not None
    async with asking(server.url, identity={"query": 'up{job="app"}', "label": "cluster"}) as ctx:
        assert await plugin.identity.fingerprint(ctx) == "blue"
    for identity in ({"query": "up", "label": "instance"}, {"query": "up", "label": "none"}, None):
        async with asking(server.url, identity=identity) as ctx:
            with pytest.raises(WarroomError, match="fingerprint"):
                await plugin.identity.fingerprint(ctx)


async def test_evidence_is_the_last_hour_of_each_query(server: Server, tmp_path: Path) -> None:
    folder = FakeFolder(tmp_path)
    signals = {**SIGNALS, "wrong": {"unit": "count", "query": "sum(x) by"}}
    async with asking(server.url, signals=signals) as ctx:
        await plugin.collectors[0].collect(ctx, folder)
    assert set(folder.kinds) == {f"{name}.json" for name in signals} | {"alerts.json"}
    memory = json.loads((tmp_path / "memory.json").read_text())
    assert memory["query"] == "app_memory_ratio"
    assert {value for _, value in memory["result"][0]["values"]} == {"0.61"}
    assert "parse error" in json.loads((tmp_path / "wrong.json").read_text())["error"]
    assert json.loads((tmp_path / "alerts.json").read_text())["alerts"] == []


async def test_the_plugin_conforms(server: Server, tmp_path: Path) -> None:
    probes: dict[str, list[dict[str, Any]]] = {"query": [{"query": RATIO, "below": 0.2}]}
    identity = {"query": 'up{job="app"}', "label": "cluster"}
    async with asking(server.url, identity=identity, **CONFIG) as ctx:
        await check_plugin(plugin, ctx, probes=probes, folder=tmp_path)


async def test_a_target_that_is_gone_is_unknown_never_zero(server: Server) -> None:
    """The usual "or vector(0)" would make it look well."""
    signals = {"x": {"unit": "ratio", "query": 'sum(app_memory_ratio{job="app"}) * 0 or vector(0)'}}
    server.exporter.works = False
    try:
        async with asking(server.url, every="0.5s", signals=signals) as ctx, asyncio.timeout(60):
            while (sample := (await collected(ctx, "x"))["x"][0]).value is not None:
                await asyncio.sleep(0.1)
            server.exporter.works = True
            while (await collected(ctx, "x"))["x"][0].value is None:
                await asyncio.sleep(0.1)
    finally:
        server.exporter.works = True
    assert "none of its series has a sample" in sample.words
