"""Pages that a scripted session answers queries with."""

from __future__ import annotations

from datetime import datetime, timedelta

from warroom.model.live import LogPage, LogQuery, ReleasesPage
from warroom.model.release import Release
from warroom.model.signal import LogLine


def a_line(index: int, start: datetime) -> LogLine:
    bad = index % 6 == 5
    texts = ("GET /api/health 200 4 ms", "POST /api/auth/signin 200 38 ms", "GET /api/conversations 200 12 ms")
    text = "POST /api/auth/signin 503 column Session.token_hash does not exist" if bad else texts[index % 3]
    return LogLine(
        source="web" if index % 4 else "db",
        text=text,
        at=start + timedelta(seconds=index),
        level="error" if bad else "info",
        index=index,
    )


def log_page(query: LogQuery, total: int, start: datetime) -> LogPage:
    """Lines 0 … total, filtered and cut as the contract says."""
    every = [a_line(index, start) for index in range(total)]
    kept = [
        row
        for row in every
        if query.contains in row.text
        and (not query.errors_only or row.level == "error")
        and (not query.sources or row.source in query.sources)
    ]
    first = max(0, len(kept) + query.first if query.first < 0 else query.first)
    return LogPage(lines=tuple(kept[first : first + query.limit]), first=first, matching=len(kept), total=total)


def releases_page(releases: tuple[Release, ...], running: Release) -> ReleasesPage:
    return ReleasesPage(
        releases=releases, running=running, best=1, reason="the newest release that ran without a trigger firing"
    )
