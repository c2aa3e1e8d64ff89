"""The statements of an archive's table of contents: whether they only bring the database back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from warroom_postgres.backups.archive import Check, Entry
from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.harm import copied, look, shown
from warroom_postgres.backups.lexing import Lexer

_NUMBERS = re.compile(rb"(?:[0-9]+\s*)*")


def checking(contents: Contents) -> Check:
    """What harms goes into the contents' ``found``."""

    def check(entry: Entry, statements: Mapping[str, bytes]) -> None:
        if _of_the_whole_database(entry):
            return
        for name in ("definition", "drop"):
            text = statements[name]
            if entry.kind == "BLOB METADATA" and _NUMBERS.fullmatch(text):
                continue
            _look(text, contents, entry.id)
        if (copy := statements["copy"]) and copied(_bare(copy)) is None:
            contents.found.harms(f"reads or writes outside of the database: {shown(copy)}")

    return check


def _of_the_whole_database(entry: Entry) -> bool:
    """Every archive has these, and only ``pg_restore --create`` runs them, which is never asked for."""
    return entry.kind in ("DATABASE", "DATABASE PROPERTIES") or (
        entry.kind in ("ACL", "COMMENT", "SECURITY LABEL") and entry.tag.startswith("DATABASE ")
    )


def _bare(statement: bytes) -> bytes:
    return statement.strip().removesuffix(b";").strip()


def _look(text: bytes, contents: Contents, number: int) -> None:
    lexer = Lexer(copying=False)
    # The last statement of a definition may go without its semicolon.
    for part in lexer.feed(text + b"\n;", last=True):
        if part.kind == "statement":
            look(part, contents.found)
            contents.needs.look(part.text, number)
        elif part.kind == "command":
            contents.found.harms(f"has a command of psql's: {shown(part.text)}")
    if lexer.unfinished:
        contents.found.is_strange(f"a definition that ends {lexer.unfinished}: {shown(text)}")
