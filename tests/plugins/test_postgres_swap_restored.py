"""From a backup to the live name, by the two operations together: what was around the live one is around the new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from tests.plugins.postgres_swaps import NAME, execute, planned
from tests.plugins.prisma_database import filled
from tests.plugins.test_postgres_restore import PRISMA, a_role, context, previewed, rows_of, vouched
from tests.servers import PostgresServer
from tests.stores import Door
from warroom_postgres.integrity.counts import CountsArgs, CountsProbe
from warroom_postgres.naming import quoted
from warroom_postgres.swapping.kept import kept_row
from warroom_postgres.swapping.swap import Swap

AROUND = """
SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
  datconnlimit, shobj_description(oid, 'pg_database'),
  (SELECT array_agg(setconfig::text) FROM pg_db_role_setting WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = current_database()
"""


async def test_a_backup_becomes_the_live_database(
    door: Door, database: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    door.secrets[NAME] = f"{database}?schema=public"
    with filled(database) as connection:
        live = connection.info.dbname
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as elsewhere, a_role(elsewhere, "reader"):
            connection.execute(f"GRANT CONNECT ON DATABASE {quoted(live)} TO reader".encode())
            connection.execute(f"ALTER DATABASE {quoted(live)} SET work_mem = '5MB'".encode())
            connection.execute(f"ALTER DATABASE {quoted(live)} CONNECTION LIMIT 17".encode())
            connection.execute(f"COMMENT ON DATABASE {quoted(live)} IS 'the shop'".encode())
            backup = vouched(postgres, database, tmp_path / "a.dump", PRISMA)
            around = rows_of(database, AROUND)
            connection.execute("""UPDATE "User" SET "email" = NULL""")
            _, restore = await previewed(context(door, postgres, tmp_path), backup)
            results = await execute(door, *restore.calls)
            assert [result.status for result in results] == [0] * len(restore.calls), results[-1].text
            facts, swap = await planned(door)
            kept = await _swapped(door, swap)
            try:
                assert rows_of(database, AROUND) == around
                assert rows_of(database, """SELECT count(*) FROM "User" WHERE "email" IS NULL""") == [(0,)]
                assert rows_of(postgres.url(kept), """SELECT count(*) FROM "User" WHERE "email" IS NULL""") == [(20,)]
                ctx = context(door, postgres, tmp_path)
                assert kept in (await kept_row(ctx)).words
                counted = await CountsProbe().probe(ctx, CountsArgs())
                assert (counted.verdict, counted.numbers["reference"]) == ("pass", "backup"), counted
            finally:
                assert swap.inverse is not None
                assert [r.status for r in await execute(door, *swap.inverse)] == [0]
                assert restore.inverse is not None
                assert (await execute(door, *restore.inverse))[-1].status == 0
            assert rows_of(database, AROUND) == around
            assert facts["kept"] == kept


async def _swapped(door: Door, swap: Any) -> str:
    (done,) = await execute(door, *swap.calls)
    assert done.status == 0, done.text
    return Swap().outputs([done])["kept"]
