"""A journal is read while it is written, and written while the disk is full."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.intents import INTENDED
from warroom.errors import JournalFull, WarroomError
from warroom.journal import reading
from warroom.journal.chain import DB, RESERVE
from warroom.journal.reserve import SIZE
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.journal.writer import Disk
from warroom.model.event import Actor, EvidenceStarted, NoteAdded, StepEnded

ME = Actor(name="op1", uid=1000)
WAL = f"{DB}-wal"


async def the_journal(folder: Path, disk: Disk | None = None) -> Journal:
    journal = Journal.create(folder, "INC-0001", disk=disk)
    await journal.append(ME, *[NoteAdded(text="x" * 1000)] * 20)
    return journal


def after_copying(monkeypatch: pytest.MonkeyPatch, name: str, do: Callable[[], object], times: int = 1) -> list[str]:
    """``do`` happens right after the file ``name`` was copied, so many times. Returns the names as they are copied."""
    copied: list[str] = []
    copy = reading._copy

    def copy_and_do(source: Path, target: Path) -> None:
        copy(source, target)
        copied.append(source.name)
        if source.name == name and copied.count(name) <= times:
            do()

    monkeypatch.setattr(reading, "_copy", copy_and_do)
    return copied


def begin_the_wal_anew(folder: Path) -> None:
    with closing(sqlite3.connect(folder / DB, isolation_level=None)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def test_a_copy_between_which_the_wal_was_begun_anew_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "INC-0001"
    journal = await the_journal(folder)
    copied = after_copying(monkeypatch, DB, lambda: begin_the_wal_anew(folder))
    found = verify(folder)
    assert (found.ok, found.entries) == (True, 20), found
    assert copied == [DB, WAL, DB, WAL]
    await journal.close()


async def test_a_journal_that_is_begun_anew_all_the_time_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "INC-0001"
    journal = await the_journal(folder)
    changes = iter(range(1000))
    monkeypatch.setattr(reading, "_first_bytes", lambda _: str(next(changes)).encode())
    with pytest.raises(WarroomError, match="while it was read"):
        verify(folder)
    await journal.close()


async def test_what_is_added_after_the_copy_does_not_make_it_too_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "INC-0001"
    journal = await the_journal(folder)
    loop = asyncio.get_running_loop()

    def append() -> None:
        asyncio.run_coroutine_threadsafe(journal.append(ME, NoteAdded(text="late")), loop).result(30)

    after_copying(monkeypatch, WAL, append)
    found = await asyncio.to_thread(verify, folder)
    assert (found.ok, found.entries, journal.last_seq) == (True, 20, 21), found
    await journal.close()


class FullDisk(Disk):
    """Has room for a commit only when ``full`` is not set, or when the journal's reserve was given up to it."""

    def __init__(self, folder: Path) -> None:
        self.full = False
        self.reserve = folder / RESERVE
        self.room = 10**9

    def commit(self, connection: sqlite3.Connection) -> None:
        if self.full and (self.reserve.stat().st_size or not self.room):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error
        super().commit(connection)


async def test_on_a_full_disk_only_what_has_happened_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "INC-0001"
    disk = FullDisk(folder)
    journal = await the_journal(folder, disk)
    assert disk.reserve.stat().st_size == SIZE
    monkeypatch.setattr("warroom.journal.reserve.Reserve.retake", lambda _: False)
    disk.full = True
    together = await asyncio.gather(
        journal.append(ME, INTENDED),
        journal.append(ME, NoteAdded(text="noted")),
        journal.append(ME, NoteAdded(text="not noted"), EvidenceStarted(bundle="b", collectors=("logs",))),
        return_exceptions=True,
    )
    assert [type(result) for result in together] == [JournalFull, tuple, JournalFull]
    assert (journal.low_on_room, journal.read_only, journal.last_seq) == (True, "", 21)
    ended = StepEnded(plan="p", step="s", attempt=1, status="done", detail="")
    assert len(await journal.append(ME, ended)) == 1
    disk.room = 0
    with pytest.raises(JournalFull, match="nothing can be recorded"):
        await journal.append(ME, ended)
    monkeypatch.undo()
    disk.full = False
    assert len(await journal.append(ME, INTENDED)) == 1
    assert (journal.low_on_room, journal.last_seq) == (False, 23)
    await journal.close()
    assert (verify(folder).ok, verify(folder).entries) == (True, 23)


async def test_a_reserve_that_is_gone_is_taken_again_when_the_journal_opens(tmp_path: Path) -> None:
    folder = tmp_path / "INC-0001"
    await (await the_journal(folder)).close()
    (folder / RESERVE).unlink()
    journal = Journal.open(folder)
    assert not journal.low_on_room
    assert (folder / RESERVE).stat().st_blocks * 512 >= SIZE
    await journal.close()
