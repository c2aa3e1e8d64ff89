"""The engine's log stream, taken apart: whose line, when to the nanosecond, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from warroom.model.signal import Level
from warroom_compose.times import EPOCH

ERRORS = ".stderr"
"""What a source of standard error has after its container's name."""
STREAMS = ("stdout", "stderr")
LONGEST = 256 * 1024
"""Bytes: a line that is longer comes in pieces."""
OVERLAP_NS = 2_000_000_000
"""How far back a new connection looks: the two streams of a container are written by two hands, a little apart."""

_HEAD = 8
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d) ?")
_LEVELS: dict[str, Level] = {
    **dict.fromkeys(("trace", "debug", "verbose", "fine"), "debug"),
    **dict.fromkeys(("info", "information", "notice", "log"), "info"),
    **dict.fromkeys(("warn", "warning"), "warning"),
    **dict.fromkeys(("error", "err", "critical", "crit", "fatal", "panic", "alert", "emerg", "emergency"), "error"),
}
_WORD = re.compile(
    r"(?:^|[\s\[\](|:=\"'])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|CRIT|FATAL|PANIC|ALERT|EMERG)"
    r"(?=$|[\s\])|:,\"'-])"
)
_KEY = re.compile(r"\b(?:level|severity|lvl)=\"?([A-Za-z]+)", re.IGNORECASE)
_NUMBERED: dict[int, Level] = {10: "debug", 20: "debug", 30: "info", 40: "warning", 50: "error", 60: "error"}
"""Levels as Bunyan and Pino count them."""


@dataclass(frozen=True)
class Entry:
    stream: Literal["stdout", "stderr"]
    ns: int
    text: str


@dataclass
class Position:
    """How far a log was read, each of its streams on its own. Times are in nanoseconds since 1970."""

    last: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The newest time of a stream, and how many lines of that very time there were."""
    _again: dict[str, int] = field(default_factory=dict)
    _start: float | None = None

    def begin(self, at: float) -> None:
        """Nothing before this is wanted, in seconds since 1970."""
        self._start = at

    def begins(self) -> str | None:
        """Reading begins, for the first time or again: from where the engine is to give it, as seconds with nine
        decimals; None for all there is."""
        self._again = dict.fromkeys(self.last, 0)
        if not self.last:
            return None if self._start is None else f"{self._start:.9f}"
        newest = max(ns for ns, _ in self.last.values())
        # The stream that nothing came from yet may have its first line there, written a little behind.
        oldest = min(ns for ns, _ in self.last.values()) if len(self.last) == len(STREAMS) else 0
        begin = max(oldest, newest - OVERLAP_NS)
        return f"{begin // 10**9}.{begin % 10**9:09}"

    def take(self, stream: str, ns: int) -> bool:
        """Whether this line is new."""
        last, count = self.last.get(stream, (-1, 0))
        if ns < last and stream in self._again:
            return False
        if ns == last and stream in self._again:
            self._again[stream] += 1
            if self._again[stream] <= count:
                return False
        if ns >= last:
            self.last[stream] = (ns, count + 1 if ns == last else 1)
            if ns > last:
                self._again.pop(stream, None)
        return True


async def entries(stream: AsyncIterator[bytes], *, tty: bool) -> AsyncIterator[Entry]:
    """Lines with their times. Of a container with a terminal all is standard output: it has but one stream."""
    kept: dict[str, tuple[int, bytes]] = {}
    async for name, ns, message in _messages(_lines(stream) if tty else _frames(stream)):
        first, before = kept.pop(name, (ns, b""))
        whole = before + message
        if not message.endswith(b"\n") and len(whole) < LONGEST:
            kept[name] = (first, whole)
            continue
        for entry in _told(name, first, whole):
            yield entry
    for name, (ns, rest) in kept.items():
        for entry in _told(name, ns, rest):
            yield entry


def _told(name: str, ns: int, whole: bytes) -> list[Entry]:
    """One line; a carriage return within it, or what only looks like a line's end, does not cut it."""
    text = whole.decode("utf-8", "replace").rstrip("\r\n").replace("\n", "\\n")
    return [Entry("stderr" if name == "stderr" else "stdout", ns, text)]


async def _messages(raw: AsyncIterator[tuple[str, bytes]]) -> AsyncIterator[tuple[str, int, bytes]]:
    """Each message without the time before it. One without a time has that of the message before."""
    last = 0
    async for name, data in raw:
        match = _TIME.match(data[:64].decode("ascii", "replace"))
        if match is not None:
            last = _nanoseconds(match)
        yield name, last, data[match.end() :] if match is not None else data


@lru_cache(maxsize=256)
def _seconds(text: str, zone: str) -> int:
    """Since 1970. Many lines share one second."""
    whole = datetime.fromisoformat(text + zone) - EPOCH
    return whole.days * 86400 + whole.seconds


def _nanoseconds(match: re.Match[str]) -> int:
    seconds = _seconds(match[1], "+00:00" if match[3] == "Z" else match[3])
    return seconds * 10**9 + int((match[2] or "0").ljust(9, "0"))


async def _frames(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, bytes]]:
    """``(stdout or stderr, one message)``, by the eight bytes before each: stream, 0, 0, 0, length."""
    buffer = bytearray()
    async for chunk in stream:
        buffer += chunk
        at = 0
        while len(buffer) - at >= _HEAD:
            size = int.from_bytes(buffer[at + 4 : at + _HEAD], "big")
            if len(buffer) - at - _HEAD < size:
                break
            kind = buffer[at]
            yield "stderr" if kind == 2 else "stdout", bytes(buffer[at + _HEAD : at + _HEAD + size])
            at += _HEAD + size
        del buffer[:at]


async def _lines(stream: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, bytes]]:
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield "stdout", line + b"\n"
        if len(rest) > LONGEST:
            yield "stdout", rest
            rest = b""
    if rest:
        yield "stdout", rest


async def objects(stream: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """JSON objects, one on each line, as the engine gives its events."""
    rest = b""
    async for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield json.loads(line)


def level_of(text: str) -> Level:
    """As the line itself says it: JSON's level or severity, ``level=…``, or a word in capitals near its start."""
    if text.startswith("{"):
        try:
            found: Any = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            said = next((found[key] for key in ("level", "severity", "lvl", "levelname") if key in found), None)
            if isinstance(said, int) and not isinstance(said, bool):
                return _NUMBERED.get(said // 10 * 10, "unknown")
            return _LEVELS.get(str(said).lower(), "unknown")
    head = text[:200]
    if match := _KEY.search(head) or _WORD.search(head):
        return _LEVELS.get(match[1].lower(), "unknown")
    return "unknown"
