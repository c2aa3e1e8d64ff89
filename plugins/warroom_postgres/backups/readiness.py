"""Whether there is a backup to go back to, and how old it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from warroom.api import Context, Ready, WarroomError
from warroom.model.base import span_text
from warroom.model.units import many, value_text
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.finding import Found, Search
from warroom_postgres.backups.judging import Expected
from warroom_postgres.backups.listing import VERIFIER, Backup, age_text, described, expectations, searched

PATIENCE = 0.3
"""Seconds that being ready waits for files. What takes longer goes on meanwhile, and is told the next time."""


async def backup_rows(ctx: Context, config: Backups | None) -> Sequence[Ready]:
    """One row; none where no folder is configured. The newest good one counts, and newer ones are told of."""
    if config is None:
        return []
    row, title = "postgres-backup", f"{ctx.platform}: a verified backup"
    try:
        async with asyncio.timeout(PATIENCE):
            found = await searched(ctx, config)
    except TimeoutError:
        words = f"{' and '.join(config.folders)} took longer than {PATIENCE:g} s to be looked through"
        return [Ready(row, title, "unknown", words, "see whether that disk answers")]
    except WarroomError as error:
        return [Ready(row, title, "unknown", str(error), error.hint or "see that the folders can be read")]
    if not found.found:
        words = "; ".join(found.problems) or f"there is none in {' or '.join(config.folders)}"
        fix = "make one (warroom backup), and see that folders and names fit where it lies"
        return [Ready(row, title, "not-ready", words, fix)]
    expected = await expectations(ctx, config)
    return [await asyncio.to_thread(_row, ctx, config, found, expected, row, title)]


def _row(ctx: Context, config: Backups, found: Search, expected: Expected, row: str, title: str) -> Ready:
    newer: list[Backup] = []
    until = time.monotonic() + PATIENCE
    for each in found.found:
        backup = _judged(config, each, expected, until - time.monotonic())
        if backup.verdict == "good":
            return _good(ctx, config, backup, newer, row, title)
        if backup.verdict is None:
            done = VERIFIER.progress(each)
            words = f"{each.name} ({value_text(each.bytes, 'bytes')}) is being read through: {done * 100:.0f} %"
            return Ready(row, title, "unknown", words, "wait until it has been read")
        newer.append(backup)
    newest = newer[0]
    words = f"none of {many(len(newer), 'backup')} is good; {newest.line(ctx.clock.now())}"
    fix = "make one with its manifest, in one of the folders: warroom backup"
    return Ready(row, title, "not-ready", "; ".join([words, *found.problems]), fix)


def _judged(config: Backups, found: Found, expected: Expected, patience: float) -> Backup:
    """Small ones are read while somebody waits; a large one is read meanwhile."""
    seen = VERIFIER.known(found)
    if seen is None:
        VERIFIER.want(found)
        VERIFIER.wait_for(found, max(0.0, patience))
        seen = VERIFIER.known(found)
    return described(config, found, seen, expected, {})


def _good(ctx: Context, config: Backups, backup: Backup, newer: list[Backup], row: str, title: str) -> Ready:
    now = ctx.clock.now()
    words = f"{backup.name}, {age_text(now, backup.made.latest)} old, {value_text(backup.bytes, 'bytes')}"
    if backup.rows:
        words += f", {many(sum(table.rows for table in backup.rows), 'row')} in {many(len(backup.rows), 'table')}"
    if newer:
        words += f"; {many(len(newer), 'newer one is', 'newer ones are')} not good: {newer[0].name}"
        words += f" {newer[0].reasons[0]}" if newer[0].reasons else ""
    age = (now - backup.made.latest).total_seconds()
    if config.max_age is not None and age > config.max_age:
        words = f"the newest good one is older than {span_text(config.max_age)}: {words}"
        return Ready(row, title, "not-ready", words, "make a backup now")
    return Ready(row, title, "ready", words)
