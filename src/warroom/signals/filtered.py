"""What a search has found so far in one source: a mask of 4,096 bits for each chunk that has been looked at.

So ten million lines are searched once, chunk by chunk, newest first or in any other order, and what is known of them
fits into little more than a megabyte. A chunk that lines were added to is looked at again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

from warroom.signals.matching import Chunk, Matcher, Test, lines_in
from warroom.signals.paging import CHUNK, pread
from warroom.signals.segments import RECORD, Record, Segment, Source

ENDLESS = 1 << 62


class Part:
    """A chunk of a segment. ``looked`` of its lines have been looked at; ``upper`` is above its last line's number."""

    __slots__ = ("first_seq", "looked", "mask", "segment", "start", "upper")

    def __init__(self, segment: Segment, start: int, first_seq: int) -> None:
        self.segment, self.start, self.first_seq = segment, start, first_seq
        self.upper = ENDLESS
        self.looked = self.mask = 0

    @property
    def lines(self) -> int:
        return min(CHUNK, self.segment.lines - self.start)

    @property
    def known(self) -> bool:
        return self.looked >= self.lines

    def chunk(self) -> Chunk:
        """Where it is on disk now."""
        segment, count = self.segment, self.lines
        first = Record(*RECORD.unpack(pread(segment.idx, self.start * RECORD.size, RECORD.size)))
        last = Record(*RECORD.unpack(pread(segment.idx, (self.start + count - 1) * RECORD.size, RECORD.size)))
        end = last.offset + last.length
        return Chunk(str(segment.log), str(segment.idx), first.offset, end, self.start, count)


class Filtered:
    """An ``Index`` of the lines known to pass. ``refresh`` before use, and after lines came or went."""

    def __init__(self, source: Source, test: Test) -> None:
        self.source = source
        self._matcher = Matcher(test)
        self.parts: list[Part] = []
        self._begins: list[int] = [0]
        self._firsts: list[int] = []

    def refresh(self) -> None:
        oldest = self.source.oldest
        while self.parts and self.parts[0].segment.first < oldest:
            self.parts.pop(0)
        segments = self.source.segments
        begun = self.parts[-1] if self.parts else None
        for segment in segments:
            if begun is not None and segment.first < begun.segment.first:
                continue
            start = begun.start + CHUNK if begun is not None and segment.first == begun.segment.first else 0
            for at in range(start, segment.lines, CHUNK):
                first = Record(*RECORD.unpack(pread(segment.idx, at * RECORD.size, RECORD.size)))
                part = Part(segment, at, first.seq)
                if self.parts:
                    self.parts[-1].upper = part.first_seq
                self.parts.append(part)
        self._firsts = [part.first_seq for part in self.parts]
        self.count()

    def count(self) -> None:
        """Takes what has been found into the positions."""
        self._begins = list(accumulate((part.mask.bit_count() for part in self.parts), initial=0))

    def look(self, part: Part) -> int:
        """Looks at a chunk here and now; for filters without expressions. Returns how many of its lines pass."""
        chunk = part.chunk()
        part.mask, part.looked = self._matcher.passing(chunk), chunk.count
        return part.mask.bit_count()

    @property
    def searched(self) -> int:
        return sum(min(part.looked, part.lines) for part in self.parts)

    def __len__(self) -> int:
        return self._begins[-1]

    def seq(self, position: int) -> int:
        return self.records(position, 1)[0][1].seq

    def below(self, seq: int) -> int:
        at = bisect_right(self._firsts, seq) - 1
        if at < 0:
            return 0
        part = self.parts[at]
        if not part.mask:
            return self._begins[at]
        if seq >= part.upper:
            return self._begins[at + 1]
        packed = pread(part.segment.idx, part.start * RECORD.size, part.lines * RECORD.size)
        return self._begins[at] + bisect_left(lines_in(part.mask), seq, key=lambda n: _seq_at(packed, n))

    def records(self, first: int, limit: int) -> list[tuple[Segment, Record]]:
        got: list[tuple[Segment, Record]] = []
        end = min(first + limit, len(self))
        at = max(0, bisect_right(self._begins, first) - 1)
        while first < end:
            part, begin = self.parts[at], self._begins[at]
            stop = min(end, self._begins[at + 1])
            if stop > first:
                numbers = lines_in(part.mask)[first - begin : stop - begin]
                length = (numbers[-1] - numbers[0] + 1) * RECORD.size
                packed = pread(part.segment.idx, (part.start + numbers[0]) * RECORD.size, length)
                for n in numbers:
                    fields = RECORD.unpack_from(packed, (n - numbers[0]) * RECORD.size)
                    got.append((part.segment, Record(*fields)))
            first, at = stop, at + 1
        return got


def _seq_at(packed: bytes, number: int) -> int:
    return int.from_bytes(packed[number * RECORD.size : number * RECORD.size + 8], "little")
