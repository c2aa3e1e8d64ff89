"""A dump in plain SQL, read right through: that it is whole, and that psql would only bring the tables back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from warroom_postgres.backups.contents import Contents
from warroom_postgres.backups.harm import copied, look, shown, unquoted
from warroom_postgres.backups.lexing import Lexer, Piece
from warroom_postgres.backups.reading import Damaged

BEGINS = b"--\n-- PostgreSQL database dump\n--\n"
CLUSTER = b"--\n-- PostgreSQL database cluster dump\n--\n"
_COMPLETE = b"-- PostgreSQL database dump complete"
_FROM = re.compile(r"-- Dumped (from database|by pg_dump) version (.{1,100})")
_STARTED = re.compile(r"-- Started on (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?: (\S{1,40}))?", re.ASCII)
_RESTRICT = re.compile(rb"\\(restrict|unrestrict) ([A-Za-z0-9]{1,200})")
_NAME = rb"(?:[A-Za-z_][A-Za-z0-9_$]*|\"(?:[^\"]|\"\")+\")"
_MADE = re.compile(
    rb"(?:DROP DATABASE (?:IF EXISTS )?|CREATE DATABASE )(%b)(?: WITH TEMPLATE = template0\b.*)?" % _NAME, re.S
)
_OF_IT = re.compile(
    rb"(?:ALTER DATABASE|ALTER ROLE %b IN DATABASE|COMMENT ON DATABASE|(?:GRANT|REVOKE) [A-Z, ]+ ON DATABASE) (%b) .*"
    % (_NAME, _NAME),
    re.DOTALL,
)
_CONNECT = re.compile(rb"\\connect ([A-Za-z0-9_.]+)")
_INSERTS = re.compile(
    rb"INSERT INTO (?:([A-Za-z_][A-Za-z0-9_$]*|\"(?:[^\"]|\"\")+\")\.)?([A-Za-z_][A-Za-z0-9_$]*|\"(?:[^\"]|\"\")+\") "
)


def read_plain(pieces: Iterable[bytes], contents: Contents) -> None:
    """Fills ``contents``. Raises Damaged."""
    reading = Plain(contents)
    lexer, before = Lexer(), b""
    for piece in pieces:
        for part in lexer.feed(before):
            reading.take(part)
        before = piece
    for part in lexer.feed(before, last=True):
        reading.take(part)
    if lexer.unfinished:
        raise Damaged(f"is cut short: it ends {lexer.unfinished}")
    reading.end()


class Plain:
    """Its pieces, one after the other: what is told of it goes into ``contents``."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._complete = False
        self._key = b""
        self._table: tuple[str, str] | None = None
        self._whole = b""
        self._connected = False
        self._inside = False

    def take(self, part: Piece) -> bool:
        """False for what is never restored: it is for psql, or of the database as a whole."""
        match part.kind:
            case "comment":
                self._comment(part.text)
            case "command":
                self._command(part.text)
                return False
            case "statement":
                if self._of_the_whole(part.text):
                    return False
                self._statement(part)
            case "rows":
                if self._table is not None:
                    self._contents.count(self._table, part.rows)
        return True

    def _of_the_whole(self, text: bytes) -> bool:
        """What a dump with --create begins with: the making of its database, and what is said of that one."""
        if (made := _MADE.fullmatch(text)) and not self._inside and self._whole in (b"", made[1]):
            self._whole = made[1]
            self._contents.database = unquoted(made[1])
            return True
        of_it = _OF_IT.fullmatch(text)
        return of_it is not None and of_it[1] == self._whole != b""

    def end(self) -> None:
        """Raises Damaged where the dump's own end was not among them."""
        if not self._complete:
            raise Damaged('is cut short: the line "PostgreSQL database dump complete" is missing')
        if self._key:
            raise Damaged("is cut short: the end of its restricted part is missing")

    def _statement(self, part: Piece) -> None:
        if self._complete:
            self._contents.found.harms(f"goes on after its end: {shown(part.text)}")
        self._inside = self._inside or part.text[:6].upper().startswith((b"CREATE", b"COPY", b"INSERT"))
        look(part, self._contents.found)
        self._contents.needs.look(part.text)
        self._table = copied(part.text)
        if part.cut and self._table is None and part.text[:5].upper() == b"COPY ":
            raise Damaged(f"has a statement too long to be looked through: {shown(part.text)}")
        if inserted := _INSERTS.match(part.text):
            schema, name = (
                text.decode("utf-8", "replace").strip('"').replace('""', '"')
                for text in (inserted[1] or b"", inserted[2])
            )
            self._contents.count((schema, name), None)

    def _command(self, text: bytes) -> None:
        """Patched pg_dumps have psql take no other command between ``\\restrict KEY`` and ``\\unrestrict KEY``.

        One made with --create goes over, once, to the database that it has made.
        """
        to = _CONNECT.fullmatch(text)
        if to is not None and to[1] == self._whole and not (self._connected or self._inside or self._key):
            self._connected = True
            return
        match = _RESTRICT.fullmatch(text)
        opens = match is not None and match[1] == b"restrict" and not self._key
        closes = match is not None and match[1] == b"unrestrict" and match[2] == self._key
        if match is None or not (opens or closes):
            self._contents.found.harms(f"has a command of psql's: {shown(text)}")
        else:
            self._key = match[2] if opens else b""

    def _comment(self, text: bytes) -> None:
        if text == _COMPLETE:
            self._complete = True
            return
        line, contents = text.decode("utf-8", "replace"), self._contents
        if (match := _FROM.fullmatch(line)) and match[2].isprintable():
            if match[1] == "by pg_dump":
                contents.dump_version = contents.dump_version or match[2]
            else:
                contents.server_version = contents.server_version or match[2]
        elif contents.made is None and (match := _STARTED.fullmatch(line)):
            contents.made_in_utc = match[2] in ("UTC", "GMT", "Etc/UTC")
            contents.made = _moment(match[1])


def _moment(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).replace(tzinfo=None)
    except ValueError:
        return None
