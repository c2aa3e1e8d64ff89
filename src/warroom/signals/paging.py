"""Finding lines ``first`` … ``first + limit`` of many sources in the order they came, without reading what lies before.

Each source has an index ordered by the sequence number that all sources share. The position of a line among all of
them is found by bisecting on that number.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Protocol

from warroom.signals.segments import LEVELS, RECORD, STAMP, Record, Segment, Source

CHUNK = 4096
"""Lines that are searched at a time."""
MOST_MATCHES = 400_000
TAIL = 4000


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
        self._parts: list[tuple[int, int, Segment]] = []
        self._length = 0
        for segment in source.segments:
            count = segment.errors if errors else segment.lines
            if count:
                self._parts.append((self._length, count, segment))
                self._length += count

    def __len__(self) -> int:
        return self._length

    def seq(self, position: int) -> int:
        return self.records(position, 1)[0][1].seq

    def below(self, seq: int) -> int:
        low, high = 0, self._length
        while low < high:
            middle = (low + high) // 2
            if self.seq(middle) < seq:
                low = middle + 1
            else:
                high = middle
        return low

    def records(self, first: int, limit: int) -> list[tuple[Segment, Record]]:
        got: list[tuple[Segment, Record]] = []
        for begin, count, segment in self._parts:
            start, stop = max(first, begin), min(first + limit, begin + count)
            if start >= stop:
                continue
            path = segment.err if self._errors else segment.idx
            data = _pread(path, (start - begin) * RECORD.size, (stop - start) * RECORD.size)
            got += [(segment, Record(*fields)) for fields in RECORD.iter_unpack(data)]
        return got


class Matches:
    """The lines of a source that hold a text, found once and then only added to. Bounded: the oldest are forgotten."""

    def __init__(self, source: Source, needle: str, *, errors: bool) -> None:
        self.source = source
        self._needle = needle.lower()
        self._errors = errors
        self._scanned = 0
        self._seqs: array[int] = array("Q")
        self._numbers: array[int] = array("Q")

    def scan(self) -> bool:
        """Searches the next chunk. False when there is no more."""
        self._forget()
        number = max(self._scanned, self.source.oldest)
        if number >= self.source.lines:
            return False
        segment = next(s for s in reversed(self.source.segments) if s.first <= number)
        start = number - segment.first
        count = min(CHUNK, segment.lines - start)
        packed = _pread(segment.idx, start * RECORD.size, count * RECORD.size)
        records = [Record(*fields) for fields in RECORD.iter_unpack(packed)]
        begin, end = records[0].offset, records[-1].offset + records[-1].length
        data = _pread(segment.log, begin, end - begin)
        self._search(data, begin, records, number)
        self._scanned = number + count
        return True

    def _search(self, data: bytes, begin: int, records: Sequence[Record], number: int) -> None:
        plain = self._needle.isascii()
        hay, needle = data.lower(), self._needle.encode("utf-8", "replace")
        if plain and needle not in hay:
            return
        for index, record in enumerate(records):
            if self._errors and LEVELS[min(record.level, len(LEVELS) - 1)] != "error":
                continue
            start, stop = record.offset - begin + STAMP, record.offset - begin + record.length
            if plain:
                hit = hay.find(needle, start, stop) >= 0
            else:
                hit = self._needle in data[start:stop].decode("utf-8", "replace").lower()
            if hit:
                self._seqs.append(record.seq)
                self._numbers.append(number + index)

    def _forget(self) -> None:
        gone = max(bisect_left(self._numbers, self.source.oldest), len(self._numbers) - MOST_MATCHES)
        if gone > 0:
            del self._seqs[:gone]
            del self._numbers[:gone]

    def __len__(self) -> int:
        return len(self._seqs)

    def seq(self, position: int) -> int:
        return self._seqs[position]

    def below(self, seq: int) -> int:
        return bisect_left(self._seqs, seq)

    def records(self, first: int, limit: int) -> list[tuple[Segment, Record]]:
        got: list[tuple[Segment, Record]] = []
        for number in self._numbers[first : first + limit]:
            segment = next((s for s in reversed(self.source.segments) if s.first <= number), None)
            if segment is not None:
                data = _pread(segment.idx, (number - segment.first) * RECORD.size, RECORD.size)
                got.append((segment, Record(*RECORD.unpack(data))))
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


def merged(indexes: Sequence[Index], first: int, limit: int) -> list[tuple[Source, Segment, Record]]:
    """Lines ``first`` … ``first + limit`` of all the indexes together, oldest first."""
    total = sum(len(index) for index in indexes)
    starts = _starts(indexes, first, total)
    found = [
        (index.source, segment, record)
        for index, start in zip(indexes, starts, strict=True)
        for segment, record in index.records(start, limit if total - first > TAIL else len(index) - start)
    ]
    found.sort(key=lambda entry: entry[2].seq)
    skipped = sum(starts)
    return found[first - skipped : first - skipped + limit]


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


def _pread(path: os.PathLike[str], offset: int, length: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(handle, length, offset)
    finally:
        os.close(handle)
