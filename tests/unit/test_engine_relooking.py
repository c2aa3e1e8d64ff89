"""A step that could not be looked at is looked at again by itself; what becomes of it stays a person's choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engines import a_running
from tests.world import PLUGIN, Deploy, effects, until
from warroom.api import Context, Facts
from warroom.errors import Unreachable
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.plan import Look


class Away(Deploy):
    """It can't be seen while there is a file ``away``. ``looks`` counts."""

    looks = 0

    async def check(self, ctx: Context, args: Any, facts: Facts) -> Look:
        self.looks += 1
        if (ctx.config.folder / "away").exists():
            raise Unreachable("the world is away")
        return await super().check(ctx, args, facts)


def ends(world: Any) -> list[ev.StepEnded]:
    return [event.body for event in world.core.journal.events() if isinstance(event.body, ev.StepEnded)]


async def test_once_it_can_be_seen_again_it_is_said_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.engine.relooking.FIRST_S", 0.02)
    operation = Away()
    async with a_running(tmp_path, plugin=replace(PLUGIN, operations=(operation,))) as world:
        plan_hash = await world.planned()
        (world.folder / "away").touch()
        await world.run(plan_hash)
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        step = world.state.plan.steps["deploy"]
        assert (step.status, step.look.verdict) == ("unknown", "cannot-tell")
        looks = operation.looks
        await until(lambda: operation.looks > looks + 1)
        assert len(ends(world)) == 1, "what still can't be told is not written down again"
        (world.folder / "away").unlink()
        await until(lambda: world.state.plan.steps["deploy"].look.verdict == "done")
        step = world.state.plan.steps["deploy"]
        assert (step.status, step.attempt, step.detail) == ("unknown", 1, "looked at again: v2 runs")
        assert world.state.plan.status == "unknown"
        assert effects(world.folder) == ["v2"]
        looks = operation.looks
        await world.ok(it.ResolveStep(hash=plan_hash, step="deploy", attempt=1, choice="done", reason="it runs"))
        await world.ok(it.AddNote(text="time passes"))
        assert (operation.looks, len(ends(world))) == (looks, 2)
        assert world.state.plan.steps["deploy"].status == "done"


async def test_the_next_start_looks_again_at_what_could_not_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.engine.relooking.FIRST_S", 0.02)
    plugin = replace(PLUGIN, operations=(Away(),))
    async with a_running(tmp_path, plugin=plugin) as world:
        plan_hash = await world.planned()
        (world.folder / "away").touch()
        await world.run(plan_hash)
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
    (world.folder / "away").unlink()
    async with a_running(tmp_path, plugin=plugin) as world:
        await until(lambda: world.state.plan.steps["deploy"].look.verdict == "done")
        assert world.state.plan.steps["deploy"].status == "unknown"
