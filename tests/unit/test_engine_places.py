"""One plan over several platforms: one after the other, and the first that fails ends it before the next is touched."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.engines import World
from tests.world import PLUGIN, Config, a_world, effects, until, world_runbook
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model.runbook import Runbook
from warroom.plugins import LoadedPlatform

PLACES = ("world", "west")


def _step(place: str, to: str) -> dict[str, object]:
    return {"title": f"Deploy in {place}", "op": f"{place}.deploy", "with": {"release": to}, "role": "application"}


@asynccontextmanager
async def two(tmp_path: Path, first: str) -> AsyncIterator[World]:
    """The first platform is to go to ``first``, the second to the target."""
    folders = {place: a_world(tmp_path / place) for place in PLACES}

    def load(runbook: Runbook) -> dict[str, LoadedPlatform]:
        return {place: LoadedPlatform(PLUGIN, Config(folder=folders[place]), None) for place in PLACES}

    steps = {"deploy": _step("world", first), "deploy-west": _step("west", "${target.version}")}
    runbook = world_runbook(
        platforms={place: {"plugin": "world"} for place in PLACES},
        procedures={"swap": {"title": "Swap", "use_when": "always", "needs": list(PLACES), "steps": steps}},
    )
    async with Engine(runbook, StateFolder(tmp_path / "state"), load=load) as engine:
        yield World(engine, folders["world"])
    gc.collect()


@pytest.mark.parametrize(
    ("first", "status", "touched"), [("${target.version}", "done", ["v2"]), ("v0-breaks", "failed", [])]
)
async def test_the_second_is_touched_once_the_first_is_done(
    tmp_path: Path, first: str, status: str, touched: list[str]
) -> None:
    async with two(tmp_path, first) as world:
        await world.run(await world.planned())
        await until(lambda: world.state.plan.status in ("done", "failed"))
        assert world.state.plan.status == status
        assert effects(tmp_path / "west") == touched
        assert set(world.state.plan.plan.fingerprint) == set(PLACES), "both are pinned"


async def test_one_that_is_another_by_then_is_not_touched(tmp_path: Path) -> None:
    async with two(tmp_path, "${target.version}") as world:
        plan_hash = await world.planned()
        (tmp_path / "west" / "id").write_text("another one")
        await world.run(plan_hash)
        assert effects(tmp_path / "world") == effects(tmp_path / "west") == [], "found out before the first is touched"
