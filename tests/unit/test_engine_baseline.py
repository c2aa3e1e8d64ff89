"""The engine ended and started anew: what was normal before the last release change is known again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.engines import OP1, World, a_running
from tests.world import PLUGIN, until
from warroom.api import Context, SignalOffer
from warroom.engine.core import Options
from warroom.model.live import PlatformReading, SamplesPage, SamplesQuery
from warroom.model.signal import Sample

CONDITION = {
    "sentence": "slower than three times its normal",
    "signal": "p95",
    "above_baseline": 3,
    "baseline_over": 60,
    "over": 0.3,
    "for": 0.3,
    "clear_for": 0.3,
}
SECTIONS: dict[str, Any] = {
    "signals": {"p95": {"title": "95 % take", "unit": "ms", "source": {"platform": "world", "signal": "p95"}}},
    "components": {},
    "triggers": {"slow": {"title": "Slow", "severity": "critical", "conditions": {"slow": CONDITION}}},
    "verification": {},
}
ALONE = Options(open_on_firing=False)


class Slow:
    """``p95`` as the world's file says; to begin with what it was in each of the last fifty seconds."""

    def offers(self, config: Any) -> Mapping[str, SignalOffer]:
        return {"p95": SignalOffer("p95", "ms")}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        def one(ago: float) -> Sample:
            value = float((ctx.config.folder / "p95").read_text())
            return Sample(signal="p95", value=value, count=10, at=datetime.now(UTC) - timedelta(seconds=ago))

        if not (ctx.config.folder / "began").exists():
            (ctx.config.folder / "began").touch()
            for ago in range(50, 0, -1):
                yield one(ago)
        while True:
            yield one(0)
            await asyncio.sleep(0.05)


def sets(world: World, p95: float) -> None:
    part = world.folder / "p95.part"
    part.write_text(str(p95))
    part.rename(world.folder / "p95")


def running(tmp_path: Path, **more: Any) -> Any:
    (tmp_path / "world").mkdir(exist_ok=True)
    for name, text in (("p95", "200"), ("current", "v2"), ("id", "world")):
        if not (tmp_path / "world" / name).exists():
            (tmp_path / "world" / name).write_text(text)
    slow = replace(PLUGIN, signals=Slow())
    return a_running(tmp_path, options=ALONE, **{"plugin": slow, **SECTIONS, **more})


async def test_a_baseline_is_known_after_a_restart_and_its_trigger_fires(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await until(lambda: len(world.sensing.signals.since("p95", 0)) > 3)
        assert world.sensing.triggers.readings()["slow"].words.startswith("no baseline")
    (tmp_path / "world" / "current").write_text("v3")  # deployed while warroom was away
    for _ in range(2):
        async with running(tmp_path) as world:
            reading = world.sensing.triggers.readings
            await until(lambda: reading()["slow"].baseline is not None)  # noqa: B023 - used within the turn
            assert (reading()["slow"].baseline, reading()["slow"].limit) == (200, 600)
            await until(lambda: reading()["slow"].status == "ok")  # noqa: B023
            page = await world.engine.session(OP1).query(SamplesQuery(signal="p95", seconds=60))
            assert isinstance(page, SamplesPage)
            assert [what for _, what in page.marks] == ["v3"]
    async with running(tmp_path) as world:
        sets(world, 900)
        await until(lambda: world.sensing.triggers.readings()["slow"].status == "firing")
        fired = world.sensing.triggers.readings()["slow"]
        assert "above 600 ms (3 times its normal 200 ms)" in fired.words


async def test_another_environments_samples_and_lines_are_not_this_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await until(world.sensing.spool.heads)
        await until(lambda: len(world.sensing.signals.since("p95", 0)) > 3)
    silent = replace(PLUGIN, signals=None, logs=None)
    async with running(tmp_path, kind="staging", plugin=silent) as world:
        assert await world.sensing.store.samples("p95", 600) == ()
        assert world.sensing.spool.heads() == {}


async def test_samples_that_are_not_written_are_said_on_every_console(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        path = world.sensing.store.path
    for file in path.parent.glob("samples.db*"):
        file.unlink()
    path.mkdir()
    async with running(tmp_path) as world:
        await until(lambda: broken(world, "samples"))
        assert "samples are not being written" in broken(world, "samples")
        assert "not known until the next release change" in broken(world, "what was normal")
        assert world.sensing.triggers.readings()["slow"].status == "unknown"
        path.rmdir()
        await until(lambda: not broken(world, "samples"))


def broken(world: World, part: str) -> str:
    row = world.core.hub.live.get(f"platform/warroom {part}")
    return row.words if isinstance(row, PlatformReading) and row.status == "broken" else ""
