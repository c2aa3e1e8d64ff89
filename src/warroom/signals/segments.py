"""One log source on disk: text files that a person can read, each with an index beside it.

A segment is ``NAME@LINES.ERRORS.log``: the source's name (percent-encoded), and how many lines and error lines came
before it, so that nothing has to be counted again after a restart, and what was rotated away is known by its absence.
Every line is ``2026-03-02T03:00:00.000Z text``. The index (``.idx``) has one record a line, ``.err`` the same records
for error lines only. Data is written before its index: what a crash leaves unindexed is indexed on opening.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from struct import Struct
from urllib.parse import quote, unquote

from warroom.model.signal import Level, LogLine
from warroom.signals.levels import level_of
from warroom.signals.matching import REPEAT_AT, STAMP

RECORD = Struct("<QIIqBB6x")
"""Sequence number over all sources, offset and length in bytes, microseconds since 1970, level, and 1 where the line
repeats the one before it in its source."""
LEVELS: tuple[Level, ...] = ("unknown", "debug", "info", "warning", "error")
ERROR = LEVELS.index("error")

MOST_KEPT = 4 * 1024**3
LEAST_KEPT = 64 * 1024**2
"""Bytes on disk, with the index."""
_TIME = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\b\d\d:\d\d:\d\d(?:[.,]\d+)?"
    rb'|"(?:ts|time|timestamp|@timestamp)":\s*[\d.]+'
)
"""A time that a line has of its own: two lines that differ in nothing else say the same."""


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    offset: int
    length: int
    at_us: int
    level: int
    repeat: int


@dataclass(slots=True)
class Segment:
    """``first``, ``first_error``: lines and error lines of the source before this segment."""

    base: Path
    first: int
    first_error: int
    size: int = 0
    lines: int = 0
    errors: int = 0

    @property
    def log(self) -> Path:
        return Path(f"{self.base}.log")

    @property
    def idx(self) -> Path:
        return Path(f"{self.base}.idx")

    @property
    def err(self) -> Path:
        return Path(f"{self.base}.err")

    @property
    def on_disk(self) -> int:
        return self.size + (self.lines + self.errors) * RECORD.size


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def stamp(at_us: int) -> bytes:
    """``2026-03-02T03:00:00.000Z`` and a space."""
    seconds, rest = divmod(at_us, 1_000_000)
    return b"%b.%03dZ " % (_second(seconds).encode("ascii"), rest // 1000)


@dataclass(slots=True)
class Batch:
    """Lines of one source on their way to disk."""

    data: bytearray = field(default_factory=bytearray)
    records: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    """Sequence number, length, microseconds, level, repeat."""

    def add(self, seq: int, at_us: int, level: int, text: bytes, repeat: int = 0) -> None:
        line = stamp(at_us) + text
        self.data += line + b"\n"
        self.records.append((seq, len(line), at_us, level, repeat))


class Source:
    """A source's segments, oldest first; the last one is written to."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.segments: list[Segment] = []
        self.unwritten = 0
        self.note = ""
        self._last = b""
        self._last_core = b""

    @property
    def oldest(self) -> int:
        """Lines that were rotated away: the number of the oldest line that is still here."""
        return self.segments[0].first if self.segments else 0

    @property
    def lines(self) -> int:
        last = self.segments[-1] if self.segments else None
        return last.first + last.lines if last else 0

    @property
    def errors(self) -> int:
        last = self.segments[-1] if self.segments else None
        return last.first_error + last.errors if last else 0

    @property
    def dropped(self) -> int:
        return self.oldest + self.unwritten

    @property
    def on_disk(self) -> int:
        return sum(segment.on_disk for segment in self.segments)

    def repeats(self, text: bytes) -> int:
        """1 when ``text`` says the same as the line before it, but for a time of its own. Asked once for each line."""
        same = text == self._last
        if same or len(text) != len(self._last):
            self._last = text
            self._last_core = b""
            return int(same)
        core, before = _TIME.sub(b"", text), self._last_core or _TIME.sub(b"", self._last)
        self._last, self._last_core = text, core
        return int(core == before)

    def write(self, batch: Batch, segment_bytes: int) -> None:
        """Appends; raises OSError when it cannot, and then nothing of the batch is kept."""
        if not self.segments or self.segments[-1].size >= segment_bytes:
            self._begin()
        segment = self.segments[-1]
        index, errors, offset = bytearray(), bytearray(), segment.size
        for seq, length, at_us, level, repeat in batch.records:
            # The first of a segment repeats nothing: what it repeats may be rotated away.
            packed = RECORD.pack(seq, offset, length, at_us, level, repeat if index or segment.lines else 0)
            index += packed
            if level == ERROR:
                errors += packed
            offset += length + 1
        parts = (
            (segment.log, segment.size, batch.data),
            (segment.err, segment.errors * RECORD.size, errors),
            (segment.idx, segment.lines * RECORD.size, index),
        )
        try:
            for path, end, data in parts:
                _append(path, end, data)
        except OSError:
            for path, end, _ in parts:
                _cut(path, end)
            raise
        segment.size = offset
        segment.lines += len(batch.records)
        segment.errors += len(errors) // RECORD.size

    def drop_oldest(self) -> bool:
        """Deletes the oldest segment; never the one being written."""
        if len(self.segments) < 2:
            return False
        gone = self.segments.pop(0)
        for path in (gone.idx, gone.err, gone.log):
            path.unlink(missing_ok=True)
        return True

    def _begin(self) -> None:
        base = self.folder / f"{quote(self.name, safe='')}@{self.lines:012d}.{self.errors:012d}"
        self.segments.append(Segment(base, self.lines, self.errors))


def _append(path: Path, end: int, data: bytes | bytearray) -> None:
    """Writes ``data`` at ``end``, wherever a failed write may have left the file."""
    if not data and path.exists():
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            written = os.pwrite(handle, view, end)
            view, end = view[written:], end + written
    finally:
        os.close(handle)


def _cut(path: Path, end: int) -> None:
    if path.exists() and path.stat().st_size > end:
        os.truncate(path, end)


def found(folder: Path) -> Iterator[tuple[str, Segment]]:
    """The segments that a folder holds from before, oldest first by source, with the source's name."""
    for path in sorted(folder.glob("*@*.log")):
        name, _, numbers = path.name.removesuffix(".log").rpartition("@")
        first, _, first_error = numbers.partition(".")
        if path.is_symlink() or not (first.isdecimal() and first_error.isdecimal()):
            continue
        yield unquote(name), Segment(path.with_suffix(""), int(first), int(first_error))


def recover(segment: Segment, next_seq: int) -> int:
    """Makes a segment's index agree with its data after a crash. Returns the sequence number to go on from.

    Where the last records say that nothing is missing, nothing else is read.
    """
    size = segment.log.stat().st_size
    if (last := _last(segment.idx)) is not None and last.offset + last.length + 1 == size:
        errors_end = _last(segment.err)
        if segment.err.exists() and (errors_end.seq <= last.seq if errors_end else not segment.err.stat().st_size):
            return max(next_seq, last.seq + 1)
    packed = segment.idx.read_bytes() if segment.idx.exists() else b""
    records = [Record(*fields) for fields in RECORD.iter_unpack(packed[: len(packed) - len(packed) % RECORD.size])]
    while records and records[-1].offset + records[-1].length + 1 > size:
        records.pop()
    end = records[-1].offset + records[-1].length + 1 if records else 0
    next_seq = max([next_seq, *(r.seq + 1 for r in records[-1:])])
    with segment.log.open("rb") as file:
        file.seek(end)
        tail = file.read()
    for line in tail.split(b"\n")[:-1]:
        level = LEVELS.index(level_of(line[STAMP:].decode("utf-8", "replace")))
        records.append(Record(next_seq, end, len(line), _read_stamp(line), level, 0))
        next_seq, end = next_seq + 1, end + len(line) + 1
    segment.size, segment.lines = end, len(records)
    errors = [r for r in records if r.level == ERROR]
    segment.errors = len(errors)
    _cut(segment.log, end)
    for path, kept in ((segment.err, errors), (segment.idx, records)):
        data = b"".join(RECORD.pack(r.seq, r.offset, r.length, r.at_us, r.level, r.repeat) for r in kept)
        _append(path, 0, data)
        _cut(path, len(data))
    return next_seq


def _last(path: Path) -> Record | None:
    """The last record of an index; None where there is none, or it is torn."""
    size = path.stat().st_size if path.exists() else 0
    if not size or size % RECORD.size:
        return None
    with path.open("rb") as file:
        file.seek(size - RECORD.size)
        return Record(*RECORD.unpack(file.read(RECORD.size)))


def _read_stamp(line: bytes) -> int:
    try:
        return int(datetime.fromisoformat(line[: STAMP - 1].decode("ascii")).timestamp() * 1_000_000)
    except ValueError:
        return 0


def read_lines(wanted: Sequence[tuple[Source, Segment, Record]], most: int, *, newest: bool) -> list[LogLine]:
    """The lines behind records, in their order; at most ``most`` bytes of them (but one line), of the newer end or
    of the older one.
    """
    handles: dict[Path, int] = {}
    lines: list[LogLine] = []
    try:
        for source, segment, record in reversed(wanted) if newest else wanted:
            most -= record.length
            if lines and most < 0:
                break
            handle = handles.get(segment.log)
            if handle is None:
                handle = handles[segment.log] = os.open(segment.log, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            data = os.pread(handle, record.length, record.offset)
            lines.append(
                LogLine(
                    source=source.name,
                    text=data[STAMP:].decode("utf-8", "replace"),
                    at=datetime.fromtimestamp(record.at_us / 1_000_000, UTC),
                    level=LEVELS[min(record.level, ERROR)],
                    index=record.seq,
                )
            )
    finally:
        for handle in handles.values():
            os.close(handle)
    return lines[::-1] if newest else lines


def run_length(segment: Segment, record: Record) -> int:
    """How many lines, this one and those after it in its segment, say the same."""
    handle = os.open(segment.idx, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        at = _number(handle, segment, record.seq) + 1
        count, step = 1, 8
        while at < segment.lines:
            packed = os.pread(handle, min(step, segment.lines - at) * RECORD.size, at * RECORD.size)
            repeats = packed[REPEAT_AT :: RECORD.size]
            run = len(repeats) - len(repeats.lstrip(b"\x01"))
            count += run
            if run < len(repeats) or not repeats:
                break
            at, step = at + run, 4096
        return count
    finally:
        os.close(handle)


def _number(handle: int, segment: Segment, seq: int) -> int:
    """The position of a line in its segment, by its sequence number."""
    low, high = 0, segment.lines
    while low < high:
        middle = (low + high) // 2
        if int.from_bytes(os.pread(handle, 8, middle * RECORD.size), "little") < seq:
            low = middle + 1
        else:
            high = middle
    return low


def room_for(folder: Path) -> int:
    """Bytes that the log may take: enough for some 25 million lines, but never more than a quarter of what is free.

    The journal and the evidence are on the same disk, and matter more.
    """
    return max(LEAST_KEPT, min(MOST_KEPT, shutil.disk_usage(folder).free // 4))
