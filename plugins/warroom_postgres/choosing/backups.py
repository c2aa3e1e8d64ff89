"""Which backup to go back to: the newest good one from before the damage first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from warroom.api import BadInput, Context, Option, WarroomError
from warroom.model.choice import OptionVerdict
from warroom.model.units import listed, many
from warroom_postgres.backups.config import Backups
from warroom_postgres.backups.finding import Found
from warroom_postgres.backups.judging import Expected
from warroom_postgres.backups.listing import VERIFIER, Backup, described, expectations, known_moments, searched
from warroom_postgres.config import Config

PATIENCE = 5.0
"""Seconds in which dumps that nobody has read through yet are. What takes longer goes on meanwhile."""
AT_ONCE = 12
"""Dumps that one look has read through."""
_MOMENTS = {"migration": "the failed migration", "deploy": "the release that failed"}
_AGAINST = (
    ("after", "it is from after", ": it may hold the damage"),
    ("unclear", "whether it is from before", " is unclear"),
    ("before", "from before", ""),
)


class BackupChooser:
    title = "The backup to go back to"

    async def options(self, ctx: Context) -> Sequence[Option]:
        """Raises BadInput where no folder is configured, and WarroomError where none can be read."""
        config: Config = ctx.config
        if config.backups is None:
            raise BadInput("no folder of backups is configured", "there is nothing to choose", "name backups.folders")
        found, expected, moments = await asyncio.gather(
            searched(ctx, config.backups), expectations(ctx, config.backups), known_moments(ctx, ctx.deployed())
        )
        if not found.found and found.problems:
            raise WarroomError("The folders of backups can't be looked through", "; ".join(found.problems))
        backups = await asyncio.to_thread(_judged, config.backups, found.found, expected, moments)
        return [option(backup) for backup in sorted(backups, key=_best)]


def option(backup: Backup) -> Option:
    """What is not read through yet can't be chosen: nobody knows what is in it."""
    verdict, words = _verdict(backup)
    at = None if backup.made.doubt else backup.made.since  # the words say what its times are
    return Option(value=backup.path, title=backup.name, words=words, verdict=verdict, at=at, bytes=backup.bytes)


def _verdict(backup: Backup) -> tuple[OptionVerdict, str]:
    when = _when(backup.before)
    if backup.verdict is None:
        return "refused", "; ".join(["it is not read through yet: look again in a while", *when])
    if backup.verdict == "refused":
        return "refused", f"it {'; '.join(backup.reasons)}"
    of = [] if backup.made.exact else [f"its data is of {backup.made.words}"]
    told = "; ".join([*(f"it {reason}" for reason in backup.reasons), *when, *of, *_rows(backup)])
    doubtful = backup.verdict == "scratch-only" or any(each != "before" for each in backup.before.values())
    return "doubtful" if doubtful else "good", told or "it was read through, and is whole"


def _when(before: Mapping[str, str]) -> list[str]:
    """Against each moment that is known, the worst first."""
    told = []
    for when, begin, end in _AGAINST:
        if those := [_MOMENTS[moment] for moment, found in before.items() if found == when]:
            told.append(f"{begin} {listed(those)}{end}")
    return told


def _rows(backup: Backup) -> list[str]:
    rows = sum(table.rows for table in backup.rows)
    return [f"{many(rows, 'row')} in {many(len(backup.rows), 'table')}"] if backup.rows else []


def _best(backup: Backup) -> tuple[int, float, str]:
    """Good ones from before all that is known; then doubtful ones, those that may hold the damage last of them; then
    refused ones. Newest first."""
    verdict = _verdict(backup)[0]
    if verdict != "doubtful":
        place = 0 if verdict == "good" else 4
    elif _late(backup):
        place = 3
    else:
        place = 1 if backup.verdict == "good" else 2
    return place, -backup.made.latest.timestamp(), backup.name


def _judged(
    config: Backups, found: Sequence[Found], expected: Expected, moments: Mapping[str, datetime]
) -> list[Backup]:
    """Read in the background, so that a look which is given up does not begin anew with the next: a few at each look,
    those first that seem to be from before the damage. A folder may hold years of them, and the disk has other work."""
    seen = [(each, described(config, each, VERIFIER.known(each), expected, moments)) for each in found]
    unread = [(_late(backup), -backup.made.latest.timestamp(), n) for n, (_, backup) in enumerate(seen) if _new(backup)]
    wanted = [seen[n][0] for *_, n in sorted(unread)[:AT_ONCE]]
    for each in wanted:
        VERIFIER.want(each)
    until = time.monotonic() + PATIENCE
    for each in wanted:
        VERIFIER.wait_for(each, max(0.0, until - time.monotonic()))
    return [described(config, each, VERIFIER.known(each), expected, moments) for each in found]


def _new(backup: Backup) -> bool:
    return backup.verdict is None


def _late(backup: Backup) -> bool:
    return "after" in backup.before.values()
