"""What the database's operations cost beside the plain programs, on a database of at least 1 GB; and how long a swap
leaves nobody served.

Both sides have the same server, the same flags and the same number of connections, turn by turn. The programs' own time
is held; what is added around it (hashing, counting, reading through, holding against the counts) is told apart.
"""

from __future__ import annotations

import asyncio
import functools
import os
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.faults.postgres_clients import apart, gap
from tests.faults.test_postgres_swap import PROCESSES, swapping
from tests.plugins.postgres_dumps import programs_env
from tests.plugins.postgres_swaps import NAME, execute
from tests.plugins.test_postgres_restore import context, previewed, vouched
from tests.servers import PASSWORD, PostgresServer, running_postgres
from tests.stores import a_door
from warroom.actions.evidence import Bundle
from warroom.model.call import ProcessCall
from warroom_postgres.config import Config
from warroom_postgres.dumping import collector
from warroom_postgres.dumping.collector import DumpCollector

SCHEMA = """
CREATE TABLE "User" (id bigint PRIMARY KEY, email text NOT NULL UNIQUE, "createdAt" timestamptz NOT NULL);
CREATE TABLE "Conversation" (id bigint PRIMARY KEY, "userId" bigint NOT NULL REFERENCES "User", title text NOT NULL);
CREATE TABLE "Message" (id bigint PRIMARY KEY, "conversationId" bigint NOT NULL REFERENCES "Conversation",
  body text NOT NULL, "createdAt" timestamptz NOT NULL);
CREATE INDEX ON "Conversation" ("userId");
CREATE INDEX ON "Message" ("conversationId", "createdAt");
"""
ROWS = """
INSERT INTO "User" SELECT n, md5(n::text) || '@example.com', now() FROM generate_series(1, {0}) n;
INSERT INTO "Conversation" SELECT n, 1 + n % {0}, 'About ' || md5(n::text) FROM generate_series(1, {0} * 4) n;
INSERT INTO "Message" SELECT n, 1 + n % ({0} * 4),
  md5(n::text) || repeat('lorem ipsum ', (n % 16)::int) || md5((n * 7)::text), now()
  FROM generate_series(1, {0} * 50) n;
"""
GB = 1024**3


@dataclass
class Big:
    """``users`` of the database; the other tables have 4 and 50 times as many rows."""

    server: PostgresServer
    url: str
    users: int
    bytes: int

    @property
    def rows(self) -> dict[tuple[str, str], int]:
        many = {"User": self.users, "Conversation": self.users * 4, "Message": self.users * 50}
        return {("public", name): rows for name, rows in many.items()}

    def run(self, program: str, *words: str) -> float:
        """Seconds that the plain program took."""
        argv = [str(self.server.programs / program), *words]
        began = time.monotonic()
        subprocess.run(argv, env=programs_env(), check=True, capture_output=True, timeout=1800)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def big(request: pytest.FixtureRequest) -> Iterator[Big]:
    full = bool(request.config.getoption("--full"))
    users = 90_000 if full else 1_500
    with (
        running_postgres(shared_buffers="512MB", max_wal_size="4GB", maintenance_work_mem="256MB") as server,
        server.database() as url,
    ):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SCHEMA.encode())
            connection.execute(ROWS.format(users).encode())
            connection.execute("VACUUM ANALYZE")
            found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert found is not None
        assert found[0] >= GB or not full
        yield Big(server, url, users, found[0])


@dataclass
class Spent:
    """Seconds of each part, by round."""

    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        async def wrapped(*words: Any, **named: Any) -> Any:
            began = time.monotonic()
            try:
                return await work(*words, **named)
            finally:
                self.parts[name].append(time.monotonic() - began)

        return wrapped

    def middle(self, name: str) -> float:
        return statistics.median(self.parts[name])

    def ratio(self, ours: str, plain: str, full: bool) -> float:
        """Beside other tests by the round of each that was held up least."""
        of = statistics.median if full else min
        return of(self.parts[ours]) / of(self.parts[plain])

    def told(self) -> str:
        return ", ".join(f"{name} {self.middle(name):.2f} s" for name in self.parts)


async def test_an_evidence_dump_takes_as_long_as_pg_dump(
    big: Big, tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = Spent()
    for name in ("dumped", "counted", "read_through"):
        monkeypatch.setattr(collector, name, spent.timed(name, getattr(collector, name)))
    plain = big.url.replace(f":{PASSWORD}@", "@")
    async with a_door(**{NAME: big.url}) as door:
        ctx = door.context("database", Config, tools=str(big.server.programs), dump={"jobs": 2})
        for n in range(3):
            custom = await asyncio.to_thread(big.run, "pg_dump", "-Fc", "-Z1", f"-f{tmp_path}/custom{n}", plain)
            folder = await asyncio.to_thread(big.run, "pg_dump", "-Fd", "-j2", "-Z1", f"-f{tmp_path}/folder{n}", plain)
            spent.parts["pg_dump"].append(min(custom, folder))
            kept = Bundle(tmp_path / f"evidence{n}", "e1", "INC-0001", door.clock, door.redactor)
            await spent.timed("all", DumpCollector().collect)(ctx, kept.for_collector("dump"))
            ratio = spent.ratio("dumped", "pg_dump", full)
            if not full and ratio < 3:
                break
    with capsys.disabled():
        print(f"\n{big.bytes / GB:.2f} GB: dumped in {ratio:.3f} times pg_dump's time (goal 1.05): {spent.told()}")
    assert ratio < (1.15 if full else 3)


async def test_a_restore_beside_takes_as_long_as_pg_restore(
    big: Big, tmp_path: Path, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    spent = Spent()
    folder = tmp_path / "backups"
    folder.mkdir()
    kept = vouched(big.server, big.url, folder / "ai_saas_20251009.dump", big.rows, "-Fc", "-Z1")
    postgres = big.server.url("postgres")
    async with a_door(**{NAME: big.url}) as door:
        ctx = context(door, big.server, folder)
        for _ in range(3):
            with psycopg.connect(postgres, autocommit=True) as beside:
                beside.execute("CREATE DATABASE plain TEMPLATE template0")
                flags = ("-e", "-j2", "--no-owner", f"--dbname={big.server.url('plain').replace(f':{PASSWORD}@', '@')}")
                spent.parts["pg_restore"].append(await asyncio.to_thread(big.run, "pg_restore", *flags, str(kept)))
                beside.execute("DROP DATABASE plain")
            _, preview = await spent.timed("judged", previewed)(ctx, kept)
            results = await execute(door, *preview.calls)
            assert [result.text for result in results if result.status != 0] == []
            taken = dict.fromkeys(("restored", "around it"), 0.0)
            for call, result in zip(preview.calls, results, strict=True):
                taken["restored" if isinstance(call, ProcessCall) else "around it"] += result.seconds
            for part, seconds in taken.items():
                spent.parts[part].append(seconds)
            assert preview.inverse is not None
            assert [result.status for result in await execute(door, *preview.inverse)] == [0] * len(preview.inverse)
            ratio = spent.ratio("restored", "pg_restore", full)
            if not full and ratio < 3:
                break
    with capsys.disabled():
        print(f"\n{big.bytes / GB:.2f} GB: restored in {ratio:.3f} times pg_restore's (goal 1.05): {spent.told()}")
    assert ratio < (1.15 if full else 3)


@pytest.mark.parametrize("stays", [pytest.param(True, id="staying"), pytest.param(False, id="coming")])
async def test_a_swap_leaves_nobody_served_for_a_moment(
    full: bool, stays: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """50 clients with connections of their own, each of which asks 20 times a second, and comes back when ended; and
    200 that come anew for each question, as fast as they can. All of them in a process of their own, as an application
    is."""
    number, goal = (50, 0.3) if stays else (200 if full else 20, 2)
    gaps = []
    with running_postgres(max_connections="230") as server:
        for _ in range(5 if full else 1):
            async with swapping(server) as of, asyncio.timeout(120):
                with coming(of.two.url(), number, stays) as told:
                    assert await asyncio.to_thread(told.recv) is True
                    (done,) = await execute(of.door, of.there)
                    assert done.status == 0, done.text
                    clients = await asyncio.to_thread(told.recv)
            assert [client for client in clients if not client.well] == []
            gaps.append(gap(clients))
    with capsys.disabled():
        middle, most = statistics.median(gaps) * 1000, max(gaps) * 1000
        words = f"nobody is served for {middle:.0f} ms, at most {most:.0f} (goal {goal * 1000:.0f})"
        print(f"\nswap amid {number} clients: {words}; this machine's load is {os.getloadavg()[0]:.1f}")
    assert max(gaps) < (2 if full else 20)  # beside other tests nobody gets much of a processor


@contextmanager
def coming(url: str, number: int, stays: bool) -> Iterator[Connection]:
    """Clients in a process of their own: none that asks shares a thread with whoever swaps. What they tell."""
    here, there = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=apart, args=(url, number, stays, there))
    process.start()
    there.close()
    try:
        yield here
    finally:
        process.kill()
        process.join()
        here.close()
