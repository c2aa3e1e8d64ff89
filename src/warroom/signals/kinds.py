"""Kinds of errors: what is left of a message when everything in it that differs from time to time is masked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from warroom.model.live import LogFilter, LogQuery
from warroom.model.signal import LogLine
from warroom.signals.spool import LogSpool

MOST_LINES = 50_000
PAGE = 2000
LONGEST = 300
_CLASS = re.compile(r"\b[A-Z]\w{0,60}(?:Error|Exception|Fault|Warning|Timeout|Interrupt)\b")
"""What raised it, wherever it is said: most logs have it within quotes."""
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d\d:\d\d:\d\d(?:[.,]\d+)?")
_QUOTED = re.compile(r"\"[^\"\n]{0,400}\"|(?<!\w)'[^'\n]{0,400}'(?!\w)|`[^`\n]{0,400}`")
_ID = re.compile(
    r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b|0x[0-9a-fA-F]+"
    r"|\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{7,}\b"
)
_NUMBER = re.compile(r"(?<![A-Za-z])\d+(?:[.,]\d+)*|(?<=[A-Za-z_-])\d+")


@dataclass(frozen=True)
class ErrorKind:
    """``new``: none was seen before the deploy; None: nothing was kept of that time, so nobody can say."""

    kind: str
    count: int
    first: LogLine
    new: bool | None


@dataclass(frozen=True)
class Errors:
    """``looked_at`` error lines of ``of`` that are kept; ``first`` is the first one at or after the deploy."""

    kinds: tuple[ErrorKind, ...]
    first: LogLine | None
    looked_at: int
    of: int


def fingerprint(text: str) -> str:
    """The message with times, quotes, ids and numbers masked, after the error's class: two of one kind have the same.

    Of several classes in a chain the last one counts: it is what came out.
    """
    text = text[:16_384]
    raised = _CLASS.findall(text)
    text = _STAMP.sub("‹time›", text[:2000])
    text = _QUOTED.sub("‹…›", text)
    text = _ID.sub("‹id›", text)
    said = " ".join(_NUMBER.sub("‹n›", text).split())
    return (f"{raised[-1]}: {said}" if raised and raised[-1] not in said[:LONGEST] else said)[:LONGEST]


def error_kinds(spool: LogSpool, deployed: datetime | None) -> Errors:
    """The kinds of errors since ``deployed`` (None: of all that is kept), new ones first, then the most frequent.

    Blocks: reads at most ``MOST_LINES`` error lines, the newest.
    """
    before: set[str] = set()
    found: dict[str, tuple[int, LogLine]] = {}
    looked_at = 0
    for line in _errors(spool):
        looked_at += 1
        kind = fingerprint(line.text)
        if deployed is not None and line.at is not None and line.at < deployed:
            before.add(kind)
        else:
            count, first = found.get(kind, (0, line))
            found[kind] = count + 1, first
    told = deployed is not None and _kept_before(spool, deployed)
    kinds = [
        ErrorKind(kind, count, first, (kind not in before) if told else None) for kind, (count, first) in found.items()
    ]
    kinds.sort(key=lambda each: (not each.new, -each.count))
    of = sum(head.errors for head in spool.heads().values())
    return Errors(tuple(kinds), spool.first_error(deployed), looked_at, of)


def _errors(spool: LogSpool) -> Iterator[LogLine]:
    errors = LogFilter(levels=("error",))
    page = spool.page(LogQuery(filter=errors, first=-1, limit=1))
    start = max(0, page.matching - MOST_LINES)
    page = spool.page(LogQuery(filter=errors, first=start, limit=PAGE))
    while page.lines:
        yield from page.lines
        page = spool.page(LogQuery(filter=errors, after=page.lines[-1].index, limit=PAGE))


def _kept_before(spool: LogSpool, moment: datetime) -> bool:
    oldest = spool.page(LogQuery(first=0, limit=1)).lines
    return bool(oldest) and oldest[0].at is not None and oldest[0].at < moment
