"""The drill lab's app with other settings, and without what stands beside it: its AI provider and its mail server."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.labs import measured
from warroom.drills.lab import LabHandle, running_lab
from warroom.errors import WarroomError

BETA_1 = "v1.0.0-beta.1"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LabHandle]:
    async with running_lab(tmp_path_factory.mktemp("settings") / "lab") as handle:
        yield handle


async def test_a_setting_of_the_app_is_kept_until_it_is_taken_back(lab: LabHandle) -> None:
    async with aiohttp.ClientSession(lab.base_url) as nobody:

        async def attempts() -> list[int]:
            wrong = {"email": "somebody@example.com", "password": "no"}
            return [(await nobody.post("/api/auth/signin", json=wrong)).status for _ in range(7)]

        claims = base64.urlsafe_b64encode(b'{"sub": "u0000001"}').decode()

        async def unsigned() -> int:
            headers = {"Authorization": f"Bearer e30.{claims}."}
            return (await nobody.get("/api/conversations", headers=headers)).status

        assert await unsigned() == 401
        off = {"SIGN_IN_ATTEMPTS": "0", "VERIFY_TOKENS": "off"}
        assert (await lab.ask("POST", "/configure?wait=60", off))["result"] == {"settings": off}
        await lab.deploy(BETA_1)
        assert await attempts() == [401] * 7
        assert await unsigned() == 200
        assert (await lab.state())["settings"] == off
        await lab.ask("POST", "/configure?wait=60", dict.fromkeys(off, ""))
        assert await attempts() == [*[401] * 5, 429, 429]
        assert await unsigned() == 401
        assert (await lab.state())["settings"] == {}
    with pytest.raises(WarroomError, match="unknown names: DATABASE_URL"):
        await lab.ask("POST", "/configure", {"DATABASE_URL": "x"})


async def test_a_setting_that_the_app_does_not_start_with_never_serves(lab: LabHandle) -> None:
    done = await lab.ask("POST", "/configure?wait=60", {"TRACES": "many"})
    assert done["state"] == "failed"
    assert (await lab.state())["settings"] == {}
    assert (await measured(lab, requests=60)).errors == 0


async def test_without_its_neighbours_the_app_goes_on_and_says_what_is_missing(lab: LabHandle) -> None:
    async def failed() -> dict[str, int]:
        return {name: each["failed"] for name, each in (await lab.counters())["app"]["calls"].items()}

    for component in ("ai", "mail"):
        os.kill((await lab.state())["processes"][component]["pid"], signal.SIGKILL)
    async with asyncio.timeout(60):
        while (calls := await failed()).keys() != {"ai", "mail"} or not all(calls.values()):
            await asyncio.sleep(0.1)
    assert (await measured(lab, requests=60)).errors == 0
    waiting = (await lab.counters())["app"]["calls"]["mail"]["ok"]
    for component in ("ai", "mail"):
        assert (await lab.ask("POST", "/restart?wait=60", {"component": component}))["state"] == "done"
    async with asyncio.timeout(60):  # what waited is handed over, one after another
        while (await lab.counters())["app"]["calls"]["mail"]["ok"] <= waiting + 2:
            await asyncio.sleep(0.1)
