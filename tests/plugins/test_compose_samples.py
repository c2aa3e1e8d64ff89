"""The sample images and projects behave as their names say: what all other Compose tests lean on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker_engine import DockerEngine, unique, wait_for
from tests.plugins.compose_images import Image, load
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, shop, worker_service

pytestmark = pytest.mark.needs("dockerd", "compose", "docker-registry")


def test_a_project_is_up_and_is_rolled_over_by_tag(docker_engine: DockerEngine, tmp_path: Path) -> None:
    with a_project(docker_engine, tmp_path) as project:
        assert project.version() == "v1"
        assert project.ask("/api/health") == (200, {"status": "ok"})
        old = project.digest()
        new = project.publish("v2")
        assert old != new
        project.release("v2")
        project.up("--no-deps", "web")
        assert project.version() == "v2"
        assert project.digest() == new
        assert project.starts() == ["v1", "v2"]
        assert [len(project.containers(service)) for service in ("web", "db", "redis")] == [1, 1, 1]
    assert project.containers() == []


def test_services_of_all_kinds(docker_engine: DockerEngine, tmp_path: Path) -> None:
    services = shop() | {
        "worker": worker_service(scale=2),
        "migrate": migrate_service(),
        "tools": idle_service("db", profiles=["tools"]),
    }
    with a_project(docker_engine, tmp_path, services, local=True, profiles=["tools"]) as project:
        assert len(project.containers("worker")) == 2
        assert len(project.containers("tools")) == 1
        assert project.digest() == ""
        assert project.image_id() == Image("v1", labels={"only": project.name}).id
        wait_for(lambda: project.container("migrate")["State"]["Status"] == "exited", "the one-shot's end")
        assert project.container("migrate")["State"]["ExitCode"] == 0


def test_states_of_images(docker_engine: DockerEngine) -> None:
    """Together: they wait beside each other."""
    name = unique("states")
    images = {
        "broken": Image("v1", "broken"),
        "crash": Image("v1", "crash"),
        "eater": Image("v1", "eater", healthcheck="none", after=0.1),
        "slow": Image("v1", "slow", after=1.5),
    }
    load(docker_engine, {f"{name}:{state}": image for state, image in images.items()})
    for state in images:
        limits = ["--memory", "24m", "--memory-swap", "24m"]
        docker_engine.docker("run", "-d", "--name", f"{name}-{state}", "--net", "none", *limits, f"{name}:{state}")

    def seen(state: str) -> dict[str, object]:
        found: dict[str, object] = docker_engine.inspect(f"{name}-{state}")["State"]
        health = found.get("Health")
        return {**found, "Health": health["Status"] if isinstance(health, dict) else ""}

    try:
        wait_for(lambda: seen("crash")["ExitCode"] == 3, "the crash")
        wait_for(lambda: seen("eater")["OOMKilled"] is True and not seen("eater")["Running"], "the kill")
        wait_for(lambda: seen("broken")["Health"] == "unhealthy", "the broken one")
        wait_for(lambda: seen("slow")["Health"] == "healthy", "the slow one")
        assert seen("broken")["Running"]
    finally:
        docker_engine.docker("rm", "-f", *(f"{name}-{state}" for state in images))
