"""Evidence of a Compose project: everything, with times, and none of its secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_images import SECRET
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, web_service
from tests.plugins.compose_reading import context_of, reading
from warroom.actions.evidence import Bundle
from warroom.api import Context, WarroomError
from warroom.engine.core import SystemClock
from warroom.redact import Redactor
from warroom.testing.fakes import FakeFolder
from warroom_compose import plugin
from warroom_compose.evidence import DefinitionCollector, LogCollector, StateCollector

NEEDS = pytest.mark.needs("dockerd", "compose", "docker-registry")
CANARIES = {
    "env": "Canary-of-the-definition-0b7e",
    "file": "Canary-of-the-env-file-55aa",
    "url": "Canary-in-an-address-9d2c",
    "stopped": "Canary-of-what-is-stopped-31f0",
    "unmade": "Canary-of-what-was-never-made-8e1b",
}


def canary_shop() -> dict[str, Any]:
    url = f"postgres://shop:{CANARIES['url']}@db/shop"
    return {
        "web": web_service(environment={"API_TOKEN": CANARIES["env"], "DATABASE_URL": url, "LOG_LEVEL": "info"}),
        "db": idle_service("db", environment={"POSTGRES_PASSWORD": "${DB_PASSWORD}"}),
        "migrate": migrate_service(environment={"MIGRATE_SECRET": CANARIES["stopped"]}),
        "debug": idle_service("db", profiles=["debug"], environment={"DEBUG_TOKEN": CANARIES["unmade"]}),
    }


async def captured(ctx: Context, redactor: Redactor, root: Path) -> Path:
    bundle = Bundle(root, "bundle", "incident", SystemClock(), redactor)
    for collector in plugin.collectors:
        await collector.collect(ctx, bundle.for_collector(collector.name))
    return bundle.path


@NEEDS
async def test_everything_is_there_and_no_secret(docker_engine: DockerEngine, tmp_path: Path) -> None:
    """Of four ways in which a project says its secrets, and the image's own. One container writes one into its log."""
    with a_project(docker_engine, tmp_path, canary_shop(), started=False) as sample:
        environment = sample.folder / "production.env"
        environment.write_text((sample.folder / ".env").read_text() + f"DB_PASSWORD={CANARIES['file']}\n")
        sample.env_files = [environment]
        sample.up(wait=False)
        docker_engine.docker("exec", sample.containers("web")[0], "sh", "-c", "echo $API_TOKEN >/proc/1/fd/2")
        redactor = Redactor()
        async with reading(sample, redactor, services={"web": {}}, profiles=["debug"]) as ctx:
            path = await captured(ctx, redactor, tmp_path / "evidence")
        ids = {service: sample.containers(service)[0] for service in ("web", "db", "migrate")}
        digest = sample.digest()
    files = {file.relative_to(path).as_posix(): file.read_text() for file in path.rglob("*") if file.is_file()}

    for name, text in files.items():
        for canary in (SECRET, *CANARIES.values()):
            assert canary not in text, (name, canary)
    assert all(os.stat(path / name).st_mode & 0o777 == 0o600 for name in files)

    web = files[f"compose-logs/web-1-{ids['web'][:12]}.log"]
    assert "stdout web v1: starting as good" in web
    assert "stderr web v1: a warning on stderr" in web
    assert all(line[:2] == "20" and "+00:00 std" in line for line in web.splitlines())
    assert "all migrations applied" in files[f"compose-logs/migrate-1-{ids['migrate'][:12]}.log"]

    containers = {one["Id"]: one for one in json.loads(files["compose-state/containers.json"])}
    assert containers.keys() == set(ids.values())
    assert "LOG_LEVEL=info" in containers[ids["web"]]["Config"]["Env"]
    versions = json.loads(files["compose-state/versions.json"])
    assert any(f"{sample.repository}@{digest}" in (one["RepoDigests"] or []) for one in versions["images"])
    events = json.loads(files["compose-state/events.json"])["events"]
    assert {one["container"] for one in events if one["action"] == "start"} >= {ids["web"]}

    rendered = files["compose-definition/compose.rendered.yaml"]
    assert f"    image: {sample.repository}:v1\n" in rendered
    assert "      LOG_LEVEL: info\n" in rendered
    assert "  debug:\n" in rendered
    assert files["compose-definition/1-docker-compose.yml"].startswith("services:")
    definition = json.loads(files["compose-definition/definition.json"])
    assert definition["files"].keys() == {str(sample.files[0]), str(environment)}


@NEEDS
async def test_what_is_missing_is_said_in_its_place(docker_engine: DockerEngine, tmp_path: Path) -> None:
    services = {"web": web_service(), "silent": idle_service("db", logging={"driver": "none"})}
    with a_project(docker_engine, tmp_path, services) as sample:
        async with reading(sample, services={"web": {}}) as ctx:
            folder = FakeFolder(tmp_path / "logs")
            folder.root.mkdir()
            await LogCollector().collect(ctx, folder)
            silent = next(folder.root.glob("silent-1-*.log")).read_text()
            assert "this log can't be read to its end" in silent
            assert next(folder.root.glob("web-1-*.log")).read_text().count("\n") > 1

            sample.files[0].unlink()
            folder = FakeFolder(tmp_path / "definition")
            folder.root.mkdir()
            await DefinitionCollector().collect(ctx, folder)
            assert "can't be read: no such file" in (folder.root / "1-docker-compose.yml").read_text()
            assert "docker compose config refused" in (folder.root / "compose.rendered.yaml").read_text()
            sample.write()


@NEEDS
async def test_without_a_container_there_are_no_logs(docker_engine: DockerEngine, tmp_path: Path) -> None:
    told = {"project": "no-such-project", "services": {"web": {}}, "host": docker_engine.host}
    async with context_of(told) as ctx:
        with pytest.raises(WarroomError, match="no container of no-such-project"):
            await LogCollector().collect(ctx, FakeFolder(tmp_path))
        with pytest.raises(WarroomError, match="no container of the project"):
            await DefinitionCollector().collect(ctx, FakeFolder(tmp_path))
        await StateCollector().collect(ctx, FakeFolder(tmp_path))
    assert json.loads((tmp_path / "containers.json").read_text()) == []
