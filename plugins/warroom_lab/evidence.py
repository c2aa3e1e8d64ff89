"""Evidence from the lab: the database with its row counts, the logs as they are, versions, counters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from warroom.api import Context, Folder, ProgramFailed, Unreachable
from warroom_lab.control import ask
from warroom_lab.logs import SOURCES

TABLES = ("User", "Conversation", "Message", "Payment")
DUMP_TIMEOUT = 120.0


class DatabaseCollector:
    """A dump in custom format, read through once, with row counts from the very same snapshot."""

    name = "database"
    kinds: tuple[str, ...] = ("dump",)
    timeout_s = 300.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        import psycopg

        if not ctx.config.dump:
            return
        place = (await ask(ctx, "/state"))["postgres"]
        where = {name: place[name] for name in ("host", "port", "dbname", "user")}
        programs = Path(place["binaries"])
        try:
            connection = await psycopg.AsyncConnection.connect(**where, connect_timeout=5)
        except psycopg.Error as error:
            raise Unreachable("The lab's database can't be reached", str(error).strip()) from error
        async with connection, folder.file("database.dump", kind="dump") as part:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            snapshot, version = await _snapshot(connection)
            rows = await _counts(connection)
            await _dump(ctx, programs, where, snapshot, part)
        folder.counts(rows)
        about = {"server_version": version, "rows": rows, "snapshot": snapshot, "format": "pg_dump custom"}
        await folder.write("database.json", json.dumps(about, indent=2).encode(), kind="counts")


async def _snapshot(connection: Any) -> tuple[str, str]:
    """A snapshot's name, which others can read by for as long as this transaction lasts, and the server's version."""
    cursor = await connection.execute("SELECT pg_export_snapshot(), current_setting('server_version')")
    name, version = await cursor.fetchone()
    return str(name), str(version)


async def _counts(connection: Any) -> dict[str, int]:
    from psycopg import sql

    rows = {}
    for table in TABLES:
        cursor = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
        rows[table] = int((await cursor.fetchone())[0])
    return rows


async def _dump(ctx: Context, programs: Path, where: dict[str, Any], snapshot: str, part: Path) -> None:
    argv = [str(programs / "pg_dump"), "--format=custom", f"--snapshot={snapshot}", f"--file={part}", "--no-password"]
    argv += [f"--host={where['host']}", f"--port={where['port']}", f"--username={where['user']}", where["dbname"]]
    await _succeed(ctx, argv)
    # Listing an archive says nothing of its data; reading it to the end does.
    await _succeed(ctx, [str(programs / "pg_restore"), "--file=/dev/null", str(part)])


async def _succeed(ctx: Context, argv: list[str]) -> None:
    done = await ctx.read.run(argv, timeout=DUMP_TIMEOUT)
    if done.status != 0:
        said = done.text.strip().splitlines()
        raise ProgramFailed(f"{Path(argv[0]).name} failed", said[-1] if said else f"exit status {done.status}")


class LogCollector:
    """Every log from its beginning, as the lab wrote it, times and all."""

    name = "logs"
    kinds: tuple[str, ...] = ("logs",)
    timeout_s = 120.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        for source in SOURCES:
            lines: list[str] = []
            offset = 0
            while True:
                page = await ask(ctx, "/logs", source=source, offset=offset)
                lines += page["lines"]
                if page["next"] in (offset, page["size"]):
                    break
                offset = page["next"]
            await folder.write(f"{source}.log", "".join(f"{line}\n" for line in lines).encode(), kind="logs")


class StateCollector:
    """What ran and what had been deployed, the counters, the rules of the data: as they were at this moment."""

    name = "state"
    kinds: tuple[str, ...] = ("versions", "metrics")
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        versions = {"state": await ask(ctx, "/state"), "releases": await ask(ctx, "/releases")}
        await folder.write("versions.json", json.dumps(versions, indent=2).encode(), kind="versions")
        metrics = {"counters": await ask(ctx, "/counters"), "integrity": await ask(ctx, "/integrity")}
        await folder.write("metrics.json", json.dumps(metrics, indent=2).encode(), kind="metrics")
