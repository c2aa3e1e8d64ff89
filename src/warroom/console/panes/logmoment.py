"""A moment in the log, as it is typed: 12:03, 12:03:40, -5m, 2026-03-02 12:03; and as it is shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

from warroom.errors import BadInput

Stamps = Literal["utc", "local", "off"]
_AGO = re.compile(r"-(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m(?:in)?)?(?:(\d{1,7})s)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def parse_moment(typed: str, now: datetime, stamps: Stamps) -> datetime:
    """Raises BadInput. A time of day is the last such one, in the zone whose times are shown."""
    text = typed.strip()
    ago = _AGO.fullmatch(text)
    if ago is not None and any(ago.groups()):
        days, hours, minutes, seconds = (int(part or 0) for part in ago.groups())
        return now - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    zoned = now.astimezone() if stamps == "local" else now.astimezone(UTC)
    try:
        if (clock := _CLOCK.fullmatch(text)) is not None:
            hour, minute, second = (int(part or 0) for part in clock.groups())
            moment = zoned.replace(hour=hour, minute=minute, second=second, microsecond=0)
            return moment if moment <= now else moment - timedelta(days=1)
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=zoned.tzinfo)
    except ValueError:
        raise BadInput("That is no time", "write 12:03, 12:03:40, -5m or 2026-03-02 12:03") from None


def shown_time(at: datetime | None, stamps: Stamps) -> str:
    if at is None:
        return "--:--:--"
    return f"{at.astimezone() if stamps == 'local' else at.astimezone(UTC):%H:%M:%S}"


def zone(stamps: Stamps, now: datetime) -> str:
    """``UTC``, or the local zone with its distance to it: ``local +02:00``."""
    if stamps != "local":
        return "UTC"
    offset = f"{now.astimezone():%z}"
    return f"local {offset[:3]}:{offset[3:5]}"
