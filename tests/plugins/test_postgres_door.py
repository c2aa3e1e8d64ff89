"""Reading from real PostgreSQL servers: what is read, what is refused, and what nobody gets to see."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.servers import PASSWORD, PostgresServer, certificate, running_postgres, system_binaries
from tests.stores import Door
from warroom.errors import BadInput, CannotLook, DoorRefused, StoreRefused, TimedOut, Unreachable, WarroomError
from warroom_postgres.asking import serves

NAME = "env:DATABASE_URL"
WHEEL = pytest.mark.needs("userns")


@pytest.fixture
def there(door: Door, database: str) -> Door:
    door.secrets[NAME] = database
    return door


async def asked(door: Door, statement: str, *, timeout: float = 60, **more: Any) -> list[tuple[Any, ...]]:
    return list((await door.read.sql(NAME, statement, timeout=timeout, **more)).rows)


async def test_rows_come_as_plain_json(there: Door) -> None:
    found = await there.read.sql(
        NAME,
        "SELECT 1::int AS a, 2::bigint AS b, 'x' AS c, NULL AS d, true AS e, 1.50::numeric AS f, 3::numeric AS g,"
        " 'NaN'::float8 AS h, timestamptz '2026-01-02 03:04:05Z' AS i, interval '90 s' AS j, ARRAY[1,2] AS k,"
        " '{\"a\": [1]}'::jsonb AS l, date '2026-01-02' AS m, '\\x00'::bytea IS NOT NULL AS n",
        timeout=60,
    )
    assert found.each() == [
        {
            "a": 1,
            "b": 2,
            "c": "x",
            "d": None,
            "e": True,
            "f": 1.5,
            "g": 3,
            "h": None,
            "i": "2026-01-02T03:04:05+00:00",
            "j": 90.0,
            "k": [1, 2],
            "l": {"a": [1]},
            "m": "2026-01-02",
            "n": True,
        }
    ]
    assert (found.more, found.pooled) == (False, False)
    assert 0 < found.seconds < 60


async def test_no_more_rows_are_fetched_than_were_asked_for(there: Door) -> None:
    found = await there.read.sql(NAME, "SELECT generate_series(1, 1000000000)", timeout=60, at_most=3)
    assert (found.rows, found.more) == (((1,), (2,), (3,)), True)
    assert (await there.read.sql(NAME, "SELECT generate_series(1, 3)", timeout=60, at_most=3)).more is False
    (cut,) = await asked(there, "SELECT repeat('x', 100000)")
    assert len(cut[0]) == 20_000


async def test_parameters_and_names_are_never_spliced(there: Door) -> None:
    hostile = 'x\'; DROP TABLE "User"; --'
    assert await asked(there, "SELECT %s::text", parameters=[hostile]) == [(hostile,)]
    assert await asked(there, "SELECT 'ab' LIKE 'a%'") == [(True,)], "without parameters a percent sign is one"
    with psycopg.connect(there.secrets[NAME], autocommit=True) as connection:
        connection.execute('CREATE TABLE "a""b" (x int)')
        connection.execute('INSERT INTO "a""b" VALUES (7)')
    assert await asked(there, "SELECT x FROM {table}", names={"table": 'a"b'}) == [(7,)]
    with pytest.raises(StoreRefused, match="does not exist") as refused:
        await asked(there, "SELECT 1 FROM {table}", names={"table": 'x"; DELETE FROM "a""b" --'})
    assert refused.value.code == "42P01"
    with pytest.raises(DoorRefused, match="names do not fit"):
        await asked(there, "SELECT 1 FROM {table}", names={"other": "x"})


@contextmanager
def a_table(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE things (id int PRIMARY KEY, name text)")
        connection.execute("INSERT INTO things VALUES (1, 'one')")
        connection.execute("CREATE SEQUENCE counted")
        connection.execute(
            "CREATE FUNCTION sneaky() RETURNS int LANGUAGE plpgsql AS"
            " $$ BEGIN INSERT INTO things VALUES (2, 'two'); RETURN 1; END $$"
        )
        connection.execute(
            "CREATE FUNCTION loose() RETURNS text LANGUAGE plpgsql AS"
            " $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO things VALUES (3, 'three'); RETURN 'x'; END $$"
        )
        yield connection


WRITES = [
    "INSERT INTO things VALUES (9, 'nine')",
    "DELETE FROM things",
    "UPDATE things SET name = 'x'",
    "TRUNCATE things",
    "DROP TABLE things",
    "CREATE TABLE more (x int)",
    "COPY things TO PROGRAM 'cat'",
    "DO $$ BEGIN DELETE FROM things; END $$",
    "CALL nothing()",
    "COMMIT",
    "SET default_transaction_read_only = off",
    "EXPLAIN ANALYZE DELETE FROM things",
    "SELECT 1; DELETE FROM things",
    "SELECT 1; COMMIT; DELETE FROM things",
    "WITH gone AS (DELETE FROM things RETURNING 1) SELECT * FROM gone",
    "SELECT * INTO copied FROM things",
    "SELECT * FROM things FOR UPDATE",
    "SELECT sneaky()",
    "SELECT loose()",
    "SELECT nextval('counted')",
    "SELECT setval('counted', 9)",
    "SELECT pg_terminate_backend(1)",
    'SELECT "pg_cancel_backend" (1)',
    "SELECT pg_catalog.pg_reload_conf()",
    "SELECT pg_advisory_lock(1)",
    "SELECT set_config('default_transaction_read_only', 'off', false)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT pg_read_file('PG_VERSION')",
    'SELECT U&"pg\\005fterminate_backend"(1)',
    "",
    "  -- nothing",
]


@pytest.mark.parametrize("statement", WRITES)
async def test_nothing_can_be_written_or_done(there: Door, statement: str) -> None:
    with a_table(there.secrets[NAME]) as beside:
        with pytest.raises((DoorRefused, StoreRefused)):
            await asked(there, statement)
        assert await asked(there, "SELECT id, name FROM things") == [(1, "one")], "and it can still be read"
        assert beside.execute("SELECT id, name FROM things").fetchall() == [(1, "one")]
        assert beside.execute("SELECT count(*) FROM pg_class WHERE relname IN ('more', 'copied')").fetchone() == (0,)
        assert beside.execute("SELECT is_called FROM counted").fetchone() == (False,)


async def test_with_one_fence_gone_the_others_hold(there: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    from warroom.actions import sql_reading

    monkeypatch.setattr(sql_reading, "_QUERY", re.compile(""))
    monkeypatch.setattr(sql_reading, "_ACTING", re.compile(r"\bnever\b"))
    with a_table(there.secrets[NAME]) as beside:
        for statement in WRITES[:19]:
            with pytest.raises(StoreRefused):
                await asked(there, statement)
        assert beside.execute("SELECT id, name FROM things").fetchall() == [(1, "one")]


SLOW = "SELECT count(*) FROM generate_series(1, 100000000000)"


async def test_a_slow_statement_is_stopped_by_the_server_and_holds_up_nobody(there: Door) -> None:
    with pytest.raises(StoreRefused, match="took longer than it may"):
        await asked(there, SLOW, timeout=2)
    work = asyncio.create_task(asked(there, SLOW, timeout=60))
    await until_busy(there, 1)
    assert await asked(there, "SELECT 1") == [(1,)]
    assert not work.done()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await until_busy(there, 0)


async def test_a_server_that_is_slow_to_hear_is_told_to_stop_all_the_same(
    there: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    from psycopg import AsyncConnection

    heard = AsyncConnection.cancel_safe

    async def slowly(self: AsyncConnection[Any], *, timeout: float = 30.0) -> None:
        await asyncio.sleep(1)
        await heard(self, timeout=timeout)

    monkeypatch.setattr(AsyncConnection, "cancel_safe", slowly)
    work = asyncio.create_task(asked(there, SLOW, timeout=600))
    await until_busy(there, 1)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await until_busy(there, 0)


async def until_busy(there: Door, number: int) -> None:
    """As many connections besides the one that asks are at work in the test's database."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active'"
    for _ in range(300):
        found = await asked(there, f"{busy} AND pid <> pg_backend_pid()", timeout=30)
        if found == [(number,)]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{found[0][0]} are at work in the server, not {number}")


async def test_a_connection_that_is_given_up_while_it_opens_is_not_left_half_open(door: Door) -> None:
    """A server counts such a one among its own, and waits for it for a minute."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def never_lets_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        while await reader.read(1000):
            pass
        ended.set()
        writer.close()

    server = await asyncio.start_server(never_lets_in, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        door.secrets[NAME] = f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/d?sslmode=disable"
        gc.disable()
        try:
            work = asyncio.create_task(asked(door, "SELECT 1", timeout=100))
            async with asyncio.timeout(60):
                await begun.wait()
                work.cancel()
                await asyncio.wait({work})
                await ended.wait()
        finally:
            gc.enable()


@WHEEL
async def test_a_server_that_hangs_is_left_in_time_and_found_again(door: Door) -> None:
    with running_postgres() as server:
        door.secrets[NAME] = server.url("postgres")
        assert await asked(door, "SELECT 1") == [(1,)]
        (backend,) = (await asked(door, "SELECT pg_backend_pid()"))[0]
        stopped = [server.pid, backend_of(server, backend)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(TimedOut, match=r"did not answer in 1.2 s"):
                    await asked(door, "SELECT 1", timeout=0.2)
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        assert await asked(door, "SELECT 1") == [(1,)]


def backend_of(server: PostgresServer, number: int) -> int:
    """The process that the server knows under this number; the namespace is of users only, so it is the same one."""
    assert os.path.isdir(f"/proc/{number}")
    return number


@WHEEL
async def test_a_server_that_went_away_is_said_to_be_and_found_again_by_itself(door: Door) -> None:
    with running_postgres() as server:
        door.secrets[NAME] = server.url("postgres")
        assert await asked(door, "SELECT 1") == [(1,)]
        server.stop()
        with pytest.raises(Unreachable, match=r"could not be reached.*refused"):
            await asked(door, "SELECT 1")
        server.start()
        assert await asked(door, "SELECT 1") == [(1,)]
        server.stop()
        server.start()
        assert await asked(door, "SELECT 1") == [(1,)], "a kept connection that broke meanwhile is not the last word"


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"password": "Wrong-password-77aa1"}, "28P01", "password authentication failed"),
        ({"user": "nobody"}, "28P01", "password authentication failed"),
        ({"database": "not_there"}, "3D000", "does not exist"),
    ],
)
async def test_a_server_that_refuses_says_why_without_the_password(
    door: Door, postgres: PostgresServer, change: dict[str, str], code: str, words: str
) -> None:
    door.secrets[NAME] = postgres.url(**{"database": "postgres", **change})
    with pytest.raises(StoreRefused, match=words) as refused:
        await asked(door, "SELECT 1")
    assert refused.value.code == code
    assert refused.value.hint
    hidden(door, refused.value, change.get("password", PASSWORD))


def hidden(door: Door, error: WarroomError, *secrets: str) -> None:
    for secret in secrets:
        for text in (str(error), repr(error), *error.args, *door.shown):
            assert secret not in text


async def test_the_password_is_in_no_word_that_is_kept(there: Door) -> None:
    await asked(there, "SELECT 1")
    for statement in (f"SELECT '{PASSWORD}'", f"SELECT '{PASSWORD}' FROM nowhere", f'SELECT 1 / 0 AS "{PASSWORD}"'):
        try:
            await asked(there, statement)
        except StoreRefused as error:
            hidden(there, error, PASSWORD)
    assert not any(PASSWORD in line or there.secrets[NAME] in line for line in there.shown)
    assert there.shown[0] == "psql \"$DATABASE_URL\" -c 'SELECT 1'"
    assert '"$DATABASE_URL"' in there.shown[2]
    assert "# " in there.shown[2], "a refusal is in the log too"
    with open(f"/proc/{os.getpid()}/environ", "rb") as environ, open(f"/proc/{os.getpid()}/cmdline", "rb") as argv:
        assert PASSWORD.encode() not in environ.read() + argv.read()


async def test_prismas_own_options_are_taken_out_and_the_schema_is_used(there: Door) -> None:
    plain = there.secrets[NAME]
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Odd"')
        connection.execute('CREATE TABLE "Odd".things (x int)')
    with pytest.raises(psycopg.ProgrammingError, match="invalid URI query parameter"):
        psycopg.connect(f"{plain}?schema=Odd")
    there.secrets[NAME] = (
        f"{plain.replace('postgresql:', 'postgres:')}?schema=Odd&connection_limit=5&pool_timeout=0&sslmode=disable"
        "&statement_cache_size=0&socket_timeout=1&anything=else"
    )
    assert await asked(there, "SELECT current_schema(), count(*) FROM things") == [("Odd", 0)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"mysql://owner:{PASSWORD}@h/d", "is no address of a PostgreSQL server"),
        (f"prisma+postgres://x/?api_key={PASSWORD}", "Prisma's own proxy"),
        (f"postgresql://owner:{PASSWORD}%zz@h/d", "can't be read"),
        (f"postgresql://owner:{PASSWORD}@h:port/d", "do not go together"),
        (f"postgresql://owner:{PASSWORD}@h/d?novalue", "can't be read"),
        (PASSWORD, "is no address of a PostgreSQL server"),
        (f"postgresql://owner:{PASSWORD}@169.254.169.254/d", "cloud metadata service"),
        (f"postgresql://owner:{PASSWORD}@[::ffff:169.254.169.254]/d", "cloud metadata service"),
        (f"postgresql://owner:{PASSWORD}@h/d?hostaddr=169.254.169.254", "cloud metadata service"),
        (f"postgresql://owner:{PASSWORD}@127.0.0.1:1,169.254.169.254:1/d", "cloud metadata service"),
        (f"postgresql://owner:{PASSWORD}@no-such-host.invalid/d", "can't be resolved"),
        (f"postgresql://owner:{PASSWORD}@127.0.0.1:1/d", "could not be reached"),
    ],
)
async def test_an_address_that_is_none_is_told_without_repeating_it(door: Door, url: str, words: str) -> None:
    door.secrets[NAME] = url
    with pytest.raises((BadInput, DoorRefused, Unreachable), match=words) as told:
        await asked(door, "SELECT 1", timeout=60)
    hidden(door, told.value, PASSWORD)


async def test_a_pooler_is_noticed_by_the_connections_number(there: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """PgBouncer gives its clients numbers of its own, where a server gives the process's."""
    from psycopg import ConnectionInfo

    assert (await there.read.sql(NAME, "SELECT 1", timeout=60)).pooled is False
    monkeypatch.setattr(ConnectionInfo, "backend_pid", 3_000_000_000)
    assert (await there.read.sql(NAME, "SELECT 1", timeout=60)).pooled is True


async def test_few_connections_are_held_and_none_after_closing(there: Door, postgres: PostgresServer) -> None:
    await asyncio.gather(*(asked(there, "SELECT count(*) FROM generate_series(1, 100000)") for _ in range(12)))

    def ours() -> int:
        with psycopg.connect(postgres.url("postgres")) as connection:
            counted = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warroom'")
            return int((counted.fetchone() or (0,))[0])

    assert 1 <= ours() <= 2
    await there.stores.close()
    for _ in range(100):
        if ours() == 0:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("a connection was left open")


@pytest.mark.needs("userns", "postgres", "openssl")
async def test_a_certificate_is_checked_against_the_name_that_the_address_has(door: Door, tmp_path: Path) -> None:
    """The door connects to the address that it looked up, and still holds the server to its name. The wheel's server
    knows no TLS."""
    ours, key = certificate(tmp_path, "localhost")
    other, _ = certificate(tmp_path, "elsewhere.example.com")
    with running_postgres(system_binaries(), ssl="on", ssl_cert_file=str(ours), ssl_key_file=str(key)) as server:
        plain = server.url("postgres").replace("127.0.0.1", "localhost")
        encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        for options in ("sslmode=require", f"sslmode=verify-full&sslrootcert={ours}", "sslmode=require&sslcert=x.pem"):
            door.secrets[NAME] = f"{plain}?{options}"
            assert await asked(door, encrypted) == [(True,)]
        for url, words in (
            (f"{plain}?sslmode=verify-full&sslrootcert={other}", "certificate verify failed"),
            (f"{server.url('postgres')}?sslmode=verify-full&sslrootcert={ours}", "does not match host name"),
        ):
            door.secrets[NAME] = url
            with pytest.raises(CannotLook, match=words) as told:
                await asked(door, encrypted)
            assert serves(told.value) is None


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"-ERR unknown command\r\n"]
)
async def test_what_is_no_postgresql_says_nothing_of_the_database(door: Door, reply: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply)
        await reader.read()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        door.secrets[NAME] = f"postgresql://owner:{PASSWORD}@127.0.0.1:{server.sockets[0].getsockname()[1]}/d"
        with pytest.raises(CannotLook, match="could not be reached") as told:
            await asked(door, "SELECT 1", timeout=60)
    assert told.value.hint == "what answers is no PostgreSQL: check the port"
    assert serves(told.value) is None


async def test_an_address_that_does_not_go_together_repeats_nothing_of_it(door: Door) -> None:
    door.secrets[NAME] = "postgresql://owner:one@two:three/d"
    with pytest.raises(BadInput, match="its hosts and ports do not go together") as told:
        await asked(door, "SELECT 1")
    assert "two" not in str(told.value)
    assert serves(told.value) is None
