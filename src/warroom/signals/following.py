"""A platform's log followed through reconnects: what comes a second time is left out, what may be missing is said.

A source that gives times is followed exactly where the stream begins again at or before what was seen last. Where it
begins later, or gives no times, nobody can know, and a line in that source's log says so.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from warroom.model.signal import LogLine

REMEMBERED = 8192
"""Lines of a source by which a second coming is told from a new line that says the same."""


@dataclass
class _Seen:
    last: datetime | None = None
    came: datetime | None = None
    """When the last line came, by our clock."""
    lines: deque[tuple[datetime | None, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    again: Counter[tuple[datetime | None, int]] = field(default_factory=Counter)
    oldest: datetime | None = None
    overlapping: bool = False
    first: bool = False
    left_out: bool = False


class Following:
    """One platform's lines in order. Times are the lines' own; ``now`` is our clock."""

    def __init__(self) -> None:
        self._sources: dict[str, _Seen] = {}

    def begins(self) -> None:
        """The stream begins, for the first time or again."""
        for seen in self._sources.values():
            seen.again = Counter(seen.lines)
            seen.oldest = next((at for at, _ in seen.lines if at is not None), None)
            seen.overlapping = seen.first = True
            seen.left_out = False

    def take(self, line: LogLine, now: datetime) -> Iterator[LogLine]:
        """What of it goes to the log: nothing where it was there already, a word of warning before it where due."""
        seen = self._sources.setdefault(line.source, _Seen())
        key = (line.at, hash(line.text))
        if seen.overlapping:
            if self._repeated(seen, line, key):
                seen.first, seen.left_out = False, True
                return
            if seen.first and (line.at is None or seen.last is None or line.at > seen.last):
                yield _unsure(seen, line, now)
            seen.first = seen.left_out = False
            if seen.last is None or (line.at is not None and line.at > seen.last):
                seen.overlapping = False
                seen.again = Counter()
        seen.lines.append(key)
        seen.came = now
        if line.at is not None and (seen.last is None or line.at > seen.last):
            seen.last = line.at
        yield line

    def _repeated(self, seen: _Seen, line: LogLine, key: tuple[datetime | None, int]) -> bool:
        if seen.last is None:
            return False  # a source without times: the same words may well be said twice
        if line.at is None:
            return seen.left_out  # goes with the line before it, as the rest of a traceback does
        if seen.again[key] > 0:
            seen.again[key] -= 1
            return True
        return seen.oldest is not None and line.at < seen.oldest


def _unsure(seen: _Seen, line: LogLine, now: datetime) -> LogLine:
    begin = seen.last or seen.came or now
    if line.at is None or seen.last is None:
        why, what = "this source gives no times", "lines may be missing or doubled"
    else:
        why, what = "it begins again after what was seen last", "lines may be missing"
    until = line.at or now
    words = f"warroom: {what} from {begin:%H:%M:%S.%f} to {until:%H:%M:%S.%f} UTC: the log was away, and {why}"
    return LogLine(source=line.source, text=words, at=line.at, level="warning")
