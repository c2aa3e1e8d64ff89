"""A swap that is cut off, and one amid clients that come back again and again: the live name always serves."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.postgres_clients import Client, missing
from tests.faults.postgres_sender import send
from tests.plugins.postgres_swaps import NAME, Two, execute, planned, two
from tests.servers import PostgresServer, running_postgres, system_binaries
from tests.stores import Door, a_door
from warroom.api import WarroomError
from warroom.model.call import SqlCall
from warroom.model.plan import Preview
from warroom_postgres.config import Config
from warroom_postgres.swapping.swap import Swap, SwapArgs

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.faults.postgres_sender", "tests.faults.postgres_clients", "psycopg"])


SERVERS = {
    "wheel": pytest.param(None, marks=pytest.mark.needs("userns"), id="wheel"),
    "system": pytest.param("system", marks=pytest.mark.needs("userns", "postgres"), id="system"),
}
SAMPLE = {
    "test_whoever_sends_it_is_killed_at_any_moment": "system",
    "test_the_server_is_killed_at_any_moment": "system",
    "test_pools_that_stay_connected": "wheel",
    "test_clients_that_come_back_again_and_again": "wheel",
}
"""One server for each; the full run has both for all."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "server" in metafunc.fixturenames:
        each = SERVERS if metafunc.config.getoption("--full") else [SAMPLE[metafunc.function.__name__]]
        metafunc.parametrize("server", [SERVERS[name] for name in each], indirect=True)


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One that may be killed, with room for many clients."""
    programs = system_binaries() if request.param else None
    with running_postgres(programs, max_connections="230", lock_timeout="20s") as made:
        yield made


@dataclass
class Swapping:
    """Two databases, and a plan that exchanges them. ``ends``: how it was found after each time."""

    two: Two
    door: Door
    facts: dict[str, Any]
    preview: Preview
    ends: list[str] = field(default_factory=list)

    @property
    def there(self) -> SqlCall:
        (call,) = self.preview.calls
        assert isinstance(call, SqlCall)
        return call

    async def look(self) -> str:
        """What the operation says of it, once the server is through with whatever was sent to it."""
        ctx = self.door.context("database", Config)
        async with asyncio.timeout(60):
            while True:
                with contextlib.suppress(WarroomError):
                    look = await Swap().check(ctx, SwapArgs(), self.facts)
                    if look.verdict != "cannot-tell":
                        return look.verdict
                await asyncio.sleep(0.02)

    async def serves(self) -> str:
        """Which one serves by the live name. It must do so whatever happened: the way in may have to be waited for, and
        one who waits there while the names are exchanged gets one error."""
        nothing = False
        async with asyncio.timeout(60):
            while not nothing:
                try:
                    return await asyncio.to_thread(self.two.what)
                except psycopg.OperationalError as error:
                    nothing = missing(error)
                await asyncio.sleep(0.02)
        raise AssertionError("nothing has the live name")

    async def settled(self) -> None:
        """The name serves and what is said of it is true; it is taken back if it was done."""
        served, verdict = await self.serves(), await self.look()
        assert (verdict, await self.serves()) in (("not-begun", "before"), ("done", "after")), (served, verdict)
        self.ends.append(verdict)
        if verdict == "done":
            assert self.preview.inverse is not None
            (back,) = await execute(self.door, *self.preview.inverse)
            assert back.status == 0, back.text
            assert await self.look() == "not-begun"


@contextlib.asynccontextmanager
async def swapping(server: PostgresServer) -> Any:
    with two(server) as made:
        async with a_door(**{NAME: made.url()}) as door:
            facts, preview = await planned(door)
            yield Swapping(made, door, facts, preview)


def sent(of: Swapping, after: float) -> int | None:
    """Sends it from another process, and kills that after so many seconds. How it ended."""
    process = PROCESSES.Process(target=send, args=(of.two.url(), of.there.model_dump_json()))
    process.start()
    process.join(after)
    process.kill()
    process.join()
    return process.exitcode


async def test_whoever_sends_it_is_killed_at_any_moment(server: PostgresServer, full: bool) -> None:
    """With somebody connected, so that it takes its time: the moments lie all over it, and beyond its end."""
    chance = random.Random(8)
    async with swapping(server) as of:
        whole, times = 0.0, 100 if full else 6
        for _ in range(2):  # the first time much is loaded
            began = time.monotonic()
            await asyncio.to_thread(sent, of, 60.0)
            whole = time.monotonic() - began
            await of.settled()
        assert of.ends == ["done", "done"]
        later = [whole * 1.5 * (n + chance.random()) / times for n in range(1, times)]
        for moment in (0.0, *later):  # at once, and then by how long the last one took: others may go faster
            with psycopg.connect(of.two.url(), autocommit=True):
                await asyncio.to_thread(sent, of, moment)
                await of.settled()
        assert {"not-begun", "done"} == set(of.ends)


async def test_the_server_is_killed_at_any_moment(server: PostgresServer, full: bool) -> None:
    chance = random.Random(80)
    times = 100 if full else 4
    async with swapping(server) as of:
        for n in range(times):
            there = psycopg.connect(of.two.url(), autocommit=True)
            sending = asyncio.create_task(execute(of.door, of.there))
            await asyncio.sleep(0.3 * (n + chance.random()) / times)
            os.kill(server.pid, signal.SIGKILL)
            with contextlib.suppress(WarroomError):
                await sending
            there.close()
            await asyncio.to_thread(again, server)
            of.two.beside.close()
            of.two.beside = psycopg.connect(server.url("postgres"), autocommit=True)
            await of.settled()


def again(server: PostgresServer) -> None:
    """Started once those who worked for the killed one have gone."""
    server.stop(signal.SIGKILL)
    folder = os.path.realpath(server.folder / "data")
    limit = time.monotonic() + 60
    while any(_works_in(entry, folder) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        assert time.monotonic() < limit, "the killed server's processes go on"
        time.sleep(0.02)
    server.start()


def _works_in(process: Path, folder: str) -> bool:
    try:
        return os.readlink(process / "cwd") == folder
    except OSError:
        return False


async def test_pools_that_stay_connected(server: PostgresServer, full: bool) -> None:
    await _amid(server, [Client(number, stays=True) for number in range(200 if full else 40)])


async def test_clients_that_come_back_again_and_again(server: PostgresServer, full: bool) -> None:
    await _amid(server, [Client(number) for number in range(200 if full else 40)])


async def _amid(server: PostgresServer, clients: list[Client]) -> None:
    """Nobody sees both, nobody sees the old one after the new one, nobody finds nothing, everybody is served again, and
    what was acknowledged is in the database that it was told of. How long that takes is held by the bench.
    """
    async with swapping(server) as of:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group, asyncio.timeout(150):
            for client in clients:
                group.create_task(client.run(of.two.url(), stop))
            while not all(client.seen for client in clients):
                await asyncio.sleep(0.02)
            while await asyncio.to_thread(sent, of, 60.0) != 0:  # refused as a whole, where nobody got a processor
                assert not any(what == "after" for client in clients for _, what in client.seen)
            while not all(client.seen[-1][1] == "after" for client in clients):
                await asyncio.sleep(0.02)
            stop.set()
        assert [client for client in clients if not client.well] == []
        for what, name in (("before", str(of.facts["kept"])), ("after", of.two.live)):
            with psycopg.connect(of.two.url(name)) as connection:
                there = set(connection.execute("SELECT client, n FROM written").fetchall())
            assert {(client.number, n) for client in clients for n in client.written[what]} <= there, what
