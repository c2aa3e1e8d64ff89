"""A real Prometheus that scrapes the drill lab's app: a release that breaks is seen by its queries."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.prometheus_server import LabExporter, asking, exporting, prometheus
from warroom.api import Context
from warroom.drills.lab import running_lab
from warroom.model.signal import Sample
from warroom_prometheus import plugin

SIGNALS: dict[str, Any] = {
    "errors": {
        "unit": "ratio",
        "query": '(sum(rate(app_requests_total{code=~"5.."}[4s])) or vector(0)) / sum(rate(app_requests_total[4s]))',
        "count_query": "sum(increase(app_requests_total[4s]))",
    },
    "p95": {
        "unit": "ms",
        "query": "1000 * histogram_quantile(0.95, sum by (le) (rate(app_seconds_bucket[4s])))",
        "count_query": 'sum(increase(app_seconds_bucket{le="+Inf"}[4s]))',
    },
    "memory": {"unit": "ratio", "query": "app_memory_ratio"},
    "pool": {"unit": "ratio", "query": "app_pool_ratio"},
}


async def until(ctx: Context, name: str, least: float, most: float) -> Sample:
    """The first sample of the signal that lies between, with observations behind it."""
    assert plugin.signals is not None
    stream = plugin.signals.samples(ctx, frozenset({name}))
    last = None
    try:
        async with asyncio.timeout(60):
            async for last in stream:
                if last.value is not None and least <= last.value <= most and last.count != 0:
                    return last
    except TimeoutError:
        pytest.fail(f"{name} never lay between {least} and {most}; last was {last}")
    finally:
        await stream.aclose()  # type: ignore[attr-defined]  # an async generator, which the protocol does not say
    raise AssertionError("the samples ended")


@pytest.mark.needs("prometheus")
async def test_the_broken_release_shows_in_the_queries(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        server_folder = tmp_path / "prometheus"
        server_folder.mkdir()
        with exporting(LabExporter(base_url=lab.base_url)) as exporter:
            opened = prometheus(server_folder, exporter)
            server = await asyncio.to_thread(opened.__enter__)
            try:
                async with asking(server.url, every="0.5s", signals=SIGNALS) as ctx:
                    well = await until(ctx, "errors", 0, 0.01)
                    assert well.count
                    for name, most in (("p95", 3000.0), ("memory", 1.0), ("pool", 1.0)):
                        await until(ctx, name, 0, most)
                    await lab.deploy("v1.0.0-beta.3")
                    broken = await until(ctx, "errors", 0.05, 1)
                    assert broken.at > well.at
            finally:
                await asyncio.to_thread(opened.__exit__, None, None, None)
