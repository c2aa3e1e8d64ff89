"""Pages that a scripted session answers queries with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from warroom.model.live import IncidentLine, LogFilter, LogPage, LogQuery, ReleasesPage
from warroom.model.release import Release
from warroom.model.signal import LogLine
from warroom.testing.clock import START


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
    return page_of([a_line(index, start) for index in range(total)], query)


def page_of(rows: Sequence[LogLine], query: LogQuery) -> LogPage:
    """What the spool would answer on these lines, by reading them all."""
    runs = zip(*folded(rows, query.filter.folded), strict=True)
    passing = [(row, times) for row, times in runs if passes(row, query.filter)]
    kept, repeats = [row for row, _ in passing], [times for _, times in passing]
    if query.before is not None:
        end = sum(row.index < query.before for row in kept)
        first, kept_end = max(0, end - query.limit), end
    elif query.after is not None or query.at is not None:
        edge, at = query.after, query.at
        first = sum(row.index <= edge if edge is not None else bool(at and row.at and row.at < at) for row in kept)
        kept_end = first + query.limit
    else:
        first = max(0, len(kept) + query.first if query.first < 0 else query.first)
        kept_end = first + query.limit
    return LogPage(
        lines=tuple(kept[first:kept_end]),
        first=first,
        matching=len(kept),
        total=len(rows),
        searched=len(rows),
        of=len(rows),
        repeats=tuple(repeats[first:kept_end]) if query.filter.folded else (),
    )


def passes(row: LogLine, wanted: LogFilter) -> bool:
    text = row.text.lower()
    return (
        (not wanted.sources or any(row.source.startswith(name) for name in wanted.sources))
        and row.source not in wanted.without
        and (not wanted.levels or row.level in wanted.levels)
        and all(part.lower() in text for part in wanted.has)
        and not any(part.lower() in text for part in wanted.lacks)
        and all(re.search(part, row.text, re.IGNORECASE) for part in wanted.matches)
        and not any(re.search(part, row.text, re.IGNORECASE) for part in wanted.unlike)
    )


def folded(rows: Sequence[LogLine], wanted: bool) -> tuple[Sequence[LogLine], list[int]]:
    """Each run of lines of one source that say the same as its first line, with how many they are."""
    if not wanted:
        return rows, [1] * len(rows)
    kept: list[LogLine] = []
    counts: list[int] = []
    last: dict[str, int] = {}
    for row in rows:
        at = last.get(row.source)
        if at is not None and kept[at].text == row.text:
            counts[at] += 1
        else:
            last[row.source] = len(kept)
            kept.append(row)
            counts.append(1)
    return kept, counts


def releases_page(releases: tuple[Release, ...], running: Release) -> ReleasesPage:
    return ReleasesPage(
        releases=releases, running=running, best=1, reason="the newest release that ran without a trigger firing"
    )


def incident_lines() -> tuple[IncidentLine, ...]:
    """One that is open here, one that ended well, one that can't be read."""
    return (
        IncidentLine(
            id="INC-0042", title="High error rate", service="ai-saas-app", opened_at=START, entries=40, here=True
        ),
        IncidentLine(
            id="INC-0041",
            title="Sign-in fails",
            service="ai-saas-app",
            environment="production",
            opened_at=START - timedelta(days=3),
            closed="recovered",
            closed_at=START - timedelta(days=3) + timedelta(minutes=12),
            severity="critical",
            entries=311,
        ),
        IncidentLine(id="INC-0040", damaged="entry 7 is not as it was written"),
    )
