"""One log source on disk: text files that a person can read, each with an index beside it.

A segment is ``NAME@LINES.ERRORS.log``: the source's name (percent-encoded), and how many lines and error lines came
before it, so that nothing has to be counted again after a restart, and what was rotated away is known by its absence.
Every line is ``2026-03-02T03:00:00.000Z text``. The index (``.idx``) has one record a line, ``.err`` the same records
for error lines only. Data is written before its index: what a crash leaves unindexed is indexed on opening.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from struct import Struct
from urllib.parse import quote, unquote

from warroom.model.signal import Level, LogLine
from warroom.signals.levels import level_of

RECORD = Struct("<QIIqB7x")
"""Sequence number over all sources, offset and length in bytes, microseconds since 1970, level."""
LEVELS: tuple[Level, ...] = ("unknown", "debug", "info", "warning", "error")
ERROR = LEVELS.index("error")
STAMP = 25
"""Bytes before a line's text: the time and a space."""


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    offset: int
    length: int
    at_us: int
    level: int


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
    records: list[tuple[int, int, int, int]] = field(default_factory=list)
    """Sequence number, length, microseconds, level."""

    def add(self, seq: int, at_us: int, level: int, text: bytes) -> None:
        line = stamp(at_us) + text
        self.data += line + b"\n"
        self.records.append((seq, len(line), at_us, level))


class Source:
    """A source's segments, oldest first; the last one is written to."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.segments: list[Segment] = []
        self.unwritten = 0
        self.note = ""
        self.last_at_us: int | None = None

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

    def write(self, batch: Batch, segment_bytes: int) -> None:
        """Appends; raises OSError when it cannot, and then nothing of the batch is kept."""
        if not self.segments or self.segments[-1].size >= segment_bytes:
            self._begin()
        segment = self.segments[-1]
        index, errors, offset = bytearray(), bytearray(), segment.size
        for seq, length, at_us, level in batch.records:
            packed = RECORD.pack(seq, offset, length, at_us, level)
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
        self.last_at_us = batch.records[-1][2]

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
    """Makes a segment's index agree with its data after a crash. Returns the sequence number to go on from."""
    size = segment.log.stat().st_size
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
        records.append(Record(next_seq, end, len(line), _read_stamp(line), level))
        next_seq, end = next_seq + 1, end + len(line) + 1
    segment.size, segment.lines = end, len(records)
    errors = [r for r in records if r.level == ERROR]
    segment.errors = len(errors)
    _cut(segment.log, end)
    for path, kept in ((segment.err, errors), (segment.idx, records)):
        data = b"".join(RECORD.pack(r.seq, r.offset, r.length, r.at_us, r.level) for r in kept)
        _append(path, 0, data)
        _cut(path, len(data))
    return next_seq


def _read_stamp(line: bytes) -> int:
    try:
        return int(datetime.fromisoformat(line[: STAMP - 1].decode("ascii")).timestamp() * 1_000_000)
    except ValueError:
        return 0


def read_lines(wanted: Sequence[tuple[Source, Segment, Record]]) -> list[LogLine]:
    """The lines behind records, in their order."""
    handles: dict[Path, int] = {}
    lines: list[LogLine] = []
    try:
        for source, segment, record in wanted:
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
    return lines
