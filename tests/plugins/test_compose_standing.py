"""Whether a rollback would work in a Compose project now, which engine it is, and what goes on in it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_operating import operating
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, web_service, worker_service
from tests.plugins.compose_reading import context_of, reading
from warroom.api import Context, ProgramMissing, Ready, WarroomError
from warroom.model.call import CallResult
from warroom.testing.fakes import FakeReadDoor, a_context
from warroom_compose import plugin
from warroom_compose.config import Config
from warroom_compose.project import Container, find
from warroom_compose.standing import ComposeDeploying, ComposeIdentity, ComposeReadiness, _clock, _compose, _under_way

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def rows(ctx: Context) -> dict[str, Ready]:
    return {row.id.removeprefix("compose-"): row for row in await ComposeReadiness().ready(ctx)}


def told(rows: dict[str, Ready]) -> dict[str, str]:
    return {name: row.status for name, row in rows.items()}


# ---- Compose itself


Answer = CallResult | WarroomError | str


async def compose_row(answer: Answer, old: Answer | None = None) -> Ready:
    door = FakeReadDoor().on_run(["docker", "compose", "version", "--short"], answer)
    if old is not None:
        door.on_run(["docker-compose", "--version"], old)
    with door:
        return await _compose(a_context(Config.model_validate({"project": "shop", "services": {"web": {}}}), door))


NO_PLUGIN = CallResult(status=1, text="docker: 'compose' is not a docker command.\nSee 'docker --help'\n")


@pytest.mark.parametrize("text", ["2.26.1-4\n", "v2.39.4\n", "5.0.0"])
async def test_every_compose_since_its_second_version_will_do(text: str) -> None:
    assert (await compose_row(text)).status == "ready"


async def test_a_host_with_version_1_alone_is_refused_in_so_many_words() -> None:
    row = await compose_row(NO_PLUGIN, "docker-compose version 1.29.2, build unknown\n")
    assert (row.status, row.words.startswith("only docker-compose version 1 is here")) == ("not-ready", True)
    assert "version 2" in row.fix


async def test_a_host_without_compose_is_refused_too() -> None:
    assert (await compose_row("1.29.2\n", ProgramMissing("docker-compose is not here"))).status == "not-ready"
    missing = ProgramMissing("docker-compose is not on this machine")
    assert (await compose_row(NO_PLUGIN, missing)).words == "there is no docker compose on this machine"
    standalone = await compose_row(NO_PLUGIN, "Docker Compose version v2.26.1\n")
    assert (standalone.status, standalone.words) == ("not-ready", "the docker command has no Compose plugin")
    assert (await compose_row(ProgramMissing("docker is not on this machine"))).status == "not-ready"


# ---- the clock


@pytest.mark.parametrize(
    ("ahead", "status"), [(-1, "ready"), (3, "ready"), (60, "not-ready"), (-60, "not-ready"), (None, "unknown")]
)
def test_clocks_that_differ_are_said(ahead: int | None, status: str) -> None:
    ctx = a_context(Config.model_validate({"project": "shop", "services": {"web": {}}}))
    there = None if ahead is None else NOW + timedelta(seconds=ahead)
    row = _clock(ctx, there, NOW, NOW + timedelta(seconds=2))
    assert row.status == status


# ---- what goes on


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, ""),
        ({"name": "0123456789ab_shop-web-1"}, "web is being replaced"),
        ({"state": "created"}, "web-1 is about to start"),
        ({"state": "removing"}, "web-1 is being removed"),
        ({"health": "starting"}, "web-1 is starting"),
        ({"health": "starting", "created_at": NOW - timedelta(hours=1)}, ""),
        ({"state": "created", "created_at": NOW - timedelta(days=3)}, ""),
    ],
)
def test_what_compose_leaves_to_see_while_it_works(more: dict[str, Any], words: str) -> None:
    one = Container("c", "shop-web-1", "web", 1, "web:v1", "sha256:1", "running", NOW - timedelta(seconds=5))
    assert _under_way(replace(one, **more), NOW) == words


# ---- on a real engine


@NEEDS
async def test_a_project_that_is_ready_says_so_and_else_what_is_missing(
    docker_engine: DockerEngine, tmp_path: Path
) -> None:
    services = {
        "web": web_service(mem_limit="64m"),
        "worker": idle_service("db"),
        "migrate": migrate_service(),
    }
    declared: dict[str, Any] = {
        "web": {},
        "worker": {"memory_limit": 2**27, "health_url": "http://127.0.0.1:1/"},
        "migrate": {"one_shot": True, "memory_limit": 2**27},
    }
    with a_project(docker_engine, tmp_path, services) as sample:
        async with reading(sample, services=declared) as ctx:
            first = await rows(ctx)
            others = {name: status for name, status in told(first).items() if status != "ready"}
            assert others == {"target": "unknown"}, first
            assert "its registry answers" in first["target"].words
            sample.publish("v2")
            assert told(await rows(ctx))["target"] == "ready"

            sample.files[0].write_text(sample.files[0].read_text().replace("stop_grace_period: 2s", "init: true"))
            edited = await rows(ctx)
            assert (edited["definition"].status, edited["definition"].words[:27]) == (
                "unknown",
                "web would be made otherwise",
            )
            sample.files[0].write_text("services: {web: [}\n")
            assert (await rows(ctx))["definition"].status == "not-ready"
            sample.files[0].unlink()
            gone = await rows(ctx)
            assert (gone["files"].status, gone["definition"].status) == ("not-ready", "unknown")
            assert "no such file" in gone["files"].words

        async with reading(sample, services={"web": {}, "worker": {}, "cache": {}}) as ctx:
            lacking = await rows(ctx)
        assert told(lacking)["services"] == "not-ready"
        assert "no container of cache" in lacking["services"].words
        assert (lacking["memory"].status, "worker without a limit" in lacking["memory"].words) == ("unknown", True)
        assert (lacking["health"].status, "worker without" in lacking["health"].words) == ("unknown", True)


@NEEDS
async def test_without_a_project_or_an_engine_it_is_not_ready(docker_engine: DockerEngine, tmp_path: Path) -> None:
    base: dict[str, Any] = {"project": "no-such-project", "services": {"web": {}}, "host": docker_engine.host}
    async with context_of(base) as ctx:
        seen = await rows(ctx)
        assert (seen["engine"].status, seen["project"].status) == ("ready", "not-ready")
        assert "docker compose ls" in seen["project"].fix
        assert await ComposeDeploying().deploying(ctx) == ""
    async with context_of({**base, "host": f"unix://{tmp_path}/none"}) as ctx:
        seen = await rows(ctx)
        assert told(seen) == {"engine": "not-ready", "v2": "ready"}


@NEEDS
async def test_the_engines_own_id_is_the_identity(docker_engine: DockerEngine) -> None:
    told = {"project": "shop", "services": {"web": {}}, "host": docker_engine.host}
    async with context_of(told) as ctx:
        seen = await ComposeIdentity().fingerprint(ctx)
    assert seen == f"docker-{docker_engine.docker('info', '--format', '{{.ID}}')}/shop"


@NEEDS
async def test_a_deployment_is_seen_while_it_goes_on(docker_engine: DockerEngine, tmp_path: Path) -> None:
    services = {"web": web_service(), "worker": worker_service(scale=2)}
    with a_project(docker_engine, tmp_path, services) as sample:
        sample.publish("v2", "slow", after=20)
        deploying = ComposeDeploying()
        async with reading(sample, services={"web": {}, "worker": {}}) as ctx:
            quiet = await deploying.deploying(ctx)
            while "starting" in quiet:  # the first one has just come up
                await asyncio.sleep(0.1)
                quiet = await deploying.deploying(ctx)
            assert quiet == ""
            sample.release("v2")
            sample.up("--no-deps", "web", wait=False)
            assert await deploying.deploying(ctx) == "in compose: web-1 is starting"


@NEEDS
async def test_pins_that_are_left_are_said(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path, {"web": web_service()}) as sample:
        async with operating(sample, services={"web": {}}) as op:
            project = await find(op.context)
            project.pin_file.parent.mkdir(parents=True)
            project.pin_file.write_text("services: {}\n")
            seen = await rows(op.context)
    assert (seen["pins"].status, str(project.pin_file) in seen["pins"].words) == ("unknown", True)


def test_every_kind_of_evidence_has_its_collector() -> None:
    kinds = {kind for one in plugin.collectors for kind in one.kinds}
    assert kinds == {"logs", "containers", "versions", "events", "config"}
