"""The emergency lane from its key to INTENDED: the real console on the real engine, and a real folder to change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.engines import OP1, World, a_running
from tests.world import effects, until
from warroom.console.app import WarroomConsole
from warroom.model.event import RunStarted, StepIntended, WheelTaken


@asynccontextmanager
async def on_the_lane(tmp_path: Path, kind: str) -> AsyncIterator[tuple[World, Pilot[int], WarroomConsole]]:
    """No trigger fires, nobody drives, nothing was decided, and no incident is open."""
    async with a_running(tmp_path, kind=kind) as world:
        app = WarroomConsole(world.session(OP1), tick_s=0)
        async with app.run_test(size=(80, 24)) as pilot:
            await until(lambda: app.client.store.snapshot is not None and world.core.running is not None)
            yield world, pilot, app


async def begin(pilot: Pilot[int], app: WarroomConsole, name: str) -> int:
    """Presses what a person would, looking at the screen before the last key; returns the keys beside the name."""
    await pilot.press("exclamation_mark")
    await until(lambda: "working it out" not in text(app))
    for letter in name:
        await pilot.press({"-": "minus"}.get(letter, letter))
    await pilot.press("enter")
    return 2


def text(app: WarroomConsole) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@pytest.mark.parametrize("kind", ["production", "drill"])
async def test_from_the_key_to_intended_in_at_most_three_keys_and_the_name(tmp_path: Path, kind: str) -> None:
    async with on_the_lane(tmp_path, kind) as (world, pilot, app):
        keys = await begin(pilot, app, world.core.runbook.service if kind == "production" else "")
        assert keys <= 3
        await until(lambda: world.state.plan is not None and world.state.plan.status == "done")
        bodies = [event.body for event in world.core.journal.events()]
        kinds = [type(body) for body in bodies]
        assert kinds.index(WheelTaken) < kinds.index(RunStarted) < kinds.index(StepIntended)
        assert effects(world.folder) == ["v2"]
        await until(lambda: type(app.screen).__name__ == "MainScreen")


async def test_a_wrong_name_begins_nothing_and_opens_nothing(tmp_path: Path) -> None:
    async with on_the_lane(tmp_path, "production") as (world, pilot, app):
        await begin(pilot, app, "ai-saas-ap")
        await pilot.pause()
        assert world.core.journal is None
        assert "That is not" in text(app)


async def test_a_world_that_is_another_one_is_said_and_not_touched(tmp_path: Path) -> None:
    async with on_the_lane(tmp_path, "production") as (world, pilot, app):
        await pilot.press("exclamation_mark")
        await until(lambda: "working it out" not in text(app))
        (world.folder / "id").write_text("another world")
        for letter in world.core.runbook.service:
            await pilot.press({"-": "minus"}.get(letter, letter))
        await pilot.press("enter")
        await until(lambda: "another one" in text(app))
        assert effects(world.folder) == []
