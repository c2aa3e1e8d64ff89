"""The journal: what is appended is durable, whole, in order, and says so."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from warroom.errors import BadInput, JournalDamaged, JournalReadOnly, WarroomError
from warroom.journal.chain import DB, genesis, link
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.journal.writer import Disk
from warroom.model.call import CallResult
from warroom.model.event import Actor, CallMade, EngineStarted, Event, NoteAdded, Raw
from warroom.testing.builders import an_incident, at

ME = Actor(name="op1", uid=1000)


def note(text: object) -> NoteAdded:
    return NoteAdded(text=str(text))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "incidents" / "INC-0001"


async def written(folder: Path, count: int = 10) -> list[Event]:
    journal = Journal.create(folder, "INC-0001", now=at)
    for number in range(1, count + 1):
        await journal.append(ME, note(number))
    events = journal.events()
    await journal.close()
    return events


class HeldDisk(Disk):
    """Commits wait until they are let go; both waits are counted."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.reached = threading.Event()
        self.commits = 0
        self.syncs = 0
        self.hold = "commit"

    def commit(self, connection: sqlite3.Connection) -> None:
        self.commits += 1
        if self.hold == "commit":
            self._wait()
        super().commit(connection)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        if self.hold == "sync":
            self._wait()
        super().sync(descriptor)

    def _wait(self) -> None:
        self.reached.set()
        assert self.go.wait(30)


async def test_what_is_appended_comes_back_the_same(folder: Path) -> None:
    journal = Journal.create(folder, "INC-0001", now=at)
    first = await journal.append(ME, an_incident(), EngineStarted(pid=7, version="1"))
    second = await journal.append(ME, note("läuft – \x1b[31m \u202e \x00"))
    assert [event.seq for event in first + second] == [1, 2, 3]
    assert journal.events() == [*first, *second]
    assert journal.events(since=2) == [*second]
    assert len({event.id for event in journal.events()}) == 3
    assert {event.at for event in journal.events()} == {at()}
    await journal.close()
    again = Journal.open(folder)
    assert (again.last_seq, again.read_only, again.incident) == (3, "", "INC-0001")
    assert again.events() == [*first, *second]
    await again.close()
    found = verify(folder)
    assert (found.ok, found.entries, found.first_bad, found.reason) == (True, 3, None, "")


@pytest.mark.parametrize(
    ("before", "limit", "seqs"),
    [
        (None, 3, [8, 9, 10]),
        (8, 3, [5, 6, 7]),
        (2, 3, [1]),
        (1, 3, []),
        (99, 2, [9, 10]),
        (None, 99, list(range(1, 11))),
    ],
)
async def test_a_page_is_the_newest_before(folder: Path, before: int | None, limit: int, seqs: list[int]) -> None:
    await written(folder)
    journal = Journal.open(folder)
    assert [event.seq for event in journal.page(before, limit)] == seqs
    await journal.close()


@pytest.mark.parametrize("hold", ["commit", "sync"])
async def test_nothing_is_shown_before_it_is_durable(folder: Path, hold: str) -> None:
    disk = HeldDisk()
    disk.hold = hold
    journal = Journal.create(folder, "INC-0001", disk=disk)
    shown: list[tuple[Event, ...]] = []
    journal.subscribe(shown.append)
    appending = asyncio.create_task(journal.append(ME, note("held")))
    await asyncio.to_thread(disk.reached.wait, 30)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not appending.done()
    assert (shown, journal.last_seq, journal.events(), journal.page()) == ([], 0, [], [])
    disk.go.set()
    events = await appending
    assert shown == [events]
    assert journal.events() == [*events]
    await journal.close()


async def test_what_waits_together_is_committed_together(folder: Path) -> None:
    disk = HeldDisk()
    journal = Journal.create(folder, "INC-0001", disk=disk)
    first = asyncio.create_task(journal.append(ME, note("first")))
    await asyncio.to_thread(disk.reached.wait, 30)
    others = [asyncio.create_task(journal.append(ME, note(n))) for n in range(100)]
    await asyncio.sleep(0)
    disk.go.set()
    await asyncio.gather(first, *others)
    assert (disk.commits, disk.syncs) == (2, 2)
    assert [event.seq for task in others for event in task.result()] == list(range(2, 102))
    await journal.close()
    assert verify(folder).entries == 101


async def test_every_lone_append_waits_for_the_disk_twice(folder: Path) -> None:
    disk = HeldDisk()
    disk.go.set()
    journal = Journal.create(folder, "INC-0001", disk=disk)
    for number in range(5):
        await journal.append(ME, note(number))
    assert (disk.commits, disk.syncs) == (5, 5)
    await journal.close()


async def test_the_writer_commits_in_full(folder: Path) -> None:
    seen: list[tuple[object, object]] = []

    class Asking(Disk):
        def commit(self, connection: sqlite3.Connection) -> None:
            super().commit(connection)
            asked = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "journal_mode")]
            seen.append((asked[0], asked[1]))

    journal = Journal.create(folder, "INC-0001", disk=Asking())
    await journal.append(ME, note("one"))
    await journal.close()
    assert seen == [(2, "wal")]


async def test_a_cancelled_caller_loses_only_its_wait(folder: Path) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context)))
    disk = HeldDisk()
    journal = Journal.create(folder, "INC-0001", disk=disk)
    shown: list[int] = []
    journal.subscribe(lambda events: shown.extend(event.seq for event in events))
    cancelled = asyncio.create_task(journal.append(ME, note("one"), note("two")))
    await asyncio.to_thread(disk.reached.wait, 30)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    disk.go.set()
    assert [event.seq for event in await journal.append(ME, note("three"))] == [3]
    assert (shown, told) == ([1, 2, 3], [])
    await journal.close()
    assert verify(folder).entries == 3


async def test_a_listener_that_raises_or_left_hinders_nobody(folder: Path) -> None:
    told: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(str(context["exception"])))

    def broken(_: tuple[Event, ...]) -> None:
        raise ValueError("a broken listener")

    journal = Journal.create(folder, "INC-0001")
    shown: list[int] = []
    end_broken = journal.subscribe(broken)
    journal.subscribe(lambda events: shown.extend(event.seq for event in events))
    await journal.append(ME, note("one"))
    end_broken()
    end_broken()
    await journal.append(ME, note("two"))
    assert (shown, told) == ([1, 2], ["a broken listener"])
    await journal.close()


NAN = CallMade(
    plan="p", step="s", attempt=1, index=0, result=CallResult.model_construct(status=0, seconds=float("nan"))
)


@pytest.mark.parametrize(
    "bad", [NAN, note("\udc80"), Raw(body=1), note("x" * 9_000_000)], ids=["nan", "surrogate", "raw", "huge"]
)
async def test_what_cannot_be_stored_fails_alone_and_whole(folder: Path, bad: NoteAdded) -> None:
    disk = HeldDisk()
    journal = Journal.create(folder, "INC-0001", disk=disk)
    before = asyncio.create_task(journal.append(ME, note("before")))
    await asyncio.to_thread(disk.reached.wait, 30)
    refused = asyncio.create_task(journal.append(ME, note("with it"), bad))
    after = asyncio.create_task(journal.append(ME, note("after")))
    await asyncio.sleep(0)
    disk.go.set()
    with pytest.raises(BadInput):
        await refused
    assert [event.seq for event in await before + await after] == [1, 2]
    await journal.close()
    assert verify(folder).entries == 2


async def test_a_failed_write_stops_the_journal_until_it_is_read_anew(folder: Path) -> None:
    class Failing(Disk):
        def sync(self, descriptor: int) -> None:
            raise OSError(5, "Input/output error")

    journal = Journal.create(folder, "INC-0001", disk=Failing())
    for _ in range(2):
        with pytest.raises(JournalReadOnly, match="Input/output error"):
            await journal.append(ME, note("lost?"))
    assert "Input/output" in journal.read_only
    assert journal.last_seq == 0
    await journal.close()
    again = Journal.open(folder)
    assert [event.seq for event in again.events()] == [1]
    assert [event.seq for event in await again.append(ME, note("on"))] == [2]
    await again.close()
    assert verify(folder).ok


async def test_nothing_is_appended_to_a_closed_journal(folder: Path) -> None:
    journal = Journal.create(folder, "INC-0001")
    waiting = asyncio.create_task(journal.append(ME, note("just in time")))
    await asyncio.sleep(0)
    await journal.close()
    await journal.close()
    assert len(await waiting) == 1
    with pytest.raises(JournalReadOnly, match="closed"):
        await journal.append(ME, note("late"))
    with pytest.raises(WarroomError):
        journal.events()


async def test_an_event_at_midnight_elsewhere_is_kept_in_utc_and_order_is_by_seq(folder: Path) -> None:
    times = iter([at(3600), at(0), at(-3600)])
    journal = Journal.create(folder, "INC-0001", now=lambda: next(times))
    for text in "abc":
        await journal.append(ME, note(text))
    events = journal.events()
    assert [event.at for event in events] == [at(3600), at(0), at(-3600)]
    assert [event.body.text for event in events if isinstance(event.body, NoteAdded)] == ["a", "b", "c"]
    await journal.close()


async def test_files_are_ours_alone_under_any_umask(folder: Path) -> None:
    for umask in (0o000, 0o777):
        place = folder.with_name(f"INC-{umask:04}")
        before = os.umask(umask)
        try:
            journal = Journal.create(place, "INC-0001")
            await journal.append(ME, note("one"))
        finally:
            os.umask(before)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
        await journal.close()
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert {"journal.db", "journal.db-wal", "head", "reserve"} <= set(modes)
        assert set(modes.values()) == {0o600}, modes


async def test_the_chain_covers_incident_seq_and_bytes(folder: Path) -> None:
    await written(folder, 2)
    with sqlite3.connect(folder / DB) as connection:
        rows = connection.execute("SELECT seq, bytes, hash FROM entry ORDER BY seq").fetchall()
    first = link(genesis("INC-0001"), 1, rows[0][1])
    assert [row[2] for row in rows] == [first, link(first, 2, rows[1][1])]
    assert (
        len(
            {link(genesis("INC-0002"), 1, b"a"), link(genesis("INC-0001"), 1, b"a"), link(genesis("INC-0001"), 2, b"a")}
        )
        == 3
    )


async def test_a_journal_is_made_whole_or_not_at_all(folder: Path) -> None:
    half = folder.with_name(".INC-0001.new")
    half.mkdir(parents=True)
    (half / "journal.db").write_bytes(b"left by a crash")
    await written(folder, 1)
    assert not half.exists()
    with pytest.raises(WarroomError, match="already there"):
        Journal.create(folder, "INC-0001")
    with pytest.raises(BadInput):
        Journal.create(folder.with_name("x"), "../x")
    with pytest.raises(JournalDamaged, match="missing"):
        Journal.open(folder.with_name("INC-0009"))
