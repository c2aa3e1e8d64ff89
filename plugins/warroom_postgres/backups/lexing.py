"""SQL as psql cuts it up: statements, comments, psql's own commands and the data of COPY. A piece at a time.

Outside of quotes a backslash is a command of psql's, so what is quoted is told exactly as psql tells it: with
standard_conforming_strings on, bodies that begin with BEGIN ATOMIC, and parentheses that hold a semicolon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

KEPT = 256 * 1024
"""Bytes of one statement that are kept. A text in it longer than SHORT leaves only its quotes."""
SHORT = 100
_BEHIND = 200
_MARGIN = 200
"""Bytes at a piece's end that wait for the next: a dollar quote's tag has at most 63."""
_PLAIN = rb"""[^'"$\\;()/\-]++|-(?=[^-])|/(?=[^*])|(?<![eE])'[^'\\]*+'|"[^"]*+\""""
_BULK = re.compile(rb"(?:%b|\((?:%b)*+\))++" % (_PLAIN, _PLAIN))
"""What changes nothing of how the rest is read. A text behind an E may go on in a way of its own, so it is none."""
_TAG = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$")
_WORD_BEFORE = re.compile(rb"[A-Za-z0-9_$\x80-\xff]*\Z")
_E_BEFORE = re.compile(rb"(?<![A-Za-z0-9_$\x80-\xff])[eE]\Z")
_BLANK = re.compile(rb"\s+")
_IN_E = re.compile(rb"[\\']")
_IN_BLOCK = re.compile(rb"/\*|\*/")
_SHORTENED = re.compile(rb"'([^']*)'")
_ROUTINE = re.compile(rb"\s*c\w*\s+(?:o\w*\s+r\w*\s+)?[fp]", re.IGNORECASE)
"""psql looks at the first letters of the first words: CREATE OR REPLACE FUNCTION or PROCEDURE."""
_STEPS = re.compile(rb"'[^']*'|\"[^\"]*\"|[()]|[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*")
_COPY = re.compile(rb"COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE | re.DOTALL)
State = Literal["sql", "text", "escaped", "name", "dollar", "line", "block", "command", "behind", "copy"]


@dataclass(frozen=True)
class Piece:
    """``statement`` without its comments; ``comment`` (one from ``--`` on), ``command``: a line; ``rows`` of a COPY.

    ``cut``: only the beginning of it is in ``text``.
    """

    kind: Literal["statement", "comment", "command", "rows"]
    text: bytes = b""
    rows: int = 0
    cut: bool = False


class Lexer:
    """``feed`` it the bytes in order, then ask for ``unfinished``.

    ``copying`` False: the data of COPY stands elsewhere, as in an archive.
    """

    def __init__(self, *, copying: bool = True) -> None:
        self._copying = copying
        self._state: State = "sql"
        self._buffer = b""
        self._at = 0
        self._gone = 0
        self._code = bytearray()
        self._length = 0
        self._line: list[bytes] = []
        self._parentheses = 0
        self._comments = 0
        self._tag = b""
        self._rows = 0
        self._line_begins = True
        self._after_e = False
        self._newline = False
        self._quoted = bytearray()
        self._steps = 0
        self._stepped = 0
        self._depth = 0

    @property
    def unfinished(self) -> str:
        """What it ends within, in words; empty where it ends between statements."""
        if self._state in ("behind", "copy"):
            return "within the rows of a table"
        if self._state not in ("sql", "line", "command"):
            return "within a text"
        return "within a statement" if self._code.strip() else ""

    @property
    def position(self) -> int:
        """How many bytes were looked at. While ``feed`` gives a piece: where that piece ends."""
        return self._gone + self._at

    @property
    def among_rows(self) -> bool:
        """Whether what comes next is data of a COPY, or its end."""
        return self._state in ("behind", "copy")

    def feed(self, data: bytes, *, last: bool = False) -> Iterator[Piece]:
        """The pieces that end in ``data``. ``last``: nothing follows."""
        keep = min(self._at, _BEHIND)
        self._gone += self._at - keep
        self._buffer = self._buffer[self._at - keep :] + data
        self._at = keep
        while self._at < len(self._buffer):
            before = (self._at, self._state)
            yield from self._step(last)
            if (self._at, self._state) == before:
                break
        if last and self._state in ("line", "command"):
            yield from self._end_line()

    def _step(self, last: bool) -> Iterator[Piece]:
        match self._state:
            case "sql":
                yield from self._sql(last)
            case "copy":
                yield from self._copy(last)
            case "behind":
                yield from self._behind_copy()
            case "line" | "command":
                yield from self._to_line_end()
            case "escaped":
                self._escaped(last)
            case "block":
                self._block(last)
            case "text":
                self._until(b"'", keep=True)
            case "name":
                self._until(b'"', keep=True)
            case "dollar":
                self._until(self._tag)

    # ---- between quotes ----------------------------------------------------------------------------------------------

    def _sql(self, last: bool) -> Iterator[Piece]:
        buffer = self._buffer
        if self._after_e and self._goes_on():
            return
        if bulk := _BULK.match(buffer, self._at):
            self._keep(_SHORTENED.sub(lambda m: m[0] if len(m[1]) <= SHORT else b"''", bulk[0]))
            self._at = bulk.end()
            return
        byte = buffer[self._at : self._at + 1]
        if byte in b"-/$" and len(buffer) - self._at < (_MARGIN if byte == b"$" else 2) and not last:
            return
        two = buffer[self._at : self._at + 2]
        if byte == b"'":
            escaped = _E_BEFORE.search(buffer, max(0, self._at - 3), self._at)
            self._enter("escaped" if escaped else "text", 1, b"''" if escaped else b"")
        elif byte == b'"':
            self._enter("name", 1, b'"')
        elif byte == b"$":
            self._dollar()
        elif two == b"--":
            self._enter("line", 0)
        elif two == b"/*":
            self._comments = 1
            self._enter("block", 2, b" ")
        elif byte == b"\\":
            self._enter("command", 0)
        elif byte == b";":
            self._at += 1
            yield from self._semicolon()
        else:
            self._parentheses += {b"(": 1, b")": -1}.get(byte, 0) if self._parentheses or byte != b")" else 0
            self._keep(byte)
            self._at += 1

    def _goes_on(self) -> bool:
        """After ``E'…'`` a text on a later line is a part of it, and of its kind. False: nothing of that comes."""
        if blank := _BLANK.match(self._buffer, self._at):
            self._newline = self._newline or b"\n" in blank[0]
            self._keep(b" ")
            self._at = blank.end()
            return True
        if self._buffer.startswith(b"--", self._at) or self._buffer[self._at :] == b"-":
            return False  # a comment counts as blank, and its end as a new line
        self._after_e = False
        if self._newline and self._buffer.startswith(b"'", self._at):
            self._enter("escaped", 1, b"''")
            return True
        return False

    def _dollar(self) -> None:
        tag = _TAG.match(self._buffer, self._at)
        word = _WORD_BEFORE.search(self._buffer, max(0, self._at - _BEHIND), self._at)
        within_a_word = word is not None and bool(word[0]) and not word[0][:1].isdigit()
        if tag is None or within_a_word:
            self._keep(b"$")
            self._at += 1
            return
        self._tag = tag[0]
        self._enter("dollar", len(tag[0]), b"''")

    def _semicolon(self) -> Iterator[Piece]:
        if self._parentheses or self._within_body():
            self._keep(b";")
            return
        text, cut = bytes(self._code).strip(), self._length > KEPT
        self._code, self._length, self._steps, self._stepped, self._depth = bytearray(), 0, 0, 0, 0
        if not text:
            return
        yield Piece("statement", text, cut=cut)
        if self._copying and _COPY.match(text):
            self._state, self._rows, self._line_begins = "behind", 0, True

    def _within_body(self) -> bool:
        """Whether this semicolon stands in a body that began with BEGIN ATOMIC."""
        if not _ROUTINE.match(self._code):
            return False
        for found in _STEPS.finditer(self._code, self._stepped):
            step = bytes(found[0]).upper()
            self._depth = max(0, self._depth + {b"(": 1, b")": -1}.get(step, 0))
            if not self._depth and (step == b"BEGIN" or (step == b"CASE" and self._steps)):
                self._steps += 1
            elif not self._depth and step == b"END" and self._steps:
                self._steps -= 1
        self._stepped = len(self._code)
        return self._steps > 0

    def _enter(self, state: State, skip: int, kept: bytes = b"") -> None:
        self._keep(kept)
        self._state = state
        self._at += skip
        self._line = []

    def _keep(self, code: bytes) -> None:
        self._length += len(code)
        if self._length <= KEPT:
            self._code += code

    # ---- within them -------------------------------------------------------------------------------------------------

    def _until(self, end: bytes, *, keep: bool = False) -> None:
        found = self._buffer.find(end, self._at)
        stop = found if found >= 0 else max(self._at, len(self._buffer) - len(end) + 1)
        inside = self._buffer[self._at : stop]
        self._at = stop + len(end) if found >= 0 else stop
        if keep and end == b'"':
            self._keep(inside + (end if found >= 0 else b""))
        elif keep and len(self._quoted) <= SHORT:
            self._quoted += inside
        if found >= 0:
            if keep and end == b"'":
                self._keep(b"'%b'" % bytes(self._quoted if len(self._quoted) <= SHORT else b""))
                self._quoted = bytearray()
            self._state = "sql"

    def _escaped(self, last: bool) -> None:
        found = _IN_E.search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer)
        elif found[0] == b"'":
            self._at = found.end()
            self._state, self._after_e, self._newline = "sql", True, False
        elif found.end() < len(self._buffer) or last:
            self._at = min(found.end() + 1, len(self._buffer))
        else:
            self._at = found.start()

    def _block(self, last: bool) -> None:
        found = _IN_BLOCK.search(self._buffer, self._at)
        if found is None:
            self._at = len(self._buffer) if last else max(self._at, len(self._buffer) - 1)
            return
        self._comments += 1 if found[0] == b"/*" else -1
        self._at = found.end()
        if not self._comments:
            self._state = "sql"

    def _to_line_end(self) -> Iterator[Piece]:
        end = self._buffer.find(b"\n", self._at)
        stop = end + 1 if end >= 0 else len(self._buffer)
        if sum(map(len, self._line)) < KEPT:
            self._line.append(self._buffer[self._at : stop])
        self._at = stop
        if end >= 0:
            yield from self._end_line()

    def _end_line(self) -> Iterator[Piece]:
        kind: Literal["comment", "command"] = "comment" if self._state == "line" else "command"
        yield Piece(kind, b"".join(self._line).strip())
        self._keep(b"\n")
        self._state, self._line, self._newline = "sql", [], True

    def _behind_copy(self) -> Iterator[Piece]:
        """What stands behind ``COPY …;`` on its line would be psql's next statement, before any row: nothing may."""
        end = self._buffer.find(b"\n", self._at)
        rest = self._buffer[self._at : end if end >= 0 else len(self._buffer)]
        if rest.strip():
            yield Piece("command", rest[:SHORT].strip())
        self._at += len(rest) + (end >= 0)
        if end >= 0:
            self._state = "copy"

    def _copy(self, last: bool) -> Iterator[Piece]:
        """Rows, each a line, up to a line that is ``\\.`` alone."""
        buffer = self._buffer
        while True:
            if self._line_begins:
                ahead = buffer[self._at : self._at + 4]
                if not last and (ahead in (b"\\", b"\\.", b"\\.\r")):
                    return
                if ahead[:3] == b"\\.\n" or ahead in (b"\\.\r\n", b"\\."):
                    self._at += len(ahead) if ahead[2:3] != b"\n" else 3
                    self._state = "sql"
                    yield Piece("rows", rows=self._rows)
                    return
                self._line_begins = False
            found = buffer.find(b"\n\\.", self._at)
            if found < 0:
                # The last bytes may be the beginning of the end.
                stop = len(buffer) if last else max(self._at, len(buffer) - 2)
                self._rows += buffer.count(b"\n", self._at, stop)
                self._at = stop
                return
            self._rows += buffer.count(b"\n", self._at, found + 1)
            self._at, self._line_begins = found + 1, True
