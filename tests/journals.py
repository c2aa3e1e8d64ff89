"""Changes to a journal's files, as an insider or a failing disk makes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from warroom.journal.chain import DB, HEAD, genesis, link
from warroom.journal.head import Head, Mark

Rows = dict[int, bytes]


def rewritten(folder: Path, change: Callable[[Rows], Rows], incident: str = "INC-0001") -> None:
    """The entries are changed, and chain and head made to agree: what only a reader of the entries can notice."""
    connection = sqlite3.connect(folder / DB, isolation_level=None)
    rows = change(dict(connection.execute("SELECT seq, bytes FROM entry ORDER BY seq").fetchall()))
    connection.execute("DELETE FROM entry")
    mark = Mark(0, genesis(incident))
    for seq, data in sorted(rows.items()):
        mark = Mark(seq, link(mark.hash, seq, data))
        connection.execute("INSERT INTO entry (seq, bytes, hash) VALUES (?, ?, ?)", (seq, data, mark.hash))
    connection.close()
    (folder / HEAD).unlink()
    Head.create(folder / HEAD, mark)


def execute(folder: Path, *statements: str) -> None:
    """Statements straight into the database."""
    connection = sqlite3.connect(folder / DB, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def flip(path: Path, offset: int, bit: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))
