"""The drill lab, for real: its releases and faults, kill -9 of each of its parts, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.labs import family, measured, mentioning, until
from warroom import process
from warroom.drills.lab import LabHandle, running_lab
from warroom.drills.lab.handle import start_lab
from warroom.drills.lab.repository import Repository
from warroom.drills.lab.service import Lab, Options
from warroom.errors import WarroomError

BETA_1, BETA_2, BETA_3 = "v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[LabHandle]:
    async with running_lab(tmp_path / "lab") as handle:
        yield handle


@pytest.fixture
def own_tmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where this test's labs put what needs a short name: any lab that starts clears what dead ones left beside it."""
    with tempfile.TemporaryDirectory(prefix="labs-", dir="/tmp") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", None)
        yield Path(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LabHandle]:
    """One lab for the tests that leave it as it was."""
    async with running_lab(tmp_path_factory.mktemp("shared") / "lab") as handle:
        yield handle


async def get(url: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


# ---- releases and their faults ---------------------------------------------------------------------------------


async def test_a_bad_release_breaks_sign_in_for_a_share_and_a_rollback_mends_it(lab: LabHandle) -> None:
    assert (await measured(lab)).ratio == 0
    await lab.deploy(BETA_3)
    bad = await measured(lab, requests=200)
    assert 0.10 < bad.ratio < 0.45
    assert {answer["route"] for answer in (await lab.counters())["traffic"]["answers"] if answer["status"] >= 500} == {
        "POST /api/auth/signin"
    }
    record = await lab.deploy(BETA_2)
    state = await lab.state()
    assert state["release"]["version"] == BETA_2
    assert state["release"]["digest"] == record["digest"]
    assert (await measured(lab)).errors == 0


async def test_with_the_faulty_commit_reverted_nothing_breaks_on_the_same_paths(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab", revert_fault=True) as lab:
        await lab.deploy(BETA_3)
        assert (await lab.state())["release"]["version"] == BETA_3
        assert (await measured(lab, requests=200)).errors == 0


async def test_a_target_with_a_fault_of_its_own_is_good_before_and_broken_after(tmp_path: Path) -> None:
    async with running_lab(tmp_path / "lab", fault_in_target=True) as lab:
        assert (await measured(lab)).errors == 0
        await lab.deploy(BETA_3)
        assert 0.10 < (await measured(lab, requests=200)).ratio < 0.45
        await lab.deploy(BETA_2)
        assert (await measured(lab)).ratio > 0.3
        await lab.deploy(BETA_1)
        assert (await measured(lab)).errors == 0


async def test_the_app_is_what_the_runbook_asks_of_it(shared: LabHandle) -> None:
    assert await get(f"{shared.base_url}/api/health") == (
        200,
        {"status": "ok", "database": "connected", "redis": "connected"},
    )
    async with aiohttp.ClientSession(shared.base_url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as user:
        wrong = {"email": "test@example.com", "password": "test123!"}
        async with user.post("/api/auth/signin", json=wrong) as response:
            assert response.status == 401
        async with user.get("/api/conversations") as response:
            assert response.status == 401
        async with user.post("/api/auth/signin", json={**wrong, "password": "Test123!"}) as response:
            assert response.status == 200
            assert "session" in response.cookies
            said = await response.json()
            token, own_page = said["token"], {"X-CSRF-Token": said["csrf"]}
        async with user.get("/api/conversations") as response:
            (conversation, *_) = (await response.json())["conversations"]
        path, hello = f"/api/conversations/{conversation['id']}", {"content": "hello"}
        async with user.post(f"{path}/messages", json=hello) as response:
            assert response.status == 403
        async with user.post(f"{path}/messages", json=hello, headers=own_page) as response:
            assert response.status == 201
            assert (await response.json())["reply"] == "You say: hello Tell me more."
        async with user.get(f"{path}/export") as response:
            said = (await response.json())["messages"]
            assert [each["role"] for each in said[-2:]] == ["user", "assistant"]
        others = "/api/conversations/c0000001/messages"
        async with user.post(others, json={"content": "not mine"}, headers=own_page) as response:
            assert response.status == 404
        async with user.post("/api/auth/refresh", json={"token": token}) as response:
            assert response.status == 200
        async with user.post("/api/auth/refresh", json={"token": token[:-2] + "xx"}) as response:
            assert response.status == 401
        async with user.post("/api/auth/refresh") as response:
            assert response.status == 200
            assert (await response.json())["token"]
        async with aiohttp.request("POST", f"{shared.base_url}/api/auth/refresh") as response:
            assert response.status == 401
        async with user.post("/api/payments/webhook", json={"id": "e"}, headers={"X-Signature": "0"}) as response:
            assert response.status == 401


async def test_changes_by_the_control_endpoint(lab: LabHandle) -> None:
    before = await lab.ask("GET", "/counts")
    assert before["User"] == 3001
    assert set((await lab.ask("GET", "/integrity")).values()) == {0}
    assert (await lab.ask("GET", f"/resolve?ref={BETA_1}"))["version"] == BETA_1
    # the same key is the same deployment, not a second one
    first = await lab.deploy(BETA_1, key="one")
    assert await lab.deploy(BETA_1, key="one") == first
    assert len((await lab.ask("GET", "/deployments"))["deployments"]) == 3
    with pytest.raises(WarroomError, match="key"):
        await lab.deploy(BETA_2, key="one")
    with pytest.raises(WarroomError, match="no release"):
        await lab.deploy("v7")
    with pytest.raises(WarroomError, match="no such operation"):
        await lab.ask("GET", "/operations/never")
    assert (await lab.ask("POST", "/stop-writes?wait=5"))["state"] == "done"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{lab.base_url}/api/auth/signin", json={}) as response,
    ):
        assert response.status == 503
    assert (await get(f"{lab.base_url}/api/health"))[0] == 200
    stopped = await lab.ask("GET", "/counts")
    assert await lab.ask("GET", "/counts") == stopped
    await lab.ask("POST", "/resume-writes?wait=5")
    assert (await measured(lab, requests=30)).requests
    assert (await lab.ask("POST", "/clear-cache?wait=5"))["result"]["deleted"] > 0
    for component in ("app", "redis", "postgres"):
        assert (await lab.ask("POST", "/restart?wait=30", {"component": component}))["state"] == "done"
    async with asyncio.timeout(15):  # the app's pool finds its new connections by itself, a moment later
        while (await get(f"{lab.base_url}/api/health"))[0] != 200:
            await asyncio.sleep(0.1)


async def test_only_who_has_the_token_is_answered(shared: LabHandle) -> None:
    for path in ("/state", "/counters", "/logs", "/nothing"):
        assert (await get(shared.control_url + path))[0] == 401


# ---- several, and again ----------------------------------------------------------------------------------------


async def test_two_labs_side_by_side_keep_to_themselves(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        starting = [group.create_task(start_lab(tmp_path / name)) for name in ("a", "b")]
    first, second = (task.result() for task in starting)
    try:
        assert first.fingerprint != second.fingerprint
        await first.deploy(BETA_3)
        assert (await second.state())["release"]["version"] == BETA_2
        assert (await measured(second)).errors == 0
        assert (await measured(first)).errors > 0
    finally:
        await asyncio.gather(first.stop(), second.stop())


async def test_a_second_lab_in_the_same_folder_is_refused_in_words(shared: LabHandle) -> None:
    with pytest.raises(WarroomError, match="Another lab is running"):
        await start_lab(shared.state_dir)
    assert (await shared.state())["release"] is not None


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
        assert lab.fingerprint == fingerprint
        assert (await lab.state())["release"]["version"] == BETA_2
        assert len((await lab.ask("GET", "/deployments"))["deployments"]) == 2
        assert "beta.3" not in (lab.state_dir / "logs" / "app.log").read_text()


async def test_a_folder_with_an_unusual_name_reached_by_a_link(tmp_path: Path) -> None:
    real = tmp_path / "it's 100 % a,b?c&d"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    async with running_lab(tmp_path / "link" / "lab") as lab:
        await lab.deploy(BETA_3)
        assert (await measured(lab, requests=60)).requests
        assert (await lab.ask("POST", "/restart?wait=30", {"component": "postgres"}))["state"] == "done"
    assert mentioning(real) == set()


# ---- deployments that fail -------------------------------------------------------------------------------------


async def commit(lab: LabHandle, path: str, text: str) -> str:
    """A commit of one's own on top of beta.2 in the lab's repository; its id."""
    repository = Repository(lab.state_dir / "repository")
    await repository.git("checkout", "--quiet", "--detach", BETA_2)
    file = repository.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    await repository.git("add", "--all")
    who = {f"GIT_{role}_{part}": "x" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    await repository.git("commit", "--quiet", "--message=mine", **who)
    return await repository.resolve("HEAD")


async def test_a_migration_that_fails_stays_unfinished_with_its_error_and_the_old_release_serves(
    lab: LabHandle,
) -> None:
    bad = await commit(lab, "prisma/migrations/20251101000000_bad/migration.sql", 'ALTER TABLE "Nothing" ADD "x" INT;')
    with pytest.raises(WarroomError, match='relation "Nothing" does not exist'):
        await lab.deploy(bad)
    state = await lab.state()
    assert state["release"]["version"] == BETA_2
    assert "20251101000000_bad" not in state["migrations"]
    assert (await lab.ask("GET", "/integrity"))["migrations_failed"] == 1
    assert (await lab.ask("GET", "/deployments"))["deployments"][-1]["outcome"] == "failed"
    with pytest.raises(WarroomError, match="failed earlier"):
        await lab.deploy(BETA_3)
    assert (await measured(lab, requests=60)).errors == 0


async def test_a_release_that_does_not_start_never_serves(lab: LabHandle) -> None:
    bad = await commit(lab, "ai_saas/settings.py", "raise SystemExit('no')\n")
    with pytest.raises(WarroomError, match="ended while it was starting"):
        await lab.deploy(bad)
    assert (await lab.state())["release"]["version"] == BETA_2
    assert (await measured(lab, requests=60)).errors == 0
    assert [path.name for path in (lab.state_dir / "checkouts").iterdir()] == [
        f"2-{(await lab.state())['release']['commit'][:12]}"
    ]


async def test_an_app_that_takes_too_much_memory_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warroom.drills.lab.deployer.MEMORY_LIMIT", 8 * 1024 * 1024)
    lab = Lab(Options(tmp_path / "lab"))
    try:
        await lab.start()
        async with asyncio.timeout(15):
            while (await lab.state())["release"] is not None:
                await asyncio.sleep(0.05)
    finally:
        await lab.stop()
    assert "memory limit passed" in (tmp_path / "lab" / "logs" / "lab.log").read_text()


# ---- kill -9 ---------------------------------------------------------------------------------------------------


async def test_kill_9_of_the_lab_leaves_no_process_and_the_next_start_works(tmp_path: Path, own_tmp: Path) -> None:
    folder = tmp_path / ("long" * 25)  # long enough that its sockets are elsewhere
    lab = await start_lab(folder)
    sockets = Path((await lab.state())["postgres"]["host"])
    running = family(lab.pid)
    assert len(running) > 6
    assert len(mentioning(folder)) > 3
    os.kill(lab.pid, signal.SIGKILL)
    await until(lambda: not mentioning(folder) and not any(map(family, running)), "every process of the lab has ended")
    await lab.stop()
    assert sockets.parent == own_tmp
    assert sockets.exists()
    async with running_lab(folder) as again:
        assert again.fingerprint == lab.fingerprint
        assert not sockets.exists()
        assert (await measured(again, requests=60)).errors == 0
        sockets = Path((await again.state())["postgres"]["host"])
    assert not sockets.exists()


async def test_kill_9_while_it_starts_is_cleared_up_by_the_next_start(tmp_path: Path, full: bool) -> None:
    folder = tmp_path / "lab"
    for seconds in (0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1) if full else (1.2,):
        child = await process.start([sys.executable, "-m", "warroom.drills.lab", "--state", str(folder)])
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


@pytest.mark.parametrize("component", ["app", "redis", "postgres"])
async def test_kill_9_of_a_part_shows_and_a_restart_mends_it(tmp_path: Path, component: str) -> None:
    async with running_lab(tmp_path / "lab") as lab:
        os.kill((await lab.state())["processes"][component]["pid"], signal.SIGKILL)

        async def health() -> int:
            return (await get(f"{lab.base_url}/api/health"))[0]

        async with asyncio.timeout(15):
            while await health() == 200:
                await asyncio.sleep(0.05)
        assert (await lab.state())["processes"][component]["running"] is False
        assert (await lab.ask("POST", "/restart?wait=30", {"component": component}))["state"] == "done"
        assert await health() == 200
        assert (await measured(lab, requests=60)).ratio < 0.5
        os.kill((await lab.state())["processes"][component]["pid"], signal.SIGKILL)
    assert mentioning(tmp_path) == set()


async def test_a_kill_in_the_middle_of_a_deployment_can_be_read_back(tmp_path: Path) -> None:
    lab = await start_lab(tmp_path / "lab")
    headers = {"Idempotency-Key": "mine"}
    await lab.ask("POST", "/deploy", {"ref": BETA_3}, headers)
    os.kill(lab.pid, signal.SIGKILL)
    await lab.stop()
    async with running_lab(tmp_path / "lab") as again:
        left = await again.ask("GET", "/operations/mine")
        assert left["state"] == "interrupted"
        assert (await again.state())["release"]["version"] == BETA_2
        await again.deploy(BETA_3)
        assert (await again.state())["release"]["version"] == BETA_3


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
