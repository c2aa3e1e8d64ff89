"""Samples on disk: one-second means for an hour, then ten-second means for a week. One SQLite file of its own.

Beside them stands which release ran since when, so that a restart knows what was normal before the last change; and
of each mean, whether a trigger was firing, or about to, when any of it came: that is nobody's normal.

Samples are not events: the file is written with synchronous=NORMAL, off the event loop, about once a second at most,
and losing its last second in a crash loses nothing that was acknowledged. A file that cannot be read is put aside and
a new one begun; one that cannot be written is said in ``problem``, and sensing goes on.
"""

from __future__ import annotations

import asyncio
import csv
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from warroom.api import Clock
from warroom.errors import WarroomError
from warroom.model.release import Release
from warroom.model.signal import Sample

FINE_FOR = 3600
COARSE = 10
KEPT_FOR = 7 * 86400
MOST_ROWS = 1_000_000
TIDY_EVERY = 60.0
WAITING = 50_000
"""Samples that wait for a disk which does not answer; older ones are dropped, and counted."""
RELEASES = 50
"""Releases that are kept, the newest."""
Came = Literal["seen", "release", "rollback"]
"""``seen``: it ran when warroom first looked, and nobody says since when."""
_T = TypeVar("_T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (
  signal TEXT NOT NULL, at INTEGER NOT NULL, span INTEGER NOT NULL,
  total REAL NOT NULL, weight REAL NOT NULL, count INTEGER, unknown INTEGER NOT NULL,
  unusual INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (signal, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minutes (minute INTEGER PRIMARY KEY, unusual INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS releases (
  at REAL NOT NULL, watched REAL NOT NULL, came TEXT NOT NULL, release TEXT NOT NULL
);
"""
_ADD = """
INSERT INTO samples VALUES (?, ?, 1, ?, ?, ?, ?, ?) ON CONFLICT (signal, at) DO UPDATE SET
  total = total + excluded.total, weight = weight + excluded.weight, unknown = unknown + excluded.unknown,
  unusual = unusual + excluded.unusual,
  count = CASE WHEN count IS NULL THEN excluded.count ELSE count + ifnull(excluded.count, 0) END
"""
_WATCHED = """
INSERT INTO minutes VALUES (?, ?) ON CONFLICT (minute) DO UPDATE SET unusual = max(unusual, excluded.unusual)
"""
"""Minutes in which anything was measured: the emergency lane asks for them, and can't wait for a week of samples."""
_COARSEN = """
INSERT INTO samples
  SELECT signal, at - at % :coarse, :coarse, sum(total), sum(weight), sum(count), sum(unknown), sum(unusual)
  FROM moved WHERE true GROUP BY signal, at - at % :coarse
  ON CONFLICT (signal, at) DO UPDATE SET span = excluded.span,
  total = total + excluded.total, weight = weight + excluded.weight, unknown = unknown + excluded.unknown,
  unusual = unusual + excluded.unusual,
  count = CASE WHEN count IS NULL THEN excluded.count ELSE count + ifnull(excluded.count, 0) END
"""
_Row = tuple[str, int, float, float, int | None, int, int]


@dataclass(frozen=True, slots=True)
class Ran:
    """``release`` runs since ``at``, until the next one does. Seconds of the wall clock since 1970.

    ``watched`` is how far the one before was looked at: before ``at`` where it changed while warroom was away.
    """

    release: Release
    came: Came
    at: float
    watched: float


class SampleStore:
    """``add`` never blocks and never raises; everything that touches the disk runs on a thread of the store's own."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.problem = ""
        self.dropped = 0
        self._clock = clock
        self._waiting: list[_Row] = []
        self._came: list[Ran] = []
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        self._written_at = float("-inf")
        self._tidied_at = clock.monotonic()
        self._db: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="samples")

    def add(self, sample: Sample, signal_id: str, *, normal: bool = True) -> None:
        """``normal`` False: a trigger was firing, or about to."""
        with self._lock:
            self._waiting.append(_row(sample, signal_id, normal))
            self._drop_oldest()
            if self._closed or self._busy or self._clock.monotonic() - self._written_at < 1:
                return
            self._busy = True
            self._written_at = self._clock.monotonic()
        self._thread.submit(self._drain, self._clock.now(), self._clock.monotonic())

    async def flush(self) -> None:
        """What was added before is on disk (or said in ``problem``) when this returns."""
        await asyncio.wrap_future(self._thread.submit(self._drain, self._clock.now(), self._clock.monotonic()))

    async def samples(self, signal_id: str, seconds: float) -> tuple[Sample, ...]:
        """Means of the last ``seconds``, oldest first; a slice in which nothing could be known has no value."""
        await self.flush()
        return await asyncio.wrap_future(self._thread.submit(self._read, signal_id, seconds, self._clock.now()))

    async def normal(self, signal_id: str, after: float, until: float) -> list[tuple[float, float, float]]:
        """(at, value, weight) of every mean in between (wall clock, seconds since 1970) that may count as normal."""
        return await self._reading(
            lambda db: [
                (float(at), total / weight, weight)
                for at, total, weight in db.execute(
                    "SELECT at, total, weight FROM samples WHERE signal = ? AND at > ? AND at + span <= ? + 1"
                    " AND weight > 0 AND unusual = 0 ORDER BY at",
                    (signal_id, after, until),
                )
            ]
        )

    async def watched(self, after: float, until: float) -> tuple[float, float]:
        """Seconds, by whole minutes, in which anything was measured, and those in which a trigger fired or was about
        to."""
        row = await self._reading(
            lambda db: db.execute(
                "SELECT 60 * count(*), 60 * ifnull(sum(unusual), 0) FROM minutes WHERE minute >= ? AND minute < ?",
                (math.ceil(after / 60), math.floor(until / 60)),
            ).fetchone()
        )
        return float(row[0]), float(row[1])

    async def watched_until(self) -> float | None:
        """The end of the newest mean, of any signal, as it is on disk: nothing that is added after this call counts."""
        return await self._reading(
            lambda db: db.execute("SELECT max(at + span) FROM samples").fetchone()[0], flushed=False
        )

    def ran(self, ran: Ran) -> None:
        """To be kept. What the disk doesn't take waits, as samples do."""
        with self._lock:
            if self._closed:
                return
            self._came.append(ran)
        self._thread.submit(self._drain, self._clock.now(), self._clock.monotonic())

    async def releases(self) -> list[Ran]:
        """What ran, oldest first; one that can't be read is left out."""
        rows = await self._reading(
            lambda db: db.execute("SELECT at, watched, came, release FROM releases ORDER BY at, rowid").fetchall()
        )
        return [ran for row in rows if (ran := _ran(row)) is not None]

    async def export(self, path: Path) -> int:
        """Every kept mean as CSV (0600), for the evidence. Returns how many rows."""
        await self.flush()
        return await asyncio.wrap_future(self._thread.submit(self._export, path))

    async def close(self) -> None:
        """What was added is written; what is added afterwards is not."""
        if self._closed:
            return
        await self.flush()
        self._closed = True
        await asyncio.wrap_future(self._thread.submit(self._close))
        self._thread.shutdown(wait=False)

    def _drain(self, wall: datetime, now: float) -> None:
        with self._lock:
            rows, self._waiting = self._waiting, []
            came, self._came = self._came, []
        try:
            db = self._open()
            if rows or came:
                with db:
                    db.executemany(_ADD, rows)
                    db.executemany(_WATCHED, sorted({(row[1] // 60, int(row[6] > 0)) for row in rows}))
                    _keep_releases(db, came)
                rows, came = [], []  # on disk, whatever becomes of the rest
            if now - self._tidied_at >= TIDY_EVERY:
                self._tidied_at = now
                _tidy(db, int(wall.timestamp()))
            self.problem = ""
        except (sqlite3.Error, OSError) as error:
            with self._lock:
                self._waiting = [*rows, *self._waiting]
                self._came = [*came, *self._came]
                self._drop_oldest()
                dropped = f"; {self.dropped} were dropped so far" if self.dropped else ""
            self.problem = f"samples are not being written: {error}{dropped}"
            self._close()
            if type(error) is sqlite3.DatabaseError:
                self._put_aside()
        finally:
            with self._lock:
                self._busy = False

    def _drop_oldest(self) -> None:
        """With the lock held."""
        if (over := len(self._waiting) - WAITING) > 0:
            self.dropped += over
            del self._waiting[:over]

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = _connect(self.path)
        return self._db

    def _put_aside(self) -> None:
        """The file is no database, or a damaged one: kept under another name, and a new one is begun."""
        try:
            for end in ("-wal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
            self.path.replace(f"{self.path}.damaged")
        except OSError as error:
            self.problem += f"; and it cannot be put aside: {error}"

    async def _reading(self, look: Callable[[sqlite3.Connection], _T], *, flushed: bool = True) -> _T:
        """Raises WarroomError where it can't be read."""

        def read() -> _T:
            try:
                return look(self._open())
            except (sqlite3.Error, OSError) as error:
                raise self._unread(error) from error

        if flushed:
            await self.flush()
        return await asyncio.wrap_future(self._thread.submit(read))

    def _unread(self, error: Exception) -> WarroomError:
        return WarroomError("The samples cannot be read", str(error), f"Look at {self.path}")

    def _read(self, signal_id: str, seconds: float, now: datetime) -> tuple[Sample, ...]:
        try:
            rows = self._open().execute(
                "SELECT at, total, weight, count FROM samples WHERE signal = ? AND at + span > ? ORDER BY at",
                (signal_id, now.timestamp() - seconds),
            )
            return tuple(
                Sample(
                    signal=signal_id,
                    value=total / weight if weight > 0 else None,
                    count=count,
                    at=datetime.fromtimestamp(at, UTC),
                )
                for at, total, weight, count in rows
            )
        except (sqlite3.Error, OSError) as error:
            raise self._unread(error) from error

    def _export(self, path: Path) -> int:
        written = 0
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            out = csv.writer(file)
            out.writerow(("signal", "at", "span_s", "value", "count", "unknown"))
            for signal, at, span, total, weight, count, unknown in self._open().execute(
                "SELECT signal, at, span, total, weight, count, unknown FROM samples ORDER BY signal, at"
            ):
                moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                value = repr(total / weight) if weight > 0 else ""
                out.writerow((signal, moment, span, value, "" if count is None else count, unknown))
                written += 1
        return written

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _row(sample: Sample, signal_id: str, normal: bool) -> _Row:
    """The wall clock's second, what it adds to that second's mean, whether it could not know, and what is unusual."""
    second = int(sample.at.timestamp())
    if sample.value is None or (sample.count is not None and sample.count <= 0):
        return signal_id, second, 0.0, 0.0, sample.count, int(sample.count != 0), 0
    weight = float(sample.count) if sample.count is not None else 1.0
    return signal_id, second, sample.value * weight, weight, sample.count, 0, int(not normal)


def _keep_releases(db: sqlite3.Connection, came: Iterable[Ran]) -> None:
    rows = [(ran.at, ran.watched, ran.came, ran.release.model_dump_json()) for ran in came]
    if rows:
        db.executemany("INSERT INTO releases VALUES (?, ?, ?, ?)", rows)
        kept = "SELECT rowid FROM releases ORDER BY at DESC LIMIT ?"
        db.execute(f"DELETE FROM releases WHERE rowid NOT IN ({kept})", (RELEASES,))


def _ran(row: tuple[float, float, Came, str]) -> Ran | None:
    at, watched, came, release = row
    try:
        return Ran(Release.model_validate_json(release), came, at, watched)
    except ValidationError:
        return None


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    db = sqlite3.connect(path, timeout=5, check_same_thread=True)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA temp_store = MEMORY")
        db.executescript(_SCHEMA)
        if "unusual" not in {column for _, column, *_ in db.execute("PRAGMA table_info(samples)")}:
            # of what an older version wrote nobody knows whether a trigger was firing
            db.execute("ALTER TABLE samples ADD COLUMN unusual INTEGER NOT NULL DEFAULT 1")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _tidy(db: sqlite3.Connection, now: int) -> None:
    """Seconds older than an hour become tens; what is older than a week, or beyond the most rows, goes."""
    edge = now - FINE_FOR
    edge -= edge % COARSE
    with db:
        db.execute("CREATE TEMP TABLE IF NOT EXISTS moved AS SELECT * FROM samples WHERE false")
        db.execute("INSERT INTO moved SELECT * FROM samples WHERE span = 1 AND at < ?", (edge,))
        db.execute("DELETE FROM samples WHERE span = 1 AND at < ?", (edge,))
        db.execute(_COARSEN, {"coarse": COARSE})
        db.execute("DELETE FROM moved")
        db.execute("DELETE FROM samples WHERE at < ?", (now - KEPT_FOR,))
        db.execute("DELETE FROM minutes WHERE minute < ?", ((now - KEPT_FOR) // 60,))
        (rows,) = db.execute("SELECT count(*) FROM samples").fetchone()
        if rows > MOST_ROWS:
            (oldest,) = db.execute(
                "SELECT at FROM samples ORDER BY at LIMIT 1 OFFSET ?", (rows - MOST_ROWS * 9 // 10,)
            ).fetchone()
            db.execute("DELETE FROM samples WHERE at < ?", (oldest,))
