"""The engine is reached over a real SSH server as people reach theirs: DOCKER_HOST and contexts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker_engine import DockerEngine
from tests.ssh_server import running_sshd

pytestmark = pytest.mark.needs("dockerd", "compose", "sshd")


def test_docker_and_compose_over_ssh(docker_engine: DockerEngine, tmp_path: Path) -> None:
    identity = docker_engine.docker("info", "--format", "{{.ID}}")
    with running_sshd(DOCKER_HOST=docker_engine.host) as server:
        ask = ("docker", "info", "--format", "{{.ID}}")
        assert docker_engine.run(*ask, env=server.env).stdout.strip() == identity
        assert docker_engine.run("docker", "compose", "ls", "-q", env=server.env).returncode == 0

        elsewhere = {**server.env, "DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": ""}
        docker_engine.run("docker", "context", "create", "far", "--docker", f"host={server.url}", env=elsewhere)
        assert docker_engine.run("docker", "--context", "far", *ask[1:], env=elsewhere).stdout.strip() == identity

        server.change_host_key()
        refused = docker_engine.run(*ask, check=False, env=server.env)
        assert refused.returncode != 0
        assert identity not in refused.stdout
