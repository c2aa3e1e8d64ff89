"""Every log line, on disk, one set of files per source, and paged from there.

The screen shows a window of it; the evidence is a copy of it. What is kept is limited in bytes: beyond that the oldest
lines of the largest source go, so that a flood in one source does not push out the quiet ones, and they are counted.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from warroom.api import Clock
from warroom.errors import BadInput
from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogHead, LogLine
from warroom.signals.filtered import ENDLESS, Filtered
from warroom.signals.levels import level_of
from warroom.signals.matching import Test
from warroom.signals.paging import DiskIndex, Found, Index, chosen, cut_out, newer
from warroom.signals.searching import Search
from warroom.signals.segments import (
    LEVELS,
    RECORD,
    Batch,
    Record,
    Segment,
    Source,
    found,
    read_lines,
    recover,
    room_for,
    run_length,
)

LONGEST = 16_384
"""Characters of a line that are kept; the cut is marked with how long the line was."""
LOOKED_AT = 65_536
"""Characters of a line that are cleaned at all. Well beyond ``LONGEST``: no half secret is left at the cut."""
MOST_SOURCES = 256
OTHERS = "other sources"
BATCH = 2000
BATCH_CHARS = 8_000_000
SEARCHES = 8
"""Filters whose findings are kept: what is on the screen, its search and its next errors, for two consoles."""
MOST_BYTES = 1_000_000
"""Of a page, so that a thousand huge lines are several pages. One line is always given."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _View:
    """``filtered`` is empty where the index on disk has the answer already."""

    sources: list[Source]
    test: Test
    indexes: Sequence[Index]
    filtered: list[Filtered]


class LogSpool:
    """Safe for several threads. Its methods touch the disk: call them off the event loop (``asyncio.to_thread``).

    ``clean`` is the ingress: it takes secrets and control bytes out of a text. Nothing is written without it.
    ``clean_lines`` does the same for many (source, text), in order: a secret may span several lines of a source, and
    many are cleaned faster together. Without it ``clean`` is asked for each.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        clean: Callable[[str], str],
        *,
        clean_lines: Callable[[Sequence[tuple[str, str]]], list[str]] | None = None,
        limit_bytes: int | None = None,
        segment_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._clean = clean
        self._clean_lines = clean_lines or (lambda pairs: [clean(text) for _, text in pairs])
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._limit = room_for(folder) if limit_bytes is None else limit_bytes
        self._segment = segment_bytes
        self._lock = threading.RLock()
        self._sources: dict[str, Source] = {}
        self._seq = 0
        self._searches: OrderedDict[Test, dict[str, Filtered]] = OrderedDict()
        self._reopen()

    def append(self, lines: Sequence[LogLine]) -> None:
        """Writes lines in the order given. A disk that refuses is said in the source's head, with what was lost."""
        now_us = _us(self._clock.now())
        with self._lock:
            batches: dict[str, Batch] = {}
            cleaned = self._clean_lines([(line.source, line.text[:LOOKED_AT]) for line in lines])
            for line, clean in zip(lines, cleaned, strict=True):
                source = self._source_name(line.source)
                text, level = self._ready(line, clean, source)
                at_us = _us(line.at) if line.at is not None else now_us
                repeat = self._sources[source].repeats(text)
                batches.setdefault(source, Batch()).add(self._seq, at_us, level, text, repeat)
                self._seq += 1
            for name, batch in batches.items():
                self._write(name, batch)
            self._make_room()

    def heads(self, since: datetime | None = None) -> dict[str, LogHead]:
        """What each source holds. ``lines`` and ``errors`` are all that ever came, ``dropped`` those no longer here,
        ``lately`` the errors from ``since`` on."""
        edge = _us(since) if since is not None else None
        with self._lock:
            return {name: _head(source, edge) for name, source in self._sources.items()}

    def page(self, query: LogQuery) -> LogPage:
        """Lines that pass, oldest first; see ``LogQuery``. Raises BadInput for an expression that is none."""
        deadline = time.monotonic() + query.spend_s
        with self._lock:
            view = self._view(query.filter)
            edge = self._edge(view, query)
        problem, low, high = "", -1, ENDLESS
        if view.filtered:
            search = Search(view.filtered, view.test, self._lock, deadline)
            if query.after is not None or query.at is not None:
                high = search.on(edge, query.limit)
            elif query.before is not None or query.first < 0:
                low = search.back(edge, max(query.limit, -query.first))
            if query.count or (query.first >= 0 and edge == ENDLESS):
                search.rest()
            problem = search.problem
        with self._lock:
            for index in view.filtered:
                index.refresh()
            if not view.filtered:
                view = self._view(query.filter)
            first, found = cut_out(view.indexes, query, edge)
            kept = [entry for entry in found if low <= entry[2].seq < high]
            first += next((n for n, entry in enumerate(found) if entry[2].seq >= low), len(found))
            unsure = len(kept) < query.limit and (low > -1 or high < ENDLESS)
            return self._as_page(view, query, first, kept, problem, unsure)

    def _as_page(
        self, view: _View, query: LogQuery, first: int, found: list[Found], problem: str, unsure: bool
    ) -> LogPage:
        backwards = query.before is not None or (query.after is None and query.at is None and query.first < 0)
        lines = read_lines(found, MOST_BYTES, newest=backwards)
        unsure = unsure or len(lines) < len(found)
        first += len(found) - len(lines) if backwards else 0
        found = found[len(found) - len(lines) :] if backwards else found[: len(lines)]
        of = sum(source.lines - source.oldest for source in view.sources)
        return LogPage(
            lines=tuple(lines),
            first=first,
            matching=sum(len(index) for index in view.indexes),
            total=sum(source.lines - source.oldest for source in self._sources.values()),
            more=unsure,
            dropped=sum(source.dropped for source in view.sources),
            searched=sum(index.searched for index in view.filtered) if view.filtered else of,
            of=of,
            repeats=tuple(run_length(segment, record) for _, segment, record in found) if query.filter.folded else (),
            problem=problem,
        )

    def _view(self, wanted: LogFilter) -> _View:
        """The sources that a filter is about, and an index of each. What a search found is kept for its next page."""
        sources = chosen(self._sources, wanted)
        test = Test(
            levels=tuple(LEVELS.index(level) for level in wanted.levels),
            folded=wanted.folded,
            has=tuple(text.lower() for text in wanted.has),
            lacks=tuple(text.lower() for text in wanted.lacks),
            matches=wanted.matches,
            unlike=wanted.unlike,
        )
        if not test.reads_text and not test.folded and wanted.levels in ((), ("error",)):
            return _View(sources, test, [DiskIndex(source, errors=bool(wanted.levels)) for source in sources], [])
        kept = self._searches.pop(test, {})
        try:
            filtered = [kept.setdefault(source.name, Filtered(source, test)) for source in sources]
        except re.error as error:
            raise BadInput(
                "This is no regular expression", str(error), "see `/` in the help for what a filter is"
            ) from error
        self._searches[test] = kept
        while len(self._searches) > SEARCHES:
            self._searches.popitem(last=False)
        for index in filtered:
            index.refresh()
        return _View(sources, test, filtered, filtered)

    def _edge(self, view: _View, query: LogQuery) -> int:
        """The sequence number that a query starts from; ENDLESS for one that starts from a position or from the end."""
        if query.before is not None:
            return query.before
        if query.after is not None:
            return query.after + 1
        if query.at is None:
            return ENDLESS
        moment = _us(query.at)
        edges = []
        for source in view.sources:
            index = DiskIndex(source, errors=False)
            position = index.since(moment)
            if position < len(index):
                edges.append(index.seq(position))
        return min(edges, default=self._seq)

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
                        found_lines += read_lines([(source, *hit)], MOST_BYTES, newest=False)
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
                found_errors += read_lines(list(first), MOST_BYTES, newest=False)
        found_errors.sort(key=lambda line: (line.at or _EPOCH, line.index))
        return lines, errors, tuple(found_errors[:most])

    def copy_source(self, name: str, path: Path) -> None:
        """Every kept line of one source into a file that is there already, from its beginning."""
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "wb") as out:
            with self._lock:
                parts = [(os.open(s.log, os.O_RDONLY | os.O_CLOEXEC), s.size) for s in self._sources[name].segments]
            for handle, size in parts:
                with os.fdopen(handle, "rb") as part:
                    _copy(part.read, size, out.write)

    def _ready(self, line: LogLine, text: str, source: str) -> tuple[bytes, int]:
        """The line's cleaned ``text`` as it goes to disk, and its level."""
        length = len(line.text)
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


def _head(source: Source, edge: int | None) -> LogHead:
    return LogHead(
        source=source.name,
        lines=source.lines + source.unwritten,
        errors=source.errors,
        lately=_lately(source, edge) if edge is not None and source.errors else 0,
        dropped=source.dropped,
        note=source.note,
    )


def _lately(source: Source, edge: int) -> int:
    """What can't be read is said where the lines are asked for: it keeps nobody from looking at all else."""
    try:
        return DiskIndex(source, errors=True).from_about(edge)
    except (OSError, IndexError):
        return 0


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
                # Who is cancelled while all threads are busy would take its turn back, and the lines with it.
                writing = asyncio.ensure_future(asyncio.to_thread(spool.append, batch))
                try:
                    await asyncio.shield(writing)
                finally:
                    await asyncio.wait({writing})
        await reader
    finally:
        reader.cancel()
        await asyncio.wait({reader})
        if gathered:
            spool.append(gathered)
