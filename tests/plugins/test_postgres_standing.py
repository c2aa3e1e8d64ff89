"""Which database it is, whether it could be looked into, and what is kept as evidence of it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.api import Address, Context, Ready, Rows, StoreRefused, Unreachable, WarroomError
from warroom.testing.fakes import FakeFolder, FakeReadDoor, a_context
from warroom_postgres import plugin, statements
from warroom_postgres.config import Config, Dump
from warroom_postgres.evidence import without_values
from warroom_postgres.needs import RIGHTS
from warroom_postgres.reach.place import SERVER
from warroom_postgres.restoring.room import FOLDER

NAME = "env:DATABASE_URL"
LOOKER = "Password-of-the-looker-9"


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = database
    with filled(database) as connection:
        yield connection


@contextlib.contextmanager
def looker(connection: psycopg.Connection[Any], server: PostgresServer) -> Iterator[str]:
    """The address as a role with no rights of its own has it."""
    name = connection.info.dbname
    connection.execute(f"CREATE ROLE looker LOGIN PASSWORD '{LOOKER}'")
    try:
        yield server.url(name, "looker", LOOKER)
    finally:
        with psycopg.connect(server.url(name), autocommit=True) as again:
            again.execute("DROP OWNED BY looker")
            again.execute("DROP ROLE looker")


async def rows(ctx: Context) -> dict[str, Ready]:
    assert plugin.readiness is not None
    return {row.id: row for row in await plugin.readiness.ready(ctx)}


async def identity(ctx: Context) -> str:
    assert plugin.identity is not None
    return await plugin.identity.fingerprint(ctx)


async def test_what_is_well_is_ready(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, tmp_path: Path
) -> None:
    found = await rows(door.context("database", Config, tools=str(postgres.programs)))
    assert {row.id: row.words for row in found.values() if row.status != "ready"} == {}
    assert len(found) == 10
    assert found["postgres-tools"].words.startswith(
        f"pg_dump, pg_restore and psql {beside.info.server_version // 10000}."
    )
    lacking = (await rows(door.context("database", Config, tools=str(tmp_path))))["postgres-tools"]
    assert (lacking.status, lacking.fix.partition(",")[0]) == (
        "not-ready",
        f"Install postgresql-client-{beside.info.server_version // 10000}",
    )
    version = beside.info.parameter_status("server_version")
    assert found["postgres-answers"].words == f"PostgreSQL {version}, database {beside.info.dbname}"


async def test_a_role_without_rights_is_told_what_it_lacks(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    name = beside.info.dbname
    beside.execute("CREATE ROLE keeper")
    for table in ("User", "Conversation", "Payment", "_prisma_migrations"):
        beside.execute(f'ALTER TABLE "{table}" OWNER TO keeper'.encode())
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as elsewhere, looker(beside, postgres) as url:
        door.secrets[NAME] = url
        ctx = door.context("database", Config, tools=str(postgres.programs))
        found = await rows(ctx)
        assert found["postgres-sessions"].fix == "GRANT pg_monitor TO looker"
        assert found["postgres-tables"].status == "not-ready"
        assert found["postgres-tables"].words == "4 of 4 tables can't be read by looker"
        assert found["postgres-migrations"].status == "unknown"
        assert "permission denied" in found["postgres-migrations"].words
        rights = found["postgres-rights"]
        assert rights.status == "not-ready"
        assert "name a superuser's address as direct" in rights.fix, "nobody is told to make looker a superuser"
        assert "GRANT owner" not in rights.fix
        assert "only a superuser can end the sessions of owner" in rights.words
        elsewhere.execute(f'ALTER DATABASE "{name}" OWNER TO keeper'.encode())
        beside.close()
        rights = (await rows(ctx))["postgres-rights"]
        assert rights.words.startswith("dump: looker can't read 4 tables and sequences; swap: looker may rename no")
        for fix in (found["postgres-sessions"].fix, rights.fix):
            for line in fix.split("; "):
                elsewhere.execute(line.encode())
        await door.stores.close()
        try:
            assert {row.id: row.words for row in (await rows(ctx)).values() if row.status != "ready"} == {}
        finally:
            await door.stores.close()
            elsewhere.execute(f'ALTER DATABASE "{name}" OWNER TO owner'.encode())
            elsewhere.execute("DROP OWNED BY looker")
    with psycopg.connect(postgres.url(name), autocommit=True) as again:
        again.execute("DROP OWNED BY keeper")
        again.execute("DROP ROLE keeper")


async def test_a_failed_migration_is_not_ready(door: Door, beside: psycopg.Connection[Any]) -> None:
    beside.execute(
        """INSERT INTO "_prisma_migrations" VALUES ('m2', 'x', NULL, '2026_half', 'ERROR', NULL, now(), 0)"""
    )
    row = (await rows(door.context("database", Config)))["postgres-migrations"]
    assert (row.status, row.words) == ("not-ready", "failed: 2026_half")


async def test_what_can_not_be_reached_says_so_once(door: Door, postgres: PostgresServer) -> None:
    ctx = door.context("database", Config)
    (row,) = (await rows(ctx)).values()
    assert (row.id, row.status, row.fix) == ("postgres-address", "not-ready", "export it")
    door.secrets[NAME] = postgres.url("postgres", password="Wrong-password-77aa1")
    found = await rows(ctx)
    assert list(found) == ["postgres-address", "postgres-answers"]
    assert found["postgres-answers"].fix == "check the user and the password in the address"
    assert "Wrong-password-77aa1" not in str(found)


async def test_a_pooler_is_named() -> None:
    about = {"version": "17.1", "database": "app", "role": "r", "standby": False, "superuser": False}
    about |= {"monitors": False, "tables": 0, "unreadable": 0}
    door = FakeReadDoor().on_sql(NAME, statements.ABOUT, Rows(tuple(about), (tuple(about.values()),), pooled=True))
    door.on_sql(NAME, statements.SYSTEM, [{"id": "1", "database": "app"}])
    door.on_sql(NAME, statements.MIGRATIONS, StoreRefused("x", 'relation "a" does not exist', code="42P01"))
    door.addresses[NAME] = Address("db:5432/app", {"dbname": "app"}, pooled=True)
    door.on_sql(NAME, SERVER, [{"host": "192.0.2.7", "port": 5432}], times=None)
    for statement in (RIGHTS, FOLDER):
        door.on_sql(NAME, statement, StoreRefused("x", "permission denied", code="42501"))
    with door:
        found = await rows(a_context(Config(dump=Dump(take=False)), door, secrets={NAME: "x"}))
    for row in (found["postgres-kept"], found["postgres-tools"]):
        assert "the server itself is at 192.0.2.7:5432" in row.fix
    assert found["postgres-answers"].words == "PostgreSQL 17.1, database app, behind a connection pooler"
    assert found["postgres-tables"].status == "unknown"
    assert found["postgres-migrations"].words == 'there is no such table: "a"'
    assert found["postgres-space"].fix == "GRANT pg_read_all_settings TO warroom's role"


async def test_an_identity_is_the_clusters_and_the_databases(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    ctx = door.context("database", Config)
    ours = await identity(ctx)
    assert ours.endswith(f"/{beside.info.dbname}")
    (known,) = beside.execute("SELECT system_identifier FROM pg_control_system()").fetchone() or (None,)
    assert ours == f"postgresql-{known}/{beside.info.dbname}"
    door.secrets[NAME] = postgres.url("postgres")
    assert await identity(ctx) == f"postgresql-{known}/postgres"


async def test_an_identity_that_may_not_be_read_is_an_error_that_says_the_fix(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    beside.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    with looker(beside, postgres) as url:
        door.secrets[NAME] = url
        with pytest.raises(WarroomError, match="identity can't be read") as told:
            await identity(door.context("database", Config))
        assert "permission denied" in told.value.cause
        assert told.value.hint.startswith("GRANT EXECUTE")
        await door.stores.close()


# ---- evidence --------------------------------------------------------------------------------------------------------


async def collected(ctx: Context, folder: Path) -> dict[str, Any]:
    await plugin.collectors[0].collect(ctx, FakeFolder(folder))
    return {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}


async def test_evidence_tells_who_blocks_whom_and_shows_nobodys_data(
    door: Door, beside: psycopg.Connection[Any], database: str, tmp_path: Path
) -> None:
    with psycopg.connect(database, application_name="the holder") as holder:
        holder.execute(
            """UPDATE "User" SET "email" = 'jane.secret@example.com', "tier" = 'x' WHERE "id" = 'u2' -- j.s."""
        )
        found = await collected(door.context("database", Config), tmp_path)
        assert set(found) == {
            *("about", "activity", "locks", "settings", "migrations"),
            *("tables", "database", "constraints", "indexes"),
        }
        (row,) = [row for row in found["activity"]["rows"] if row["application_name"] == "the holder"]
        assert row["state"] == "idle in transaction"
        assert row["query"] == 'UPDATE "User" SET "email" = ?, "tier" = ? WHERE "id" = ? '
        assert any(lock["pid"] == row["pid"] and lock["relation"] == '"User"' for lock in found["locks"]["rows"])
    assert {"name": "max_connections", "setting": "20"}.items() <= next(
        row for row in found["settings"]["rows"] if row["name"] == "max_connections"
    ).items()
    assert [row["migration_name"] for row in found["migrations"]["rows"]] == ["20260101000000_init"]
    assert {row["name"] for row in found["tables"]["rows"]} == {"User", "Conversation", "Payment", "_prisma_migrations"}
    text = "".join(path.read_text() for path in tmp_path.iterdir())
    for unwanted in ("jane.secret", "j.s.", "person1@example.com", PASSWORD):
        assert unwanted not in text


async def test_what_can_not_be_read_says_why_in_its_place(
    door: Door, beside: psycopg.Connection[Any], tmp_path: Path
) -> None:
    beside.execute('DROP TABLE "_prisma_migrations"')
    found = await collected(door.context("database", Config), tmp_path)
    assert found["migrations"] == {"error": 'there is no such table: "_prisma_migrations"'}
    assert found["tables"]["rows"]


async def test_with_nothing_at_all_it_raises(door: Door, tmp_path: Path) -> None:
    door.secrets[NAME] = f"postgresql://owner:{PASSWORD}@127.0.0.1:1/app"
    with pytest.raises(Unreachable):
        await collected(door.context("database", Config), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("query", "shape"),
    [
        ("SELECT 'a', E'b\\'c', $$d$$, $x$e$$f$x$ FROM t1 WHERE id = 42.5", "SELECT ?, ?, ?, ? FROM t1 WHERE id = ?"),
        ("SELECT 'it''s' /* jane */ -- jane\n, 1", "SELECT ?  \n, ?"),
        ("SELECT 'a--b', 'c'\nWHERE name = 'jane' AND x = '/*'", "SELECT ?, ?\nWHERE name = ? AND x = ?"),
        ("SELECT 1 -- it's\n, 'jane', \"it's\", 'x'", 'SELECT ? \n, ?, "it\'s", ?'),
        ("SELECT '\\', 'jane', $1, t1.c2, $$cut 'off", "SELECT ?, ?, $?, t1.c2, ?"),
        ("SELECT $q1$jane$q1$, $é_2$it's $q1$ jane$é_2$, $1$", "SELECT ?, ?, $?$"),
        ("SELECT 'cut off in the midd", "SELECT ?"),
        ("SELECT '" + "x" * 5000 + "'", "SELECT ?"),
        ("SELECT " + "a," * 5000, ("SELECT " + "a," * 5000)[:1000]),
        ("", ""),
    ],
)
def test_a_querys_shape_has_no_values(query: str, shape: str) -> None:
    assert without_values(query) == shape
