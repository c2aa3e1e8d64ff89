"""What rows are counted against: the dump that was restored and swapped in, or the evidence's own counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from warroom.api import BadInput, Context
from warroom_postgres.backups.listing import listing
from warroom_postgres.backups.manifest import SUFFIX, Manifest, read
from warroom_postgres.backups.times import Made
from warroom_postgres.config import Config
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.naming import PREFIX, Mark, literal, marked

DUMP = "dump"
"""The collector whose manifest has the evidence's counts."""
_MARKED = f"""
SELECT d.datname::text AS name, pg_catalog.shobj_description(d.oid, 'pg_database'::name) AS comment,
  pg_catalog.current_database()::text AS live FROM pg_catalog.pg_database d
WHERE pg_catalog.left(pg_catalog.shobj_description(d.oid, 'pg_database'::name), {len(PREFIX)}) = '{PREFIX}'::text
"""
_NOW = "SELECT pg_catalog.current_database()::text AS live"


@dataclass(frozen=True)
class Reference:
    """``rows`` stood in the database at ``held_at``; it has served, and been written to, from ``since`` on.

    None: nobody has written to it. ``words`` say where that is from. What was written between the two is what a swap
    has lost. ``about``: ``held_at`` is not known to the moment, and is the earliest that it may have been.
    """

    what: Literal["backup", "evidence"]
    rows: Mapping[tuple[str, str], int]
    held_at: datetime
    since: datetime | None
    words: str
    about: bool = False


async def reference(look: Looking, within: float) -> Reference:
    """The newest: a swap that came after the evidence counts, unless it is longer ago than ``within`` seconds.

    Raises BadInput, with the reason, where there is none.
    """
    ctx = look.ctx
    if look.database is not None:
        return await _of_restored(look, look.database)
    rows = await look.ask(_MARKED)
    live = str((rows or await look.ask(_NOW))[0]["live"])
    swapped = _newest([mark for mark in map(_mark, rows) if mark is not None and mark.of == live])
    if swapped is not None and ctx.clock.now() - swapped.at > timedelta(seconds=within):
        swapped = None
    evidence = await _of_evidence(ctx, live)
    if swapped is not None and (evidence is None or swapped.at > evidence.held_at):
        return await _of_swap(ctx, swapped)
    if evidence is None:
        raise BadInput(
            "there is nothing to count against",
            "the open incident has no sealed evidence with counts of this database, and no backup was swapped in",
            "capture evidence before a rollback, with a dump",
        )
    return evidence


def _mark(row: Mapping[str, Any]) -> Mark | None:
    return marked(row["comment"])


def _newest(marks: Sequence[Mark]) -> Mark | None:
    """Of those that were live before: what took its place was put there when it was kept."""
    return max((mark for mark in marks if mark.what == "before"), key=lambda mark: mark.at, default=None)


async def _of_evidence(ctx: Context, live: str) -> Reference | None:
    folder = ctx.evidence(DUMP)
    manifest = await asyncio.to_thread(_in_folder, folder) if folder is not None else None
    if manifest is None or manifest.counts is None:
        return None
    if manifest.database != live:
        raise BadInput("the evidence is of another database", f"{manifest.database}, and this is {live}")
    at = manifest.snapshot_at
    return Reference("evidence", manifest.counts, at, at, f"the evidence of {_time(at)}")


def _in_folder(folder: Path) -> Manifest | None:
    """Raises WarroomError for one that can't be used."""
    found = next(iter(sorted(folder.glob(f"*{SUFFIX}"))), None)
    return read(found.with_name(found.name.removesuffix(SUFFIX))) if found is not None else None


async def _of_swap(ctx: Context, kept: Mark) -> Reference:
    if not kept.archive:
        raise BadInput(
            "there is nothing to count against",
            f"what was put in place at {_time(kept.at)} was no backup that had been restored",
            "compare it by hand",
        )
    name, made, rows = await _of_backup(ctx, kept.archive)
    words = f"the backup {name} {_of(made)}, put in place at {_time(kept.at)}"
    return Reference("backup", rows, made.since, kept.at, words, about=not made.exact)


async def _of_restored(look: Looking, database: str) -> Reference:
    """One that lies beside must have what its dump had, and nothing else: nobody writes into it."""
    rows = await look.ask(f"{_MARKED.rstrip()} AND d.datname = {literal(database)}::name")
    mark = _mark(rows[0]) if rows else None
    if mark is None or mark.what != "scratch" or mark.state != "restored" or not mark.archive:
        raise BadInput(f"{database} is no database that was restored here to its end", "it bears no such mark")
    name, made, counted = await _of_backup(look.ctx, mark.archive)
    words = f"the backup {name} {_of(made)}, restored as {database}"
    return Reference("backup", counted, made.since, None, words, about=not made.exact)


async def _of_backup(ctx: Context, archive: str) -> tuple[str, Made, Mapping[tuple[str, str], int]]:
    """By its hash: the file may lie elsewhere now, and another of the same name in its place."""
    config: Config = ctx.config
    short, nothing = archive.removeprefix("sha256:")[:12], "there is nothing to count against"
    if config.backups is None:
        raise BadInput(nothing, "no folder of backups is configured", "name them as backups.folders")
    found = await listing(ctx, config.backups, through=False)
    its = [one for one in found.backups if archive in (one.sha256, one.manifest.sha256 if one.manifest else None)]
    # What has its bytes comes before what only a manifest says it of, which may lie beside a copy that was damaged.
    its.sort(
        key=lambda one: (
            one.sha256 != archive,
            one.verdict == "refused",
            one.manifest and one.manifest.file != one.name,
        )
    )
    if its:
        backup = its[0]
        if not backup.rows:
            raise BadInput(nothing, f"of {backup.name} no rows were ever counted")
        return backup.name, backup.made, {(one.schema_name, one.name): one.rows for one in backup.rows}
    problems = f"; {'; '.join(found.problems)}" if found.problems else ""
    raise BadInput(
        nothing,
        f"the backup {short} that was restored lies in none of the folders of backups{problems}",
        "put it back, with its manifest, or compare by hand",
    )


def _of(made: Made) -> str:
    return f"of {_time(made.latest)}" if made.exact else f"of {made.words}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
