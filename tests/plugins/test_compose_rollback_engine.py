"""The whole way on a real Docker engine: an incident on a broken release, a plan that people see and approve, its run.

The default runbook's Option B, as it is for a file that names a Compose project.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from tests.docker_engine import DockerEngine
from tests.engines import OP1, OP2, World
from tests.plugins.compose_projects import Project, a_project
from tests.world import until
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.live import WaysPage, WaysQuery
from warroom.model.runbook import Runbook
from warroom.plugins import LoadedPlatform
from warroom.runbook import load
from warroom_compose import plugin
from warroom_compose.config import Config

BETA_1, BETA_2, BETA_3 = "v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"
PATIENCE = 120.0
pytestmark = [pytest.mark.needs("dockerd", "compose", "docker-registry"), pytest.mark.asyncio]


@asynccontextmanager
async def a_bridge(project: Project, tmp_path: Path) -> AsyncIterator[World]:
    """The engine on the default runbook for this project."""
    config = {
        "project": project.name,
        "host": project.engine.host,
        "pins": str(tmp_path / "pins"),
        "services": {"web": {"version_url": f"{project.url}/api/version"}, "db": {}, "redis": {}},
    }
    file = tmp_path / "warroom.yaml"
    told = {
        "format": 1,
        "extends": "default",
        "service": "shop",
        "environment": {"kind": "drill"},
        "platforms": {"compose": {"plugin": "compose", "config": config}},
    }
    file.write_text(yaml.safe_dump(told, sort_keys=False))
    platform = LoadedPlatform(plugin=plugin, config=Config.model_validate(config), problem=None)

    def platforms(runbook: Runbook) -> dict[str, LoadedPlatform]:
        return {"compose": platform}

    async with Engine(load(file).runbook, StateFolder(tmp_path / "state"), load=platforms) as engine:
        yield World(engine, tmp_path)


async def broken(world: World, project: Project) -> None:
    """beta.3 runs and is not well; an incident is open, and its evidence is sealed."""
    await world.ok(it.OpenIncident(title="nothing works"))
    await world.ok(it.CaptureEvidence())
    await until(lambda: world.state.sealed, PATIENCE)
    assert project.ask("/api/health")[0] == 503


async def ran(world: World, status: str) -> None:
    await until(lambda: world.state.plan.status in ("done", "failed", "unknown", "voided", "cancelled"), PATIENCE)
    await until(lambda: not world._acting.running, PATIENCE)
    assert world.state.plan.status == status, world.state.plan


async def test_done_is_the_image_the_plan_and_the_app_agree_on(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, version=BETA_2) as project:
        good = project.digest()
        project.publish(BETA_3, "broken")
        project.release(BETA_3)
        project.up("--no-deps", "web", wait=False)
        beside = project.containers("db") + project.containers("redis")
        async with a_bridge(project, tmp_path) as world:
            await broken(world, project)
            await world.ok(it.ChooseTarget(text=BETA_2))
            await world.ok(it.ProposePlan(procedure="option-b"))
            state = world.state.plan
            plan = state.plan
            assert plan.target.digest == good
            assert [step.id for step in plan.steps] == ["find-image", "prove", "pin", "up"]
            shown = [call.paste() for step in plan.steps for call in step.preview.calls]
            up = next(line for line in shown if " up " in line)
            assert up.startswith(f"docker --host {docker_engine.host} compose --project-name {project.name} ")
            assert f"--file {project.files[0]} --file {tmp_path}/pins/" in up
            assert up.endswith(" up -d --no-deps --no-build --pull never --wait --wait-timeout 180 web")
            assert f"{project.repository}@{good}" in next(line for line in shown if line.startswith("printf"))

            await world.ok(it.ApprovePlan(hash=state.hash), OP2)
            await world.run(state.hash)
            await ran(world, "done")
            assert project.digest() == plan.target.digest == good
            assert project.version() == plan.target.version == BETA_2
            assert project.starts() == [BETA_2, BETA_3, BETA_2]
            assert project.containers("db") + project.containers("redis") == beside
            cut_over = world.state.plan.steps["up"]
            assert f"the app says {BETA_2}" in cut_over.look.seen
            assert "web was down" in cut_over.look.seen
            assert float(cut_over.outputs["downtime_s"]) > 0


async def test_a_target_that_is_not_well_fails_and_a_person_chooses(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    """Writes are stopped first, as where data is in danger."""
    with a_project(docker_engine, tmp_path, version=BETA_1, mode="crash", started=False) as project:
        older = docker_engine.inspect(f"{project.repository}:{BETA_1}")["RepoDigests"][0].partition("@")[2]
        bad = project.publish(BETA_3, "broken")
        project.release(BETA_3)
        project.up(wait=False)
        async with a_bridge(project, tmp_path) as world:
            await broken(world, project)
            await world.ok(it.ChooseTarget(text=BETA_1))
            await world.ok(it.ProposePlan(procedure="option-b", include=("stop",)))
            assert [step.id for step in world.state.plan.plan.steps] == ["stop", "find-image", "prove", "pin", "up"]
            await world.run(world.state.plan.hash)
            await ran(world, "failed")
            assert [step.status for step in world.state.plan.steps.values()] == ["done"] * 4 + ["failed"]
            assert "exited with 3" in world.state.plan.detail
            assert "fatal: the schema is newer than this release" in world.state.plan.detail
            # Nothing came back by itself.
            assert project.digest() == older

            page = await world.session(OP1).query(WaysQuery())
            assert isinstance(page, WaysPage)
            assert page.words.startswith("FAIL")
            (back,) = [way for way in page.ways if way.kind == "put-back"]
            await world.ok(it.Undo(run=back.run or ""))
            await world.run(world.state.plan.hash)
            await ran(world, "done")
            assert project.digest() == bad
            assert project.version() == BETA_3
