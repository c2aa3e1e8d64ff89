"""Applying migrations the way Prisma's ``migrate deploy`` does, and recording them in its table."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import psycopg

from warroom.drills.lab.repository import Migration
from warroom.errors import WarroomError

TABLE = """
CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)
"""

Note = Callable[..., None]


async def apply_pending(url: str, migrations: Sequence[Migration], note: Note) -> list[str]:
    """Apply what the database has not had yet, in order; the names applied.

    As with Prisma, a migration that failed earlier stops everything until it has been resolved, and migrations the
    database has but the release has not are passed over in silence. Raises WarroomError when one fails; it stays in
    the table unfinished, with the error in ``logs``.
    """
    try:
        connecting = await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=30)
    except psycopg.OperationalError as error:
        raise WarroomError("The database can't be reached", str(error).strip()) from error
    async with connecting as connection:
        await connection.execute(TABLE)
        cursor = await connection.execute(
            'SELECT "migration_name", "finished_at" IS NOT NULL FROM "_prisma_migrations"'
            ' WHERE "rolled_back_at" IS NULL'
        )
        known: dict[str, bool] = dict(await cursor.fetchall())
        failed = sorted(name for name, finished in known.items() if not finished)
        if failed:
            raise WarroomError(
                "New migrations can't be applied",
                f"migration {failed[0]} failed earlier and has not been resolved",
                "Mark it rolled back or applied first.",
            )
        applied = []
        for migration in migrations:
            if migration.name not in known:
                await _apply(connection, migration)
                note("migration applied", migration=migration.name)
                applied.append(migration.name)
        return applied


async def _apply(connection: psycopg.AsyncConnection[tuple[object, ...]], migration: Migration) -> None:
    row = str(uuid.uuid4())
    await connection.execute(
        'INSERT INTO "_prisma_migrations" ("id", "checksum", "migration_name") VALUES (%s, %s, %s)',
        (row, migration.checksum, migration.name),
    )
    try:
        await connection.execute(migration.sql)
    except psycopg.Error as error:
        await connection.execute('UPDATE "_prisma_migrations" SET "logs" = %s WHERE "id" = %s', (str(error), row))
        raise WarroomError(f"Migration {migration.name} failed", str(error).strip().splitlines()[0]) from error
    await connection.execute(
        'UPDATE "_prisma_migrations" SET "finished_at" = now(), "applied_steps_count" = 1 WHERE "id" = %s', (row,)
    )


async def applied(url: str) -> list[str]:
    """The migrations the database has had, oldest first. Raises psycopg.Error."""
    async with await psycopg.AsyncConnection.connect(url, connect_timeout=30) as connection:
        cursor = await connection.execute(
            'SELECT "migration_name" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL'
            ' AND "rolled_back_at" IS NULL ORDER BY "started_at"'
        )
        return [str(row[0]) for row in await cursor.fetchall()]
