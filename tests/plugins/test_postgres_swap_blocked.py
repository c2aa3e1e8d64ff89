"""What keeps a database from taking the live one's place is said before anything is changed. On real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from tests.plugins.postgres_swaps import NAME, Two, execute, planned, two
from tests.servers import PostgresServer, running_pgbouncer, running_postgres, system_binaries
from tests.stores import Door
from warroom.api import BadInput, StoreRefused
from warroom_postgres.config import Config
from warroom_postgres.naming import literal, quoted
from warroom_postgres.swapping.discard import Discard, DiscardArgs

PLAIN = "Password-of-plain-8"


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(False, marks=pytest.mark.needs("userns"), id="wheel"),
        pytest.param(True, marks=pytest.mark.needs("userns", "postgres"), id="system"),
    ],
)
def logical(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One that prepares transactions and decodes its log."""
    programs = system_binaries() if request.param else None
    with running_postgres(programs, max_prepared_transactions="5", wal_level="logical") as server:
        yield server


@pytest.fixture
def swapping(door: Door, logical: PostgresServer) -> Iterator[Two]:
    with two(logical) as made:
        door.secrets[NAME] = made.url()
        yield made


async def refusal(door: Door, database: str | None = None) -> str:
    with pytest.raises(BadInput) as refused:
        await planned(door, database)
    return f"{refused.value.title}: {refused.value.cause}"


@pytest.mark.parametrize("which", ["live", "other"])
async def test_what_others_hold_is_in_the_way(door: Door, swapping: Two, which: str) -> None:
    name = swapping.live if which == "live" else swapping.other
    held = f"held_{swapping.oids[name]}"
    with psycopg.connect(swapping.url(name), autocommit=True) as connection:
        connection.execute(f"SELECT pg_create_logical_replication_slot('{held}', 'pgoutput')".encode())
        connection.execute("BEGIN; INSERT INTO written VALUES (1, 1)")
        connection.execute(f"PREPARE TRANSACTION '{held}'".encode())
        without = "WITH (connect = false, enabled = false, slot_name = NONE, create_slot = false)"
        connection.execute(f"CREATE SUBSCRIPTION {held} CONNECTION 'host=x' PUBLICATION x {without}".encode())
    try:
        said = await refusal(door)
        assert said.startswith(f"{swapping.other} can't become {swapping.live} now: ")
        assert f"{name} has 1 prepared transaction, '{held}': COMMIT PREPARED or ROLLBACK PREPARED" in said
        assert f"{name} has 1 logical slot, '{held}': end what reads it, then SELECT pg_drop_replication_slot" in said
        assert f"{name} has 1 subscription, '{held}': DROP SUBSCRIPTION" in said
        if which == "other":
            with pytest.raises(BadInput, match="can't be dropped now"):
                await Discard().facts(door.context("database", Config), DiscardArgs(database=name))
    finally:
        with psycopg.connect(swapping.url(name), autocommit=True) as connection:
            connection.execute(f"ROLLBACK PREPARED '{held}'".encode())
            connection.execute(f"SELECT pg_drop_replication_slot('{held}')".encode())
            connection.execute(f"DROP SUBSCRIPTION {held}".encode())
    await planned(door)


async def test_one_that_comes_after_the_look_is_refused_by_the_server(door: Door, swapping: Two) -> None:
    """Nothing has changed then, and the live name serves."""
    _, preview = await planned(door)
    with psycopg.connect(swapping.url(), autocommit=True) as connection:
        connection.execute("BEGIN; INSERT INTO written VALUES (1, 1)")
        connection.execute("PREPARE TRANSACTION 'late'")
    try:
        (refused,) = await execute(door, *preview.calls)
        assert (refused.status, "nothing of it was done" in refused.text) == (1, True)
        assert swapping.what() == "before"
    finally:
        with psycopg.connect(swapping.url(), autocommit=True) as connection:
            connection.execute("ROLLBACK PREPARED 'late'")


async def test_what_is_not_as_the_live_one_is_told(door: Door, swapping: Two) -> None:
    other = quoted(swapping.other)
    sorting = f"UPDATE pg_database SET datcollate = '{{}}' WHERE datname = {literal(swapping.other)}"
    with pytest.raises(BadInput, match="no such database beside"):
        await planned(door, "postgres")
    for statement, back, words in (
        (
            f"GRANT TEMPORARY ON DATABASE {other} TO pg_monitor",
            "REVOKE ALL ON DATABASE {} FROM pg_monitor",
            "rights on",
        ),
        (f"ALTER DATABASE {other} SET work_mem = '8MB'", "ALTER DATABASE {} RESET work_mem", "settings of"),
        (f"ALTER DATABASE {other} CONNECTION LIMIT 3", "ALTER DATABASE {} CONNECTION LIMIT -1", "settings of"),
        (f"ALTER DATABASE {other} ALLOW_CONNECTIONS false", "ALTER DATABASE {} ALLOW_CONNECTIONS true", "lets nobody"),
        (f"ALTER DATABASE {other} OWNER TO pg_monitor", "ALTER DATABASE {} OWNER TO owner", "belongs to pg_monitor"),
        # No statement does that; a restore under another provider or locale would.
        (sorting.format("POSIX"), sorting.format("C"), "sorts and compares as UTF8 POSIX"),
    ):
        swapping.beside.execute(statement.encode())
        assert words in await refusal(door), statement
        swapping.beside.execute(back.format(other).encode())
    await planned(door)
    swapping.mark(swapping.other, **{"is": "scratch", "state": "restoring"})
    assert "no database has been restored" in await refusal(door)
    assert "was not restored to its end" in await refusal(door, swapping.other)


async def test_a_role_without_the_rights_is_told_what_it_lacks(door: Door, swapping: Two) -> None:
    beside, both = swapping.beside, (quoted(swapping.live), quoted(swapping.other))
    beside.execute(f"CREATE ROLE plain LOGIN PASSWORD {literal(PLAIN)}".encode())
    there = psycopg.connect(swapping.url(), autocommit=True)
    try:
        door.secrets[NAME] = swapping.url(user="plain", password=PLAIN)
        beside.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO plain")
        said = await refusal(door)
        assert "plain may rename no database: ALTER ROLE plain CREATEDB" in said
        assert f"{swapping.live} belongs to owner, not to plain" in said
        assert f"{swapping.live} has sessions of owner, which warroom's role can't end" in said
        beside.execute("ALTER ROLE plain CREATEDB")
        for name in both:
            beside.execute(f"ALTER DATABASE {name} OWNER TO plain".encode())
        async with asyncio.timeout(60):  # the server takes note of that when it gets to it
            pid = there.info.backend_pid
            there.close()
            while swapping.ask("SELECT FROM pg_stat_activity WHERE pid = %s", pid):
                await asyncio.sleep(0.02)
        _, preview = await planned(door)
        theirs = psycopg.connect(swapping.url(user="plain", password=PLAIN), autocommit=True)
        (done,) = await execute(door, *preview.calls)
        assert done.status == 0, done.text
        with pytest.raises(psycopg.OperationalError):
            theirs.execute("SELECT 1")
        assert swapping.what() == "after"
    finally:
        there.close()
        await door.stores.close()
        for name in swapping.names().values():
            beside.execute(f"ALTER DATABASE {quoted(name)} OWNER TO owner".encode())
        beside.execute("DROP OWNED BY plain")
        beside.execute("DROP ROLE plain")


async def test_a_server_that_would_lose_what_it_acknowledges_is_told_not_to(door: Door, swapping: Two) -> None:
    """And one whose role is read-only unless it says otherwise."""
    swapping.beside.execute("ALTER ROLE owner SET synchronous_commit = off")
    swapping.beside.execute("ALTER ROLE owner SET default_transaction_read_only = on")
    try:
        facts, preview = await planned(door)
        assert facts["durable"] is False
        assert "SET LOCAL synchronous_commit = on" in preview.calls[0].model_dump()["statements"]
        with psycopg.connect(swapping.url(), autocommit=True) as there:
            assert [result.status for result in await execute(door, *preview.calls)] == [0]
            with pytest.raises(psycopg.OperationalError):
                there.execute("SELECT 1")
    finally:
        swapping.beside.execute("ALTER ROLE owner RESET ALL")


@pytest.mark.needs("pgbouncer")
async def test_a_pooler_is_gone_round_or_refused(door: Door, swapping: Two) -> None:
    with running_pgbouncer(swapping.server) as port:
        pooled = swapping.url().replace(f":{swapping.server.port}/", f":{port}/")
        door.secrets[NAME] = f"{pooled}?pgbouncer=true"
        with pytest.raises(StoreRefused, match="is a connection pooler"):
            await planned(door)
        door.secrets["env:DIRECT_URL"] = swapping.url()
        _, preview = await planned(door, direct="env:DIRECT_URL")
        assert preview.calls[0].model_dump()["secret"] == "env:DIRECT_URL"


@pytest.mark.needs("userns")
async def test_a_standby_is_told(door: Door, newest_postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real answer, but for the one word: a standby of its own would take longer than all the rest."""
    from warroom_postgres.swapping import looking

    with two(newest_postgres) as made:
        door.secrets[NAME] = made.url()
        monkeypatch.setattr(looking, "SERVER", looking.SERVER.replace("pg_is_in_recovery()", "true"))
        assert "this server is a standby" in await refusal(door)
        with pytest.raises(BadInput, match="this server is a standby"):
            await Discard().facts(door.context("database", Config), DiscardArgs(database=made.other))
