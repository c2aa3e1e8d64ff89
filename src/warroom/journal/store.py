"""One incident's journal, open: the only way to add to it, and the quick way to read it."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from warroom.errors import BadInput, JournalDamaged, JournalReadOnly, WarroomError
from warroom.files import ensure_folder, make_folder, opened, sync_folder
from warroom.journal.chain import DB, FORMAT, HEAD, INCIDENT_ID, RESERVE, TABLES, genesis
from warroom.journal.codec import decode, why_unreadable
from warroom.journal.head import Head, Mark
from warroom.journal.reading import Reading, read
from warroom.journal.reserve import SIZE, Reserve
from warroom.journal.writer import Disk, Listener, Request, Writer, connect
from warroom.model.event import Actor, Body, Event


def _now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Made by ``create`` or ``open``, which block. ``read_only`` says why nothing can be added; empty when it can.

    Two engines on one journal would break it: the caller holds the state folder's lock (``StateFolder.lock``).
    """

    def __init__(self, folder: Path, reading: Reading, now: Callable[[], datetime], disk: Disk) -> None:
        self.folder = folder
        self.incident = reading.incident
        self._now = now
        events = [decode(data, seq) for seq, data in sorted(reading.entries.items())]
        self._read_only = _why_read_only(reading, events)
        self._listeners: dict[object, tuple[Listener, asyncio.AbstractEventLoop]] = {}
        self._writer: Writer | None = None
        self._source: _Kept | _Stored = _Kept(events)
        self._closed = False
        self._kept_seq = events[-1].seq if events else 0
        if not self._read_only:
            self._writer = Writer(folder, reading.last, disk, self._listeners)
            self._source = _Stored(folder / DB)

    @classmethod
    def create(
        cls, folder: Path, incident_id: str, *, now: Callable[[], datetime] = _now, disk: Disk | None = None
    ) -> Journal:
        """A new, empty journal in a folder that is not there yet; after a crash it is there whole or not at all.

        Raises BadInput for an id that isn't one, WarroomError when the folder is there or the disk is full.
        """
        if not INCIDENT_ID.fullmatch(incident_id):
            raise BadInput(f"{incident_id[:40]!r} is no incident's id", "INC-0001 or DRILL-0001, say, was expected")
        if os.path.lexists(folder):
            raise WarroomError(f"A journal can't be made in {folder}", "it is already there")
        half = folder.with_name(f".{folder.name}.new")
        try:
            ensure_folder(folder.parent)
            if half.is_dir() and not half.is_symlink():
                shutil.rmtree(half)
            make_folder(half)
            _fill(half, incident_id)
            os.rename(half, folder)
            sync_folder(folder.parent)
        except (OSError, sqlite3.Error) as error:
            raise WarroomError(f"A journal can't be made in {folder}", str(error)) from error
        return cls.open(folder, now=now, disk=disk)

    @classmethod
    def open(cls, folder: Path, *, now: Callable[[], datetime] = _now, disk: Disk | None = None) -> Journal:
        """Reads and judges first. A damaged journal, or one a newer warroom wrote, opens read-only and is not touched.

        Raises JournalDamaged when nothing of it can be read.
        """
        reading = read(folder)
        if not reading.incident:
            raise JournalDamaged(f"The journal in {folder} can't be read", reading.verified.reason)
        try:
            return cls(folder, reading, now, disk or Disk())
        except (OSError, sqlite3.Error) as error:
            raise WarroomError(f"The journal in {folder} can't be opened", str(error)) from error

    @property
    def last_seq(self) -> int:
        """The last acknowledged entry; 0 when there is none."""
        return self._kept_seq if self._writer is None else self._writer.last.seq

    @property
    def head(self) -> Mark | None:
        """The newest entry that is on the disk, with the hash that vouches for all before it; None: not writing."""
        return None if self._writer is None else self._writer.last

    @property
    def read_only(self) -> str:
        return self._read_only or (self._writer.broken if self._writer is not None else "")

    @property
    def low_on_room(self) -> bool:
        """The disk is full and the reserve is given up: only what has already happened can still be recorded."""
        return self._writer is not None and not self._writer.reserve.held

    async def append(self, actor: Actor, *bodies: Body) -> tuple[Event, ...]:
        """Adds entries, together or not at all, and returns once they are on the disk and in the head file.

        Cancelling the caller cancels only the wait. Raises BadInput for what JSON has no word for (NaN), JournalFull
        when there is no room for it, JournalReadOnly when nothing can be added at all.
        """
        if self._read_only:
            raise JournalReadOnly(
                "Nothing can be added to this journal", self._read_only, "It can be read and exported"
            )
        if self._closed or self._writer is None:
            raise JournalReadOnly("Nothing can be added to this journal", "it was closed")
        if not bodies:
            return ()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Event, ...]] = loop.create_future()
        self._writer.post(Request(self._now(), actor, bodies, loop, future))
        return await future

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Calls ``listener`` on this event loop with each append's events, in order of seq, once they are durable and
        before their ``append`` returns; also when its caller was cancelled. Returns what ends it.
        """
        key = object()
        self._listeners[key] = (listener, asyncio.get_running_loop())
        return lambda: self._listeners.pop(key, None) and None

    def events(self, since: int = 0) -> list[Event]:
        """Acknowledged entries after ``since``, by seq. Reads the disk: for opening, not for every frame."""
        return self._source.between(since, self.last_seq)

    def page(self, before: int | None = None, limit: int = 200) -> list[Event]:
        """The newest ``limit`` entries before the seq ``before`` (None: of all), oldest first."""
        return self._source.newest(self.last_seq if before is None else min(self.last_seq, before - 1), limit)

    async def close(self) -> None:
        """Returns when all that was asked before is recorded. Nothing can be read after it."""
        if self._closed:
            return
        self._closed = True
        self._source.close()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.stop)


class _Kept:
    """The entries of a journal that can't be added to: its files stay closed."""

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    def between(self, after: int, upto: int) -> list[Event]:
        return [event for event in self._events if after < event.seq <= upto]

    def newest(self, upto: int, limit: int) -> list[Event]:
        return self.between(0, upto)[-limit:]

    def close(self) -> None:
        return None


class _Stored:
    """The entries of a journal that grows, read on a connection of their own."""

    def __init__(self, database: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(
            f"{database.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=10
        )

    def between(self, after: int, upto: int) -> list[Event]:
        return self._read("seq > ? AND seq <= ? ORDER BY seq", after, upto)

    def newest(self, upto: int, limit: int) -> list[Event]:
        return self._read("seq <= ? ORDER BY seq DESC LIMIT ?", upto, limit)[::-1]

    def _read(self, where: str, *values: int) -> list[Event]:
        try:
            with self._lock:
                rows = self._connection.execute(f"SELECT seq, bytes FROM entry WHERE {where}", values).fetchall()
        except sqlite3.Error as error:
            raise WarroomError("The journal can't be read", str(error)) from error
        return [decode(data, seq) for seq, data in rows]

    def close(self) -> None:
        with self._lock:
            self._connection.close()


def _why_read_only(reading: Reading, events: list[Event]) -> str:
    if not reading.verified.ok:
        return reading.verified.reason
    return next((reason for event in events if (reason := why_unreadable(event))), "")


def _fill(folder: Path, incident: str) -> None:
    """The files of an empty journal, all on the disk when this returns."""
    with opened(folder / DB, os.O_RDWR | os.O_CREAT | os.O_EXCL):
        pass
    with closing(connect(folder / DB)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES.values():
            connection.execute(statement)
        meta = {"format": str(FORMAT), "incident": incident}
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", meta.items())
        connection.execute("COMMIT")
    Head.create(folder / HEAD, Mark(0, genesis(incident)))
    if not Reserve(folder / RESERVE).take():
        raise OSError(
            errno.ENOSPC, f"the disk has no room for the {SIZE // 1024 // 1024} MB that a journal keeps in reserve"
        )
    sync_folder(folder)
