"""Every log line, on disk, one set of files per source, and paged from there.

The screen shows a window of it; the evidence is a copy of it. What is kept is limited in bytes: beyond that the oldest
lines of the largest source go, so that a flood in one source does not push out the quiet ones, and they are counted.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from warroom.api import Clock
from warroom.model.live import LogPage, LogQuery
from warroom.model.signal import LogHead, LogLine
from warroom.signals.levels import level_of
from warroom.signals.paging import DiskIndex, Index, Matches, merged, newer
from warroom.signals.segments import LEVELS, RECORD, Batch, Record, Segment, Source, found, read_lines, recover

LONGEST = 16_384
"""Characters of a line that are kept; the cut is marked with how long the line was."""
LOOKED_AT = 65_536
"""Characters of a line that are cleaned at all. Well beyond ``LONGEST``: no half secret is left at the cut."""
MOST_SOURCES = 256
OTHERS = "other sources"
BATCH = 2000
BATCH_CHARS = 8_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LogSpool:
    """Safe for several threads. Its methods touch the disk: call them off the event loop (``asyncio.to_thread``).

    ``clean`` is the ingress: it takes secrets and control bytes out of a text. Nothing is written without it.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        clean: Callable[[str], str],
        *,
        limit_bytes: int = 512 * 1024 * 1024,
        segment_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._clean = clean
        self._limit = limit_bytes
        self._segment = segment_bytes
        self._lock = threading.RLock()
        self._sources: dict[str, Source] = {}
        self._seq = 0
        self._searches: OrderedDict[tuple[object, ...], list[Matches]] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._reopen()

    def append(self, lines: Sequence[LogLine]) -> None:
        """Writes lines in the order given. A disk that refuses is said in the source's head, with what was lost."""
        now_us = _us(self._clock.now())
        with self._lock:
            batches: dict[str, Batch] = {}
            for line in lines:
                source = self._source_name(line.source)
                text, level = self._ready(line, source)
                at_us = _us(line.at) if line.at is not None else now_us
                batches.setdefault(source, Batch()).add(self._seq, at_us, level, text)
                self._seq += 1
            for name, batch in batches.items():
                self._write(name, batch)
            self._make_room()

    def heads(self) -> dict[str, LogHead]:
        """What each source holds. ``lines`` and ``errors`` are all that ever came, ``dropped`` those no longer here."""
        with self._lock:
            return {name: _head(source) for name, source in self._sources.items()}

    def page(self, query: LogQuery) -> LogPage:
        """Lines that match, oldest first. ``contains`` disregards case; it is searched once and then only added to."""
        with self._lock:
            sources = [s for name, s in self._sources.items() if not query.sources or name in query.sources]
            indexes = self._indexes(query, sources)
        if query.contains:
            for index in indexes:
                while isinstance(index, Matches) and self._scan(index):
                    pass
        with self._lock:
            if not query.contains:
                indexes = self._indexes(query, sources)
            matching = sum(len(index) for index in indexes)
            first = query.first if query.first >= 0 else max(0, matching + query.first)
            first = min(first, matching)
            wanted = merged(indexes, first, query.limit) if matching else []
            return LogPage(
                lines=tuple(read_lines(wanted)),
                first=first,
                matching=matching,
                total=sum(source.lines - source.oldest for source in self._sources.values()),
                dropped=sum(source.dropped for source in sources),
            )

    def first_error(self, since: datetime | None = None) -> LogLine | None:
        """The first error line at or after ``since``, by the lines' own time; None when there is none."""
        edge = _us(since) if since is not None else None
        with self._lock:
            found_lines: list[LogLine] = []
            for source in self._sources.values():
                index = DiskIndex(source, errors=True)
                for start in range(0, len(index), 1000):
                    hit = next((e for e in index.records(start, 1000) if edge is None or e[1].at_us >= edge), None)
                    if hit is not None:
                        found_lines += read_lines([(source, *hit)])
                        break
        return min(found_lines, key=lambda line: line.at or _EPOCH, default=None)

    def since(self, moment: datetime, most: int = 200) -> tuple[int, int, tuple[LogLine, ...]]:
        """(lines, error lines, the first ``most`` of those) at or after ``moment``, by the lines' own time.

        Every kept line counts, however many came since.
        """
        edge = _us(moment)
        lines = errors = 0
        found_errors: list[LogLine] = []
        with self._lock:
            for source in self._sources.values():
                lines += sum(1 for _ in newer(DiskIndex(source, errors=False), edge))
                first: deque[tuple[Source, Segment, Record]] = deque(maxlen=most)
                for segment, record in newer(DiskIndex(source, errors=True), edge):
                    errors += 1
                    first.append((source, segment, record))
                found_errors += read_lines(list(first))
        found_errors.sort(key=lambda line: (line.at or _EPOCH, line.index))
        return lines, errors, tuple(found_errors[:most])

    def copy_to(self, folder: Path) -> tuple[Path, ...]:
        """One text file per source, 0600, with every line that is kept. Returns what was written."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock:
            names = list(self._sources)
        written = [(name, folder / f"{quote(name, safe=' ')}.log") for name in names]
        for name, path in written:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
            self.copy_source(name, path)
        return tuple(path for _, path in written)

    def copy_source(self, name: str, path: Path) -> None:
        """Every kept line of one source into a file that is there already, from its beginning."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "wb") as out:
            with self._lock:
                parts = [(os.open(s.log, os.O_RDONLY | os.O_CLOEXEC), s.size) for s in self._sources[name].segments]
            for handle, size in parts:
                with os.fdopen(handle, "rb") as part:
                    _copy(part.read, size, out.write)

    def _ready(self, line: LogLine, source: str) -> tuple[bytes, int]:
        """The line's text as it goes to disk, and its level."""
        text = line.text
        length = len(text)
        text = self._clean(text[:LOOKED_AT] if length > LOOKED_AT else text)
        if len(text) > LONGEST or length > LOOKED_AT:
            text = f"{text[:LONGEST]} … [cut: the line had {length:,} characters]"
        if source == OTHERS:
            text = f"{self._clean(line.source)[:80]}: {text}"
        if "\n" in text or "\r" in text:
            text = text.replace("\r", "␍").replace("\n", "␊")
        level = line.level if line.level != "unknown" else level_of(text)
        return text.encode("utf-8", "replace"), LEVELS.index(level)

    def _source_name(self, raw: str) -> str:
        if raw in self._sources:
            return raw
        name = self._clean(raw[:400])[:80] or "unnamed"
        if len(quote(name, safe="")) > 200:
            name = name.encode("ascii", "replace").decode()[:60]
        if name not in self._sources:
            if len(self._sources) >= MOST_SOURCES:
                name = OTHERS
            self._sources.setdefault(name, Source(self.folder, name))
        return name

    def _write(self, name: str, batch: Batch) -> None:
        source = self._sources[name]
        try:
            source.write(batch, self._segment)
            source.note = ""
        except OSError as error:
            source.unwritten += len(batch.records)
            source.note = f"lines are not being kept: {error.strerror or error}"

    def _make_room(self) -> None:
        while sum(source.on_disk for source in self._sources.values()) > self._limit:
            droppable = [source for source in self._sources.values() if len(source.segments) > 1]
            if not droppable or not max(droppable, key=lambda s: s.on_disk).drop_oldest():
                return

    def _indexes(self, query: LogQuery, sources: list[Source]) -> Sequence[Index]:
        if not query.contains:
            return [DiskIndex(source, errors=query.errors_only) for source in sources]
        key = (query.contains.lower(), query.errors_only)
        kept = {id(m.source): m for m in self._searches.pop(key, [])}
        for source in sources:
            kept.setdefault(id(source), Matches(source, query.contains, errors=query.errors_only))
        self._searches[key] = list(kept.values())
        while len(self._searches) > 4:
            self._searches.popitem(last=False)
        return [kept[id(source)] for source in sources]

    def _scan(self, matches: Matches) -> bool:
        """One chunk at a time under the lock, so that a long search does not hold up what is being written."""
        with self._lock:
            return matches.scan()

    def _reopen(self) -> None:
        for name, segment in found(self.folder):
            source = self._sources.setdefault(name, Source(self.folder, name))
            segment.size = segment.log.stat().st_size
            segment.lines, segment.errors = _records_in(segment.idx), _records_in(segment.err)
            source.segments.append(segment)
        for source in self._sources.values():
            self._seq = recover(source.segments[-1], self._seq)


def _records_in(path: Path) -> int:
    return path.stat().st_size // RECORD.size if path.exists() else 0


def _head(source: Source) -> LogHead:
    return LogHead(
        source=source.name,
        lines=source.lines + source.unwritten,
        errors=source.errors,
        dropped=source.dropped,
        last_at=datetime.fromtimestamp(source.last_at_us / 1_000_000, UTC) if source.last_at_us is not None else None,
        note=source.note,
    )


def _us(moment: datetime) -> int:
    return int((moment - _EPOCH).total_seconds() * 1_000_000)


def _copy(read: Callable[[int], bytes], size: int, write: Callable[[bytes], object]) -> None:
    while size > 0:
        data = read(min(size, 1 << 20))
        if not data:
            return
        size -= len(data)
        write(data)


async def pump(lines: AsyncIterator[LogLine], spool: LogSpool) -> None:
    """Writes what ``lines`` yields, in batches, off the event loop, until it ends or raises (then that is raised).

    While a batch is being written the next one gathers, at most ``BATCH`` lines or ``BATCH_CHARS``: a source that
    floods waits for the disk, and memory stays bounded. When cancelled, what has gathered is still written.
    """
    gathered: list[LogLine] = []
    chars = 0
    some, room = asyncio.Event(), asyncio.Event()
    ended = False

    async def gather() -> None:
        nonlocal ended, chars
        try:
            async for line in lines:
                gathered.append(line)
                chars += len(line.text)
                some.set()
                if len(gathered) >= BATCH or chars >= BATCH_CHARS:
                    room.clear()
                    await room.wait()
        finally:
            ended = True
            some.set()

    reader = asyncio.create_task(gather(), name="log-pump")
    try:
        while not ended or gathered:
            await some.wait()
            some.clear()
            batch, gathered, chars = gathered, [], 0
            room.set()
            if batch:
                await asyncio.to_thread(spool.append, batch)
        await reader
    finally:
        reader.cancel()
        await asyncio.wait({reader})
        if gathered:
            spool.append(gathered)
