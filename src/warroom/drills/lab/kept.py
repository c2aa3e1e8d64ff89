"""What has become of the rows: those that the lab began with, and those that its users were told are saved.

It is measured beside the app and beside whoever mends the database, against what the lab itself knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from typing import Any

import psycopg
from psycopg import sql

from warroom.drills.lab.seed import seeded

MARKS = {"Message": "id", "Payment": "eventId"}
"""By which column a row is known that users have written, as they were told it."""


@dataclass(frozen=True)
class Kept:
    """Rows of one table. ``seeded`` were there when the lab began, ``written`` are those that users have had the app's
    word for since. Of both together ``kept`` are there as they were, and ``lost`` are not."""

    seeded: int
    written: int
    kept: int
    lost: int


async def kept(url: str, written: Mapping[str, Set[str]]) -> dict[str, dict[str, int]]:
    """By table, all of it at one moment. Raises psycopg.Error."""
    found: dict[str, dict[str, int]] = {}
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=30) as connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        for table, (columns, rows) in seeded().items():
            there = await _rows(connection, table, columns)
            whole = sum(row in there for row in rows)
            told = written.get(table, frozenset())
            if told:
                whole += len(told & {str(row[0]) for row in await _rows(connection, table, (MARKS[table],))})
            known = len(rows) + len(told)
            found[table] = asdict(Kept(seeded=len(rows), written=len(told), kept=whole, lost=known - whole))
    return found


async def _rows(
    connection: psycopg.AsyncConnection[tuple[Any, ...]], table: str, columns: tuple[str, ...]
) -> set[tuple[Any, ...]]:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    cursor = await connection.execute(sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(table)))
    return set(await cursor.fetchall())
