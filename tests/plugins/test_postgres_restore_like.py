"""What is not quite as it was when the dump was made, and servers that are run without a superuser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from tests.plugins.test_postgres_restore import (
    INSIDE,
    NAME,
    PRISMA,
    a_role,
    context,
    execute,
    previewed,
    rows_of,
    vouched,
)
from tests.plugins.test_postgres_restore import beside as beside
from tests.servers import PostgresServer
from tests.stores import Door
from warroom_postgres.restoring.scratch import live_from

LARGE = "SELECT pg_get_userbyid(lomowner)::text FROM pg_largeobject_metadata ORDER BY 1"
THINGS = """
CREATE TABLE lost (id serial PRIMARY KEY); INSERT INTO lost SELECT FROM generate_series(1, 3);
CREATE FUNCTION gone(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE VIEW shown AS SELECT 1 AS one; CREATE VIEW kept AS SELECT 2 AS two;
CREATE TABLE numbered (id serial); SELECT lo_from_bytea(0, 'a'), lo_from_bytea(0, 'b');
"""
MIGRATED = """
DROP TABLE lost; DROP FUNCTION gone; DROP VIEW shown; CREATE MATERIALIZED VIEW shown AS SELECT 1 AS one;
ALTER SEQUENCE numbered_id_seq OWNED BY NONE;
"""


async def test_an_object_of_another_kind_now_and_writes_stopped_by_a_setting_are_no_hindrance(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """Also an extension that only a superuser makes, in the schema where nearly everybody has it; large objects of a
    role that owns little else."""
    live = beside.info.dbname
    found = beside.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'dblink'").fetchall()
    with a_role(beside, "other"):
        beside.execute(THINGS.encode())
        if found:  # the wheel brings no extensions
            beside.execute("CREATE EXTENSION dblink SCHEMA public")
        beside.execute(
            "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP"
            " EXECUTE format('ALTER LARGE OBJECT %s OWNER TO other', o); END LOOP; END $$"
        )
        kept = vouched(postgres, database, tmp_path / "a.dump", {**PRISMA, ("public", "lost"): 3})
        beside.execute(MIGRATED.encode())
        for name in ("MATERIALIZED VIEW shown", "TABLE numbered", "SEQUENCE numbered_id_seq"):
            beside.execute(f"ALTER {name} OWNER TO other".encode())
        beside.execute(f'ALTER DATABASE "{live}" SET default_transaction_read_only TO on'.encode())
        _, preview = await previewed(context(door, postgres, tmp_path), kept)
        assert preview.inverse is not None
        try:
            results = await execute(door, *preview.calls)
            assert [result.text for result in results if result.status] == []
            ((made,),) = rows_of(database, "SELECT datname FROM pg_database WHERE datname ~ '~scratch~'")
            there = postgres.url(made)
            assert rows_of(there, LARGE) == [("other",)] * 2
            owned = "SELECT relname::text, pg_get_userbyid(relowner)::text FROM pg_class WHERE relname = ANY(%s)"
            wanted = ["shown", "numbered", "lost"]
            assert sorted(rows_of(there, owned, wanted)) == [
                ("lost", "owner"),
                ("numbered", "other"),
                ("shown", "other"),
            ]
            placed = "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace ORDER BY extname"
            assert rows_of(there, placed) == rows_of(database, placed)
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0


async def test_without_a_superuser_what_was_dropped_comes_back_as_the_applications(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """As on a server that somebody else runs: ``admin`` may make databases and act as ``app``, and owns another one."""
    name = beside.info.dbname
    with a_role(beside, "app"), a_role(beside, "admin", "CREATEDB"):
        beside.execute("GRANT app TO admin; GRANT EXECUTE ON FUNCTION pg_control_system TO admin")
        beside.execute(f'ALTER DATABASE "{name}" OWNER TO app'.encode())
        beside.execute(f'CREATE DATABASE "{name}_others" OWNER admin'.encode())
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION app")
            owner.execute("SET SESSION AUTHORIZATION app")
            owner.execute(THINGS.encode())
            kept = vouched(postgres, database, tmp_path / "a.dump", {("public", "lost"): 3})
            before = rows_of(database, INSIDE)
            owner.execute(MIGRATED.encode())
        door.secrets[NAME] = postgres.url(name, "admin", "Password-of-plain-8")
        _, preview = await previewed(context(door, postgres, tmp_path), kept)
        assert preview.inverse is not None
        try:
            results = await execute(door, *preview.calls)
            assert [result.text for result in results if result.status] == []
            ((made,),) = rows_of(database, "SELECT datname FROM pg_database WHERE datname ~ '~scratch~'")
            assert rows_of(postgres.url(made), INSIDE) == before
            assert rows_of(postgres.url(made), LARGE) == [("app",)] * 2
            others = "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = %s"
            assert rows_of(database, others, f"{name}_others") == [("admin",)]
        finally:
            assert (await execute(door, *preview.inverse))[-1].status == 0
            await door.stores.close()
            beside.execute(f'DROP DATABASE "{name}_others"'.encode())
            beside.execute(f'ALTER DATABASE "{name}" OWNER TO owner'.encode())


def test_a_locale_is_always_said_with_its_provider() -> None:
    """Left out, template0's would be taken, which need not be the live one's."""
    row = {"oid": 1, "bytes": 1, "encoding": "UTF8", "collate": "C", "ctype": "C", "locale": None, "rules": None}
    row |= {"role": "app", "superuser": False, "creates": True, "mighty": ""}
    said = [live_from({**row, "provider": provider}).like_it for provider in ("", "c", "i", "b")]
    assert ["PROVIDER" in words for words in said] == [False, True, True, True]
    assert said[1].endswith("LOCALE_PROVIDER libc")
