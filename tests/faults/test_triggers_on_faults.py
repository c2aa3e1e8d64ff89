"""Each condition of each trigger on its real fault: the lab's app or what it needs misbehaves, the rule fires in its
time, and clears after. Where the source itself is gone, it is unknown.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import psycopg
import pytest
import pytest_asyncio
import redis.asyncio

from warroom.drills.drill import drill_runbook
from warroom.drills.lab import LabHandle, running_lab
from warroom.drills.scenarios import scenario
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model.runbook import Platform, Runbook
from warroom.model.signal import TriggerReading

WINDOW = 12.0
"""Seconds in place of production's minutes, for every condition."""
SLACK = 45.0
"""A window that looks back as far again, the slowest sampling interval (5 s), and this machine's own slowness."""

SLOW_TO_GROW = 120.0
TRACE = 256 * 1024
"""Bytes that the app keeps of a request, if it is told to."""
QUIET = 480.0
"""The users who waited for a lock all sign in at once after it; where this machine is busy, that takes its time."""


@dataclass(frozen=True)
class Room:
    lab: LabHandle
    engine: Engine

    def reading(self, trigger: str) -> TriggerReading:
        return self.engine.sensing.readings[trigger]

    async def sql(self, *statements: str) -> None:
        at = (await self.lab.state())["postgres"]
        where = {name: at[name] for name in ("host", "port", "dbname", "user")}
        async with await psycopg.AsyncConnection.connect(**where, autocommit=True) as connection:
            for statement in statements:
                await connection.execute(statement)

    async def changed(self, how: str, what: dict[str, str]) -> None:
        done = await self.lab.ask("POST", f"/{how}?wait=60", what)
        assert done["state"] == "done", done

    async def cache(self, *words: str) -> None:
        client = redis.asyncio.Redis.from_url((await self.lab.state())["redis_url"])
        try:
            await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py has no types for it
        finally:
            await client.aclose()

    async def until(self, wanted: Callable[[], bool], what: Callable[[], object], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not wanted():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what()}") from None

    async def quiet(self) -> None:
        """Until nothing fires, and what is about to be broken is known to be well."""

        def loud() -> dict[str, str]:
            every = self.engine.sensing.readings.values()
            measured = [r for r in every if not r.words.startswith("nobody measures")]
            return {r.id: f"{r.status}: {r.words}" for r in measured if r.status != "ok"}

        await self.until(lambda: bool(self.engine.sensing.readings) and not loud(), loud, QUIET)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def room(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    folder = tmp_path_factory.mktemp("triggers")
    async with running_lab(folder / "lab") as lab:
        book = drill_runbook(scenario("bad-release"), lab, folder)
        short = {name: WINDOW for _, _, name, _ in book.conditions()}
        runbook = book.model_copy(update={"drill_windows": short, "platforms": book.platforms | {"app": _often(book)}})
        options = Options(open_on_firing=False)
        async with Engine(runbook, StateFolder(folder / "state"), options=options) as engine:
            yield Room(lab, engine)


def _often(book: Runbook) -> Platform:
    """The app's platform with its active probes tried more than once within a window."""
    app = book.platforms["app"]
    return app.model_copy(update={"config": {**app.config, "active": {"every": "5s", "per_minute": 240}}})


Broken = Callable[[Room], AbstractAsyncContextManager[None]]


def by_sql(broken: tuple[str, ...], mended: tuple[str, ...]) -> Broken:
    @asynccontextmanager
    async def fault(room: Room) -> AsyncIterator[None]:
        await room.sql(*broken)
        try:
            yield
        finally:
            await room.sql(*mended)

    return fault


def renamed(table: str, column: str) -> Broken:
    """A release whose code and schema do not fit: what reads this column fails."""
    there, back = (f'ALTER TABLE "{table}" RENAME COLUMN "{a}" TO "{b}"' for a, b in ((column, "x"), ("x", column)))
    return by_sql((there,), (back,))


@asynccontextmanager
async def no_expire(room: Room) -> AsyncIterator[None]:
    """Redis no longer lets the app prolong a session: a token can't be refreshed, everything else goes on."""
    await room.cache("ACL", "SETUSER", "default", "-expire")
    try:
        yield
    finally:
        await room.cache("ACL", "SETUSER", "default", "+expire")


@asynccontextmanager
async def locked(room: Room) -> AsyncIterator[None]:
    """A migration that holds a lock: every sign-in waits for it, until the pool has no connection left."""
    at = (await room.lab.state())["postgres"]
    where = {name: at[name] for name in ("host", "port", "dbname", "user")}
    async with await psycopg.AsyncConnection.connect(**where) as connection:
        await connection.execute('LOCK TABLE "User" IN ACCESS EXCLUSIVE MODE')
        yield
        await connection.rollback()


def killed(component: str) -> Broken:
    @asynccontextmanager
    async def fault(room: Room) -> AsyncIterator[None]:
        os.kill((await room.lab.state())["processes"][component]["pid"], signal.SIGKILL)
        try:
            yield
        finally:
            await room.changed("restart", {"component": component})

    return fault


def started_with(name: str, value: str) -> Broken:
    """A setting of the app that is wrong since its last start."""

    @asynccontextmanager
    async def fault(room: Room) -> AsyncIterator[None]:
        await room.changed("configure", {name: value})
        try:
            yield
        finally:
            await room.changed("configure", {name: ""})

    return fault


@asynccontextmanager
async def more_than_it_may_keep(room: Room) -> AsyncIterator[None]:
    """The app keeps the traces of too many requests, and grows with each, up to a little below its limit."""
    memory = (await room.lab.counters())["memory"]
    most = int((0.95 * memory["limit_bytes"] - memory["resident_bytes"]) / TRACE)
    async with started_with("TRACES", str(most))(room):
        async with asyncio.timeout(SLOW_TO_GROW):
            while (await room.lab.counters())["memory"]["resident_bytes"] < 0.85 * memory["limit_bytes"]:
                await asyncio.sleep(0.2)
        yield


# By the condition's id: the trigger it belongs to, and what brings it about.
DUPLICATED = """INSERT INTO "Payment" ("id", "eventId", "userId", "amountCents", "currency", "status")
  SELECT "id" || '-again', "eventId", "userId", "amountCents", "currency", "status" FROM "Payment" LIMIT 3"""
ORPHAN = """INSERT INTO "Payment" ("id", "eventId", "userId", "amountCents", "currency", "status")
  VALUES ('orphan', 'evt_orphan', 'nobody', 1900, 'EUR', 'succeeded')"""
SLOW = """CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(4); RETURN NEW; END $$"""
FAULTS: dict[str, tuple[str, Broken]] = {
    "sign-in": ("auth-down", renamed("User", "passwordHash")),
    "session": ("auth-down", renamed("Conversation", "userId")),
    "refresh": ("auth-down", no_expire),
    "migration-failed": (
        "database-corruption",
        by_sql(
            (
                'INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, applied_steps_count) '
                "VALUES ('half', 'x', '20250101000000_half', now(), 0)",
            ),
            ("DELETE FROM \"_prisma_migrations\" WHERE id = 'half'",),
        ),
    ),
    "integrity": (
        "database-corruption",
        by_sql(
            (
                'ALTER TABLE "User" ALTER COLUMN "email" DROP NOT NULL',
                "UPDATE \"User\" SET email = NULL WHERE id = 'u0002999'",
            ),
            (
                "UPDATE \"User\" SET email = 'person2999@example.com' WHERE id = 'u0002999'",
                'ALTER TABLE "User" ALTER COLUMN "email" SET NOT NULL',
            ),
        ),
    ),
    "foreign-keys": (
        "database-corruption",
        by_sql(("SET session_replication_role = replica", ORPHAN), ("DELETE FROM \"Payment\" WHERE id = 'orphan'",)),
    ),
    "webhooks": ("payments-broken", renamed("Payment", "currency")),
    "tier": (
        "payments-broken",
        by_sql(
            ('UPDATE "User" SET tier = \'free\' WHERE id IN (SELECT "userId" FROM "Payment" LIMIT 5)',),
            ('UPDATE "User" SET tier = \'pro\' WHERE id IN (SELECT "userId" FROM "Payment")',),
        ),
    ),
    "duplicates": (
        "payments-broken",
        by_sql(
            ('DROP INDEX "Payment_eventId_key"', DUPLICATED),
            (
                "DELETE FROM \"Payment\" WHERE id LIKE '%-again'",
                'CREATE UNIQUE INDEX "Payment_eventId_key" ON "Payment"("eventId")',
            ),
        ),
    ),
    "error-rate": ("high-error-rate", renamed("User", "passwordHash")),
    "p95": (
        "performance",
        by_sql(
            (SLOW, 'CREATE TRIGGER slow BEFORE UPDATE ON "User" FOR EACH ROW EXECUTE FUNCTION slow()'),
            ('DROP TRIGGER slow ON "User"',),
        ),
    ),
    "db-pool": ("performance", locked),
    "memory": ("performance", more_than_it_may_keep),
    "csrf": ("security", started_with("CSRF_PROTECTION", "off")),
    "rate-limit": ("security", started_with("SIGN_IN_ATTEMPTS", "0")),
    "auth-bypass": ("security", started_with("VERIFY_TOKENS", "off")),
    "ai-provider": ("ai-provider-failing", killed("ai")),
    "email": ("email-down", killed("mail")),
    "redis": ("redis-failing", killed("redis")),
    "feature": ("feature-broken", renamed("Message", "createdAt")),
}
SAMPLE = ("refresh", "migration-failed", "duplicates", "csrf", "ai-provider")
"""Faults that do not touch each other: in the sample they are there together, for the time of one."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each takes half a minute: a sample of them at once, or one after the other under the whole fault suite."""
    if "faults" in metafunc.fixturenames:
        groups = [pytest.param(SAMPLE, id="+".join(SAMPLE))]
        if metafunc.config.getoption("--full"):
            longer = pytest.mark.timeout(QUIET + 180)
            groups = [pytest.param((fault,), id=fault, marks=longer) for fault in FAULTS]
        metafunc.parametrize("faults", groups)


@pytest.mark.asyncio(loop_scope="module")
async def test_it_fires_on_its_fault_in_time_and_clears_after_it(room: Room, faults: tuple[str, ...]) -> None:
    await room.quiet()
    since: dict[str, float] = {}
    async with AsyncExitStack() as stack:
        for fault in faults:
            since[fault] = room.engine.core.clock.monotonic()
            await stack.enter_async_context(FAULTS[fault][1](room))
        await asyncio.gather(*(_fires(room, fault, since[fault]) for fault in faults))
    await room.quiet()


async def _fires(room: Room, fault: str, since: float) -> None:
    """``since`` is before it was brought about, by the engine's clock: bringing others about takes its time too."""
    trigger, own = FAULTS[fault][0], room.engine.sensing.triggers.condition(fault)
    await room.until(lambda: own.status == "firing", lambda: (own.status, own.words()), 2 * WINDOW + SLACK)
    assert room.engine.core.clock.monotonic() - since >= own.windows.need - 1
    await room.until(lambda: room.reading(trigger).status == "firing", lambda: room.reading(trigger), SLACK)


def test_every_condition_of_the_runbook_has_its_fault(room: Room) -> None:
    conditions = {(trigger, name) for trigger, _, name, _ in room.engine.core.runbook.conditions()}
    assert conditions == {(trigger, name) for name, (trigger, _) in FAULTS.items()}
    assert len(FAULTS) == 20


@pytest.mark.asyncio(loop_scope="module")
async def test_where_its_source_is_gone_it_is_unknown_and_does_not_fire(room: Room) -> None:
    """The lab is killed, and all of it with it. Only that nobody can sign in is then seen, and true."""
    await room.quiet()
    os.kill(room.lab.pid, signal.SIGKILL)
    every = {name: room.engine.sensing.triggers.condition(name) for name in FAULTS if name != "sign-in"}
    fired: set[str] = set()

    def known() -> dict[str, tuple[str, str]]:
        fired.update(name for name, own in every.items() if own.status == "firing")
        return {name: (own.status, own.words()) for name, own in every.items() if own.status != "unknown"}

    await room.until(lambda: not known(), known, 2 * WINDOW + SLACK)
    assert not fired
