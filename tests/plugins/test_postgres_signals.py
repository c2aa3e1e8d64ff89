"""A database's signals, each on the real fault."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from typing import Any

import psycopg
import pytest
import yaml
from pydantic import ValidationError

from tests.plugins.prisma_database import INTEGRITY, filled
from tests.servers import PASSWORD, PostgresServer, running_postgres
from tests.stores import Door, first_samples, until_sample
from warroom.api import Context, Rows
from warroom.engine.core import SystemClock
from warroom.errors import BadInput, Unreachable
from warroom.model.signal import Sample
from warroom.testing.fakes import FakeReadDoor, FakeSecrets
from warroom_postgres import plugin
from warroom_postgres.config import OWN_SIGNALS, Config
from warroom_postgres.rules import DECLARED, USUAL
from warroom_postgres.vitals import summed

NAME = "env:DATABASE_URL"
SIGNALS = plugin.signals
assert SIGNALS is not None
Beside = psycopg.Connection[Any]


@pytest.fixture
def beside(door: Door, database: str) -> Iterator[Beside]:
    door.secrets[NAME] = database
    with filled(database) as connection:
        yield connection


def looking(door: Door, **config: Any) -> Context:
    return door.context("database", Config, **{"every": "0.2s", "schema_every": "0.2s", **config})


async def looked(ctx: Context, *names: str) -> dict[str, Sample]:
    assert SIGNALS is not None
    return await first_samples(SIGNALS, ctx, *names)


async def one(ctx: Context, name: str) -> Sample:
    return (await looked(ctx, name))[name]


async def test_a_healthy_database_gives_every_signal(door: Door, beside: Beside) -> None:
    ctx = looking(door, pool={"size": 10}, integrity=INTEGRITY)
    assert SIGNALS is not None
    found = await looked(ctx, *SIGNALS.offers(ctx.config))
    values = {name: sample.value for name, sample in found.items()}
    size, used = values.pop("database-size"), values.pop("connections-used")
    assert size is not None
    assert size > 5_000_000
    assert used is not None
    assert 0.05 < used < 0.5
    assert found["connections-used"].words.endswith("of 17 connections (20, 3 of them kept for superusers)")
    assert values == {
        **dict.fromkeys((*OWN_SIGNALS[2:9], *OWN_SIGNALS[10:], *INTEGRITY), 0.0),
        "reachable": 1.0,
        "sessions-idle": 1.0,
    }
    assert {sample.source for sample in found.values()} == {"database"}


# ---- connections, sessions, locks ------------------------------------------------------------------------------------


@contextmanager
def sessions(url: str, count: int, **more: Any) -> Iterator[list[Beside]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(psycopg.connect(url, autocommit=True, **more)) for _ in range(count)]


def take_all(stack: contextlib.ExitStack, url: str) -> None:
    """Connects until the server takes no more; one that is just being closed is waited for."""
    refused = 0
    while refused < 3:
        try:
            stack.enter_context(psycopg.connect(url))
        except psycopg.OperationalError:
            refused += 1
            time.sleep(0.1)


async def test_connections_that_run_out_are_seen_with_the_connection_that_was_kept(
    door: Door, beside: Beside, database: str, postgres: PostgresServer
) -> None:
    beside.execute("CREATE ROLE app LOGIN PASSWORD 'Password-of-the-app-9'")
    url = postgres.url(database.rpartition("/")[2], "app", "Password-of-the-app-9")
    door.secrets[NAME] = url
    ctx = looking(door)
    try:
        before = await one(ctx, "connections-used")
        assert before.value is not None
        assert before.value < 0.5
        with contextlib.ExitStack() as stack:
            take_all(stack, url)
            found = await looked(ctx, "connections-used", "reachable")
            assert found["connections-used"].value == 1.0
            assert found["reachable"].value == 1.0, "the one that is kept still serves"
            await door.stores.close()
            take_all(stack, url)
            found = await looked(ctx, "connections-used", "reachable", "sessions-active")
            assert found["connections-used"].value == 1.0
            assert found["reachable"].value == 0.0, "nobody gets in any more"
            assert found["sessions-active"].value is None
            assert "connection" in found["reachable"].words
        # The one before may have counted a connection of another test's that was just being closed.
        await until(ctx, "connections-used", lambda sample: sample.value is not None and sample.value <= before.value)
    finally:
        await door.stores.close()
        with contextlib.suppress(psycopg.Error):
            beside.execute("DROP OWNED BY app")
        beside.execute("DROP ROLE app")


async def until(ctx: Context, name: str, fits: Any) -> Sample:
    assert SIGNALS is not None
    return await until_sample(SIGNALS, ctx, name, fits)


async def test_a_limit_of_the_database_or_the_role_counts_when_it_is_nearer(door: Door, beside: Beside) -> None:
    beside.execute(f'ALTER DATABASE "{beside.info.dbname}" CONNECTION LIMIT 4')
    found = await one(looking(door), "connections-used")
    assert found.value == 0.5, "this test's own and warroom's"
    assert found.words == "2 of 4 connections (the database's own limit)"


async def test_a_pool_is_as_full_as_its_busy_sessions_are_many(door: Door, beside: Beside, database: str) -> None:
    ctx = looking(door, pool={"size": 4, "application": "web"})
    assert (await one(ctx, "pool-used")).value == 0.0
    with sessions(database, 4, application_name="web") as held:
        for connection in held[:3]:
            connection.autocommit = False
            connection.execute("SELECT 1")
        found = await looked(ctx, "pool-used", "sessions-idle-in-transaction", "sessions-idle")
        assert (found["pool-used"].value, found["pool-used"].words) == (0.75, "3 of 4 connections busy")
        assert found["sessions-idle-in-transaction"].value == 3.0
        assert found["sessions-idle"].value == 2.0
        for connection in held:
            connection.rollback()
    assert (await until(ctx, "pool-used", lambda s: s.value == 0.0)).value == 0.0


async def test_a_pool_of_unknown_size_is_unknown(door: Door, beside: Beside) -> None:
    found = await one(looking(door), "pool-used")
    assert (found.value, found.words) == (None, "the size of the application's pool is not configured")


async def test_a_session_idle_in_a_transaction_that_blocks_others_is_seen(
    door: Door, beside: Beside, database: str
) -> None:
    ctx = looking(door)
    names = ("sessions-idle-in-transaction", "sessions-waiting", "locks-waiting", "longest-transaction")
    with psycopg.connect(database, application_name="a person's psql") as holder:
        holder.execute("""UPDATE "User" SET "tier" = 'pro' WHERE "id" = 'u2'""")
        blocked = await psycopg.AsyncConnection.connect(database, application_name="api")
        waiting = asyncio.create_task(blocked.execute("""UPDATE "User" SET "tier" = 'x' WHERE "id" = 'u2'"""))
        await until(ctx, "sessions-waiting", lambda sample: sample.value == 1.0)
        found = await looked(ctx, *names)
        assert {name: found[name].value for name in names[:3]} == dict.fromkeys(names[:3], 1.0)
        ours, theirs = holder.info.backend_pid, blocked.info.backend_pid
        for name in names[1:3]:
            chain = (
                rf"pid {ours} \(a person's psql, idle in transaction \d.*\) blocks pid {theirs} \(api, waiting \d.* for"
            )
            assert re.match(chain + r' "User"\)$', found[name].words), found[name].words
            assert "tier" not in found[name].words
        assert found["longest-transaction"].words == f"pid {ours}, a person's psql, idle in transaction"
        first = found["longest-transaction"].value
        assert first is not None
        assert first > 0
        longer = await until(ctx, "longest-transaction", lambda sample: (sample.value or 0) > first + 0.5)
        assert longer.value is not None
        holder.rollback()
        await waiting
        await blocked.rollback()
        await blocked.close()
    for name in names[:3]:
        await until(ctx, name, lambda sample: sample.value == 0.0)


async def test_sessions_that_warroom_may_not_look_into_are_not_taken_for_idle(
    door: Door, beside: Beside, database: str, postgres: PostgresServer
) -> None:
    beside.execute("CREATE ROLE looker LOGIN PASSWORD 'Password-of-the-looker-9'")
    try:
        door.secrets[NAME] = postgres.url(database.rpartition("/")[2], "looker", "Password-of-the-looker-9")
        found = await looked(looking(door), "sessions-idle-in-transaction", "longest-transaction", "connections-used")
        assert found["connections-used"].value is not None
        for name in ("sessions-idle-in-transaction", "longest-transaction"):
            assert (found[name].value, found[name].words) == (
                None,
                "1 sessions of other roles can't be looked into: grant pg_monitor",
            )
        beside.execute("GRANT pg_monitor TO looker")
        assert (await one(looking(door), "sessions-idle-in-transaction")).value == 0.0
    finally:
        await door.stores.close()
        beside.execute("DROP ROLE looker")


# ---- migrations, constraints, indexes --------------------------------------------------------------------------------

FAILED = """INSERT INTO "_prisma_migrations" VALUES (%s, 'x', NULL, %s, %s, NULL, now(), 0)"""


async def test_a_migration_that_neither_finished_nor_was_rolled_back_has_failed(door: Door, beside: Beside) -> None:
    ctx = looking(door)
    beside.execute(FAILED, ("m2", "20260202000000_half", 'ERROR: column "x" does not exist'))
    found = await one(ctx, "migrations-failed")
    assert (found.value, found.words) == (1.0, "failed: 20260202000000_half")
    beside.execute(FAILED, ("m3", "20260203000000_killed", None))
    assert (await one(ctx, "migrations-failed")).value == 2.0
    beside.execute("""UPDATE "_prisma_migrations" SET "rolled_back_at" = now() WHERE "finished_at" IS NULL""")
    assert (await one(ctx, "migrations-failed")).value == 0.0


async def test_the_migration_that_is_running_has_not_failed_yet(door: Door, beside: Beside, database: str) -> None:
    ctx = looking(door)
    with psycopg.connect(database, autocommit=True) as prisma:
        prisma.execute("SELECT pg_advisory_lock(72707369)")
        prisma.execute(FAILED, ("m2", "20260202000000_long", None))
        found = await one(ctx, "migrations-failed")
        assert (found.value, found.words) == (0.0, "20260202000000_long is being applied just now")
    found = await until(ctx, "migrations-failed", lambda sample: sample.value == 1.0)
    assert found.words == "failed: 20260202000000_long", "killed: its lock is gone, and it did not finish"


async def test_without_its_table_of_migrations_it_is_unknown(door: Door, beside: Beside) -> None:
    beside.execute('DROP TABLE "_prisma_migrations"')
    found = await one(looking(door), "migrations-failed")
    assert (found.value, found.words) == (None, 'there is no such table: "_prisma_migrations"')


async def test_constraints_and_indexes_that_are_not_valid(door: Door, beside: Beside) -> None:
    ctx = looking(door)
    beside.execute("""INSERT INTO "Conversation" VALUES ('c99', 'nobody')""")
    beside.execute(
        'ALTER TABLE "Conversation" ADD CONSTRAINT owner FOREIGN KEY ("userId") REFERENCES "User"("id") NOT VALID'
    )
    beside.execute("""INSERT INTO "User" VALUES ('twice', 'person1@example.com', 'free')""")
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.execute('CREATE UNIQUE INDEX CONCURRENTLY one_email ON "User" ("email")')
    found = await looked(ctx, "constraints-invalid", "indexes-invalid")
    assert {name: (sample.value, sample.words) for name, sample in found.items()} == {
        "constraints-invalid": (1.0, 'owner of "Conversation"'),
        "indexes-invalid": (1.0, 'one_email of "User"'),
    }
    beside.execute("""DELETE FROM "Conversation" WHERE "id" = 'c99'""")
    beside.execute('ALTER TABLE "Conversation" VALIDATE CONSTRAINT owner')
    beside.execute("DROP INDEX one_email")
    found = await looked(ctx, "constraints-invalid", "indexes-invalid")
    assert {sample.value for sample in found.values()} == {0.0}


async def test_a_constraint_that_is_not_enforced_is_not_broken(door: Door, beside: Beside) -> None:
    if beside.info.server_version < 180000:
        with pytest.raises(psycopg.errors.SyntaxError):
            beside.execute('ALTER TABLE "User" ADD CONSTRAINT loose CHECK ("email" <> \'\') NOT ENFORCED')
        return
    beside.execute('ALTER TABLE "User" ADD CONSTRAINT loose CHECK ("email" <> \'\') NOT ENFORCED')
    assert (await one(looking(door), "constraints-invalid")).value == 0.0


# ---- the data --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "signal", "value", "words"),
    [
        (
            """UPDATE "User" SET "email" = NULL WHERE "id" < 'u14'""",
            "integrity-errors",
            5.0,
            "5 null-emails, 0 duplicate-emails, 0 conversations-without-user",
        ),
        (
            """INSERT INTO "User" VALUES ('u98', 'person1@example.com'), ('u99', 'person1@example.com')""",
            "integrity-errors",
            1.0,
            "0 null-emails, 1 duplicate-emails, 0 conversations-without-user",
        ),
        (
            """UPDATE "Conversation" SET "userId" = NULL WHERE "id" = 'c3'""",
            "integrity-errors",
            1.0,
            "0 null-emails, 0 duplicate-emails, 1 conversations-without-user",
        ),
        ("""DELETE FROM "User" WHERE "id" = 'u3'""", "foreign-key-violations", 1.0, "1 conversations, 0 payments"),
        ("""DELETE FROM "User" WHERE "id" = 'u1'""", "foreign-key-violations", 2.0, "1 conversations, 1 payments"),
        (
            """INSERT INTO "Payment" VALUES ('p2', 'evt_1', 'u1', 'succeeded')""",
            "payments-duplicate",
            1.0,
            "1 events",
        ),
        (
            """INSERT INTO "Payment" VALUES ('p2', 'evt_2', 'u2', 'succeeded')""",
            "payments-without-tier",
            1.0,
            "1 users",
        ),
    ],
)
async def test_damage_is_counted(
    door: Door, beside: Beside, damage: str, signal: str, value: float, words: str
) -> None:
    ctx = looking(door, integrity=INTEGRITY)
    assert (await one(ctx, signal)).value == 0.0
    beside.execute(damage)
    found = await one(ctx, signal)
    assert (found.value, found.words) == (value, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"table": "Usr"}, 'null-emails: there is no such table: "Usr"'),
        ({"column": "mail"}, 'null-emails: there is no such column: "mail"'),
        ({"table": "other.User"}, 'null-emails: there is no such table: "other.User"'),
        ({"table": 'User"; DROP TABLE "User'}, "null-emails: there is no such table"),
    ],
)
async def test_what_is_not_there_is_unknown_in_words(
    door: Door, beside: Beside, change: dict[str, str], words: str
) -> None:
    count = {"kind": "nulls", "table": "User", "column": "email", **change}
    found = await one(looking(door, integrity={"it": {"counts": {"null-emails": count}}}), "it")
    assert found.value is None
    assert found.words.startswith(words)
    assert beside.execute('SELECT count(*) FROM "User"').fetchone() == (20,)


async def test_a_name_in_a_schema_is_found_there(door: Door, beside: Beside) -> None:
    beside.execute('CREATE SCHEMA "Billing" CREATE TABLE "Card" ("owner" text)')
    beside.execute('INSERT INTO "Billing"."Card" VALUES (NULL)')
    counts = {"cards": {"kind": "nulls", "table": "Billing.Card", "column": "owner"}}
    assert (await one(looking(door, integrity={"it": {"counts": counts}}), "it")).value == 1.0


async def test_counting_is_stopped_at_its_limit_and_pauses_longer_than_it_takes(door: Door, beside: Beside) -> None:
    slow = {"kind": "sql", "sql": "SELECT count(*) FROM generate_series(1, 100000000000)"}
    ctx = looking(door, integrity={"it": {"every": "1s", "timeout": "0.2s", "counts": {"slow": slow}}})
    slept: list[float] = []

    class Clock:
        now, monotonic = door.clock.now, door.clock.monotonic

        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            await asyncio.Event().wait()

    found = await one(Context("database", ctx.config, ctx.read, Clock(), ctx.secret), "it")
    assert found.value is None
    assert found.words.endswith("stopped the statement: it took longer than it may")
    while not slept:
        await asyncio.sleep(0.01)
    assert slept[0] >= 0.2 * 19


async def test_counts_are_made_one_at_a_time_and_hold_up_nothing_else() -> None:
    """However many signals count: a look at the vitals never waits for them."""
    at_once: list[int] = []
    counting = 0

    class Slow(FakeReadDoor):
        async def sql(self, secret: str, statement: str, **more: Any) -> Rows:
            nonlocal counting
            if statement == "SELECT many":
                counting += 1
                at_once.append(counting)
                await asyncio.sleep(0.05)
                counting -= 1
            raise Unreachable("no server here")

    counts = {"own": {"kind": "sql", "sql": "SELECT many"}}
    names = [f"s{number}" for number in range(4)]
    config = Config.model_validate({"every": "0.2s", "integrity": {name: {"counts": counts} for name in names}})
    ctx = Context("database", config, Slow(), SystemClock(), FakeSecrets({}))
    found = await looked(ctx, "reachable", *names)
    assert next(iter(found)) == "reachable"
    assert at_once == [1] * 4


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'many'",
        "SELECT -1",
        "SELECT 1.5",
        "SELECT true",
        "SELECT NULL::int",
        "SELECT 1 WHERE false",
        "SELECT generate_series(1, 3)",
        'DELETE FROM "User" RETURNING 1',
        "SELECT 1; SELECT 2",
    ],
)
async def test_a_query_of_the_runbooks_that_gives_no_number_is_unknown(door: Door, beside: Beside, sql: str) -> None:
    found = await one(looking(door, integrity={"it": {"counts": {"own": {"kind": "sql", "sql": sql}}}}), "it")
    assert found.value is None
    assert found.words.startswith("own: ")
    assert beside.execute('SELECT count(*) FROM "User"').fetchone() == (20,)


@pytest.mark.parametrize(
    ("found", "value", "words"),
    [
        ({"a": 0, "b": 0}, 0.0, "0 a, 0 b"),
        ({"a": 2, "b": "gone"}, 2.0, "at least 2; b: gone; 2 a"),
        ({"a": 0, "b": "gone"}, None, "b: gone; 0 a"),
        ({"b": "gone"}, None, "b: gone"),
        ({"a": 0}, 0.0, ""),
    ],
)
def test_what_was_not_counted_is_not_taken_for_zero(found: dict[str, int | str], value: float, words: str) -> None:
    assert (summed(found)[0], summed(found)[2]) == (value, words)


@pytest.mark.parametrize(
    ("rows", "value", "words"),
    [
        (4, None, "nulls: User: some "),
        (0, 0.0, ""),
    ],
)
async def test_a_large_table_is_not_read_through_for_a_signal(
    door: Door, beside: Beside, rows: int, value: float | None, words: str
) -> None:
    beside.execute('ANALYZE "User"')
    counts = {"nulls": {"kind": "nulls", "table": "User", "column": "email"}}
    found = await one(looking(door, integrity={"it": {"largest": rows or 20, "counts": counts}}), "it")
    assert found.value == value
    assert found.words.startswith(words)
    assert ("rows are too many to be read for this: raise largest" in found.words) is (value is None)


async def test_what_the_database_declares_is_counted_too(door: Door, beside: Beside) -> None:
    counts = {kind: {"kind": kind} for kind in ("foreign-keys", "unique-indexes", "sequences")}
    ctx = looking(door, integrity={"it": {"counts": counts}})
    found = await one(ctx, "it")
    assert (found.value, found.words) == (0.0, "0 foreign-keys, 0 unique-indexes, 0 sequences")
    beside.execute('CREATE TABLE numbered (id serial PRIMARY KEY, "user" text)')
    beside.execute("INSERT INTO numbered VALUES (7, 'nobody')")
    beside.execute('ALTER TABLE numbered ADD CONSTRAINT owner FOREIGN KEY ("user") REFERENCES "User" NOT VALID')
    found = await one(ctx, "it")
    words = "1 owner of numbered, 0 unique-indexes, 1 numbered_id_seq of numbered.id"
    assert (found.value, found.words) == (2.0, words)
    ctx = looking(door, integrity={"it": {"counts": {"all": {"kind": "foreign-keys", "but": ["numbered"]}}}})
    assert (await one(ctx, "it")).value == 0.0
    found = await one(looking(door), "foreign-key-violations")
    assert (found.value, found.words) == (1.0, "1 owner of numbered; counted 1 foreign key"), "whatever is configured"


async def test_the_runbooks_own_checks_are_counted_without_being_configured(door: Door, beside: Beside) -> None:
    ctx = looking(door)
    found = await one(ctx, "integrity-errors")
    assert (found.value, found.words) == (0.0, "counted 2 rules")
    beside.execute("""UPDATE "User" SET "email" = NULL WHERE "id" IN ('u1', 'u2')""")
    beside.execute("""UPDATE "Conversation" SET "userId" = NULL WHERE "id" = 'c3'""")
    beside.execute("""DELETE FROM "User" WHERE "id" IN ('u4', 'u5')""")
    found = await one(ctx, "integrity-errors")
    words = "2 users-without-email, 3 conversations-without-user, 0 unique-indexes; counted 2 rules"
    assert (found.value, found.words) == (5.0, words)
    beside.execute("""INSERT INTO "User" VALUES ('twice', 'person9@example.com', 'free')""")
    with pytest.raises(psycopg.errors.UniqueViolation):
        beside.execute('CREATE UNIQUE INDEX CONCURRENTLY one_email ON "User" ("email")')
    found = await one(ctx, "integrity-errors")
    assert (found.value, found.words.endswith("; counted 2 rules, 1 unfinished unique index")) == (6.0, True)


async def test_what_is_not_there_is_left_out_and_nothing_counted_is_no_zero(door: Door, beside: Beside) -> None:
    ctx = looking(door)
    beside.execute("""UPDATE "Conversation" SET "userId" = NULL WHERE "id" = 'c3'""")
    beside.execute('ALTER TABLE "User" RENAME "email" TO "mail"')
    found = await one(ctx, "integrity-errors")
    words = '1 conversations-without-user, 0 unique-indexes; counted 1 rule; not there: "User"."email"'
    assert (found.value, found.words) == (1.0, words)
    beside.execute('ALTER TABLE "Conversation" RENAME "userId" TO "user_id"')
    found = await one(ctx, "integrity-errors")
    assert found.value is None
    assert found.words.startswith(
        'none of its rules can be counted; not there: "User"."email", "Conversation"."userId"'
    )


def test_the_signal_counts_by_the_rules_that_the_runbook_verifies_by() -> None:
    overlay = yaml.safe_load(resources.files("warroom.runbook").joinpath("postgres.yaml").read_text("utf-8"))
    rules = {name: rule.model_dump(mode="json", exclude_defaults=True) for name, rule in USUAL.items()}
    assert DECLARED["integrity-errors"].counts.items() >= USUAL.items()
    assert overlay["verification"]["integrity"]["with"]["rules"] == rules
    assert overlay["procedures"]["database-corruption"]["steps"]["assess"]["with"]["rules"] == rules


# ---- a server that is not there --------------------------------------------------------------------------------------


@pytest.mark.needs("userns")
async def test_a_server_that_stops_is_unknown_in_words_and_comes_back_by_itself(door: Door) -> None:
    with running_postgres() as server:
        door.secrets[NAME] = server.url("postgres")
        ctx = looking(
            door, integrity={"it": {"every": "1s", "counts": {"own": {"kind": "sql", "sql": "SELECT 0::int"}}}}
        )
        names = ("reachable", "connections-used", "longest-transaction", "database-size", "it")
        assert {sample.value is None for sample in (await looked(ctx, *names)).values()} == {False}
        server.stop()
        found = await looked(ctx, *names)
        assert found["reachable"].value == 0.0
        assert {found[name].value for name in names[1:]} == {None}
        assert all("could not be reached" in sample.words for sample in found.values())
        task = asyncio.create_task(until(ctx, "reachable", lambda sample: sample.value == 1.0))
        server.start()
        assert (await task).words == "it answers"


async def test_a_wrong_password_is_unknown_in_words_without_it(door: Door, postgres: PostgresServer) -> None:
    door.secrets[NAME] = postgres.url("postgres", password="Wrong-password-77aa1")
    found = await looked(looking(door), "reachable", "connections-used", "migrations-failed")
    assert {sample.value for sample in found.values()} == {None}
    for sample in found.values():
        assert "password authentication failed" in sample.words
        assert "Wrong-password-77aa1" not in sample.words


async def test_a_missing_secret_is_unknown_in_words(door: Door) -> None:
    found = await looked(looking(door), "reachable", "migrations-failed")
    assert {(sample.value, sample.words) for sample in found.values()} == {
        (None, "the secret env:DATABASE_URL is not set: no environment variable env:DATABASE_URL; export it")
    }


# ---- the configuration -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"url": f"postgresql://owner:{PASSWORD}@h/d"}, "url"),
        ({"password": PASSWORD}, "password"),
        ({"integrity": {"reachable": {"counts": {"a": {"kind": "sql", "sql": "SELECT 1"}}}}}, "there is one already"),
        ({"integrity": {"x": {"counts": {}}}}, "counts"),
        ({"integrity": {"x": {"counts": {"a": {"kind": "guess"}}}}}, "nulls, orphans, duplicates or sql"),
        (
            {"integrity": {"x": {"counts": {"a": {"kind": "nulls", "table": "a..b", "column": "c"}}}}},
            "as it is written",
        ),
        (
            {"integrity": {"x": {"counts": {"a": {"kind": "nulls", "table": "a\x00", "column": "c"}}}}},
            "as it is written",
        ),
        ({"pool": {"size": 0}}, "size"),
    ],
)
def test_a_wrong_configuration_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Config.model_validate(config)


async def test_a_signal_that_is_not_there_is_refused(door: Door) -> None:
    with pytest.raises(BadInput, match="no signal cpu"):
        await looked(looking(door), "cpu")
