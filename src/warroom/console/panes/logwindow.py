"""The lines around what is in sight, and what of them is: a bounded piece of a log that may have millions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from warroom.console.panes.logrows import Shown
from warroom.model.live import LogPage

MOST = 1500
"""Lines kept around what is in sight."""

Height = Callable[[int], int]
"""How many rows the line at a position takes."""


class Window:
    """Lines in a row, by their sequence numbers. ``at_start``, ``at_end``: nothing that passes lies beyond."""

    def __init__(self) -> None:
        self.lines: list[Shown] = []
        self._seqs: list[int] = []
        self.first = self.matching = 0
        self.at_start = self.at_end = False

    def __len__(self) -> int:
        return len(self.lines)

    def find(self, seq: int) -> int:
        """The position of the first line with this number or a later one; the last line where there is none."""
        return max(0, min(bisect_left(self._seqs, seq), len(self.lines) - 1))

    def seq(self, at: int) -> int:
        return self._seqs[at]

    def replace(self, page: LogPage, *, at_end: bool) -> None:
        self._set(_shown(page))
        self.first, self.matching = page.first, page.matching
        self.at_start, self.at_end = page.first == 0 and not page.more, at_end

    def prepend(self, page: LogPage) -> None:
        """Lines before the first one; an empty page says that there are none."""
        self.at_start = not page.more and page.first == 0
        self.first, self.matching = page.first, page.matching
        lines = [*_shown(page), *self.lines]
        self.at_end = self.at_end and len(lines) <= MOST
        self._set(lines[:MOST])

    def append(self, page: LogPage) -> None:
        """Lines after the last one."""
        self.matching = page.matching
        self.at_end = not page.more and page.first + len(page.lines) >= page.matching
        lines = [*self.lines, *_shown(page)]
        gone = max(0, len(lines) - MOST)
        self.at_start = self.at_start and not gone
        self.first = page.first + len(page.lines) - len(lines) + gone
        self._set(lines[gone:])

    def _set(self, lines: list[Shown]) -> None:
        self.lines = lines
        self._seqs = [shown.line.index for shown in lines]


class Place:
    """What is in sight: the line at the top, how many of its rows are above the edge, and the cursor's line."""

    def __init__(self) -> None:
        self.top = self.skip = self.cursor = 0

    def last(self, count: int, height: Height, rows: int) -> None:
        """The end of the log at the lower edge, and the cursor on its last line."""
        self.cursor = max(0, count - 1)
        self.top, self.skip = self._up_from(count, height, rows)

    def shift(self, by: int, count: int) -> None:
        """Lines were put before (or taken from) the beginning."""
        self.top = max(0, min(self.top + by, count - 1))
        self.cursor = max(0, min(self.cursor + by, count - 1))

    def centre(self, at: int, height: Height, rows: int) -> None:
        """The cursor on a line, and that a third below the upper edge."""
        self.cursor = at
        self.top, self.skip = self._up_from(at, height, rows // 3)

    def settle(self, count: int, height: Height, rows: int) -> None:
        """The cursor in sight, and no blank rows at the lower edge while there are lines above."""
        if not count:
            self.top = self.skip = self.cursor = 0
            return
        self.cursor = max(0, min(self.cursor, count - 1))
        if self.top >= count:
            self.top, self.skip = count - 1, 0
        self.skip = max(0, min(self.skip, height(self.top) - 1))
        if self.cursor < self.top:
            self.top, self.skip = self.cursor, 0
        elif self.cursor > self.top or not self.skip:
            below = self.below(height, rows)
            if below < 0:
                if height(self.cursor) >= rows:
                    self.top, self.skip = self.cursor, 0
                else:
                    self.top, self.skip = self._up_from(self.cursor + 1, height, rows)
        end = self._up_from(count, height, rows)
        if (self.top, self.skip) > end:
            self.top, self.skip = end

    def below(self, height: Height, rows: int) -> int:
        """Rows between the cursor's last row and the lower edge; negative when that row is out of sight."""
        left = rows + self.skip
        for at in range(self.top, self.cursor + 1):
            left -= height(at)
            if left < 0:
                return left
        return left

    def move(self, by: int, count: int, height: Height, rows: int) -> None:
        """A line up or down; a line with more rows than there is room is read row by row first."""
        if by > 0 and self.top == self.cursor and self.below(height, rows) < 0:
            self.skip += 1
        elif by < 0 and self.top == self.cursor and self.skip:
            self.skip -= 1
        else:
            self.cursor = max(0, min(self.cursor + by, count - 1))
            self.settle(count, height, rows)
            if by < 0 and self.top == self.cursor and height(self.cursor) > rows:
                self.skip = height(self.cursor) - rows

    def page(self, by: int, count: int, height: Height, rows: int) -> None:
        """A screenful up or down."""
        if by > 0:
            self.top, self.skip = self._down_from(self.top, self.skip, count, height, rows - 1)
        else:
            self.skip -= rows - 1
            if self.skip < 0:
                self.top, self.skip = self._up_from(self.top, height, -self.skip)
        self.cursor = self.top
        self.settle(count, height, rows)

    def _up_from(self, at: int, height: Height, rows: int) -> tuple[int, int]:
        """The top that puts ``rows`` rows above the line ``at``."""
        while at > 0 and rows > 0:
            at -= 1
            rows -= height(at)
        return at, max(0, -rows)

    def _down_from(self, top: int, skip: int, count: int, height: Height, rows: int) -> tuple[int, int]:
        skip += rows
        while top < count - 1 and skip >= height(top):
            skip -= height(top)
            top += 1
        return top, max(0, min(skip, height(top) - 1)) if count else 0


def _shown(page: LogPage) -> list[Shown]:
    repeats = page.repeats or (1,) * len(page.lines)
    return [Shown(line, times) for line, times in zip(page.lines, repeats, strict=True)]
