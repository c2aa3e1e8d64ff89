"""A terminal of a test's own: a real pty, the program on it, and every byte that it wrote, taken apart."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from rich.cells import cell_len

Size = tuple[int, int]
"""Columns and rows."""


@dataclass(frozen=True)
class Token:
    """``body`` is what stands between the beginning and the end of a sequence; text is itself."""

    kind: Literal["text", "c0", "c1", "esc", "csi", "osc", "string", "cut"]
    body: str


_SEQUENCE = re.compile(
    r"\x1b\[(?P<csi>[0-?]*[ -/]*[@-~])"
    r"|\x1b\](?P<osc>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b[PX^_](?P<string>[^\x1b]*)\x1b\\"
    r"|\x1b(?P<esc>[ -/]*[0-~])"
    r"|(?P<c0>[\x00-\x1a\x1c-\x1f\x7f])"
    r"|(?P<c1>[\x80-\x9f])"
    r"|(?P<cut>\x1b)"
    r"|(?P<text>[^\x00-\x1f\x7f-\x9f]+)"
)


def tokens(data: bytes) -> Iterator[Token]:
    """What a terminal would make of the bytes. Bytes that are no UTF-8 are text, as half surrogates."""
    for found in _SEQUENCE.finditer(data.decode("utf-8", "surrogateescape")):
        kind = found.lastgroup
        assert kind is not None
        yield Token(kind, found.group(kind))  # type: ignore[arg-type]  # the groups are named after the kinds


def words(data: bytes) -> str:
    """The text alone, as it came."""
    return "".join(token.body for token in tokens(data) if token.kind == "text")


def screen(data: bytes) -> str:
    """What stands on the terminal after these bytes. Enough of one for a console that places all that it writes."""
    cells: dict[tuple[int, int], str] = {}
    row = column = 0
    for token in tokens(data):
        if token.kind == "csi" and token.body.endswith("H"):
            row, column = (int(part or 1) - 1 for part in (token.body[:-1] or "1;1").split(";"))
        elif token.kind == "c0":
            row, column = row + (token.body == "\n"), 0 if token.body == "\r" else column
        elif token.kind == "text":
            for char in token.body:
                cells[row, column] = char
                width = cell_len(char)
                if width == 2:
                    cells[row, column + 1] = ""
                column += width
    rows = max((at[0] for at in cells), default=-1) + 1
    across = max((at[1] for at in cells), default=-1) + 1
    return "\n".join("".join(cells.get((y, x), " ") for x in range(across)).rstrip() for y in range(rows))


def colour_codes(data: bytes) -> set[int]:
    """Every SGR parameter that begins a colour; 38 and 48 stand for what follows them."""
    return {code for code in sgr_codes(data) if 30 <= code <= 49 or 90 <= code <= 107 or code in (58, 59)}


def sgr_codes(data: bytes) -> set[int]:
    found: set[int] = set()
    for token in tokens(data):
        if token.kind == "csi" and token.body.endswith("m") and token.body[:1] not in ("<", "=", ">", "?"):
            codes = [int(part or 0) for part in token.body[:-1].replace(":", ";").split(";")]
            while codes:
                code = codes.pop(0)
                found.add(code)
                if code in (38, 48, 58):
                    found.add(code * 1000 + codes[0])  # 38005: one of 256; 38002: any of 16 million
                    del codes[: 2 if codes[0] == 5 else 4]
    return found


class Terminal:
    """``env`` is the whole environment but for PATH and HOME. Leaving ends the program, if it has not ended."""

    def __init__(self, argv: Sequence[str], size: Size = (80, 24), env: Mapping[str, str] | None = None) -> None:
        self._data = bytearray()
        self._ours, theirs = pty.openpty()
        self._theirs = theirs
        self.resize(size)
        self.before = termios.tcgetattr(theirs)
        base = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.process = subprocess.Popen(
            argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**base, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,  # noqa: PLW1509 - no threads here
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=60)
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def data(self) -> bytes:
        """Every byte so far."""
        return bytes(self._data)

    def resize(self, size: Size) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def attributes(self) -> list[object]:
        return termios.tcgetattr(self._theirs)

    def set_attributes(self, modes: list[Any]) -> None:
        """As a shell does that has the terminal back."""
        termios.tcsetattr(self._theirs, termios.TCSANOW, modes)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def read(self, seconds: float) -> bytes:
        """What comes within this time, all of it."""
        begun = len(self._data)
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.take(left):
            pass
        return bytes(self._data[begun:])

    def quiet(self, gap: float = 0.4, seconds: float = 20) -> None:
        """Reads until nothing has come for so long; a clock that ticks is no end of it."""
        end = time.monotonic() + seconds
        while self.read(gap) and time.monotonic() < end:
            pass

    def take(self, seconds: float) -> bool:
        """What has come, as soon as something has; False once nothing more can."""
        ready, _, _ = select.select([self._ours], [], [], seconds)
        if ready:
            try:
                self._data += os.read(self._ours, 1 << 16)
            except OSError:
                return False
        return True

    def until(self, pattern: str, seconds: float = 90, since: int = 0) -> int:
        """Reads until the words that came after ``since`` bytes hold the pattern. Answers with how much was read."""
        end = time.monotonic() + seconds
        while re.search(pattern, words(bytes(self._data[since:]))) is None:
            left = end - time.monotonic()
            if left <= 0 or not self.take(min(left, 0.5)):
                raise AssertionError(f"not within {seconds:g} s: {pattern}\n{words(self.data[since:])[-4000:]}")
        return len(self._data)

    def read_to_end(self, seconds: float) -> None:
        """What the program still writes, until it has ended or the time is over."""
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.take(0.1)

    def ends(self, seconds: float = 90) -> int:
        """The exit status; what it still writes is read."""
        self.read_to_end(seconds)
        status = self.process.poll()
        assert status is not None, f"it has not ended within {seconds:g} s\n{screen(self.data)[-3000:]}"
        self.read(0.2)
        return status
