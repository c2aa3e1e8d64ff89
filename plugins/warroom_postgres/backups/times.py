"""When the data of a dump was as it is in it, and how well that is known. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from warroom.model.base import Fact, Instant

_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
_BEGINNING = timedelta(minutes=10)
"""From the moment in a dump's header to that of its data: pg_dump connects and waits for locks in between."""
_APART = timedelta(minutes=30)
"""A script may name its file so long before the dump begins, or after it has ended. No zone is less than that off."""
_LONG = timedelta(minutes=50)
"""A dump's file is written so long after its header. No zone that is in use is less than an hour from UTC."""
_DAY = re.compile(
    r"(?<!\d)(20\d\d)([-_.]?)(\d\d)\2(\d\d)(?:[T_.-]?([01]\d|2[0-3])[-:_.h]?([0-5]\d)(?:[-:_.m]?([0-5]\d))?(Z)?)?(?!\d)",
    re.ASCII,
)
_EPOCH = re.compile(r"(?<!\d)(1[5-9]\d{8}|2\d{9})(?!\d)", re.ASCII)
By = Literal["manifest", "header", "name", "file"]
_BY = {
    "manifest": "by its manifest",
    "header": "by its own header",
    "name": "by its name",
    "file": "by the time of its file",
}
When = Literal["before", "after", "unclear"]


class Made(Fact):
    """Between ``earliest`` (None: not told) and ``latest``. ``doubt``: its times contradict each other; those two are
    then the earliest and the latest that any of them tells."""

    earliest: Instant | None
    latest: Instant
    by: By
    doubt: str = ""

    @property
    def words(self) -> str:
        """``2025-10-09 02:30 UTC by its manifest``, ``about 02:30`` where that is when the dump was begun."""
        latest = f"{self.latest:%Y-%m-%d %H:%M} UTC"
        if self.earliest is None:
            text = f"{latest} or before, {_BY[self.by]}"
        elif self.latest - self.earliest <= timedelta(minutes=11):
            about = "about " if self.latest - self.earliest > timedelta(minutes=1) else ""
            text = f"{about}{self.earliest:%Y-%m-%d %H:%M} UTC {_BY[self.by]}"
        else:
            text = f"between {self.earliest:%Y-%m-%d %H:%M} and {latest} {_BY[self.by]}"
        return f"{text} ({self.doubt})" if self.doubt else text

    @property
    def since(self) -> datetime:
        """What was written from here on may not be in it."""
        return self.latest if self.earliest is None else self.earliest

    @property
    def exact(self) -> bool:
        return self.by == "manifest" and not self.doubt

    def against(self, moment: datetime) -> When:
        """Whether the data is from before a moment, by the latest that it can be of. A doubt leaves it unclear."""
        if self.doubt:
            return "unclear"
        if self.latest < moment:
            return "before"
        return "after" if self.earliest is not None and self.earliest > moment else "unclear"


def made_when(
    *, snapshot: datetime | None, header: datetime | None, in_utc: bool, name: str, written: datetime, zone: str | None
) -> Made:
    """``snapshot`` is the manifest's, ``header`` what the dump says of itself, ``written`` when its file last changed.

    A file's time may be later than its data, when it was copied; it is never earlier. A header's time is when the dump
    began, by a clock whose zone it does not name: ``zone`` is taken for it, and where that does not fit what else is
    known, any that it may be.
    """
    if snapshot is not None:
        return _within(snapshot, snapshot, "manifest", written)
    named = named_time(name, zone)
    if header is not None:
        earliest, latest = _anywhere(header, "UTC" if in_utc else zone)
        latest += _BEGINNING
        if written >= earliest and (named is None or not _apart((earliest, latest), named)):
            # The job may have run where clocks go by UTC, as in a container: its file's time is all that tells.
            utc = header.replace(tzinfo=UTC), header.replace(tzinfo=UTC) + _BEGINNING
            fits = named is None or not _apart(utc, named)
            if fits and latest < utc[0] <= written <= utc[0] + _LONG:
                latest = utc[1]
            return Made(earliest=earliest, latest=min(latest, written), by="header")
        in_another = header.replace(tzinfo=UTC)
        told = [earliest, latest, in_another, in_another + _BEGINNING, written, *(named or ())]
        return Made(earliest=min(told), latest=max(told), by="header", doubt=_disagreeing(name, header, written))
    if named is not None:
        return _within(*named, "name", written)
    return Made(earliest=None, latest=written, by="file")


def _apart(one: tuple[datetime, datetime], other: tuple[datetime, datetime]) -> bool:
    return one[1] + _APART < other[0] or other[1] + _APART < one[0]


def _disagreeing(name: str, header: datetime, written: datetime) -> str:
    """``its name says 02:00, its header 17:28, the file 02:00 UTC``: as they stand there, with days that differ."""
    walls = [("its name says", _wall(name)), ("its header", header), ("the file", written.replace(tzinfo=None))]
    told = [(who, at) for who, at in walls if at is not None]
    shape = "%H:%M" if len({at.date() for _, at in told}) == 1 else "%Y-%m-%d %H:%M"
    return ", ".join(f"{who} {at:{shape}}" for who, at in told) + " UTC"


def _within(earliest: datetime, latest: datetime, by: By, written: datetime) -> Made:
    if written < earliest:
        doubt = f"its file is from {written:%Y-%m-%d %H:%M} UTC, which is before that"
        return Made(earliest=earliest, latest=latest, by=by, doubt=doubt)
    return Made(earliest=earliest, latest=min(latest, written), by=by)


def _wall(name: str) -> datetime | None:
    """The time that stands in a name, as it stands there."""
    found = named_time(name, "UTC")
    return None if found is None else found[0].replace(tzinfo=None)


def _anywhere(wall: datetime, zone: str | None) -> tuple[datetime, datetime]:
    """The first and the last moment at which a clock on a wall shows this: of a zone, or of any."""
    if zone is not None:
        of = ZoneInfo(zone)
        both = [wall.replace(tzinfo=of, fold=fold).astimezone(UTC) for fold in (0, 1)]
        return min(both), max(both)
    return (wall - _EAST).replace(tzinfo=UTC), (wall - _WEST).replace(tzinfo=UTC)


def named_time(name: str, zone: str | None) -> tuple[datetime, datetime] | None:
    """The time that a file's name tells: a day, a minute, a second, or seconds since 1970."""
    if epoch := _EPOCH.search(name):
        at = datetime.fromtimestamp(int(epoch[1]), UTC)
        return at, at
    match = _DAY.search(name)
    if match is None:
        return None
    year, _, month, day, hour, minute, second, utc = match.groups()
    try:
        wall = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001 – it has no zone
    except ValueError:
        return None
    span = timedelta(days=1) if hour is None else timedelta(minutes=1) if second is None else timedelta(seconds=1)
    zone = "UTC" if utc else zone
    return _anywhere(wall, zone)[0], _anywhere(wall + span, zone)[1]
