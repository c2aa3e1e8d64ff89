"""A journal's bytes are flipped, edited, cut and reordered: it says where, changes nothing, and stays readable."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journals import COUNT, WAL, contents, execute, flip, rewritten
from warroom.errors import JournalReadOnly, WarroomError
from warroom.journal.chain import DB, HEAD, genesis, link
from warroom.journal.export import export_lines, show_lines
from warroom.journal.folder import StateFolder
from warroom.journal.head import SLOT, Head, Mark
from warroom.journal.reading import read
from warroom.journal.store import Journal
from warroom.journal.verify import verify
from warroom.model.event import Actor, Event, NoteAdded

ME = Actor(name="op1", uid=1000)


async def used_to_the_full(folder: Path) -> list[Event]:
    """Everything that can be done with a journal one may not add to; none of it changes a byte. Returns its events."""
    before = contents(folder)
    journal = Journal.open(folder)
    assert journal.read_only
    with pytest.raises(JournalReadOnly):
        await journal.append(ME, NoteAdded(text="more"))
    events = journal.events()
    assert len(list(show_lines(events))) == len(list(export_lines(folder))) == len(events)
    await journal.close()
    (summary,) = StateFolder(folder.parent.parent).incidents()
    assert summary.damaged
    assert contents(folder) == before
    return events


def swap(one: int, other: int, column: str = "bytes") -> list[str]:
    return [
        f"CREATE TEMP TABLE kept AS SELECT seq, {column} AS v FROM entry WHERE seq IN ({one}, {other})",
        f"UPDATE entry SET {column} = (SELECT v FROM kept WHERE seq = {other}) WHERE seq = {one}",
        f"UPDATE entry SET {column} = (SELECT v FROM kept WHERE seq = {one}) WHERE seq = {other}",
    ]


EDITS: list[tuple[list[str], int | None, str]] = [
    (["UPDATE entry SET bytes = CAST(replace(bytes, 'number', 'member') AS BLOB) WHERE seq = 40"], 40, "hash differs"),
    (["UPDATE entry SET hash = zeroblob(32) WHERE seq = 40"], 40, "hash differs"),
    (["UPDATE entry SET hash = x'00' WHERE seq = 40"], 40, "hash differs"),
    (["UPDATE entry SET bytes = 'text' WHERE seq = 40"], 40, "shape"),
    (["UPDATE entry SET hash = 7 WHERE seq = 40"], 40, "shape"),
    (["UPDATE entry SET bytes = x'' WHERE seq = 1"], 1, "hash differs"),
    (["DELETE FROM entry WHERE seq = 40"], 40, "entry 40 is missing: 41 comes next"),
    (["DELETE FROM entry WHERE seq <= 10"], 1, "entry 1 is missing: 11 comes next"),
    (["DELETE FROM entry WHERE seq > 90"], 91, "shorter than its head: it ends at entry 90, and 100 were acknowledged"),
    (["DELETE FROM entry"], 1, "shorter than its head: it ends at entry 0, and 100 were acknowledged"),
    (swap(40, 70), 40, "hash differs"),
    ([*swap(40, 70), "DROP TABLE kept", *swap(40, 70, "hash")], 40, "hash differs"),
    (["UPDATE entry SET seq = -seq WHERE seq = 40", "UPDATE entry SET seq = 40 WHERE seq = 41"], 40, "hash differs"),
    (["INSERT INTO entry VALUES (-1, x'7b7d', zeroblob(32))"], None, "an entry numbered -1"),
    (["UPDATE entry SET seq = 200 WHERE seq = 100"], 100, "entry 100 is missing: 200 comes next"),
    (["INSERT INTO entry VALUES (101, x'7b7d', zeroblob(32))"], 101, "hash differs"),
    (["UPDATE meta SET value = 'INC-0002' WHERE key = 'incident'"], 1, "hash differs"),
]


@pytest.mark.parametrize(("statements", "first_bad", "reason"), EDITS, ids=lambda value: str(value)[:50])
async def test_an_edit_is_named(
    copied: Callable[[Path], Path], closed: Path, statements: list[str], first_bad: int | None, reason: str
) -> None:
    folder = copied(closed)
    execute(folder, *statements)
    found = verify(folder)
    assert (found.ok, found.first_bad) == (False, first_bad), found
    assert reason in found.reason
    events = await used_to_the_full(folder)
    assert {event.seq for event in events} >= set(range(1, first_bad or COUNT + 1)) - {40}


def _head(folder: Path, mark: Mark) -> None:
    (folder / HEAD).unlink()
    Head.create(folder / HEAD, mark)


def _rewritten_but_head(folder: Path) -> None:
    head = (folder / HEAD).read_bytes()
    rewritten(folder, lambda rows: {**rows, 40: rows[40].replace(b"number", b"member")})
    assert verify(folder).ok
    (folder / HEAD).write_bytes(head)


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


UNREADABLE: list[tuple[str, Callable[[Path], object], str]] = [
    ("no folder", shutil.rmtree, "the folder is missing"),
    ("no database", lambda f: (f / DB).unlink(), "journal.db is missing"),
    ("empty database", lambda f: (f / DB).write_bytes(b""), "journal.db is empty"),
    ("not a database", lambda f: (f / DB).write_bytes(random.Random(1).randbytes(9000)), "not a readable database"),
    ("another database", lambda f: execute(f, "CREATE TABLE x (y)"), "the tables in journal.db"),
    ("a trigger", lambda f: execute(f, "CREATE TRIGGER t AFTER INSERT ON entry BEGIN SELECT 1; END"), "the tables"),
    (
        "a view that never ends",
        lambda f: execute(
            f,
            "DROP TABLE entry",
            "CREATE VIEW entry AS WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n) "
            "SELECT seq, x'' AS bytes, x'' AS hash FROM n",
        ),
        "the tables in journal.db",
    ),
    ("a newer format", lambda f: execute(f, "UPDATE meta SET value = '2' WHERE key = 'format'"), "its format is '2'"),
    ("of nothing", lambda f: execute(f, "UPDATE meta SET value = '../x' WHERE key = 'incident'"), "which incident"),
    ("no head", lambda f: (f / HEAD).unlink(), "head is missing"),
    ("a link", lambda f: _linked(f / DB), "is a link, which is not followed"),
    ("a head that is a link", lambda f: _linked(f / HEAD), "head is a link"),
    ("a wal that is a link", lambda f: (f / WAL).symlink_to(f / HEAD), "journal.db-wal is not a plain file"),
    ("a rollback journal", lambda f: (f / f"{DB}-journal").write_bytes(b"x"), "journal.db-journal is there"),
    ("a folder for a head", lambda f: _a_folder(f / HEAD), "head is a folder"),
]


@pytest.mark.parametrize(("name", "change", "reason"), UNREADABLE, ids=[name for name, _, _ in UNREADABLE])
async def test_what_is_no_journal_is_refused_with_the_reason(
    copied: Callable[[Path], Path], closed: Path, name: str, change: Callable[[Path], object], reason: str
) -> None:
    folder = copied(closed)
    change(folder)
    found = verify(folder)
    assert (found.ok, found.entries) == (False, 0)
    assert reason in found.reason
    with pytest.raises(WarroomError) as refused:
        Journal.open(folder)
    assert found.reason in str(refused.value)


HEADS: list[tuple[str, Callable[[Path], object], int | None, str]] = [
    ("empty", lambda f: (f / HEAD).write_bytes(b""), None, "head file is damaged"),
    ("cut", lambda f: (f / HEAD).write_bytes((f / HEAD).read_bytes()[:SLOT]), None, "head file is damaged"),
    ("longer", lambda f: (f / HEAD).write_bytes((f / HEAD).read_bytes() + b"x"), None, "head file is damaged"),
    ("ahead", lambda f: _head(f, Mark(COUNT + 7, bytes(32))), COUNT + 1, "and 107 were acknowledged"),
    ("of another entry", lambda f: _head(f, Mark(60, bytes(32))), 60, "entry 60 is not the one"),
    ("of another journal", lambda f: _head(f, Mark(0, genesis("INC-0002"))), None, "entry 0 is not the one"),
    ("everything rewritten but the head", _rewritten_but_head, COUNT - 1, "is not the one"),
]


@pytest.mark.parametrize(("name", "change", "first_bad", "reason"), HEADS, ids=[name for name, _, _, _ in HEADS])
async def test_a_head_that_does_not_agree_is_named(
    copied: Callable[[Path], Path],
    closed: Path,
    name: str,
    change: Callable[[Path], object],
    first_bad: int | None,
    reason: str,
) -> None:
    folder = copied(closed)
    change(folder)
    found = verify(folder)
    assert (found.ok, found.first_bad, found.entries) == (False, first_bad, COUNT), found
    assert reason in found.reason
    await used_to_the_full(folder)


def test_an_untouched_journal_is_whole_and_stays_untouched(
    copied: Callable[[Path], Path], closed: Path, killed: Path
) -> None:
    for source in (closed, killed):
        folder = copied(source)
        before = contents(folder)
        found = verify(folder)
        assert (found.ok, found.entries, found.first_bad, found.reason) == (True, COUNT, None, "")
        assert contents(folder) == before


async def test_any_byte_flipped_in_the_head_is_named(copied: Callable[[Path], Path], closed: Path, full: bool) -> None:
    folder = copied(closed)
    chance = random.Random(3)
    for offset in range(2 * SLOT) if full else chance.sample(range(2 * SLOT), 60):
        bit = chance.randrange(8)
        flip(folder / HEAD, offset, bit)
        assert "head file is damaged" in verify(folder).reason, offset
        flip(folder / HEAD, offset, bit)
    assert verify(folder).ok


async def test_any_byte_flipped_in_the_wal_after_a_kill_is_named(
    copied: Callable[[Path], Path], killed: Path, full: bool
) -> None:
    """SQLite drops every commit from the flipped frame on, and what is left looks whole: only the head can tell."""
    folder = copied(killed)
    size = (folder / WAL).stat().st_size
    chance = random.Random(4)
    lost = []
    for _ in range(400 if full else 60):
        offset, bit = chance.randrange(size), chance.randrange(8)
        flip(folder / WAL, offset, bit)
        found = verify(folder)
        assert not found.ok, offset
        assert "shorter than its head" in found.reason
        assert found.first_bad == found.entries + 1
        lost.append(COUNT - found.entries)
        flip(folder / WAL, offset, bit)
    assert max(lost) > COUNT / 2
    flip(folder / WAL, size // 2)
    await used_to_the_full(folder)


async def test_a_wal_that_is_gone_or_cut_is_named(copied: Callable[[Path], Path], killed: Path) -> None:
    whole = (killed / WAL).read_bytes()
    for left in (b"", whole[:31], whole[: len(whole) // 2], whole[:-1]):
        folder = copied(killed)
        (folder / WAL).write_bytes(left)
        assert "shorter than its head" in verify(folder).reason
        await used_to_the_full(folder)
    folder = copied(killed)
    (folder / WAL).unlink()
    assert verify(folder).first_bad == 1


async def test_bytes_flipped_in_an_entry_are_named_by_its_seq(
    copied: Callable[[Path], Path], closed: Path, full: bool
) -> None:
    folder = copied(closed)
    data = (folder / DB).read_bytes()
    chance = random.Random(5)
    for _ in range(300 if full else 40):
        seq = chance.randrange(2, COUNT + 1)
        text = f"entry number {seq}.".encode()
        assert data.count(text) == 1
        offset, bit = data.index(text) + chance.randrange(len(text)), chance.randrange(8)
        flip(folder / DB, offset, bit)
        found = verify(folder)
        assert (found.ok, found.first_bad) == (False, seq)
        flip(folder / DB, offset, bit)


async def test_bytes_flipped_anywhere_in_the_database_change_no_entry_unnoticed(
    copied: Callable[[Path], Path], closed: Path, full: bool
) -> None:
    folder = copied(closed)
    whole = read(folder).entries
    size = (folder / DB).stat().st_size
    chance = random.Random(6)
    named = 0
    for _ in range(600 if full else 80):
        offset, bit = chance.randrange(size), chance.randrange(8)
        flip(folder / DB, offset, bit)
        reading = read(folder)
        if reading.verified.ok:
            assert reading.entries == whole, offset
        else:
            named += 1
            assert reading.verified.reason
            good = range(1, reading.verified.first_bad or 1)
            assert all(reading.entries[seq] == whole[seq] for seq in good if reading.verified.first_bad), offset
        flip(folder / DB, offset, bit)
    assert named > 0


async def test_a_database_cut_short_is_named(copied: Callable[[Path], Path], closed: Path) -> None:
    whole = (closed / DB).read_bytes()
    for left in (1, 15, 99, 100, 4095, 4096, len(whole) // 2, len(whole) - 4096, len(whole) - 1):
        folder = copied(closed)
        (folder / DB).write_bytes(whole[:left])
        found = verify(folder)
        assert not found.ok, left
        assert found.reason


async def test_what_is_cut_off_is_missed_though_it_held_nothing(copied: Callable[[Path], Path], closed: Path) -> None:
    """A page of zeros at the end: without some of it every entry is still as it was written."""
    folder = copied(closed)
    with (folder / DB).open("ab") as file:
        file.write(bytes(100))
    assert "within a page" in verify(folder).reason


def test_the_chain_is_what_it_says() -> None:
    """By hand, so that a change to how it is made can't go unnoticed: it would make every old journal a damaged one."""
    first = link(genesis("INC-0001"), 1, b"{}")
    assert genesis("INC-0001").hex() == "ea9d071a878c91d3f53bee4c33edb6827245bd80cf21d8a8918a2cf151f14600"
    assert first.hex() == "3474accc6d7fb0a1ac7fb05a4906a56976296b05c82620fc4a3b63d6b29b080b"
