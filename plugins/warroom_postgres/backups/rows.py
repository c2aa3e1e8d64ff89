"""The data of one table, large object or set of statements, as an archive holds it: looked through piece by piece."""

from __future__ import annotations

from collections.abc import Iterable

from warroom_postgres.backups.archive import Entry
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.harm import look, shown
from warroom_postgres.backups.lexing import Lexer
from warroom_postgres.backups.reading import Damaged

END = b"\\.\n\n\n"
"""What pg_dump writes behind the rows."""


def read_rows(entry: Entry, pieces: Iterable[bytes], contents: Contents) -> None:
    """Raises Damaged where the data does not end as pg_dump ends it."""
    if entry.copies:
        _copied(entry, pieces, contents)
    else:
        _inserted(entry, pieces, contents)


def _copied(entry: Entry, pieces: Iterable[bytes], contents: Contents) -> None:
    lines, tail, early = 0, b"\n", False
    for piece in pieces:
        lines += piece.count(b"\n")
        text = tail + piece
        # A line that ends the rows, with more behind it than belongs there.
        at = text.find(b"\n\\.\n")
        early = early or (0 <= at < len(text) - len(END) - 1)
        tail = text[-len(END) - 2 :]
    if not tail.endswith(b"\n" + END):
        raise Damaged(f"is cut short: the rows of {entry.tag} have no end")
    if early:
        contents.found.harms(f"has more behind the rows of {shown(entry.tag.encode())} than rows")
    contents.count((entry.schema, entry.tag), lines - END.count(b"\n"))


def _inserted(entry: Entry, pieces: Iterable[bytes], contents: Contents) -> None:
    lexer, before = Lexer(copying=False), b""
    for piece in pieces:
        _look(lexer, before, contents, last=False)
        before = piece
    _look(lexer, before, contents, last=True)
    if lexer.unfinished:
        raise Damaged(f"is cut short: the rows of {entry.tag} end {lexer.unfinished}")
    contents.count((entry.schema, entry.tag), None)


def _look(lexer: Lexer, data: bytes, contents: Contents, *, last: bool) -> None:
    for part in lexer.feed(data, last=last):
        if part.kind == "statement":
            look(part, contents.found)
        elif part.kind == "command":
            contents.found.harms(f"has a command of psql's: {shown(part.text)}")
