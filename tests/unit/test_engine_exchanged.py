"""Once another database serves, what was measured of the one before is nowhere shown as its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.engines import World, a_running
from tests.world import PLUGIN, Signals, until
from warroom.api import Context
from warroom.engine.core import Options
from warroom.model import intent as it
from warroom.model.signal import Sample, SignalReading

ROWS = {
    "errors": {"title": "errors", "unit": "count", "source": {"platform": "world", "signal": "errors"}},
}
TRIGGER = {
    "damaged": {
        "title": "Damaged",
        "severity": "critical",
        "conditions": {"rows": {"sentence": "rows", "signal": "errors", "above": 0, "over": 1, "stale_after": 900}},
    }
}


def procedure(role: str) -> dict[str, Any]:
    deploy = {"title": "Swap it", "op": "world.deploy", "with": {"release": "${target.version}"}, "role": role}
    return {"swap": {"title": "Swap", "use_when": "always", "needs": ["world"], "steps": {"deploy": deploy}}}


class Rarely(Signals):
    """Looks once, and then not for as long as any test lasts. From the second time on it waits for ``may``."""

    def __init__(self) -> None:
        self.begun = 0
        self.open = 0
        self.may = asyncio.Event()

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncIterator[Sample]:
        self.begun += 1
        self.open += 1
        assert self.open == 1, "never two at once"
        try:
            if self.begun > 1:
                await self.may.wait()
            value = 7.0 if (ctx.config.folder / "current").read_text() == "v3" else 0.0
            yield Sample(signal="errors", value=value, count=1, at=ctx.clock.now(), source="world")
            await asyncio.Event().wait()
        finally:
            self.open -= 1


def reading(world: World) -> SignalReading:
    return world.sensing.signals.readings()["errors"]  # type: ignore[no-any-return]


def running(tmp_path: Path, signals: Rarely, role: str) -> Any:
    plugin = replace(PLUGIN, signals=signals)
    sections: dict[str, Any] = {"signals": ROWS, "triggers": TRIGGER, "procedures": procedure(role), "verification": {}}
    return a_running(tmp_path, options=Options(open_on_firing=False), plugin=plugin, **sections)


async def test_after_a_swap_it_is_unknown_until_it_was_looked_at_again_at_once(tmp_path: Path) -> None:
    signals = Rarely()
    async with running(tmp_path, signals, "database") as world:
        await until(lambda: reading(world).value == 7)
        await until(lambda: world.sensing.readings["damaged"].status == "firing")
        await world.run(await world.planned())
        await until(lambda: world.state.plan.ended_at is not None)
        assert world.state.plan.status == "done", world.state.plan
        await until(lambda: reading(world).freshness == "unknown")
        assert (reading(world).value, reading(world).words) == (None, "not measured yet since “Swap it”")
        await until(lambda: world.sensing.readings["damaged"].status == "unknown")
        signals.may.set()
        await until(lambda: reading(world).freshness == "fresh")
        assert reading(world).value == 0
        # Taken back, the one of before serves again.
        await world.ok(it.Undo())
        await world.run(world.state.plan.hash)
        await until(lambda: reading(world).value == 7)
        assert signals.begun == 3


async def test_a_step_that_leaves_the_database_as_it_is_begins_nothing_anew(tmp_path: Path) -> None:
    signals = Rarely()
    async with running(tmp_path, signals, "application") as world:
        await until(lambda: reading(world).value == 7)
        await world.run(await world.planned())
        await until(lambda: world.state.plan.ended_at is not None)
        looks = world.sensing.readings
        await until(lambda: world.sensing.readings is not looks)
        assert (signals.begun, reading(world).value) == (1, 7)


async def test_what_was_exchanged_before_a_restart_is_not_looked_at_twice(tmp_path: Path) -> None:
    signals = Rarely()
    signals.may.set()
    async with running(tmp_path, signals, "database") as world:
        await world.run(await world.planned())
        await until(lambda: signals.begun == 2 and reading(world).value == 0)
    again = Rarely()
    async with running(tmp_path, again, "database") as world:
        await until(lambda: reading(world).value == 0)
        looks = world.sensing.readings
        await until(lambda: world.sensing.readings is not looks)
        assert again.begun == 1
