"""A program: reads a plain dump, packed with gzip or not, and writes for psql what of it is to be restored.

    python -m warroom_postgres.restoring.feeding --sha256=HASH < ai_saas_20251009.sql.gz | psql …

All is one transaction, and its COMMIT is written only once the dump was read to its end, was whole, and was the one
with that hash. So whatever cuts this off – a bad checksum, a kill, a full disk – nothing of it stays. Each statement is
judged before it is handed on: what would run something is not, and ends this. Left out is what only a superuser could
bring back, or what is taken from the live database afterwards: owners, default rights, tablespaces, publications.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence

from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.harm import unquoted
from warroom_postgres.backups.lexing import Lexer, Piece
from warroom_postgres.backups.plain import Plain
from warroom_postgres.backups.reading import CHUNK, Damaged, Source
from warroom_postgres.backups.unpacking import gunzipped

BEGIN = b"SET standard_conforming_strings = on;\nBEGIN;\n"
"""The first is what the dump's texts were judged by. It says so itself, though later."""
COMMIT = b"\nCOMMIT;\n"
LONGEST = 1024**3
"""Bytes of one statement: the server takes no longer one."""
_NAME = rb"(?:[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*|\"(?:[^\"]|\"\")+\")"
_LEFT_OUT = re.compile(
    rb"ALTER\s.*\sOWNER\s+TO\s+%b\Z|(?:SET|RESET)\s+SESSION\s+AUTHORIZATION\b|SET\s+default_tablespace\b"
    rb"|ALTER\s+DEFAULT\s+PRIVILEGES\b|COMMENT\s+ON\s+(?:EXTENSION|PUBLICATION|SUBSCRIPTION)\b"
    rb"|(?:CREATE|ALTER)\s+(?:PUBLICATION|SUBSCRIPTION)\b|(?:BEGIN|COMMIT)\Z" % _NAME,
    re.IGNORECASE | re.DOTALL,
)
_TO_BE_GONE = re.compile(rb"DROP\s|ALTER\s.*\sDROP\s", re.IGNORECASE | re.DOTALL)
_MAKES = (b"CREATE", b"COPY", b"INSERT")
_SCHEMA = re.compile(rb"CREATE\s+SCHEMA\s+(%b)\Z" % _NAME, re.IGNORECASE)
_TRANSACTION_TIMEOUT = re.compile(rb"SET\s+transaction_timeout\b", re.IGNORECASE)
_KNOWS_IT = 17


class Feed:
    """Takes a dump's bytes in order, and gives on those that are to be restored. ``made`` are schemas that are there
    already; ``server`` is the major version of the one that restores, which may know less than the one dumped."""

    def __init__(self, give: Callable[[bytes], object], *, made: Sequence[str] = (), server: int = 0) -> None:
        self._give = give
        self._made = frozenset(made)
        self._server = server
        self._lexer = Lexer()
        self._seen = Contents(format="plain", compression="none")
        self._plain = Plain(self._seen)
        self._buffer = b""
        self._at = 0
        self._gone = 0
        self._begun = False

    def take(self, data: bytes, *, last: bool = False) -> None:
        """Raises Damaged, before anything of what is wrong is given on."""
        self._buffer = self._buffer[self._at :] + data
        self._gone, self._at = self._gone + self._at, 0
        for piece in self._lexer.feed(data, last=last):
            self._piece(piece)
        if self._lexer.among_rows:
            self._upto(give=True)
        if len(self._buffer) - self._at > LONGEST:
            raise Damaged("has a statement that is longer than a server takes")

    def end(self) -> None:
        """Raises Damaged where it is not whole."""
        self.take(b"", last=True)
        if self._lexer.unfinished:
            raise Damaged(f"is cut short: it ends {self._lexer.unfinished}")
        self._plain.end()

    def _piece(self, piece: Piece) -> None:
        wanted = self._plain.take(piece)
        if harm := self._seen.found.harm:
            raise Damaged(harm[0])
        if piece.kind == "comment":
            return  # it may stand within a statement, and goes with it
        self._upto(give=piece.kind == "rows" or (wanted and not self._left_out(piece.text)))

    def _left_out(self, text: bytes) -> bool:
        self._begun = self._begun or text[:6].upper().startswith(_MAKES)
        if _LEFT_OUT.match(text) or (not self._begun and _TO_BE_GONE.match(text)):
            return True
        if (schema := _SCHEMA.fullmatch(text)) is not None:
            return unquoted(schema[1]) in self._made
        return self._server < _KNOWS_IT and _TRANSACTION_TIMEOUT.match(text) is not None

    def _upto(self, *, give: bool) -> None:
        """What was looked at since the last time is given on, or left out."""
        end = self._lexer.position - self._gone
        if give:
            self._give(self._buffer[self._at : end])
        self._at = end


def feed(source: Source, give: Callable[[bytes], object], *, sha256: str, made: Sequence[str], server: int) -> None:
    """Raises Damaged; then no COMMIT was given."""
    to = Feed(give, made=made, server=server)
    give(BEGIN)
    for piece in _unpacked(source):
        to.take(piece)
    to.end()
    if (found := source.finish()) != sha256:
        raise Damaged(f"was changed or swapped: its hash is {found}, {sha256} was looked at")
    give(COMMIT)


def _unpacked(source: Source) -> Iterator[bytes]:
    first = source.some(CHUNK)
    pieces = itertools.chain([first], iter(lambda: source.some(CHUNK), b""))
    return gunzipped(pieces) if first.startswith(b"\x1f\x8b") else pieces


class Out:
    """Written in large parts: psql reads no faster than it is written to."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parts: list[bytes] = []
        self._size = 0

    def give(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Raises BrokenPipeError where nobody reads any more."""
        left = memoryview(b"".join(self._parts))
        self._parts, self._size = [], 0
        while left:
            left = left[os.write(self._descriptor, left) :]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="feeding", description="write for psql what of a plain dump is restored")
    parser.add_argument("--sha256", required=True, help="of the file, as sha256:HEX: it must be that one")
    parser.add_argument("--made", action="append", default=[], help="a schema that is there already")
    parser.add_argument("--server", type=int, default=_KNOWS_IT, help="the major version of the server")
    told = parser.parse_args(words)
    out = Out(sys.stdout.fileno())
    try:
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as file:
            feed(Source(file), out.give, sha256=told.sha256, made=told.made, server=told.server)
        out.flush()
    except Damaged as damaged:
        print(f"the dump {damaged}; nothing of it was committed", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1  # psql has ended, and says why
    return 0


if __name__ == "__main__":
    sys.exit(main())
