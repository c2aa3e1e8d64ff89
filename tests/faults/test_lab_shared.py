"""The drill lab, for real: one of it, for the tests that leave it as they found it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from tests.labs import get, measured
from warroom.drills.lab import LabHandle, running_lab
from warroom.drills.lab.handle import start_lab
from warroom.drills.lab.repository import Repository
from warroom.errors import WarroomError

BETA_1, BETA_2, BETA_3 = "v1.0.0-beta.1", "v1.0.0-beta.2", "v1.0.0-beta.3"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LabHandle]:
    async with running_lab(tmp_path_factory.mktemp("shared") / "lab") as handle:
        yield handle


@pytest_asyncio.fixture(loop_scope="module")
async def lab(shared: LabHandle) -> LabHandle:
    """In it runs what a lab begins with, and its users meet no error: those of the last test are over."""
    if (await shared.state())["release"]["version"] != BETA_2:
        await shared.deploy(BETA_2)
    async with asyncio.timeout(60):
        while (await measured(shared, requests=20)).errors:
            pass
    return shared


async def deployments(lab: LabHandle) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await lab.ask("GET", "/deployments"))["deployments"]
    return found


async def failed(lab: LabHandle) -> dict[str, int]:
    """By route, how many requests have met a 5xx until now."""
    found: dict[str, int] = {}
    for answer in (await lab.counters())["traffic"]["answers"]:
        if answer["status"] >= 500:
            found[answer["route"]] = found.get(answer["route"], 0) + answer["count"]
    return found


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


async def test_only_who_has_the_token_is_answered(shared: LabHandle) -> None:
    for path in ("/state", "/counters", "/logs", "/nothing"):
        assert (await get(shared.control_url + path))[0] == 401


async def test_a_second_lab_in_the_same_folder_is_refused_in_words(shared: LabHandle) -> None:
    with pytest.raises(WarroomError, match="Another lab is running"):
        await start_lab(shared.state_dir)
    assert (await shared.state())["release"] is not None


async def test_a_bad_release_breaks_sign_in_for_a_share_and_a_rollback_mends_it(lab: LabHandle) -> None:
    assert (await measured(lab)).ratio == 0
    before = await failed(lab)
    await lab.deploy(BETA_3)
    bad = await measured(lab, requests=200)
    assert 0.10 < bad.ratio < 0.45
    after = await failed(lab)
    assert {route for route, count in after.items() if count > before.get(route, 0)} == {"POST /api/auth/signin"}
    record = await lab.deploy(BETA_2)
    state = await lab.state()
    assert state["release"]["version"] == BETA_2
    assert state["release"]["digest"] == record["digest"]
    assert (await measured(lab)).errors == 0


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


async def test_a_release_that_does_not_start_never_serves(lab: LabHandle) -> None:
    bad = await commit(lab, "ai_saas/settings.py", "raise SystemExit('no')\n")
    with pytest.raises(WarroomError, match="ended while it was starting"):
        await lab.deploy(bad)
    assert (await lab.state())["release"]["version"] == BETA_2
    assert (await measured(lab, requests=60)).errors == 0
    serving = (await lab.state())["deployed"]
    assert serving["version"] == BETA_2
    assert [path.name for path in (lab.state_dir / "checkouts").iterdir()] == [
        f"{serving['number']}-{serving['commit'][:12]}"
    ]


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
    assert (await deployments(lab))[-1]["outcome"] == "failed"
    with pytest.raises(WarroomError, match="failed earlier"):
        await lab.deploy(BETA_3)
    assert (await measured(lab, requests=60)).errors == 0
    where = {name: state["postgres"][name] for name in ("host", "port", "dbname", "user")}
    async with await psycopg.AsyncConnection.connect(**where, autocommit=True) as connection:
        await connection.execute('UPDATE "_prisma_migrations" SET "rolled_back_at" = now() WHERE "finished_at" IS NULL')
    await lab.deploy(BETA_3)


async def test_changes_by_the_control_endpoint(lab: LabHandle) -> None:
    before = await lab.ask("GET", "/counts")
    assert before["User"] == 3001
    assert set((await lab.ask("GET", "/integrity")).values()) == {0}
    assert (await lab.ask("GET", f"/resolve?ref={BETA_1}"))["version"] == BETA_1
    known = len(await deployments(lab))
    # the same key is the same deployment, not a second one
    first = await lab.deploy(BETA_1, key="one")
    assert await lab.deploy(BETA_1, key="one") == first
    assert len(await deployments(lab)) == known + 1
    with pytest.raises(WarroomError, match="key"):
        await lab.deploy(BETA_2, key="one")
    with pytest.raises(WarroomError, match="no release"):
        await lab.deploy("v7")
    with pytest.raises(WarroomError, match="no such operation"):
        await lab.ask("GET", "/operations/never")
    assert (await lab.ask("POST", "/stop-writes?wait=60"))["state"] == "done"
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{lab.base_url}/api/auth/signin", json={}) as response,
    ):
        assert response.status == 503
    assert (await get(f"{lab.base_url}/api/health"))[0] == 200
    stopped = await lab.ask("GET", "/counts")
    assert await lab.ask("GET", "/counts") == stopped
    await lab.ask("POST", "/resume-writes?wait=60")
    assert (await measured(lab, requests=30)).requests
    assert (await lab.ask("POST", "/clear-cache?wait=60"))["result"]["deleted"] > 0
    for component in ("app", "redis", "postgres"):
        assert (await lab.ask("POST", "/restart?wait=60", {"component": component}))["state"] == "done"
    async with asyncio.timeout(60):  # the app's pool finds its new connections by itself, a moment later
        while (await get(f"{lab.base_url}/api/health"))[0] != 200:
            await asyncio.sleep(0.1)
