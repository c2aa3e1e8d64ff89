"""An evidence dump is restored beside on real servers, its rows are compared, and nothing is left of that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from tests.plugins.prisma_database import filled
from tests.servers import PostgresServer
from tests.stores import Door
from warroom.actions.changing import Changing
from warroom.actions.doors import HttpClient
from warroom.actions.evidence import Bundle
from warroom.api import Context, Trial, WarroomError
from warroom.model.call import Call
from warroom_postgres.config import Config
from warroom_postgres.dumping.collector import DumpCollector
from warroom_postgres.dumping.proof import DumpProver
from warroom_postgres.integrity.counts import CountsArgs, CountsProbe

NAME = "env:DATABASE_URL"


async def execute(door: Door, calls: tuple[Call, ...]) -> list[int]:
    changing = Changing(
        calls,
        http=HttpClient(),
        log=door.log,
        clock=door.clock,
        cleaner=door.redactor,
        secret=door.secret,
        stores=door.stores,
    )
    return [(await changing.execute(call)).status for call in calls]


async def a_dump(ctx: Context, door: Door, tmp_path: Path) -> Path:
    bundle = Bundle(tmp_path / "evidence", "evidence-1", "i1", door.clock, door.redactor)
    folder = bundle.for_collector("database.dump")
    await DumpCollector().collect(ctx, folder)
    folder.close()
    bundle.seal({}, {})
    return bundle.path / "database.dump"


async def prepared(ctx: Context, folder: Path) -> Trial:
    trial = await DumpProver().prepare(ctx, folder)
    assert trial is not None
    return trial


async def test_a_dump_is_proven_by_restoring_it(
    door: Door, postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    door.secrets[NAME] = database
    with filled(database) as beside:
        beside.execute("SELECT lo_from_bytea(0, 'large')")
        databases = "SELECT array_agg(datname::text ORDER BY 1) FROM pg_database"
        before = beside.execute(databases).fetchone()
        ctx = door.context("database", Config, tools=str(postgres.programs))
        folder = await a_dump(ctx, door, tmp_path)
        counted = await CountsProbe().probe(replace(ctx, evidence=lambda _: folder), CountsArgs())
        assert (counted.verdict, counted.words[:37]) == ("pass", "4 tables: the 42 rows held and no oth"), counted
        trial = await prepared(ctx, folder)
        try:
            assert await execute(door, trial.calls) == [0, 0]
            found = await DumpProver().judge(ctx, folder, trial)
            assert (found.verdict, found.numbers) == ("pass", {"tables": 4, "rows": 42})
            with psycopg.connect(postgres.url(str(trial.facts["database"])), autocommit=True) as there:
                there.execute("""DELETE FROM "User" WHERE "id" = 'u3'""")
            found = await DumpProver().judge(ctx, folder, trial)
            assert found.verdict == "fail"
            assert '"public.User" has 19 rows for 20' in found.words
        finally:
            assert await execute(door, trial.after) == [0]
            assert await execute(door, trial.after) == [0], "a second time there is nothing to do"
        assert beside.execute(databases).fetchone() == before


@pytest.mark.needs("userns")
async def test_a_large_one_is_not_tried_and_none_is_where_nobody_wants_it(
    door: Door, newest_postgres: PostgresServer, tmp_path: Path
) -> None:
    with newest_postgres.database() as database, filled(database):
        door.secrets[NAME] = database
        tools = str(newest_postgres.programs)
        folder = await a_dump(door.context("database", Config, tools=tools), door, tmp_path)
        small = door.context("database", Config, tools=tools, dump={"prove_up_to": 1000})
        with pytest.raises(WarroomError, match="prove_up_to"):
            await DumpProver().prepare(small, folder)
        never = door.context("database", Config, tools=tools, dump={"prove_up_to": 0})
        assert await DumpProver().prepare(never, folder) is None
        assert await DumpProver().prepare(small, tmp_path) is None
