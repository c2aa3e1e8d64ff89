"""One moment of a real database, held for what is asked in it and for programs; and a server only a program reaches."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer, running_pgbouncer
from tests.stores import Door
from warroom.errors import StoreRefused, TimedOut, Unreachable

NAME = "env:DATABASE_URL"
USERS = 'SELECT count(*) FROM "User"'
CARRIER = """
import socket, sys, threading
there = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def back():
    while chunk := there.recv(65536):
        sys.stdout.buffer.write(chunk); sys.stdout.buffer.flush()
    import os; os._exit(0)
threading.Thread(target=back, daemon=True).start()
while chunk := sys.stdin.buffer.raw.read(65536):
    there.sendall(chunk)
"""


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = database
    with filled(database) as connection:
        yield connection


async def test_all_that_is_asked_in_a_snapshot_is_of_one_moment(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    beside.execute(f'ALTER DATABASE "{beside.info.dbname}" SET idle_in_transaction_session_timeout = 1')
    async with door.read.snapshot(NAME, timeout=60) as held:
        before = (await held.sql(USERS, timeout=60)).rows
        beside.execute('DELETE FROM "User"')
        with pytest.raises(StoreRefused):
            await held.sql("SELECT * FROM nowhere", timeout=60)
        with pytest.raises(StoreRefused, match="stopped the statement"):
            await held.sql('SELECT count(*) FROM "Conversation" a, generate_series(1, 10000000000)', timeout=2)
        assert (await held.sql(USERS, timeout=60)).rows == before == ((20,),)
        patient = "-c idle_in_transaction_session_timeout=0"
        with psycopg.connect(postgres.url(beside.info.dbname), options=patient) as other:
            other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            other.execute(f"SET TRANSACTION SNAPSHOT '{held.name}'".encode())
            assert other.execute(USERS.encode()).fetchone() == (20,)
    assert (await door.read.sql(NAME, USERS, timeout=60)).rows == ((0,),)
    assert any("pg_export_snapshot" in line for line in door.shown)
    assert PASSWORD not in str(door.shown)


@pytest.mark.needs("userns", "pgbouncer")
async def test_a_pooler_gives_no_snapshot(door: Door, newest_postgres: PostgresServer) -> None:
    with running_pgbouncer(newest_postgres) as port:
        door.secrets[NAME] = newest_postgres.url("postgres").replace(f":{newest_postgres.port}/", f":{port}/")
        with pytest.raises(StoreRefused, match="connection pooler"):
            async with door.read.snapshot(NAME, timeout=60):
                pass


async def test_a_server_that_only_a_program_reaches(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    """The address names a host that is nowhere: what carries the connection knows the way."""
    database = beside.info.dbname
    door.secrets[NAME] = f"postgresql://owner:{PASSWORD}@db:5432/{database}"
    through = (sys.executable, "-c", CARRIER, str(postgres.port))
    several = [
        door.read.sql(NAME, f"SELECT {n}, pg_sleep(0.01)" if n < 0 else f"SELECT {n}", timeout=60, through=through)
        for n in range(4)
    ]
    assert [found.rows[0][0] for found in await asyncio.gather(*several)] == [0, 1, 2, 3]
    async with door.read.snapshot(NAME, timeout=60, through=through) as held:
        assert (await held.sql(USERS, timeout=60)).rows == ((20,),)
        large = await held.sql("SELECT repeat('x', 19000) FROM generate_series(1, 50)", timeout=60)
        assert sum(len(row[0]) for row in large.rows) == 950_000
    await door.stores.close()
    assert (
        beside.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warroom'").fetchone()
        is not None
    )


async def test_a_program_that_carries_nothing_says_why(door: Door, tmp_path: Path) -> None:
    door.secrets[NAME] = "postgresql://owner@db:5432/app"
    words = (sys.executable, "-c", "import sys; sys.exit('no such service: db')")
    with pytest.raises(Unreachable, match="no such service: db"):
        await door.read.sql(NAME, "SELECT 1", timeout=60, through=words)
    with pytest.raises((Unreachable, TimedOut)):
        await door.read.sql(NAME, "SELECT 1", timeout=2, through=(str(tmp_path / "missing"),))
