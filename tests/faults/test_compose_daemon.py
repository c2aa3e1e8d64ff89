"""dockerd is killed, restarted, or out of disk while warroom works with it: what became of it is known afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine, private_engine
from tests.plugins.compose_images import Image, load, push
from tests.plugins.compose_projects import Project, a_project, web_service
from tests.plugins.compose_room import Room, a_room
from tests.tcp_gate import a_gate
from warroom.model.signal import LogLine
from warroom_compose import plugin

pytestmark = pytest.mark.needs("dockerd", "compose", "docker-registry")
BALLAST = 3_000_000


@pytest.fixture(scope="module")
def engine() -> Iterator[DockerEngine]:
    with private_engine(data_size="64m") as engine:
        yield engine


@pytest.fixture(scope="module")
def project(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """v2 runs, and comes back by itself with the engine."""
    services = {"web": web_service(restart="always")}
    with a_project(engine, tmp_path_factory.mktemp("compose"), services, version="v2", mode="chatty") as made:
        yield made


async def test_dockerd_killed_in_the_middle_of_a_pull(project: Project, tmp_path: Path, full: bool) -> None:
    """Each time at another place in the image: known what became of it, nothing stopped, and it can be done again."""
    rounds, known = 20 if full else 2, 0
    random.seed(7)
    with a_gate(project.engine.registry) as gate:
        repository = f"{gate.address}/{project.name}/far"
        tag = f"{repository}:v1"
        load(project.engine, {tag: Image("v1", ballast=BALLAST)})
        digest = push(project.engine, tag)
        project.engine.docker("rmi", tag)
        images = {"web": f"{repository}@{digest}"}
        async with a_room(project, tmp_path) as room:
            for number in range(rounds):
                before = project.containers()
                plan = await room.plan("pull", digest=digest, images=images)
                gate.shut_after(random.randint(2_000, BALLAST) if number else BALLAST // 2)
                await killed_while(room.run(plan), gate.wait_until_shut, project.engine)
                assert room.ended("pull").status in ("failed", "unknown")
                gate.open()
                look = await until_it_answers(room, plan)
                known += look == "not-begun"
                assert project.containers() == before
                project.until_version("v2")
            assert known == rounds
            assert await room.run(await room.plan("pull", digest=digest, images=images)) == "done", room.detail()


async def killed_while(run: Any, reached: Any, engine: DockerEngine) -> None:
    running = asyncio.ensure_future(run)
    try:
        await asyncio.to_thread(reached)
        await asyncio.to_thread(engine.down, "dockerd", signal.SIGKILL)
        async with asyncio.timeout(60):
            assert await running in ("failed", "unknown")
    finally:
        await asyncio.to_thread(engine.up, "dockerd")


async def until_it_answers(room: Room, plan: Any) -> str:
    for _ in range(100):
        look = await room.look(plan, "pull")
        if look.verdict != "cannot-tell":
            return look.verdict
        await asyncio.sleep(0.1)
    return "cannot-tell"


async def test_logs_are_followed_through_a_restart_of_dockerd(project: Project, tmp_path: Path) -> None:
    """No line twice, none lost on the way: the numbers that a container counts are whole."""
    seen: list[tuple[str, str]] = []
    async with a_room(project, tmp_path) as room, contextlib.aclosing(followed(room)) as lines:

        async def until(enough: Any) -> None:
            async with asyncio.timeout(60):
                async for line in lines:
                    seen.append((line.source, line.text))
                    if enough(line.text):
                        return

        await until(lambda text: text.startswith("out "))
        first = len(starts_of(seen))
        await asyncio.to_thread(project.engine.down, "dockerd", signal.SIGTERM)
        await asyncio.to_thread(project.engine.up, "dockerd")
        await until(lambda text: len(starts_of(seen)) > first)
        begun_again = len(seen)
        await until(lambda text: text.startswith("out ") and len(seen) > begun_again + 10)
        await until(lambda _: any(source == "docker" for source, _ in seen))
    for stream in ("out", "err"):
        for run in runs_of([text for _, text in seen], stream):
            assert run == list(range(run[0], run[0] + len(run))), f"{stream} has holes or doubles"


def followed(room: Room) -> AsyncGenerator[LogLine, None]:
    assert plugin.logs is not None
    lines = plugin.logs.follow(room.context)
    assert isinstance(lines, AsyncGenerator)
    return lines


def starts_of(seen: list[tuple[str, str]]) -> list[str]:
    return [text for _, text in seen if "starting as" in text]


def runs_of(texts: list[str], stream: str) -> list[list[int]]:
    """The numbers of one stream, each time from the program's beginning."""
    runs: list[list[int]] = []
    for text in texts:
        if text.startswith(f"{stream} "):
            number = int(text.split()[1])
            if not runs or number == 1:
                runs.append([])
            runs[-1].append(number)
    return runs


async def test_a_full_disk_stops_the_pull_and_nothing_else(project: Project, tmp_path: Path) -> None:
    digest = project.publish("v0", ballast=BALLAST)
    project.engine.docker("rmi", f"{project.repository}:v0")
    before = project.containers()
    async with a_room(project, tmp_path) as room:
        plan = await room.plan(digest=digest, version="v0")
        with project.engine.full_disk():
            assert await room.run(plan) == "failed"
            assert room.begun() == ["pull"]
            assert "no space left on device" in room.ended("pull").detail
            assert project.containers(everything=False) == before
            assert project.version() == "v2"
        assert await room.run(await room.plan("pull", digest=digest, version="v0")) == "done", room.detail()
