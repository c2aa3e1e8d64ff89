"""A real standby: it is looked into and dumped, and whatever would change something is refused, saying where to go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.docker_engine import wait_for
from tests.plugins.postgres_dumps import dump
from tests.plugins.postgres_swaps import NAME, Two, execute, two
from tests.plugins.prisma_database import TABLES
from tests.plugins.test_postgres_proof import a_dump
from tests.servers import PostgresServer, running_standby
from tests.stores import Door
from warroom.api import BadInput, Context, StoreRefused, WarroomError
from warroom.model.call import SqlCall
from warroom_postgres import plugin
from warroom_postgres.backups import manifest as manifests
from warroom_postgres.config import Config
from warroom_postgres.dumping.proof import DumpProver
from warroom_postgres.restoring.restore import Restore, RestoreArgs
from warroom_postgres.signals import look_at_vitals
from warroom_postgres.swapping.discard import Discard, DiscardArgs
from warroom_postgres.swapping.swap import Swap, SwapArgs

pytestmark = pytest.mark.needs("userns")


@pytest.fixture(scope="module")
def standby(newest_postgres: PostgresServer) -> Iterator[PostgresServer]:
    with running_standby(newest_postgres) as server:
        yield server


@pytest.fixture
def followed(newest_postgres: PostgresServer, standby: PostgresServer, door: Door) -> Iterator[Two]:
    """A live database and a restored one beside it, as the standby has them; the door leads to that."""
    with two(newest_postgres) as made:
        with psycopg.connect(made.url(), autocommit=True) as connection:
            connection.execute(TABLES)
            connection.execute("CREATE UNLOGGED TABLE noted (x int)")
            connection.execute("INSERT INTO noted VALUES (1)")
            (reached,) = connection.execute("SELECT pg_current_wal_lsn()::text").fetchone() or ("",)
        with psycopg.connect(standby.url("postgres"), autocommit=True) as follower:
            replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
            wait_for(lambda: follower.execute(replayed, (reached,)).fetchone() == (True,), "the standby")
        door.secrets[NAME] = standby.url(made.live)
        yield made


@pytest.fixture
def ctx(door: Door, standby: PostgresServer, tmp_path: Path) -> Context:
    return door.context("database", Config, tools=str(standby.programs), backups={"folders": [str(tmp_path)]})


async def test_it_is_looked_into_and_dumped(door: Door, followed: Two, ctx: Context, tmp_path: Path) -> None:
    assert (await look_at_vitals(ctx))["reachable"][0] == 1
    assert plugin.readiness is not None
    found = {row.id: row for row in await plugin.readiness.ready(ctx)}
    assert found["postgres-answers"].words.endswith(", a standby")
    assert found["postgres-rights"].words.startswith("restore and swap: this server is a standby")
    assert found["postgres-rights"].fix == "name the primary's address as direct"
    assert found["postgres-tools"].status == "ready"
    kept = await a_dump(ctx, door, tmp_path)
    told = manifests.read(kept / "database.dump")
    assert told is not None
    assert told.counts is not None
    assert told.counts["public", "User"] == 20
    assert ("public", "noted") not in told.counts, "a standby has no rows of an unlogged table"
    with pytest.raises(WarroomError, match="the server is a standby"):
        await DumpProver().prepare(ctx, kept)


async def test_whatever_would_change_something_is_refused(
    door: Door, followed: Two, ctx: Context, tmp_path: Path, newest_postgres: PostgresServer
) -> None:
    with pytest.raises(BadInput, match="this server is a standby: names are changed on the primary"):
        await Swap().facts(ctx, SwapArgs(database=followed.other))
    with pytest.raises(BadInput, match="this server is a standby: databases are dropped on the primary"):
        await Discard().facts(ctx, DiscardArgs(database=followed.other))
    backup = dump(newest_postgres, followed.url(), tmp_path / "shop_20261123.dump", "-Fc")
    with pytest.raises(StoreRefused, match="is a standby") as told:
        await Restore().facts(ctx, RestoreArgs(backup=str(backup)))
    assert told.value.hint == "name the primary as direct"
    (refused,) = await execute(door, SqlCall(secret=NAME, statements=("CREATE TABLE x (y int)",)))
    assert (refused.status, "read-only transaction" in refused.text) == (1, True)
