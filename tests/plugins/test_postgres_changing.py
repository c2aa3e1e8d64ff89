"""Changing a real PostgreSQL by SqlCalls, through the product's own change door."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from tests.plugins.prisma_database import filled
from tests.servers import PASSWORD, PostgresServer
from tests.stores import Door
from warroom.actions.changing import Changing
from warroom.actions.doors import HttpClient
from warroom.engine.secrets import Secrets
from warroom.errors import DoorRefused, TimedOut, Unreachable
from warroom.model.call import CallResult, PgPass, ProcessCall, Ref, RolePassword, Secret, SqlCall
from warroom.redact import Redactor
from warroom_postgres.config import Config
from warroom_postgres.reach.place import Login, place

NAME = "env:DATABASE_URL"


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[psycopg.Connection[Any]]:
    door.secrets[NAME] = f"{database}?schema=public&connection_limit=1"
    with filled(database) as connection:
        yield connection


async def execute(door: Door, call: SqlCall | ProcessCall) -> CallResult:
    changing = Changing(
        [call],
        http=HttpClient(),
        log=door.log,
        clock=door.clock,
        cleaner=door.redactor,
        secret=door.secret,
        stores=door.stores,
    )
    return await changing.execute(call)


def code(refused: CallResult) -> str:
    assert (refused.status, type(refused.data)) == (1, dict)
    assert isinstance(refused.data, dict)
    return str(refused.data["code"])


def a_change(*statements: str | RolePassword, **more: Any) -> SqlCall:
    return SqlCall.model_validate({"secret": NAME, "statements": statements, **more})


async def test_what_belongs_together_is_done_as_one_or_not_at_all(door: Door, beside: psycopg.Connection[Any]) -> None:
    two = ("""DELETE FROM "Payment" """, """UPDATE "User" SET "tier" = 'pro' WHERE "id" = 'u2'""")
    done = await execute(door, a_change(*two, """SELECT "tier" FROM "User" WHERE "id" IN ('u1', 'u2')"""))
    assert done.status == 0
    assert isinstance(done.data, dict)
    assert done.data["statements"] == [
        {"said": "DELETE 1"},
        {"said": "UPDATE 1"},
        {"said": "SELECT 2", "rows": [["pro"], ["pro"]]},
    ]
    refused = await execute(door, a_change("""DELETE FROM "User" """, "SELECT * FROM nowhere"))
    assert code(refused) == "42P01"
    assert refused.text.endswith("(42P01, statement 2); nothing of it was done")
    assert beside.execute("""SELECT count(*) FROM "User" """).fetchone() == (20,)
    apart = await execute(door, a_change("""DELETE FROM "Conversation" """, "SELECT * FROM nowhere", together=False))
    assert apart.text.endswith("statement 2); 1 of 2 statements were done")
    assert beside.execute("""SELECT count(*) FROM "Conversation" """).fetchone() == (0,)
    assert not any(PASSWORD in line for line in door.shown)
    assert any("""psql -X -v ON_ERROR_STOP=1 -d "${DATABASE_URL%%\\?*}" -c BEGIN -c""" in line for line in door.shown)


async def test_a_statement_is_one_and_names_no_secret(door: Door, beside: psycopg.Connection[Any]) -> None:
    refused = await execute(door, a_change("""SELECT 1; DELETE FROM "User" """, together=False))
    assert code(refused) == "42601"
    door.redactor.register("Hidden-value-8841", "a secret")
    with pytest.raises(DoorRefused, match="a secret stands in a statement"):
        await execute(door, a_change("SELECT 'Hidden-value-8841'"))
    with pytest.raises(ValidationError):
        a_change("\\! touch /tmp/x")
    assert beside.execute("""SELECT count(*) FROM "User" """).fetchone() == (20,)


async def test_an_end_that_is_not_known_says_so(door: Door, beside: psycopg.Connection[Any]) -> None:
    with pytest.raises(TimedOut):
        await execute(door, a_change("""DELETE FROM "User" """, "SELECT pg_sleep(30)", timeout_s=0.5))
    killer = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query ~ 'sleep'"
    with pytest.raises(Unreachable):
        await execute(door, a_change("""DELETE FROM "User" """, "SELECT pg_sleep(30)", meanwhile=killer))
    assert beside.execute("""SELECT count(*) FROM "User" """).fetchone() == (20,)


async def test_meanwhile_makes_way(door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer) -> None:
    """A rename waits until nobody is left, and meanwhile those who are there are sent away: in one transaction."""
    live = beside.info.dbname
    there = psycopg.connect(postgres.url(live), autocommit=True)
    ends = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{live}'"
    moved = f'ALTER DATABASE "{live}" RENAME TO "{live}_before"'
    beside.close()
    refused = await execute(
        door, a_change(moved, 'ALTER DATABASE "no such" RENAME TO x', meanwhile=ends, database="postgres")
    )
    assert code(refused) == "3D000"
    with psycopg.connect(postgres.url(live)):
        pass
    back = f'ALTER DATABASE "{live}_before" RENAME TO "{live}"'
    done = await execute(door, a_change(moved, back, meanwhile=ends, database="postgres"))
    assert done.status == 0
    with pytest.raises(psycopg.OperationalError):
        there.execute("SELECT 1")


async def test_the_pasted_line_does_the_same(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    """In a database whose name needs all the quoting there is."""
    odd = """o'd"d \\ =x"""
    beside.execute(b"CREATE DATABASE " + ('"' + odd.replace('"', '""') + '"').encode() + b" TEMPLATE template0")
    try:
        call = a_change("CREATE TABLE pasted (x int)", "COMMENT ON TABLE pasted IS 'it''s'", database=odd)
        sh = shutil.which("sh")
        assert sh is not None
        env = {**os.environ, "DATABASE_URL": door.secrets[NAME], "PATH": f"{postgres.programs}:{os.environ['PATH']}"}
        done = await asyncio.to_thread(
            subprocess.run, [sh, "-c", call.paste()], env=env, capture_output=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        found = await door.read.sql(NAME, "SELECT obj_description('pasted'::regclass)", timeout=60, database=odd)
        assert found.rows == (("it's",),)
        await door.stores.close()
    finally:
        beside.execute(b"DROP DATABASE " + ('"' + odd.replace('"', '""') + '"').encode() + b" WITH (FORCE)")


async def test_a_password_is_handed_over_as_a_file_that_nobody_else_can_open(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    monkeypatch.setenv("PGSERVICE", "elsewhere")
    env: dict[str, str | Ref | Secret | PgPass]
    env = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port), "PGUSER": "owner", "PGPASSFILE": PgPass(pgpass=NAME)}
    words = (str(postgres.programs / "psql"), "-X", "-At", "--no-password", f"--dbname={beside.info.dbname}")
    asked = "-c", "SELECT current_user"
    done = await execute(door, ProcessCall(argv=(*words, *asked), env=env))
    assert (done.status, done.text) == (0, "owner\n")
    shown = await execute(
        door, ProcessCall(argv=("sh", "-c", "env; stat -Lc %a $PGPASSFILE; ls -l $PGPASSFILE"), env=env)
    )
    assert PASSWORD not in shown.text
    assert "PGSERVICE" not in shown.text
    assert "\n600\n" in shown.text
    given = await execute(door, ProcessCall(argv=("wc", "-c"), stdin=PgPass(pgpass=NAME)))
    assert int(given.text) == len(f"*:*:*:owner:{PASSWORD}\n")
    line = ProcessCall(argv=(*words, *asked), env=env).paste()
    assert "PGPASSFILE='‹password file: env:DATABASE_URL›'" in line
    door.secrets[NAME] = postgres.url("postgres", password="Wrong-password-77aa1")
    assert (await execute(door, ProcessCall(argv=(*words, *asked), env=env))).status == 2


async def test_a_role_gets_a_password_that_nobody_sees(
    door: Door, beside: psycopg.Connection[Any], postgres: PostgresServer
) -> None:
    """It logs in with it, and neither the statement nor the server's own log has it."""
    role = """re'st"ore"""
    quoted = '"' + role.replace('"', '""') + '"'
    given = RolePassword(role=role, password="made:restore-1")
    call = a_change(f"CREATE ROLE {quoted} LOGIN NOSUPERUSER", given, f"COMMENT ON ROLE {quoted} IS 'x'")
    beside.execute("ALTER SYSTEM SET log_statement = 'all'")
    beside.execute("SELECT pg_reload_conf()")
    try:
        assert (await execute(door, call)).status == 0
        assert SqlCall.model_validate_json(call.model_dump_json()) == call
        login = Login(role, "made:restore-1")
        where = place(door.context("database", Config))
        psql = where.program((str(postgres.programs / "psql"), "-X", "-At", "-c", "SELECT current_user"), login=login)
        done = await execute(door, ProcessCall(argv=psql.argv, env=dict(psql.env)))
        assert (done.status, done.text.strip()) == (0, role)
        made = door.secrets["made:restore-1"]
        assert len(made) >= 32
        assert made not in (postgres.folder / "log").read_text(errors="replace")
        assert made not in f"{door.shown} {call.model_dump_json()} {call.paste()}"
    finally:
        beside.execute("ALTER SYSTEM RESET log_statement")
        beside.execute("SELECT pg_reload_conf()")
        beside.execute(f"DROP ROLE IF EXISTS {quoted}".encode())


def test_what_is_made_up_stays_the_same_and_is_hidden() -> None:
    redactor = Redactor()
    secrets = Secrets(redactor)
    made = secrets("made:restore-1")
    assert made == secrets("made:restore-1") != secrets("made:restore-2")
    assert made not in redactor.clean(f"it is {made}")
