"""The host's own backups of the database, as the host's nightly job takes them: it knows nothing of any drill.

There are two kinds, as they are met with. One is an archive with a manifest beside it, which says which bytes were
written, by which server, when, and how many rows there were in that very snapshot. The other is what a line in a
crontab leaves: SQL, packed, named after the day.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from warroom import process
from warroom.drills.lab.layout import write_text
from warroom.drills.lab.postgres import DATABASE, Postgres
from warroom.errors import ProgramFailed, WarroomError

TIMEOUT = 60.0
ABOUT = """
SELECT pg_export_snapshot(), transaction_timestamp(), current_setting('server_version'),
  (SELECT system_identifier::text FROM pg_control_system()),
  (SELECT count(*) FROM pg_largeobject_metadata),
  (SELECT "migration_name" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL
    ORDER BY "finished_at" DESC LIMIT 1)
"""
TABLES = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"


class Backups:
    """Each is written under another name first: what has its name is whole."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self._folder = folder
        self._postgres = postgres

    async def archive(self) -> Path:
        """An archive in pg_dump's custom format, with its manifest. Raises WarroomError."""
        try:
            async with await psycopg.AsyncConnection.connect(self._postgres.url(), connect_timeout=5) as connection:
                await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await connection.set_read_only(True)
                return await self._archived(connection)
        except psycopg.Error as error:
            raise WarroomError("The database can't be backed up", str(error).strip()) from error

    async def packed(self) -> Path:
        """SQL, packed, named after the day; a second one of the same day takes the first one's place."""
        dump = self._folder / f"{DATABASE}_{datetime.now(UTC):%Y%m%d}.sql.gz"
        part = dump.with_name(f"{dump.name}.part")
        await self._dumped("--format=plain", "--compress=gzip:6", f"--file={part}")
        part.replace(dump)
        return dump

    async def _archived(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> Path:
        about = await (await connection.execute(ABOUT)).fetchone()
        assert about is not None
        snapshot, at, server, system, large_objects, migration = about
        dump = self._folder / f"{DATABASE}_{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.dump"
        part = dump.with_name(f"{dump.name}.part")
        await self._dumped("--format=custom", "--compress=gzip:6", f"--snapshot={snapshot}", f"--file={part}")
        rows = [
            {"schema": schema, "name": name, "rows": await _count(connection, schema, name)}
            for schema, name in await (await connection.execute(TABLES)).fetchall()
        ]
        data = await asyncio.to_thread(part.read_bytes)
        part.replace(dump)
        manifest = {
            "version": 1,
            "file": dump.name,
            "format": "custom",
            "compression": "gzip",
            "sha256": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "bytes": len(data),
            "pg_dump_version": await self._version(),
            "server_version": server,
            "system_identifier": system,
            "database": DATABASE,
            "snapshot_at": at.astimezone(UTC).isoformat(),
            "finished_at": datetime.now(UTC).isoformat(),
            "rows": rows,
            "large_objects": large_objects,
            "migration": migration,
            "label": "backup",
        }
        write_text(dump.with_name(f"{dump.name}.manifest.json"), json.dumps(manifest, indent=1))
        return dump

    async def _dumped(self, *options: str) -> None:
        await self._run("pg_dump", "--no-password", *options, f"--dbname={self._postgres.url()}")

    async def _version(self) -> str:
        return (await self._run("pg_dump", "--version")).strip()

    async def _run(self, program: str, *words: str) -> str:
        done = await process.run([str(self._postgres.binaries / program), *words], timeout=TIMEOUT)
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ProgramFailed(f"{program} failed", said[-1] if said else f"exit status {done.returncode}")
        return done.stdout.decode("utf-8", "replace")


async def _count(connection: psycopg.AsyncConnection[tuple[Any, ...]], schema: str, name: str) -> int:
    statement = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))
    row = await (await connection.execute(statement)).fetchone()
    assert row is not None
    return int(row[0])
