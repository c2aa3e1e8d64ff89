"""What has to stand near a secret before its expression is tried: a few searches over a megabyte of lines at once.

Searching for a literal is some twenty times as fast as any expression. Literals are lower case, and looked for in
lower-cased bytes; where several begin or end alike, one expression that begins with a literal finds them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate

from warroom.redact.patterns import AFTER, CARD, PATTERNS, Near, Pattern, Word

_DIGITS = bytes(0x30 if 0x30 <= code < 0x3A else 0x0A if code == 0x0A else 0x2E for code in range(256))
_CARD = b"0" * 14


def _by_near() -> dict[Near, list[Pattern]]:
    found: dict[Near, list[Pattern]] = {}
    for pattern in PATTERNS:
        for near in pattern.near:
            found.setdefault(near, []).append(pattern)
    return found


_NEAR = _by_near()


def worth_trying(text: str) -> list[Pattern]:
    """The patterns that may find something in ``text``, in their order."""
    data = text.encode("utf-8", "replace")
    lower = data.lower()
    wanted = {
        id(pattern)
        for rarest, near, patterns in _LOOKS
        if rarest in lower and next(_places(near, data, lower), None) is not None
        for pattern in patterns
    }
    return [pattern for pattern in PATTERNS if id(pattern) in wanted] if wanted else []


def suspects(data: bytes) -> dict[int, list[Pattern]]:
    """Line number in ``data`` → the patterns that may find something in that line."""
    lower = data.lower()
    found: dict[int, list[Pattern]] = {}
    lines = Lines(data)
    for rarest, near, patterns in _LOOKS:
        if rarest not in lower:
            continue
        last = -1
        for place in _places(near, data, lower):
            line = lines.at(place)
            if line != last:
                found.setdefault(line, []).extend(patterns)
                last = line
    return found


class Lines:
    """Which line a byte is in."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._ends: list[int] | None = None

    def at(self, place: int) -> int:
        if self._ends is None:
            self._ends = list(accumulate(len(line) + 1 for line in self._data.split(b"\n")))
        return bisect_right(self._ends, place)


_SELDOM = b"$jqzxkvwbgpy"
"""Characters that ordinary lines have seldom, the rarest first."""


def _rarest(near: Near) -> bytes:
    """What must be there: one seldom character, looked for many times as fast as several, or the literal itself."""
    literal = near.literal if isinstance(near, Word) else near if isinstance(near, bytes) else b""
    return next((bytes([code]) for code in _SELDOM if code in literal), literal)


_LOOKS = tuple((_rarest(near), near, patterns) for near, patterns in _NEAR.items())
"""Each with what is asked for before anything else: a short text has hardly any of it."""


def _places(near: Near, data: bytes, lower: bytes) -> Iterator[int]:
    if isinstance(near, Word):
        at = lower.find(near.literal)
        while at >= 0:
            after = at + len(near.literal)
            if AFTER.match(lower, after):
                yield at
            at = lower.find(near.literal, after)
    elif isinstance(near, bytes):
        at = lower.find(near)
        while at >= 0:
            yield at
            at = lower.find(near, at + len(near))
    elif near is CARD:
        yield from _cards(data)
    else:
        for match in near.finditer(data):
            yield match.start()


def _cards(data: bytes) -> Iterator[int]:
    """Where fourteen digits follow each other, spaces and dashes not counted: the beginning of each such line."""
    digits = data.translate(_DIGITS, b" -")
    at = digits.find(_CARD)
    if at < 0:
        return
    starts = [0, *accumulate(len(line) + 1 for line in data.split(b"\n"))]
    line = seen = 0
    while at >= 0:
        line += digits.count(b"\n", seen, at)
        yield starts[line]
        seen = digits.find(b"\n", at)
        if seen < 0:
            return
        at = digits.find(_CARD, seen)
