"""Reads and judges a journal without touching it.

A copy of the database and its -wal is read, never the files themselves: opening a SQLite database replays and then
deletes its -wal, and so would destroy what a person wants to look into.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from warroom.errors import WarroomError
from warroom.files import kind, open_private, opened
from warroom.journal.chain import DB, FORMAT, HEAD, INCIDENT_ID, TABLES, genesis, link
from warroom.journal.head import Mark, read_marks
from warroom.model.base import Fact

TRIES = 20
CHUNK = 1024 * 1024


class Verified(Fact):
    """``first_bad`` is the first entry that is not as it was written, or is not there; None where none can be named."""

    ok: bool
    entries: int
    first_bad: int | None = None
    reason: str = ""


NOTHING = Mark(0, b"")


@dataclass(frozen=True)
class Reading:
    """``entries`` are stored bytes by seq, ascending: all that can still be read, also behind the first bad one.

    ``last`` is the end of the good chain; ``acknowledged`` is what the head says, None when that can't be read.
    """

    verified: Verified
    incident: str = ""
    entries: dict[int, bytes] = field(default_factory=dict)
    last: Mark = NOTHING
    acknowledged: Mark | None = None


class _BadError(Exception):
    """What is wrong, found while reading; becomes a ``Verified``."""

    def __init__(self, reason: str, first_bad: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.first_bad = first_bad


def read(folder: Path) -> Reading:
    """All that can be read of a journal, and whether it is whole. Raises WarroomError when no copy can be made."""
    try:
        _plain_files(folder)
        marks = _marks(folder)
        with _copied(folder) as copy, closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            return _judge(connection, marks, copy)
    except _BadError as bad:
        return Reading(Verified(ok=False, entries=0, first_bad=bad.first_bad, reason=bad.reason))
    except sqlite3.Error as error:
        return Reading(Verified(ok=False, entries=0, reason=f"{DB} is not a readable database: {error}"))


def _plain_files(folder: Path) -> None:
    if (found := kind(folder)) != "folder":
        raise _BadError(
            "the folder is missing" if found == "missing" else f"the folder is {_a(found)}, which is not followed"
        )
    for name in (DB, HEAD):
        if (found := kind(folder / name)) != "file":
            raise _BadError(
                f"{name} is missing" if found == "missing" else f"{name} is {_a(found)}, which is not followed"
            )
    for name in (f"{DB}-wal", f"{DB}-shm"):
        if kind(folder / name) not in ("file", "missing"):
            raise _BadError(f"{name} is not a plain file")
    if kind(folder / f"{DB}-journal") != "missing":
        raise _BadError(f"{DB}-journal is there, which no warroom leaves behind")
    if (folder / DB).stat().st_size == 0:
        raise _BadError(f"{DB} is empty")


_Marks = tuple[Mark, Mark] | str


def _marks(folder: Path) -> _Marks:
    """The head's two marks, or what is wrong with them. Read before the database, which is then at least as far."""
    for _ in range(TRIES):
        try:
            marks = read_marks(folder / HEAD)
        except OSError as error:
            return f"the {HEAD} file can't be read: {error.strerror}"
        if marks is not None:
            return marks
    return f"the {HEAD} file is damaged: it is not as it was written"


@contextmanager
def _copied(folder: Path) -> Iterator[Path]:
    """A private copy of the database as one moment left it, also while an engine goes on writing.

    The database is copied before the -wal. What a checkpoint moves in between is still in the -wal, unless that was
    begun anew; then its first bytes differ, and the copy is made again.
    """
    with tempfile.TemporaryDirectory(prefix="warroom-") as place:
        copy = Path(place) / DB
        wal = folder / f"{DB}-wal"
        for _ in range(TRIES):
            before = _first_bytes(wal)
            _copy(folder / DB, copy)
            _copy(wal, copy.with_name(f"{DB}-wal"))
            if _first_bytes(wal) == before:
                break
        else:
            raise WarroomError(
                f"The journal in {folder} can't be read now", "it was written anew while it was read", "Try again"
            )
        yield copy


def _first_bytes(wal: Path) -> bytes:
    try:
        with opened(wal, os.O_RDONLY) as descriptor:
            return os.read(descriptor, 32)
    except FileNotFoundError:
        return b""


def _copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        descriptor = open_private(source, os.O_RDONLY)
        with open(descriptor, "rb") as reading, open(target, "wb") as writing:
            shutil.copyfileobj(reading, writing, CHUNK)
    except FileNotFoundError:
        return
    except OSError as error:
        raise WarroomError(
            "The journal can't be read",
            f"{source}: {error.strerror}",
            f"It is read from a copy, in {target.parent.parent}",
        ) from error


def _judge(connection: sqlite3.Connection, marks: _Marks, copy: Path) -> Reading:
    connection.execute("PRAGMA trusted_schema = OFF")
    incident = _incident(connection)
    entries, last, bad = _chain(connection, incident)
    acknowledged: Mark | None = None
    try:
        if bad is not None:
            raise bad
        acknowledged = _compare_head(marks, incident, entries, last)
        _structure(connection)
        _whole_pages(copy)
    except _BadError as found:
        verified = Verified(ok=False, entries=len(entries), first_bad=found.first_bad, reason=found.reason)
    else:
        verified = Verified(ok=True, entries=len(entries))
    return Reading(verified, incident, {seq: data for seq, (data, _) in entries.items()}, last, acknowledged)


def _incident(connection: sqlite3.Connection) -> str:
    made = dict(connection.execute("SELECT name, sql FROM sqlite_master").fetchall())
    if made != TABLES:
        raise _BadError(f"the tables in {DB} are not those of a journal")
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    if meta.get("format") != str(FORMAT):
        raise _BadError(f"its format is {str(meta.get('format'))[:20]!r}; this warroom reads {FORMAT}")
    incident = meta.get("incident")
    if not isinstance(incident, str) or not INCIDENT_ID.fullmatch(incident):
        raise _BadError("it does not say which incident it belongs to")
    return incident


_Entries = dict[int, tuple[bytes, bytes]]


def _chain(connection: sqlite3.Connection, incident: str) -> tuple[_Entries, Mark, _BadError | None]:
    """All entries that can be read, the end of the chain that holds, and what breaks it."""
    entries: _Entries = {}
    last = Mark(0, genesis(incident))
    bad: _BadError | None = None
    stray: _BadError | None = None
    try:
        for seq, data, link_hash in connection.execute("SELECT seq, bytes, hash FROM entry ORDER BY seq"):
            if seq < 1:
                stray = _BadError(f"there is an entry numbered {seq}, which no journal has")
                continue
            if type(data) is not bytes or type(link_hash) is not bytes:
                bad = bad or _BadError(f"entry {seq} is not of the shape it was written in", seq)
                continue
            if bad is None and seq != last.seq + 1:
                bad = _BadError(f"entry {last.seq + 1} is missing: {seq} comes next", last.seq + 1)
            if bad is None and link(last.hash, seq, data) != link_hash:
                bad = _BadError(f"entry {seq} is not as it was written: its hash differs", seq)
            entries[seq] = (data, link_hash)
            if bad is None:
                last = Mark(seq, link_hash)
    except (sqlite3.Error, OverflowError) as error:
        bad = bad or _BadError(f"entry {last.seq + 1} can't be read: {error}", last.seq + 1)
    return entries, last, bad or stray


def _compare_head(marks: _Marks, incident: str, entries: _Entries, last: Mark) -> Mark:
    if isinstance(marks, str):
        raise _BadError(marks)
    for mark in marks:
        if mark.seq > last.seq:
            short = f"it ends at entry {last.seq}, and {marks[1].seq} were acknowledged"
            raise _BadError(f"the journal is shorter than its head: {short}", last.seq + 1)
        known = entries[mark.seq][1] if mark.seq else genesis(incident)
        if known != mark.hash:
            raise _BadError(
                f"entry {mark.seq} is not the one that was acknowledged: the head's hash differs", mark.seq or None
            )
    return marks[1]


def _structure(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if found != ("ok",):
        raise _BadError(f"the database around the entries is damaged: {str(found[0])[:200] if found else 'no answer'}")


def _whole_pages(copy: Path) -> None:
    """SQLite writes whole pages, and reads what is cut off the last one as zeros: often they were zeros."""
    with copy.open("rb") as file:
        size = int.from_bytes(file.read(18)[16:], "big")
    size = 65536 if size == 1 else size
    if size and copy.stat().st_size % size:
        raise _BadError(f"the database's file is cut short: it ends within a page of {size} bytes")


def _a(found: str) -> str:
    return "neither a file nor a folder" if found == "other" else f"a {found}"
