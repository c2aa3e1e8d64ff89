"""A real PostgreSQL in a container, where nothing but ``docker compose exec`` reaches it: all of it goes through that.

One container for all of these tests. What they need of its databases is made and looked at by its own psql.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.docker_engine import DockerEngine, wait_for
from tests.plugins.postgres_container import DATA, SCRAM, TRUST, DatabaseContainer, a_database_container
from tests.plugins.postgres_swaps import NAME, execute
from tests.plugins.prisma_database import TABLES
from tests.servers import PASSWORD
from tests.stores import Door, first_samples
from warroom.actions import evidence
from warroom.actions.evidence import Bundle
from warroom.api import CannotLook, Context, Unreachable, WarroomError
from warroom.model.call import SqlCall
from warroom.model.plan import Preview
from warroom.testing.clock import START
from warroom_postgres import plugin
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.backups.manifest import Manifest
from warroom_postgres.config import Config
from warroom_postgres.dumping.collector import DumpCollector
from warroom_postgres.dumping.proof import DumpProver
from warroom_postgres.naming import Mark, literal, name_for, quoted
from warroom_postgres.reach.place import asked, place
from warroom_postgres.restoring.compare import Compare, CompareArgs
from warroom_postgres.restoring.restore import Restore, RestoreArgs
from warroom_postgres.signals import PostgresSignals, look_at_vitals
from warroom_postgres.swapping.discard import Discard, DiscardArgs
from warroom_postgres.swapping.swap import Swap, SwapArgs

pytestmark = pytest.mark.needs("dockerd", "compose")
COUNTS = {"public.User": 20, "public.Conversation": 20, "public.Payment": 1, "public._prisma_migrations": 1}
LEFT_OUT = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; COMMENT ON EXTENSION plpgsql IS 'its own';"
"""What a restore leaves out of a dump, so that it has a list of what it does not."""


@pytest.fixture(scope="module")
def there(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseContainer]:
    with a_database_container(docker_engine, tmp_path_factory.mktemp("there")) as made:
        yield made


@pytest.fixture
def shop(there: DatabaseContainer, door: Door) -> Iterator[str]:
    """The live database's name. Whatever lies beside it is gone afterwards."""
    there.psql("CREATE DATABASE shop TEMPLATE template0 STRATEGY file_copy")
    there.script(TABLES, "shop")
    door.secrets[NAME] = there.url("shop")
    yield "shop"
    for name in databases(there):
        there.psql(f'DROP DATABASE "{name}" WITH (FORCE)')
    said = there.engine.run("docker", "logs", there.name).stderr
    assert "untracked child process" not in said, "the server took what was left behind in its container for a crash"


def databases(there: DatabaseContainer) -> list[str]:
    found = there.psql("SELECT datname FROM pg_database WHERE datname LIKE 'shop%' ORDER BY datname")
    return found.splitlines()


def context(door: Door, there: DatabaseContainer, **config: Any) -> Context:
    return door.context("database", Config, through=there.through, **config)


def left_inside(there: DatabaseContainer) -> list[str]:
    """Programs in the container that are none of the server's, and files that somebody left for them."""
    programs = [line for line in there.inside("ps", "-o", "args").splitlines()[1:] if not line.startswith("postgres")]
    files = there.inside("ls", "/dev/shm", "/tmp").split()
    return [line for line in programs if line != "ps -o args"] + [name for name in files if "warroom" in name]


async def test_it_is_looked_into_from_a_machine_that_can_not_reach_it(
    door: Door, there: DatabaseContainer, shop: str
) -> None:
    with (
        pytest.raises(OSError, match=r"not known|resolution|timed out"),
        socket.create_connection(("db", 5432), timeout=1),
    ):
        pass
    assert there.engine.inspect(there.name)["NetworkSettings"]["Ports"] == {}
    ctx = context(door, there, schema_every="1s", every="1s")
    signals = PostgresSignals()
    found = await first_samples(signals, ctx, *(set(signals.offers(ctx.config)) - {"pool-used"}))
    assert found["reachable"].value == 1
    assert found["connections-used"].words.endswith(" of 37 connections (40, 3 of them kept for superusers)")
    assert {name for name, sample in found.items() if sample.value is None} == set()
    where = place(ctx)
    assert where.where == "db:5432/shop in db"
    assert plugin.readiness is not None
    rows = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert {row.id: row.words for row in rows.values() if row.status != "ready"} == {}
    assert "psql 18." in rows["postgres-tools"].words
    assert "(in db)" in rows["postgres-tools"].words
    assert f"are free in {DATA}, where the database has" in rows["postgres-space"].words
    assert (await asked(ctx, where, "SELECT current_database()::text")).rows == (("shop",),)
    async with door.read.snapshot(NAME, timeout=60, through=where.relay) as held:
        there.psql("""DELETE FROM "Conversation" """, database="shop")
        assert (await held.sql('SELECT count(*) FROM "Conversation"', timeout=60)).rows == ((20,),)
    await door.stores.close()
    wait_for(lambda: left_inside(there) == [], "the end of what carried the connections")
    assert PASSWORD not in str(door.shown)


async def captured(ctx: Context, door: Door, to: Path) -> tuple[Path, Manifest, list[str]]:
    bundle = Bundle(to, "evidence-1", "i1", door.clock, door.redactor)
    said: list[str] = []
    folder = bundle.for_collector("database.dump", say=said.append)
    try:
        await DumpCollector().collect(ctx, folder)
    finally:
        folder.close()
        bundle.seal({}, {})
    assert evidence.verify(bundle.path) == []
    kept = bundle.path / "database.dump"
    told = manifests.read(kept / "database.dump")
    assert told is not None
    return kept, told, said


async def proven(door: Door, ctx: Context, kept: Path) -> None:
    trial = await DumpProver().prepare(ctx, kept)
    assert trial is not None
    try:
        results = await execute(door, *trial.calls)
        assert [result.status for result in results] == [0, 0], results[-1].text
        found = await DumpProver().judge(ctx, kept, trial)
        assert (found.verdict, found.numbers) == ("pass", {"tables": 4, "rows": 42})
    finally:
        assert [result.status for result in await execute(door, *trial.after)] == [0]


@pytest.mark.parametrize("rules", [pytest.param(TRUST, id="trusted"), pytest.param(SCRAM, id="by-password")])
async def test_a_dump_is_taken_and_proven_within(
    door: Door, there: DatabaseContainer, shop: str, tmp_path: Path, rules: str
) -> None:
    if rules == TRUST:
        door.secrets[NAME] = there.url(shop).replace(f":{PASSWORD}@", "@")
    with there.letting_in(rules):
        ctx = context(door, there)
        kept, told, said = await captured(ctx, door, tmp_path / "evidence")
        assert {f"{row.schema_name}.{row.name}": row.rows for row in told.rows or ()} == COUNTS
        assert (told.label, told.format, told.database) == ("forensic", "custom", "shop")
        assert any(words.startswith("dumping public.User, ") for words in said)
        if rules == SCRAM:
            await proven(door, ctx, kept)
    assert databases(there) == ["shop"]
    await door.stores.close()
    wait_for(lambda: left_inside(there) == [], "the end of all that was started")
    for secret in (PASSWORD, *(value for name, value in door.secrets.items() if name.startswith("made:"))):
        assert secret not in str(door.shown)


def backup(there: DatabaseContainer, folder: Path) -> Path:
    """As a cron job beside the container writes it, with a manifest."""
    folder.mkdir()
    made = folder / "shop_20261123.dump"
    argv = ["docker", "exec", there.name, "pg_dump", "-U", "owner", "-Fc", "shop"]
    made.write_bytes(subprocess.run(argv, env=there.engine.env, check=True, capture_output=True, timeout=60).stdout)
    digest, size = manifests.hash_file(made)
    version, system = there.psql(
        "SELECT current_setting('server_version')", "SELECT system_identifier FROM pg_control_system()"
    ).split()
    at = datetime.now(UTC)
    rows = [{"schema": name.partition(".")[0], "name": name.partition(".")[2], "rows": n} for name, n in COUNTS.items()]
    told = {"file": made.name, "format": "custom", "compression": "gzip", "sha256": digest, "bytes": size}
    told |= {"pg_dump_version": version, "server_version": version, "system_identifier": system, "database": "shop"}
    manifests.write(Manifest.model_validate({**told, "snapshot_at": at, "finished_at": at, "rows": rows}), made)
    return made


async def restored(door: Door, ctx: Context, dump: Path) -> Preview:
    args = RestoreArgs(backup=str(dump))
    facts = await Restore().facts(ctx, args)
    preview = Restore().preview(ctx.config, args, facts)
    results = await execute(door, *preview.calls)
    assert [result.status for result in results] == [0] * len(preview.calls), results[-1].text
    assert (await Restore().check(ctx, args, facts)).verdict == "done"
    return preview


async def swap_of(ctx: Context) -> tuple[dict[str, Any], Preview]:
    facts = dict(await Swap().facts(ctx, SwapArgs()))
    return facts, Swap().preview(ctx.config, SwapArgs(), facts)


async def test_a_backup_becomes_the_live_database_and_back(
    door: Door, there: DatabaseContainer, shop: str, tmp_path: Path
) -> None:
    there.script(LEFT_OUT, shop)
    dump = backup(there, tmp_path / "backups")
    with there.letting_in(SCRAM):
        there.psql("""INSERT INTO "User" VALUES ('u21', 'new@example.com')""", database=shop)
        ctx = context(door, there, backups={"folders": [str(dump.parent)]})
        await restored(door, ctx, dump)
        scratch = next(name for name in databases(there) if "~scratch~" in name)
        args = CompareArgs(database=scratch)
        compared = await Compare().check(ctx, args, await Compare().facts(ctx, args))
        assert compared.seen.startswith("you lose 1 row of User")
        facts, preview = await swap_of(ctx)
        (done,) = await execute(door, *preview.calls)
        assert done.status == 0, done.text
        kept = Swap().outputs([done])["kept"]
        users = 'SELECT count(*) FROM "User"'
        assert (there.psql(users, database=shop), there.psql(users, database=kept)) == ("20", "21")
        assert (await Swap().check(ctx, SwapArgs(), facts)).verdict == "done"
        (undone,) = await execute(door, *(preview.inverse or ()))
        assert (undone.status, there.psql(users, database=shop)) == (0, "21")
        discard = DiscardArgs(database=scratch)
        doomed = await Discard().facts(ctx, discard)
        (gone,) = await execute(door, *Discard().preview(ctx.config, discard, doomed).calls)
        assert (gone.status, (await Discard().check(ctx, discard, doomed)).verdict) == (0, "done")
    assert databases(there) == ["shop"]
    await door.stores.close()
    wait_for(lambda: left_inside(there) == [], "the end of all that was started")
    assert PASSWORD not in str(door.shown)


def a_scratch(there: DatabaseContainer, of: str) -> str:
    """As a restore to its end leaves one."""
    name = name_for(of, "scratch", START, "ab12cd34")
    mark = Mark.model_validate({"of": of, "id": "ab12cd34", "at": START, "is": "scratch", "state": "restored"})
    there.psql(f"CREATE DATABASE {quoted(name)} TEMPLATE template0 STRATEGY file_copy")
    there.psql(f"COMMENT ON DATABASE {quoted(name)} IS {literal(mark.comment())}")
    return name


async def test_a_container_that_ends_midway_leaves_the_live_name_serving(
    door: Door, there: DatabaseContainer, shop: str
) -> None:
    """Cut off when both names are changed already, and nothing is committed."""
    scratch = a_scratch(there, shop)
    ctx = context(door, there)
    facts, preview = await swap_of(ctx)
    (call,) = preview.calls
    assert isinstance(call, SqlCall)
    held = (*call.statements, "SET LOCAL statement_timeout = 0", "SELECT pg_sleep(100)")
    changing = asyncio.create_task(execute(door, call.model_copy(update={"statements": held})))
    sleeping = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(100)'"
    await asyncio.to_thread(wait_for, lambda: there.psql(sleeping) == "1", "the last statement")
    there.engine.docker("kill", there.name)
    with pytest.raises(Unreachable):
        await changing
    unknown = await Swap().check(ctx, SwapArgs(), facts)
    assert (unknown.verdict, "is not running" in unknown.seen) == ("cannot-tell", True)
    reachable = (await look_at_vitals(ctx))["reachable"]
    assert (reachable[0], "is not running" in reachable[2]) == (0, True)
    there.engine.docker("start", there.name)
    await asyncio.to_thread(there.until_it_answers)
    known = await Swap().check(ctx, SwapArgs(), facts)
    assert (known.verdict, known.seen.startswith("shop is the database of before")) == ("not-begun", True)
    assert (there.psql('SELECT count(*) FROM "User"', database=shop), databases(there)) == ("20", [shop, scratch])
    await door.stores.close()


async def test_what_carries_the_connection_is_looked_for(door: Door, there: DatabaseContainer, shop: str) -> None:
    ctx = context(door, there)
    with there.without("/bin/bash"):
        assert (await asked(ctx, place(ctx), "SELECT 1")).rows == ((1,),)
        await door.stores.close()
        with there.without("/bin/nc"):
            with pytest.raises(CannotLook, match="neither bash nor nc is in the container") as told:
                await asked(ctx, place(ctx), "SELECT 1")
            assert told.value.hint.startswith("put one of them into its image, or publish its port")
            value, _, words = (await look_at_vitals(ctx))["reachable"]
            assert (value, "neither bash nor nc" in words) == (None, True), "that says nothing of the database"
    await door.stores.close()
    nobody = door.context("database", Config, through={**there.through, "host": "unix:///nowhere/docker.sock"})
    with pytest.raises(CannotLook, match="docker"):
        await asked(nobody, place(nobody), "SELECT 1")
    other = door.context("database", Config, through={**there.through, "service": "cache"})
    with pytest.raises(WarroomError, match="cache"):
        await asked(other, place(other), "SELECT 1")


async def test_a_dump_that_is_given_up_ends_within(
    door: Door, there: DatabaseContainer, shop: str, tmp_path: Path
) -> None:
    words = (
        "exec",
        there.name,
        "psql",
        "-U",
        "owner",
        "-d",
        shop,
        "-c",
        'BEGIN; LOCK TABLE "User"; SELECT pg_sleep(100)',
    )
    locker = subprocess.Popen(["docker", *words], env=there.engine.env, stdout=subprocess.DEVNULL)
    try:
        granted = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted"
        wait_for(lambda: there.psql(granted, database=shop) != "0", "the lock")
        taking = asyncio.create_task(captured(context(door, there, dump={"lock_wait": 100}), door, tmp_path))
        at_work = (
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warroom' AND wait_event_type = 'Lock'"
        )
        await asyncio.to_thread(wait_for, lambda: there.psql(at_work) == "1", "pg_dump")
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        wait_for(lambda: there.psql(at_work) == "0", "the end of pg_dump")
        assert [line for line in left_inside(there) if "pg_dump" in line] == []
    finally:
        there.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(100)'")
        locker.wait(60)
