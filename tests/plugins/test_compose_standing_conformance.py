"""What the Compose plugin reads keeps the contract, tried on a real project; its operations are tried elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.docker_engine import DockerEngine
from tests.plugins.compose_projects import a_project, idle_service, migrate_service, web_service
from tests.plugins.compose_reading import reading
from warroom.testing.conformance import check_plugin
from warroom_compose import plugin


@pytest.mark.needs("dockerd", "compose", "docker-registry")
async def test_what_the_plugin_reads_conforms(docker_engine: DockerEngine, tmp_path: Path) -> None:
    services = {"web": web_service(mem_limit="64m"), "db": idle_service("db"), "migrate": migrate_service()}
    with a_project(docker_engine, tmp_path, services, mode="chatty") as sample:
        sample.publish("v2")
        declared = {"web": {"version_url": f"{sample.url}/api/version"}, "db": {}, "migrate": {"one_shot": True}}
        async with reading(sample, services=declared, every=0.5) as ctx:
            reader = replace(plugin, operations=(), probes=())
            (tmp_path / "evidence").mkdir()
            await check_plugin(reader, ctx, folder=tmp_path / "evidence", items=80, patience=30)
