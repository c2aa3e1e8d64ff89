"""The drill lab, for real: its releases and faults, kill -9 of each of its parts, and what it leaves behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labs import family, get, measured, mentioning, until
from warroom import process
from warroom.drills.lab import running_lab
from warroom.drills.lab.handle import start_lab
from warroom.drills.lab.service import Lab, Options
from warroom.errors import WarroomError

BETA_1, BETA_2, BETA_3 = "v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"
PARTS = ("app", "redis", "postgres")


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's labs put what needs a short name: any lab that starts clears what dead ones left beside it."""
    with tempfile.TemporaryDirectory(prefix="labs-", dir="/tmp") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(name)


async def test_a_target_with_a_fault_of_its_own_is_good_before_and_broken_after(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab", fault_in_target=True) as lab:
        assert (await measured(lab)).errors == 0
        await lab.deploy(BETA_3)
        assert 0.10 < (await measured(lab, requests=200)).ratio < 0.45
        await lab.deploy(BETA_2)
        assert (await measured(lab)).ratio > 0.3
        await lab.deploy(BETA_1)
        assert (await measured(lab)).errors == 0


# ---- several, and again ----------------------------------------------------------------------------------------


async def test_two_labs_side_by_side_keep_to_themselves(tmp_path: Path) -> None:
    """One of them in a folder with an unusual name, reached by a link."""
    real = tmp_path / "it's 100 % a,b?c&d"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    async with asyncio.TaskGroup() as group:
        starting = [group.create_task(start_lab(folder)) for folder in (tmp_path / "link" / "lab", tmp_path / "b")]
    first, second = (task.result() for task in starting)
    try:
        assert first.fingerprint != second.fingerprint
        await first.deploy(BETA_3)
        assert (await second.state())["release"]["version"] == BETA_2
        assert (await measured(second)).errors == 0
        assert (await measured(first)).errors > 0
        assert (await first.ask("POST", "/restart?wait=60", {"component": "postgres"}))["state"] == "done"
    finally:
        await asyncio.gather(first.stop(), second.stop())
    assert mentioning(real) == set()


async def test_a_lab_comes_back_as_it_was(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        await lab.deploy(BETA_3)
        rows, fingerprint = await lab.ask("GET", "/counts"), lab.fingerprint
        addresses = lab.control_url, lab.base_url
    assert mentioning(tmp_path) == set()
    async with running_lab(tmp_path / "lab") as lab:
        assert (lab.fingerprint, lab.control_url, lab.base_url) == (fingerprint, *addresses)
        assert (await lab.state())["release"]["version"] == BETA_3
        assert (await lab.ask("GET", "/counts"))["Message"] >= rows["Message"]
    with pytest.raises(WarroomError, match="another kind"):
        await start_lab(tmp_path / "lab", revert_fault=True)
    async with running_lab(tmp_path / "lab", revert_fault=True, fresh=True) as lab:
        assert "a copy of the one that was kept" in (lab.state_dir / "logs" / "lab.log").read_text()
        assert lab.fingerprint == fingerprint
        assert (await lab.state())["release"]["version"] == BETA_2
        assert len((await lab.ask("GET", "/deployments"))["deployments"]) == 2
        assert "beta.3" not in (lab.state_dir / "logs" / "app.log").read_text()


async def test_an_app_that_takes_too_much_memory_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warroom.drills.lab.deployer.MEMORY_LIMIT", 8 * 1024 * 1024)
    lab = Lab(Options(tmp_path / "lab"))
    try:
        await lab.start()
        async with asyncio.timeout(60):
            while (await lab.state())["release"] is not None:
                await asyncio.sleep(0.05)
    finally:
        await lab.stop()
    assert "memory limit passed" in (tmp_path / "lab" / "logs" / "lab.log").read_text()


# ---- kill -9 ---------------------------------------------------------------------------------------------------


async def test_kill_9_of_the_lab_leaves_no_process_and_the_next_start_works(tmp_path: Path, own_tmp: Path) -> None:
    """Killed in the middle of a deployment: how far that came can be read back."""
    folder = tmp_path / ("long" * 25)  # long enough that its sockets are elsewhere
    lab = await start_lab(folder)
    sockets = Path((await lab.state())["postgres"]["host"])
    running = family(lab.pid)
    assert len(running) > 6
    assert len(mentioning(folder)) > 3
    await lab.ask("POST", "/deploy", {"ref": BETA_3}, {"Idempotency-Key": "mine"})
    os.kill(lab.pid, signal.SIGKILL)
    await until(lambda: not mentioning(folder) and not any(map(family, running)), "every process of the lab has ended")
    await lab.stop()
    assert sockets.parent == own_tmp
    assert sockets.exists()
    async with running_lab(folder) as again:
        assert again.fingerprint == lab.fingerprint
        assert not sockets.exists()
        left = await again.ask("GET", "/operations/mine")
        assert left["state"] == "interrupted"
        assert (await again.state())["release"]["version"] == BETA_2
        assert (await measured(again, requests=60)).errors == 0
        await again.deploy(BETA_3)
        assert (await again.state())["release"]["version"] == BETA_3
        sockets = Path((await again.state())["postgres"]["host"])
    assert not sockets.exists()


async def test_kill_9_while_it_starts_is_cleared_up_by_the_next_start(tmp_path: Path, full: bool) -> None:
    """In the sample, once its database is starting; else at whatever it does by then."""
    folder = tmp_path / "lab"

    def database_begun() -> bool:
        ledger = folder / "processes.json"
        return ledger.exists() and "postgres" in json.loads(ledger.read_text())["processes"]

    for seconds in (0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1) if full else (None,):
        child = await process.start([sys.executable, "-m", "warroom.drills.lab", "--state", str(folder)])
        if seconds is None:
            await until(database_begun, "the database is starting")
            assert not (folder / "lab.json").exists()
        else:
            await asyncio.sleep(seconds)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        await until(lambda: not mentioning(folder), "every process of the lab has ended")
    async with running_lab(folder) as lab:
        assert len((await lab.ask("GET", "/deployments"))["deployments"]) == 2
        assert (await measured(lab, requests=60)).errors == 0
    assert mentioning(folder) == set()


async def test_kill_9_of_the_lab_and_its_guardian_is_cleared_up_by_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    lab = await start_lab(folder)
    state = await lab.state()
    servers = {described["pid"] for described in state["processes"].values()}
    guardians = {pid for pid in family(lab.pid) if b"guardian" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    for pid in (*guardians, lab.pid):
        os.kill(pid, signal.SIGKILL)
    await lab.stop()
    assert all(family(pid) for pid in servers)
    async with running_lab(folder) as again:
        assert not any(family(pid) for pid in servers)
        assert (await measured(again, requests=60)).errors == 0
    assert mentioning(folder) == set()


async def test_kill_9_of_a_part_shows_and_a_restart_mends_it(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        for component in PARTS:
            os.kill((await lab.state())["processes"][component]["pid"], signal.SIGKILL)

            async def health() -> int:
                return (await get(f"{lab.base_url}/api/health"))[0]

            async with asyncio.timeout(60):
                while await health() == 200:
                    await asyncio.sleep(0.05)
            assert (await lab.state())["processes"][component]["running"] is False
            assert (await lab.ask("POST", "/restart?wait=60", {"component": component}))["state"] == "done"
            async with asyncio.timeout(60):  # the app's pool finds its new connections by itself, a moment later
                while await health() != 200:
                    await asyncio.sleep(0.05)
            assert (await measured(lab, requests=60)).ratio < 0.5
        for component in PARTS:
            os.kill((await lab.state())["processes"][component]["pid"], signal.SIGKILL)
    assert mentioning(tmp_path) == set()


async def test_the_lab_ends_when_who_started_it_does(tmp_path: Path) -> None:
    """Started by a program that is then killed, guardian and all: the lab notices by itself."""
    folder = tmp_path / "lab"
    program = (
        "import asyncio, pathlib, sys\n"
        "from warroom.drills.lab.handle import start_lab\n"
        "async def main():\n"
        "    lab = await start_lab(pathlib.Path(sys.argv[1]))\n"
        "    print(lab.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    said: list[str] = []
    starter = await process.start(
        [sys.executable, "-c", program, str(folder)], on_line=lambda stream, line: said.append(line)
    )
    await until(lambda: bool(said), "the lab is up", seconds=60)
    own = family(starter.pid) - family(int(said[0]))
    for pid in own:
        os.kill(pid, signal.SIGKILL)
    await starter.wait()
    await until(lambda: not mentioning(folder), "every process of the lab has ended")
    assert not (folder / "lab.json").exists()
