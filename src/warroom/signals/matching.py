"""Which lines of a chunk pass a filter. Run as a program of its own where the filter has regular expressions.

Python's ``re`` backtracks: ``(a+)+$`` on thirty letters takes minutes, and nothing else in the process moves meanwhile.
So expressions are tried in another process (this file, standard library only), where a timer ends a line that takes
more than twice ``LINE_SECONDS``; the search is then given up, and says so. Texts are looked for in place: that is
linear.

The program reads one JSON object (a `Test`'s fields, ``seconds``, ``want``, ``chunks``) and writes a line for each
chunk it has looked at: ``done NUMBER MASK`` (bit *n* of the hexadecimal mask: the chunk's line *n* passes) or
``slow NUMBER LINE``, which ends it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

RECORD_SIZE = 32
LEVEL_AT, REPEAT_AT = 24, 25
STAMP = 25
"""Bytes before a line's text: the time and a space."""
LINE_SECONDS = 0.25


class TooSlow(Exception):
    """Two ticks of the timer went by on one line."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class Test:
    """``levels`` are the codes that pass (empty: all). Texts are in lower case already."""

    __test__ = False

    levels: tuple[int, ...] = ()
    folded: bool = False
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()

    @classmethod
    def read(cls, fields: dict[str, Any]) -> Test:
        """From what ``asdict`` and JSON have made of one."""
        lists = {name: tuple(value) for name, value in fields.items() if name != "folded"}
        return cls(folded=fields["folded"], **lists)

    @property
    def reads_text(self) -> bool:
        return bool(self.has or self.lacks or self.matches or self.unlike)

    @property
    def has_expressions(self) -> bool:
        return bool(self.matches or self.unlike)


@dataclass(frozen=True)
class Chunk:
    """Where a chunk's bytes are: in the text file from ``begin`` to ``end``, in the index from record ``start``."""

    log: str
    idx: str
    begin: int
    end: int
    start: int
    count: int


def compiled(expression: str) -> re.Pattern[str]:
    """Raises ``re.error``, also for what only a very odd expression brings about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(expression, re.IGNORECASE)
        except (OverflowError, RecursionError, ValueError) as error:
            raise re.error(str(error)) from error


class Matcher:
    def __init__(self, test: Test) -> None:
        self._test = test
        self._plain = all(text.isascii() for text in (*test.has, *test.lacks))
        self._matches = [compiled(text) for text in test.matches]
        self._unlike = [compiled(text) for text in test.unlike]

    def passing(self, chunk: Chunk) -> int:
        """The mask of the chunk's lines that pass. Raises TooSlow where a timer has been set, and OSError."""
        test = self._test
        packed = _read(chunk.idx, chunk.start * RECORD_SIZE, chunk.count * RECORD_SIZE)
        mask = (1 << len(packed) // RECORD_SIZE) - 1
        if test.folded:
            mask &= _mask(packed[REPEAT_AT::RECORD_SIZE], (0,))
        if test.levels:
            mask &= _mask(packed[LEVEL_AT::RECORD_SIZE], test.levels)
        if test.reads_text and mask:
            data = _read(chunk.log, chunk.begin, chunk.end - chunk.begin)
            mask = mask_of(self._read_text(data, lines_in(mask)))
        return mask

    def _read_text(self, data: bytes, candidates: list[int]) -> list[int]:
        test = self._test
        if self._plain:
            hay = data.lower()
            needles: list[bytes] = [text.encode() for text in test.has]
            if any(needle not in hay for needle in needles):
                return []
            if needles or test.lacks:
                rows = hay.split(b"\n")
                for needle in needles:
                    candidates = [n for n in candidates if rows[n].find(needle, STAMP) >= 0]
                for needle in (text.encode() for text in test.lacks):
                    candidates = [n for n in candidates if rows[n].find(needle, STAMP) < 0]
        else:
            words = data.decode("utf-8", "replace").lower().split("\n")
            for text in test.has:
                candidates = [n for n in candidates if words[n].find(text, STAMP) >= 0]
            for text in test.lacks:
                candidates = [n for n in candidates if words[n].find(text, STAMP) < 0]
        if candidates and test.has_expressions:
            candidates = self._try(data.split(b"\n"), candidates)
        return candidates

    def _try(self, rows: list[bytes], candidates: list[int]) -> list[int]:
        found = []
        now = seen = -1

        def tick(signum: int, frame: FrameType | None) -> None:
            nonlocal seen
            if now == seen:
                raise TooSlow(now)
            seen = now

        before = signal.signal(signal.SIGALRM, tick)
        signal.setitimer(signal.ITIMER_REAL, LINE_SECONDS, LINE_SECONDS)
        try:
            for now in candidates:
                text = rows[now][STAMP:].decode("utf-8", "replace")
                if all(e.search(text) for e in self._matches) and not any(e.search(text) for e in self._unlike):
                    found.append(now)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return found


def _mask(values: bytes, wanted: tuple[int, ...]) -> int:
    """The mask of the bytes that are one of ``wanted``."""
    digits = values.translate(bytes(0x31 if value in wanted else 0x30 for value in range(256)))
    return int(digits[::-1], 2) if digits else 0


def mask_of(lines: list[int]) -> int:
    """An integer with these bits set."""
    if not lines:
        return 0
    bits = bytearray(lines[-1] // 8 + 1)
    for n in lines:
        bits[n >> 3] |= 1 << (n & 7)
    return int.from_bytes(bits, "little")


def lines_in(mask: int) -> list[int]:
    """The bits that are set, rising."""
    return [n for n, bit in enumerate(bin(mask)[:1:-1]) if bit == "1"]


def request(test: Test, chunks: list[Chunk], seconds: float, want: int) -> bytes:
    """What the program is given on its standard input."""
    return json.dumps(
        {"test": asdict(test), "seconds": seconds, "want": want, "chunks": [tuple(asdict(c).values()) for c in chunks]}
    ).encode()


def answers(line: str) -> tuple[str, int, int] | None:
    """``("done", chunk, mask)`` or ``("slow", chunk, line)``; None for anything else."""
    parts = line.split()
    if len(parts) != 3 or parts[0] not in ("done", "slow"):
        return None
    return parts[0], int(parts[1]), int(parts[2], 16)


def _read(path: str, offset: int, length: int) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        return os.pread(handle, length, offset)
    finally:
        os.close(handle)


def main() -> int:
    """Ends by itself, whatever becomes of whoever asked: after ``seconds`` and the chunk that it is at by then."""
    asked = json.load(sys.stdin)
    matcher = Matcher(Test.read(asked["test"]))
    end, found = time.monotonic() + asked["seconds"], 0
    for number, parts in enumerate(asked["chunks"]):
        try:
            mask = matcher.passing(Chunk(*parts))
        except FileNotFoundError:  # rotated away since
            continue
        except TooSlow as slow:
            print(f"slow {number} {slow.line:x}", flush=True)
            return 0
        print(f"done {number} {mask:x}", flush=True)
        found += mask.bit_count()
        if found >= asked["want"] or time.monotonic() >= end:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
