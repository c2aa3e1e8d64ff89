"""A database beside the live one, on real servers: made like it, restored into by nobody who could do harm, dropped."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.actions.changing import Changing
from warroom.actions.doors import HttpClient
from warroom.api import BadInput
from warroom.model.call import Call, CallResult
from warroom.testing.clock import START
from warroom_postgres.config import Config
from warroom_postgres.naming import Mark, marked
from warroom_postgres.reach.place import Place, asked, place
from warroom_postgres.reach.tools import Tools, tools
from warroom_postgres.restoring.scratch import NOT_ITS_OWN, Live, created, dropped, live, restored, scratch

NAME = "env:DATABASE_URL"
HARMLESS = """
CREATE FUNCTION inner_one(x text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN x; END $$;
CREATE FUNCTION outer_one(x text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN public.inner_one(x); END $$;
CREATE TABLE harmed (x text);
INSERT INTO harmed VALUES ('a');
CREATE INDEX ON harmed (outer_one(x));
"""
HARM = """
CREATE OR REPLACE FUNCTION inner_one(x text) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'touch CANARY'); RETURN x; END $$;
"""
"""A database's own functions run while a dump of it is restored: here when its index is made."""


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = f"{database}?schema=public"
    with filled(database) as connection:
        yield connection


def a_mark(connection: psycopg.Connection[Any], number: str = "ab12cd34") -> Mark:
    of = connection.info.dbname
    return Mark.model_validate({"is": "proof", "of": of, "state": "restoring", "id": number, "at": START})


async def execute(door: Door, *calls: Call) -> list[CallResult]:
    changing = Changing(
        calls,
        http=HttpClient(),
        log=door.log,
        clock=door.clock,
        cleaner=door.redactor,
        secret=door.secret,
        stores=door.stores,
    )
    return [await changing.execute(call) for call in calls]


async def looked(door: Door, server: PostgresServer) -> tuple[Place, Live, Tools]:
    ctx = door.context("database", Config, tools=str(server.programs))
    where = place(ctx)
    (number,) = (await asked(ctx, where, "SELECT current_setting('server_version_num')::int")).rows[0]
    return where, await live(ctx, where), await tools(ctx, where, number // 10_000)


def dump(server: PostgresServer, url: str, to: Path) -> Path:
    argv = [str(server.programs / "pg_dump"), "--format=custom", f"--file={to}", url]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return to


def names(connection: psycopg.Connection[Any]) -> set[str]:
    found = connection.execute("SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles")
    return {str(row[0]) for row in found}


async def test_a_dump_is_restored_beside_and_taken_away_again(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    before = names(beside)
    kept = dump(postgres, database, tmp_path / "a.dump")
    where, of, found = await looked(door, postgres)
    made = scratch(of, a_mark(beside))
    assert made.login is not None
    results = await execute(
        door, created(where, of, made), restored(where, found, made, kept, jobs=2, timeout_s=60, leave_out=NOT_ITS_OWN)
    )
    assert [result.status for result in results] == [0, 0], results
    ctx = door.context("database", Config)
    there = await asked(ctx, where, 'SELECT count(*), current_user FROM "User"', database=made.name)
    assert there.rows == ((20, "owner"),)
    about = """
    SELECT pg_encoding_to_char(encoding), datcollate, rolname::text, shobj_description(d.oid, 'pg_database')
    FROM pg_database d JOIN pg_roles r ON r.oid = datdba WHERE datname = current_database()
    """
    ((encoding, collate, owner, comment),) = (await asked(ctx, where, about, database=made.name)).rows
    assert (encoding, collate, owner, marked(comment)) == (of.encoding, of.collate, "warroom~ab12cd34", made.mark)
    assert beside.execute('SELECT count(*) FROM "User"').fetchone() == (20,)
    assert [result.status for result in await execute(door, dropped(where, made))] == [0]
    assert names(beside) == before
    assert PASSWORD not in str(door.shown)
    assert door.secrets["made:warroom~ab12cd34"] not in str(door.shown)


async def test_what_a_dump_brings_along_can_do_no_harm(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """The same index made by a superuser runs the program: that is what makes this a test."""
    canary = tmp_path / "canary"
    beside.execute(HARMLESS)
    beside.execute(HARM.replace("CANARY", str(canary)).encode())
    kept = dump(postgres, database, tmp_path / "a.dump")
    where, of, found = await looked(door, postgres)
    made = scratch(of, a_mark(beside))
    calls = created(where, of, made), restored(where, found, made, kept, jobs=1, timeout_s=60, leave_out=NOT_ITS_OWN)
    results = await execute(door, *calls)
    assert [result.status for result in results] == [0, 1]
    assert "pg_execute_server_program" in results[1].text
    assert not canary.exists()
    await execute(door, dropped(where, made))
    with postgres.database() as trusting:
        argv = [str(postgres.programs / "pg_restore"), f"--dbname={trusting}", str(kept)]
        subprocess.run(argv, check=False, capture_output=True, timeout=60)
    assert canary.exists()


async def test_a_role_restores_what_is_its_own(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, tmp_path: Path
) -> None:
    """One that is no superuser needs nobody else; one that can make no database is told before anything."""
    beside.execute("CREATE ROLE plain LOGIN PASSWORD 'Password-of-plain-8'")
    beside.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO plain")
    try:
        url = postgres.url(beside.info.dbname, "plain", "Password-of-plain-8")
        door.secrets[NAME] = url
        where, of, found = await looked(door, postgres)
        with pytest.raises(BadInput, match="plain can make no database"):
            scratch(of, a_mark(beside))
        beside.execute("ALTER ROLE plain CREATEDB")
        where, of, found = await looked(door, postgres)
        made = scratch(of, a_mark(beside))
        assert made.login is None
        kept = dump(postgres, url, tmp_path / "a.dump")
        try:
            calls = (
                created(where, of, made),
                restored(where, found, made, kept, jobs=1, timeout_s=60, leave_out=NOT_ITS_OWN),
            )
            assert [result.status for result in await execute(door, *calls)] == [0, 0]
        finally:
            await execute(door, dropped(where, made))
    finally:
        await door.stores.close()
        beside.execute("DROP OWNED BY plain")
        beside.execute("DROP ROLE plain")
