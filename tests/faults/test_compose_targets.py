"""What is to be run is missing, has moved, or nobody can be asked for it: nothing is stopped before that is known."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker_engine import private_engine
from tests.plugins.compose_projects import Project, a_project, web_service
from tests.plugins.compose_room import PROCEDURE_B, a_room
from warroom.errors import WarroomError

pytestmark = pytest.mark.needs("dockerd", "compose", "docker-registry")
NOWHERE = f"sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """v2 runs; the engine and its registry are the module's own. Each test leaves it as it was."""
    folder = tmp_path_factory.mktemp("compose")
    with private_engine() as engine, a_project(engine, folder, {"web": web_service()}, version="v2") as made:
        yield made


@pytest.fixture
def untouched(project: Project) -> Iterator[None]:
    """The very same container runs afterwards, and no other ever did."""
    before, starts = project.containers(), project.starts()
    yield
    assert project.containers(everything=False) == before
    assert project.containers() == before
    assert project.starts() == starts
    assert project.version() == "v2"


@pytest.mark.usefixtures("untouched")
async def test_a_missing_image_ends_it_before_anything_is_stopped(project: Project, tmp_path: Path) -> None:
    async with a_room(project, tmp_path) as room:
        plan = await room.plan(digest=NOWHERE, version="v0")
        assert await room.run(plan) == "failed"
        assert room.begun() == ["pull"]
        assert "not on the host" in room.ended("pull").detail
        look = room.ended("pull").look
        assert look is not None
        assert look.verdict == "not-begun"


@pytest.mark.usefixtures("untouched")
async def test_a_tag_that_moved_since_the_plan_voids_it(project: Project, tmp_path: Path) -> None:
    digest = project.publish("v1")
    async with a_room(project, tmp_path) as room:
        plan = await room.plan(digest=digest, version="v1")
        moved = project.publish("v1", "crash")
        assert moved != digest
        assert await room.run(plan) == "failed"
        assert room.begun() == []
        assert room.changes() == []
        assert "tag" in room.voided()
        assert moved[:19] in room.voided()


@pytest.mark.usefixtures("untouched")
async def test_without_the_registry_what_is_not_there_ends_it_before(project: Project, tmp_path: Path) -> None:
    digest = project.publish("v3")
    project.engine.docker("rmi", f"{project.repository}:v3")
    project.engine.down("registry")
    try:
        async with a_room(project, tmp_path) as room:
            plan = await room.plan(digest=digest)
            assert await room.run(plan) == "failed"
            assert room.begun() == ["pull"]
            assert "not on the host" in room.ended("pull").detail
            with pytest.raises(WarroomError, match="v3"):
                await room.plan(digest=digest, version="v3", images={"web": f"{project.repository}:v3"})
    finally:
        project.engine.up("registry")


async def test_what_an_engine_has_forgotten_is_not_taken_for_undone(project: Project, tmp_path: Path) -> None:
    """It keeps its newest 256 events, health checks among them: with many containers that is some seconds' worth."""
    async with a_room(project, tmp_path) as room:
        plan = await room.plan("prove", digest=project.digest(), version="v2")
        assert (await room.look(plan, "prove")).verdict == "not-begun"
        assert await room.run(plan) == "done", room.detail()
        repository, name = project.repository.partition("/")[0], project.image_id()

        def happens(number: int) -> None:
            assert project.engine.api("POST", f"/images/{name}/tag?repo={repository}/busy&tag=n{number % 4}") == 201

        async def goes_on() -> None:
            """A busy engine: some of what it remembers has happened since it was asked for its time."""
            while True:
                await asyncio.to_thread(happens, 0)

        for number in range(300):
            happens(number)
        async with asyncio.TaskGroup() as group:
            busy = group.create_task(goes_on())
            looks = [await room.look(plan, "prove") for _ in range(5)]
            busy.cancel()
        assert {look.verdict for look in looks} == {"cannot-tell"}
        assert "256" in looks[0].seen
    project.engine.docker("rmi", *(f"{repository}/busy:n{number}" for number in range(4)))


async def test_without_the_registry_what_is_on_the_host_is_enough(project: Project, tmp_path: Path) -> None:
    digest = project.publish("v1")
    project.engine.down("registry")
    try:
        async with a_room(project, tmp_path) as room:
            plan = await room.plan(digest=digest, version="v1")
            assert await room.run(plan) == "done", room.detail()
            assert room.steps() == dict.fromkeys(PROCEDURE_B, "done")
            assert (project.version(), project.digest()) == ("v1", digest)
    finally:
        project.engine.up("registry")
    project.up()
    assert project.version() == "v2"
