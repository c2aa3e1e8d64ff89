"""Changes to a journal's files, as an insider or a failing disk makes them."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from warroom.journal.chain import DB, HEAD, genesis, link
from warroom.journal.head import Head, Mark
from warroom.journal.store import Journal
from warroom.model.event import Actor, NoteAdded
from warroom.testing.builders import an_incident, at

Rows = dict[int, bytes]
COUNT = 100
WAL = f"{DB}-wal"


def make_killed(folder: Path) -> None:
    """A journal of a hundred entries as kill -9 leaves it: everything since its making is in the -wal."""
    live = folder.with_name(".live")

    async def write() -> None:
        journal = Journal.create(live, "INC-0001", now=at)
        await journal.append(Actor(name="op1", uid=1000), an_incident())
        for number in range(2, COUNT + 1):
            await journal.append(Actor(name="op1", uid=1000), NoteAdded(text=f"entry number {number}."))
        shutil.copytree(live, folder)
        await journal.close()

    asyncio.run(write())
    shutil.rmtree(live)
    assert (folder / WAL).stat().st_size > 100_000


def make_closed(folder: Path) -> None:
    """The same, closed in order: there is no -wal."""
    make_killed(folder)
    asyncio.run(Journal.open(folder).close())
    assert not (folder / WAL).exists()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def rewritten(folder: Path, change: Callable[[Rows], Rows], incident: str = "INC-0001") -> None:
    """The entries are changed, and chain and head made to agree: what only a reader of the entries can notice."""
    connection = sqlite3.connect(folder / DB, isolation_level=None)
    rows = change(dict(connection.execute("SELECT seq, bytes FROM entry ORDER BY seq").fetchall()))
    connection.execute("BEGIN")
    connection.execute("DELETE FROM entry")
    mark = Mark(0, genesis(incident))
    for seq, data in sorted(rows.items()):
        mark = Mark(seq, link(mark.hash, seq, data))
        connection.execute("INSERT INTO entry (seq, bytes, hash) VALUES (?, ?, ?)", (seq, data, mark.hash))
    connection.execute("COMMIT")
    connection.close()
    (folder / HEAD).unlink()
    Head.create(folder / HEAD, mark)


def execute(folder: Path, *statements: str) -> None:
    """Statements straight into the database."""
    with closing(sqlite3.connect(folder / DB, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def flip(path: Path, offset: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))
