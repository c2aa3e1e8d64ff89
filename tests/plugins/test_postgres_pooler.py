"""Reading through a real PgBouncer that lends out a server connection for one transaction at a time."""

from __future__ import annotations

import asyncio
import contextlib

import psycopg
import pytest

from tests.plugins.prisma_database import INTEGRITY, filled
from tests.servers import PostgresServer, running_pgbouncer
from tests.stores import Door, first_samples
from warroom.errors import StoreRefused
from warroom_postgres import plugin
from warroom_postgres.config import Config

NAME = "env:DATABASE_URL"
pytestmark = pytest.mark.needs("userns", "pgbouncer")


async def test_everything_is_read_through_a_pooler_and_it_is_noticed(
    door: Door, newest_postgres: PostgresServer
) -> None:
    with (
        newest_postgres.database() as direct,
        filled(direct) as beside,
        running_pgbouncer(newest_postgres) as port,
    ):
        beside.execute('CREATE SCHEMA "Odd" CREATE TABLE things (x int)')
        pooled = direct.replace(f":{newest_postgres.port}/", f":{port}/")
        door.secrets[NAME] = f"{pooled}?pgbouncer=true&connection_limit=1&schema=Odd"
        found = await door.read.sql(NAME, "SELECT count(*) FROM things", timeout=60)
        assert (found.rows, found.pooled) == (((0,),), True)
        # The settings of a transaction stay in it, whoever gets the server's connection next.
        with psycopg.connect(pooled, autocommit=True, prepare_threshold=None) as app:
            for _ in range(5):
                shown = app.execute("SELECT current_setting('search_path'), current_setting('statement_timeout')")
                assert shown.fetchone() == ('"$user", public', "0")
                app.execute('UPDATE "User" SET "tier" = "tier"')
                await door.read.sql(NAME, "SELECT 1", timeout=60)
        door.secrets[NAME] = pooled
        with pytest.raises(StoreRefused):
            await door.read.sql(NAME, 'SELECT 1; DELETE FROM "User"', timeout=60)
        await asyncio.gather(*(door.read.sql(NAME, "SELECT pg_backend_pid()", timeout=60) for _ in range(20)))
        ctx = door.context("database", Config, every="0.2s", schema_every="0.2s", integrity=INTEGRITY)
        assert plugin.signals is not None
        samples = await first_samples(
            plugin.signals, ctx, "reachable", "connections-used", "migrations-failed", *INTEGRITY
        )
        assert samples["reachable"].value == 1
        assert {samples[name].value for name in ("migrations-failed", *INTEGRITY)} == {0.0}
        assert plugin.readiness is not None
        rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
        assert rows["postgres-answers"].words.endswith(", behind a connection pooler")


async def test_a_pooler_that_is_full_refuses_in_words(door: Door, newest_postgres: PostgresServer) -> None:
    with running_pgbouncer(newest_postgres) as port, contextlib.ExitStack() as stack:
        door.secrets[NAME] = newest_postgres.url("postgres").replace(f":{newest_postgres.port}/", f":{port}/")
        for _ in range(10):
            stack.enter_context(psycopg.connect(door.secrets[NAME]))
        with pytest.raises(StoreRefused, match="no more connections allowed") as refused:
            await door.read.sql(NAME, "SELECT 1", timeout=60)
        assert refused.value.code == "53300"
