"""Finding lines of many sources in the order they came, without reading what lies before.

Each source has an index ordered by the sequence number that all sources share: how many lines come before a number is
found by bisecting, so a page costs the same wherever it is. `DiskIndex` is what stands on disk; `filtered.Filtered`
holds what a search has found so far.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from warroom.model.live import LogFilter, LogQuery
from warroom.signals.segments import RECORD, Record, Segment, Source

CHUNK = 4096
"""Lines that are looked at together."""
TAIL = 4000
_JITTER = 512
"""Lines of one source come nearly in order of their time; this many may be out of it."""

Found = tuple[Source, Segment, Record]


class Index(Protocol):
    """One source's lines that match a query, oldest first."""

    source: Source

    def __len__(self) -> int: ...

    def seq(self, position: int) -> int: ...

    def below(self, seq: int) -> int:
        """How many come before ``seq``."""
        ...

    def records(self, first: int, limit: int) -> list[tuple[Segment, Record]]: ...


class DiskIndex:
    """All lines of a source, or its error lines, as they stand on disk."""

    def __init__(self, source: Source, *, errors: bool) -> None:
        self.source = source
        self._errors = errors
        self._parts: list[Segment] = []
        self._begins: list[int] = []
        self._length = 0
        for segment in source.segments:
            count = segment.errors if errors else segment.lines
            if count:
                self._parts.append(segment)
                self._begins.append(self._length)
                self._length += count

    def __len__(self) -> int:
        return self._length

    def seq(self, position: int) -> int:
        return self.records(position, 1)[0][1].seq

    def below(self, seq: int) -> int:
        return self._bisect(lambda record: record.seq < seq)

    def since(self, edge_us: int) -> int:
        """The position of the first line whose own time is ``edge_us`` or later."""
        near = self._bisect(lambda record: record.at_us < edge_us)
        first = max(0, near - _JITTER)
        records = self.records(first, 2 * _JITTER)
        return next((first + n for n, (_, record) in enumerate(records) if record.at_us >= edge_us), near)

    def from_about(self, edge_us: int) -> int:
        """How many lines are of ``edge_us`` or later, but for the few that are out of order there. Asked for often."""
        if not self._length or self.records(self._length - 1, 1)[0][1].at_us < edge_us:
            return 0
        return self._length - self._bisect(lambda record: record.at_us < edge_us)

    def _bisect(self, before: Callable[[Record], bool]) -> int:
        low, high = 0, self._length
        while low < high:
            middle = (low + high) // 2
            if before(self.records(middle, 1)[0][1]):
                low = middle + 1
            else:
                high = middle
        return low

    def records(self, first: int, limit: int) -> list[tuple[Segment, Record]]:
        got: list[tuple[Segment, Record]] = []
        end = min(first + limit, self._length)
        part = max(0, bisect_right(self._begins, first) - 1)
        while first < end:
            segment, begin = self._parts[part], self._begins[part]
            stop = min(end, self._begins[part + 1] if part + 1 < len(self._parts) else self._length)
            path = segment.err if self._errors else segment.idx
            data = pread(path, (first - begin) * RECORD.size, (stop - first) * RECORD.size)
            got += [(segment, Record(*fields)) for fields in RECORD.iter_unpack(data)]
            first, part = stop, part + 1
        return got


def newer(index: Index, edge_us: int) -> Iterator[tuple[Segment, Record]]:
    """Lines whose own time is ``edge_us`` or later, newest first.

    A source's lines come nearly in order of their time: the search ends at a whole chunk that is older.
    """
    stop = len(index)
    while stop > 0:
        start = max(0, stop - CHUNK)
        found = [entry for entry in index.records(start, stop - start) if entry[1].at_us >= edge_us]
        if not found:
            return
        yield from reversed(found)
        stop = start


def around(indexes: Sequence[Index], seq: int, before: int, after: int) -> tuple[int, list[Found]]:
    """``before`` lines below ``seq`` and ``after`` from it on, with the position of the first of them."""
    lower: list[Found] = []
    upper: list[Found] = []
    position = 0
    for index in indexes:
        here = index.below(seq)
        position += here
        start = max(0, here - before)
        lower += [(index.source, *entry) for entry in index.records(start, here - start)] if before else []
        upper += [(index.source, *entry) for entry in index.records(here, after)] if after else []
    lower.sort(key=_seq)
    upper.sort(key=_seq)
    kept = lower[-before:] if before else []
    return position - len(kept), kept + upper[:after]


def merged(indexes: Sequence[Index], first: int, limit: int) -> list[Found]:
    """Lines ``first`` … ``first + limit`` of all the indexes together, oldest first."""
    total = sum(len(index) for index in indexes)
    starts = _starts(indexes, first, total)
    near_end = total - first <= TAIL
    found = [
        (index.source, segment, record)
        for index, start in zip(indexes, starts, strict=True)
        for segment, record in index.records(start, len(index) - start if near_end else limit)
    ]
    found.sort(key=_seq)
    skipped = sum(starts)
    return found[first - skipped : first - skipped + limit]


def chosen(sources: dict[str, Source], wanted: LogFilter) -> list[Source]:
    """The sources a filter names: by whole name, else all that begin with it."""
    named: set[str] = set()
    for name in wanted.sources:
        named |= {name} if name in sources else {known for known in sources if known.startswith(name)}
    return [
        source
        for name, source in sources.items()
        if (name in named or not wanted.sources) and name not in wanted.without
    ]


def cut_out(indexes: Sequence[Index], query: LogQuery, edge: int) -> tuple[int, list[Found]]:
    """The lines a query is about among those that are known, and the first one's position."""
    if query.before is not None:
        return around(indexes, edge, query.limit, 0)
    if query.after is not None or query.at is not None:
        return around(indexes, edge, 0, query.limit)
    matching = sum(len(index) for index in indexes)
    first = min(query.first if query.first >= 0 else max(0, matching + query.first), matching)
    return first, merged(indexes, first, query.limit) if matching else []


def _seq(entry: Found) -> int:
    return entry[2].seq


def _starts(indexes: Sequence[Index], first: int, total: int) -> list[int]:
    """Where to begin in each index so that nothing from ``first`` on is missed.

    Near the end that is a fixed number from each one's end; elsewhere the sequence number that ``first`` lines come
    before is bisected for.
    """
    if first <= 0:
        return [0] * len(indexes)
    if total - first <= TAIL:
        return [max(0, len(index) - (total - first)) for index in indexes]
    filled = [index for index in indexes if len(index)]
    low = min(index.seq(0) for index in filled)
    high = max(index.seq(len(index) - 1) for index in filled) + 1
    while low < high:
        middle = (low + high) // 2
        if sum(index.below(middle) for index in filled) < first:
            low = middle + 1
        else:
            high = middle
    return [index.below(low) if len(index) else 0 for index in indexes]


def pread(path: os.PathLike[str], offset: int, length: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(handle, length, offset)
    finally:
        os.close(handle)
