"""The backups of a database: each with its age, size, verdict, and whether it is from before the damage was done."""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from warroom.api import Context, WarroomError
from warroom.model.base import Fact, Instant
from warroom.model.units import value_text
from warroom_postgres import statements
from warroom_postgres.asking import ask
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.finding import Found, Search, checksum, find, search
from warroom_postgres.backups.judging import Expected, Judged, Vouching, judged, server_major
from warroom_postgres.backups.manifest import Format, Manifest, TableRows, read
from warroom_postgres.backups.needs import Needs
from warroom_postgres.backups.reading import Damaged
from warroom_postgres.backups.times import Made, When, made_when
from warroom_postgres.backups.verifying import Verifier

VERIFIER = Verifier()
"""What was learnt of a file is of the file: every platform may use it."""
TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, count(*) OVER () AS all_of_them
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'
ORDER BY 1, 2
"""
_MOST_TABLES = 5000
READ_TIMEOUT = 4 * 3600.0


class Backup(Fact):
    """One of them. ``before`` says of each moment that is known (``migration``, ``deploy``) whether it is from before.

    ``verdict`` None: it was not read through yet. ``rows`` were counted by reading it, or else by its manifest.
    """

    path: str
    name: str
    bytes: int
    format: Format | None
    made: Made
    verdict: Literal["good", "scratch-only", "refused"] | None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    before: dict[str, When] = Field(default_factory=dict)
    sha256: str | None = None
    database: str | None = None
    server_version: str | None = None
    dump_version: str | None = None
    rows: tuple[TableRows, ...] = ()
    needs: Needs = Needs()
    manifest: Manifest | None = None

    @property
    def candidate(self) -> bool:
        """Good, and from before every moment that is known."""
        return self.verdict == "good" and all(when == "before" for when in self.before.values())

    def line(self, now: datetime) -> str:
        """What a person reads of it."""
        parts = [
            f"{age_text(now, self.made.latest)} old",
            value_text(self.bytes, "bytes"),
            self.verdict or "not read yet",
        ]
        parts += [f"{when} the {_MOMENTS[moment]}" for moment, when in self.before.items() if when != "unclear"]
        unclear = [_MOMENTS[moment] for moment, when in self.before.items() if when == "unclear"]
        parts += [f"whether before the {moment} is unclear" for moment in unclear]
        because = f" – {'; '.join(self.reasons)}" if self.reasons else ""
        return f"{self.name}: {', '.join(parts)}{because}"


_MOMENTS = {"migration": "failed migration", "deploy": "deploy"}


class Listing(Fact):
    """Newest data first. ``problems``: where could not be looked."""

    backups: tuple[Backup, ...]
    problems: tuple[str, ...] = ()
    moments: dict[str, Instant] = Field(default_factory=dict)

    @property
    def candidates(self) -> tuple[Backup, ...]:
        return tuple(backup for backup in self.backups if backup.candidate)


def age_text(now: datetime, made: datetime) -> str:
    """``3 h``, ``2 days``."""
    seconds = max(0.0, (now - made).total_seconds())
    for size, one, more in ((86400, "day", "days"), (3600, "h", "h"), (60, "min", "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count:,} {one if count == 1 else more}"
    return "less than a minute"


async def listing(ctx: Context, config: Backups, *, deploy: datetime | None = None, through: bool = True) -> Listing:
    """Every backup in the folders. ``through`` False: what was not read through yet has no verdict.

    ``deploy`` is when the release that is to be undone went out; the failing migration is asked of the database.
    Raises WarroomError where reading takes longer than READ_TIMEOUT.
    """
    found = await searched(ctx, config)
    expected, moments = await asyncio.gather(expectations(ctx, config), known_moments(ctx, deploy))
    listed = [await one(ctx, config, each, expected, moments, through=through) for each in found.found]
    listed.sort(key=lambda backup: (backup.made.latest, backup.name), reverse=True)
    return Listing(backups=tuple(listed), problems=tuple(found.problems), moments=dict(moments))


async def chosen(ctx: Context, config: Backups, path: Path, *, deploy: datetime | None = None) -> Backup:
    """The one that a person named, read right through. Raises WarroomError where it is not in one of the folders."""
    found = await ctx.read.ask(shlex.join(["ls", "-l", str(path)]), asyncio.to_thread(find, path, config), timeout=60)
    expected, moments = await asyncio.gather(expectations(ctx, config), known_moments(ctx, deploy))
    return await one(ctx, config, found, expected, moments)


async def searched(ctx: Context, config: Backups) -> Search:
    line = f"ls {shlex.join(config.folders)}"
    return await ctx.read.ask(line, asyncio.to_thread(search, config), timeout=60)


async def one(
    ctx: Context,
    config: Backups,
    found: Found,
    expected: Expected,
    moments: Mapping[str, datetime],
    *,
    through: bool = True,
) -> Backup:
    seen = await read_one(ctx, found) if through else VERIFIER.known(found)
    return await asyncio.to_thread(described, config, found, seen, expected, moments)


async def read_one(ctx: Context, found: Found) -> Contents | Damaged:
    """What is in it, read right through unless that was done. Reading ends soon when the caller is cancelled."""
    stop = threading.Event()
    try:
        reading = asyncio.to_thread(VERIFIER.read, found, stop)
        return await ctx.read.ask(shlex.join(["sha256sum", str(found.path)]), reading, timeout=READ_TIMEOUT)
    finally:
        stop.set()


def described(
    config: Backups,
    found: Found,
    seen: Contents | Damaged | None,
    expected: Expected,
    moments: Mapping[str, datetime],
) -> Backup:
    """All that is known of one dump. ``seen`` None: it was not read. Reads what lies beside it."""
    vouching = vouched(found)
    manifest = vouching.manifest
    contents = seen if isinstance(seen, Contents) else None
    made = made_when(
        snapshot=manifest.snapshot_at if manifest else None,
        header=contents.made if contents else None,
        in_utc=contents.made_in_utc if contents else False,
        name=found.name,
        written=found.written,
        zone=config.zone,
    )
    verdict: Judged | None = judged(found.name, seen, vouching, expected, made) if seen is not None else None
    rows = contents.rows if contents else {}
    counted = [TableRows(schema=t[0] or "public", name=t[1], rows=n) for t, n in sorted(rows.items()) if n is not None]
    return Backup(
        path=str(found.path),
        name=found.name,
        bytes=found.bytes,
        format=contents.format if contents else None,
        made=made,
        verdict=verdict.verdict if verdict else None,
        reasons=verdict.reasons if verdict else (),
        notes=verdict.notes if verdict else (),
        before={name: made.against(moment) for name, moment in sorted(moments.items())},
        sha256=contents.sha256 if contents else None,
        database=(contents.database if contents else None) or (manifest.database if manifest else None),
        server_version=contents.server_version if contents else None,
        dump_version=contents.dump_version if contents else None,
        rows=tuple(counted) or ((manifest.rows or ()) if manifest else ()),
        needs=contents.needs.told() if contents else Needs(),
        manifest=manifest,
    )


def vouched(found: Found) -> Vouching:
    try:
        manifest, problem = read(found.path), ""
    except WarroomError as error:
        manifest, problem = None, error.cause or error.title
    return Vouching(manifest=manifest, problem=problem, checksum=checksum(found))


async def expectations(ctx: Context, config: Backups) -> Expected:
    """What the live database says of itself; what it doesn't is None."""
    system, about, tables = await asyncio.gather(
        _asked(ctx, statements.SYSTEM), _asked(ctx, statements.ABOUT), _asked(ctx, TABLES, at_most=_MOST_TABLES)
    )
    live = about[0]["database"] if about else None
    names = tuple(name for name in (config.database or live,) if name is not None)
    whole = tables is not None and len(tables) == (tables[0]["all_of_them"] if tables else 0)
    return Expected(
        system_identifier=system[0]["id"] if system else None,
        databases=names,
        tables=frozenset((row["schema"], row["name"]) for row in tables or ()) if whole else None,
        server_major=server_major(about[0]["version"]) if about else None,
    )


async def known_moments(ctx: Context, deploy: datetime | None) -> dict[str, datetime]:
    """When the damage may have been done, as far as is known: ``migration`` is when the first that failed began."""
    moments = {} if deploy is None else {"deploy": deploy}
    failed = list(await _asked(ctx, statements.MIGRATIONS, names={"table": ctx.config.migrations}) or ())
    if failed and failed[-1]["migrating"] and not failed[-1]["logged"]:
        failed.pop()  # the one that Prisma is at just now
    began = [datetime.fromisoformat(row["started_at"]) for row in failed]
    return {**moments, "migration": min(began)} if began else moments


async def _asked(
    ctx: Context, statement: str, *, names: Mapping[str, str] | None = None, at_most: int = 100
) -> Sequence[Mapping[str, Any]] | None:
    """None where the database does not say: that is what the caller has to reckon with."""
    try:
        return (await ask(ctx, statement, names=names, at_most=at_most)).each()
    except WarroomError:
        return None
