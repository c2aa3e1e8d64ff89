"""The API's times: objects have whole seconds, leases and newer events have microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NEVER = datetime.min.replace(tzinfo=UTC)


def instant(text: object) -> datetime | None:
    """None for no time, and for what is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def happened_at(event: Mapping[str, Any]) -> datetime | None:
    """When an event was last seen.

    Who reports through the newer interface leaves ``lastTimestamp`` null: then its series says so, or ``eventTime``.
    """
    series = event.get("series")
    told = [
        series.get("lastObservedTime") if isinstance(series, Mapping) else None,
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
        (event.get("metadata") or {}).get("creationTimestamp"),
    ]
    found = [at for at in map(instant, told[:3]) if at is not None]
    if found:
        return max(found)
    return next((at for at in map(instant, told[3:]) if at is not None), None)


def by_time(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Oldest first; of one second in the order that the server stored them, and without any time first."""
    return sorted(events, key=lambda one: (happened_at(one) or NEVER, _stored(one)))


def _stored(event: Mapping[str, Any]) -> int:
    version = str((event.get("metadata") or {}).get("resourceVersion") or "")
    return int(version) if version.isdigit() else 0
