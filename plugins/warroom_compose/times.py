"""The engine's times: text and nanoseconds since 1970, as it gives them, and moments."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

NS = 1_000_000_000
"""In a second."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.(\d+)")


def instant(text: object) -> datetime | None:
    """A time of the engine's, which has nanoseconds, to the microsecond; None for its "never" and for no time."""
    if not isinstance(text, str) or text.startswith("0001-") or not text:
        return None
    short = _FRACTION.sub(lambda m: "." + (m[1] + "000000")[:6], text)
    try:
        found = datetime.fromisoformat(short)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def moment(ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ns // 1000)


def ns_of(at: datetime | None) -> int:
    """0 for never."""
    return 0 if at is None else (at - EPOCH) // timedelta(microseconds=1) * 1000
