"""The engine that the tests stand on: real, alone, and gone with its last user."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docker_engine import DockerEngine, private_engine, wait_for
from tests.docker_supervisor import Network

pytestmark = pytest.mark.needs("dockerd")

ROOT = Path(__file__).resolve().parents[2]
USER = """
import sys, time
from tests.docker_engine import shared_engine
print(shared_engine().folder, flush=True)
time.sleep(600)
"""


def links() -> str:
    return subprocess.run(["ip", "-o", "link"], check=True, capture_output=True, text=True, timeout=60).stdout


def rules() -> str:
    argv = ["iptables", "-w", "-S", "FORWARD"]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout


def a_user(run: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTEST_XDIST_TESTRUNUID": run, "PYTHONPATH": str(ROOT)},
    )


def where(user: subprocess.Popen[str]) -> Path:
    assert user.stdout is not None
    return Path(user.stdout.readline().strip())


@pytest.mark.needs("docker-registry")
def test_it_is_not_the_machine_s(docker_engine: DockerEngine) -> None:
    info = docker_engine.docker("info", "--format", "{{.DockerRootDir}} {{.ID}}")
    assert info.startswith(str(docker_engine.folder))
    assert docker_engine.registry_answers()


def test_workers_of_a_run_share_one_and_it_ends_with_the_last_even_if_killed(tmp_path: Path) -> None:
    users = [a_user(str(tmp_path)) for _ in range(2)]
    try:
        folders = [where(user) for user in users]
        assert folders[0] == folders[1]
        engine = DockerEngine(folders[0])
        subnet = (engine.folder / "subnet").read_text()
        engine.docker("network", "create", "left-behind")
        dockerd = engine.pid("dockerd")
        assert engine.answers()
        users[0].kill()
        users[0].wait(60)
        assert engine.answers(), "it ended with the first of its users"
        assert subnet in rules()
    finally:
        for user in users:
            user.kill()
            user.communicate(timeout=60)
    wait_for(lambda: not engine.folder.exists(), "the end of the engine")
    assert not Path(f"/proc/{dockerd}").exists()
    assert subnet not in rules()
    assert Network(engine.folder).bridge not in links()
    addresses = subprocess.run(["ip", "-4", "addr"], check=True, capture_output=True, text=True, timeout=60).stdout
    assert subnet.removesuffix("0.0/16") not in addresses


def test_a_killed_supervisor_takes_everything_with_it_and_the_next_one_sweeps() -> None:
    with private_engine(registry=False) as engine:
        dockerd, bridge = engine.pid("dockerd"), Network(engine.folder).bridge
        supervisor = int((engine.folder / "supervisor.pid").read_text())
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{dockerd}").exists(), "the end of dockerd")
        assert bridge in links()
    with private_engine(registry=False):
        assert bridge not in links()
        assert not engine.folder.exists()


def test_its_programs_end_and_come_back() -> None:
    with private_engine() as engine:
        identity = engine.docker("info", "--format", "{{.ID}}")
        engine.down("dockerd")
        assert not engine.answers()
        assert engine.pid("dockerd") == 0
        engine.up("dockerd")
        assert engine.docker("info", "--format", "{{.ID}}") == identity
