"""The one thread that writes a journal. What waits while a commit is under way goes into the next one together."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from warroom.errors import JournalFull, JournalReadOnly, WarroomError
from warroom.files import sync
from warroom.journal.chain import DB, HEAD, RESERVE, link
from warroom.journal.codec import encode
from warroom.journal.head import Head, Mark
from warroom.journal.reserve import UNDERTAKINGS, Reserve
from warroom.model.event import Actor, Body, Event

GROUP = 500
"""The most requests of one commit."""

Listener = Callable[[tuple[Event, ...]], None]


class Disk:
    """The two waits for the disk. A test gives one of its own, to hold, count or fail them."""

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    def sync(self, descriptor: int) -> None:
        sync(descriptor)


@dataclass(frozen=True)
class Request:
    """One ``append``: its bodies become entries together or not at all."""

    at: datetime
    actor: Actor
    bodies: tuple[Body, ...]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[tuple[Event, ...]]

    @property
    def undertakes(self) -> bool:
        return any(isinstance(body, UNDERTAKINGS) for body in self.bodies)


@dataclass(frozen=True)
class _Made:
    request: Request
    events: tuple[Event, ...]
    rows: tuple[tuple[int, bytes, bytes], ...]


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes: every commit is on the disk when it returns."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


class Writer:
    def __init__(
        self, folder: Path, last: Mark, disk: Disk, listeners: dict[object, tuple[Listener, asyncio.AbstractEventLoop]]
    ) -> None:
        self.last = last
        self.broken = ""
        self._disk = disk
        self._listeners = listeners
        self._connection = connect(folder / DB)
        self._head = Head(folder / HEAD, disk.sync)
        if self._head.newest != last:
            self._catch_up(last)
        self.reserve = Reserve(folder / RESERVE)
        self.reserve.take()
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"journal {folder.name}", daemon=True)
        self._thread.start()

    def _catch_up(self, last: Mark) -> None:
        """What a crash left committed may not be on the disk yet, nor in the head: both, before it is shown."""
        busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("another process has it open")
        self._head.write(last)

    def post(self, request: Request) -> None:
        self._inbox.put(request)

    def stop(self) -> None:
        """Returns when all that was posted is answered and the files are closed. Blocks."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._take()
            try:
                self._record(batch)
            except Exception as error:  # noqa: BLE001 - a writer that dies silently would leave every caller waiting
                self._break(f"the writer failed: {error!r}")
                self._refuse(batch, self._read_only())
        self._connection.close()
        self._head.close()

    def _take(self) -> tuple[list[Request], bool]:
        """Waits for a request and takes all that wait with it. The second value is False when the end was asked for."""
        batch: list[Request] = []
        item = self._inbox.get()
        while item is not None:
            batch.append(item)
            if len(batch) == GROUP:
                return batch, True
            try:
                item = self._inbox.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _record(self, batch: list[Request]) -> None:
        if self.broken:
            self._refuse(batch, self._read_only())
            return
        if not self.reserve.held and not self.reserve.retake():
            batch = self._without_undertakings(batch)
        made = self._make(batch)
        if not made:
            return
        try:
            self._commit(made)
        except sqlite3.Error as error:
            self._rolled_back()
            if not _full(error):
                raise
            made = self._make(self._on_a_full_disk([one.request for one in made]))
            if not made:
                return
            try:
                self._commit(made)
            except sqlite3.Error as again:
                self._rolled_back()
                if not _full(again):
                    raise
                self._refuse([one.request for one in made], _no_room("nothing can be recorded, and so nothing is done"))
                return
        self._acknowledge(made)

    def _make(self, batch: list[Request]) -> list[_Made]:
        """Gives each body its seq, id, bytes and hash. One that can't be stored fails alone and takes no seq."""
        last, made = self.last, []
        for request in batch:
            end, events, rows = last, [], []
            try:
                for body in request.bodies:
                    event = Event(seq=end.seq + 1, at=request.at, id=uuid4().hex, actor=request.actor, body=body)
                    data = encode(event)
                    end = Mark(event.seq, link(end.hash, event.seq, data))
                    events.append(event)
                    rows.append((end.seq, data, end.hash))
            except (WarroomError, ValueError) as error:
                self._refuse([request], error)
                continue
            last = end
            made.append(_Made(request, tuple(events), tuple(rows)))
        return made

    def _commit(self, made: list[_Made]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for one in made:
            self._connection.executemany("INSERT INTO entry (seq, bytes, hash) VALUES (?, ?, ?)", one.rows)
        self._disk.commit(self._connection)

    def _rolled_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _acknowledge(self, made: list[_Made]) -> None:
        seq, _, link_hash = made[-1].rows[-1]
        mark = Mark(seq, link_hash)
        self._head.write(mark)
        self.last = mark
        for one in made:
            for listener, loop in tuple(self._listeners.values()):
                _call(loop, listener, one.events)
            _call(one.request.loop, _resolve, one.request.future, one.events)

    def _on_a_full_disk(self, batch: list[Request]) -> list[Request]:
        self.reserve.give_up()
        return self._without_undertakings(batch)

    def _without_undertakings(self, batch: list[Request]) -> list[Request]:
        refused = [request for request in batch if request.undertakes]
        if refused:
            self._refuse(
                refused, _no_room("only what has already happened can still be recorded; nothing new is begun")
            )
        return [request for request in batch if not request.undertakes]

    def _break(self, reason: str) -> None:
        """After a failed write nobody knows what is on the disk: nothing is added until it was opened and read anew."""
        self.broken = self.broken or reason

    def _read_only(self) -> WarroomError:
        return JournalReadOnly(
            "Nothing can be added to the journal",
            self.broken,
            "What was asked last may or may not be recorded. Start warroom again: it will look",
        )

    def _refuse(self, batch: Sequence[Request], error: Exception) -> None:
        for request in batch:
            _call(request.loop, _fail, request.future, error)


def _full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def _no_room(cause: str) -> JournalFull:
    return JournalFull("The journal's disk is full", cause, "Make room on it, then do it again")


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: object) -> None:
    """On the loop, in order. A loop that has ended has nobody left to tell."""
    if loop.is_closed():
        return
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _resolve(future: asyncio.Future[tuple[Event, ...]], events: tuple[Event, ...]) -> None:
    """A caller that was cancelled no longer waits; its entries are in the journal all the same."""
    if not future.done():
        future.set_result(events)


def _fail(future: asyncio.Future[tuple[Event, ...]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
