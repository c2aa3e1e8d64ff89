"""The evidence dump: the database as it is in this moment, damage and all, with its rows counted.

It is for looking into what happened. As a backup it would bring the damage back, so it is labelled ``forensic``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from warroom.api import Context, Folder, ProgramFailed, Snapshot, WarroomError
from warroom.model.units import value_text
from warroom_postgres.backups import manifest
from warroom_postgres.config import Config
from warroom_postgres.dumping.contents import Contents, Table, contents, counted, migration
from warroom_postgres.dumping.running import Say, dumped, how, read_through
from warroom_postgres.reach.place import Place, itself, place
from warroom_postgres.reach.tools import Tools, tools

LOOK_S = 30.0
"""For one look at the catalogue: of ten thousand tables it takes a while."""
NAME = "database.dump"
FULL = 1024**2
"""Bytes: a disk with less may have cut a dump short. pg_dump does not always notice, and ends well on half a file."""


class DumpCollector:
    name = "dump"
    kinds: tuple[str, ...] = ("dump",)
    timeout_s = 6 * 3600.0
    """The longest that a runbook may allow; ``dump.timeout`` is what it does allow."""

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """Raises WarroomError where there is no whole dump: nothing is left of it then."""
        config: Config = ctx.config
        if not config.dump.take:
            return
        told = {"label": "forensic", "incident": folder.incident or None}
        async with dumping(ctx, told, say=folder.say, elsewhere="point WARROOM_STATE elsewhere") as dump:
            inside = await dump.inside()
            form, jobs = how(inside, config.dump.jobs) if dump.where.through is None else ("custom", 1)
            if form == "directory":
                described = await _folder_of_files(dump, folder, inside, jobs)
            else:
                async with folder.file(NAME, kind="dump") as part:
                    described = await dump.one_file(inside, part, NAME)
            beside = manifest.beside(Path(described.file)).name
            await folder.write(beside, manifest.encoded(described), kind="counts")
            folder.counts({f"{row.schema_name}.{row.name}": row.rows for row in described.rows or ()})


async def _folder_of_files(dump: Dumping, folder: Folder, inside: Contents, jobs: int) -> manifest.Manifest:
    """Written by several at once into a folder beside, whose files are then taken over one by one."""
    async with folder.file(f"{NAME}/toc.dat", kind="dump") as toc:
        made = toc.with_name("written.part")
        try:
            await dump.write(inside, made, jobs)
            files = await asyncio.to_thread(manifest.hash_folder, made)
            for each in files:
                if each.name != "toc.dat":
                    async with folder.file(f"{NAME}/{each.name}", kind="dump") as part:
                        await asyncio.to_thread(os.replace, made / each.name, part)
            await asyncio.to_thread(os.replace, made / "toc.dat", toc)
        finally:
            await asyncio.to_thread(shutil.rmtree, made, ignore_errors=True)
    size = sum(each.bytes for each in files)
    return await dump.described(inside, NAME, "directory", manifest.of_files(files), size, files)


@asynccontextmanager
async def dumping(ctx: Context, told: Mapping[str, Any], *, say: Say, elsewhere: str) -> AsyncIterator[Dumping]:
    """One moment of the database, to be dumped for as long as the block lasts.

    ``told`` is what its manifest says besides; ``elsewhere`` is what helps where there is no room. Raises WarroomError
    where the server can't be reached past any pooler, or where there is no pg_dump that is new enough for it.
    """
    where = place(ctx)
    server = (await itself(ctx, where)).each()[0]
    found = await tools(ctx, where, int(server["number"]) // 10_000)
    async with ctx.read.snapshot(where.secret, timeout=LOOK_S, through=where.relay) as snapshot:
        yield Dumping(ctx, where, server, found, snapshot, told, say, elsewhere)


class Dumping:
    def __init__(
        self,
        ctx: Context,
        where: Place,
        server: Mapping[str, Any],
        found: Tools,
        snapshot: Snapshot,
        told: Mapping[str, Any],
        say: Say,
        elsewhere: str,
    ) -> None:
        self.where = where
        self.server = server
        self.tools = found
        self.snapshot = snapshot
        self._ctx = ctx
        self._config: Config = ctx.config
        self._told = told
        self._say = say
        self._elsewhere = elsewhere
        self._ends = ctx.clock.monotonic() + self._config.dump.timeout

    def _left(self) -> float:
        left: float = self._ends - self._ctx.clock.monotonic()
        return max(1.0, left)

    async def inside(self) -> Contents:
        return await contents(self.snapshot, timeout=LOOK_S)

    async def one_file(self, inside: Contents, part: Path, name: str) -> manifest.Manifest:
        """Into ``part``, a file that is there already; ``name`` is what it will be called."""
        await self.write(inside, part, 1)
        self._say("hashing the dump")
        sha256, size = await asyncio.to_thread(manifest.hash_file, part)
        return await self.described(inside, name, "custom", sha256, size)

    async def write(self, inside: Contents, to: Path, jobs: int) -> None:
        """Dumped, its rows counted, read through. Raises WarroomError where any of that can't be."""
        self._need_room(to.parent, inside)
        try:
            await self._dump_into(to, inside, jobs)
        except ProgramFailed as error:
            free = shutil.disk_usage(to.parent).free
            if free >= FULL:
                raise
            cause = f"the disk is full: {value_text(free, 'bytes')} are free; {error.cause}"
            raise ProgramFailed(error.title, cause, f"free some disk, or {self._elsewhere}") from None

    async def _dump_into(self, to: Path, inside: Contents, jobs: int) -> None:
        await dumped(
            self._ctx,
            self.where,
            self.tools,
            self.snapshot.name,
            to,
            jobs=jobs,
            tables=len(inside.tables),
            lock_wait=self._config.dump.lock_wait,
            timeout=self._left(),
            say=self._say,
        )
        self._rows = await counted(self.snapshot, inside.tables, left=self._left, say=self._say)
        self._migration = await migration(
            self.snapshot, self._config.migrations, self.where.address.schema, timeout=LOOK_S
        )
        self._say("reading the dump through")
        await read_through(self._ctx, self.where, self.tools, to, timeout=self._left())

    async def described(
        self,
        inside: Contents,
        name: str,
        form: manifest.Format,
        sha256: str,
        size: int,
        files: tuple[manifest.DumpFile, ...] = (),
    ) -> manifest.Manifest:
        return manifest.Manifest.model_validate(
            {
                "file": name,
                "format": form,
                "compression": "gzip",
                "sha256": sha256,
                "bytes": size,
                "files": files,
                "pg_dump_version": self.tools.words,
                "server_version": self.server["version"],
                "system_identifier": self.server["system"],
                "database": self.server["database"],
                "snapshot_at": self.snapshot.at,
                "finished_at": self._ctx.clock.now(),
                "rows": [_row(table, rows) for table, rows in self._rows.items()],
                "large_objects": inside.large_objects,
                "migration": self._migration,
                **self._told,
            }
        )

    def _need_room(self, folder: Path, inside: Contents) -> None:
        """A dump is smaller than its tables, mostly by far. Raises WarroomError where not even they would fit in."""
        free = shutil.disk_usage(folder).free
        if free < inside.bytes:
            raise WarroomError(
                f"There is no room for a dump: {value_text(free, 'bytes')} are free",
                f"the tables have {value_text(inside.bytes, 'bytes')}",
                f"free some disk, or {self._elsewhere}",
            )


def _row(table: Table, rows: int) -> dict[str, Any]:
    return {"schema": table.schema, "name": table.name, "rows": rows}
