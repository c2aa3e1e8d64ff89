"""The times before the lines of a log: to the nanosecond, where those of objects have seconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NS = 1_000_000_000
"""In a second."""
_STAMP = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)(?: |$)")


def moment(ns: int) -> datetime:
    return EPOCH + timedelta(microseconds=ns // 1000)


def since_time(ns: int) -> str:
    """For ``sinceTime``, which kubelets read by the whole second: the second that ``ns`` lies in."""
    return f"{moment(ns // NS * NS):%Y-%m-%dT%H:%M:%SZ}"


def stamped(line: bytes) -> tuple[int, bytes] | None:
    """A log line's time in nanoseconds since 1970, and the line without it. None where there is no time before it."""
    match = _STAMP.match(line[:64])
    if match is None:
        return None
    try:
        seconds = _seconds(match[1].decode(), match[3].decode())
    except ValueError:
        return None
    return seconds * NS + int((match[2] or b"0").ljust(9, b"0")), line[match.end() :]


@lru_cache(maxsize=256)
def _seconds(text: str, zone: str) -> int:
    """Since 1970. Many lines share one second."""
    whole = datetime.fromisoformat(text + ("+00:00" if zone == "Z" else zone)) - EPOCH
    return whole.days * 86400 + whole.seconds
