"""What the terminal shows already is not written again; and on a slow line, how often anything is written at all.

Textual draws a widget anew as a whole when anything in it changes: a second on a clock, the age of one number. Here
each piece is held against what stands on the terminal, and only the part that differs is sent.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input, TextArea

SLOW_S = 0.5
"""Between two frames of a slow line."""


class Ready(CompositorUpdate):
    """A frame that has been rendered already."""

    def __init__(self, text: str) -> None:
        self._text = text

    def render_segments(self, console: Console) -> str:
        return self._text


class Frames:
    """Remembers, for each line of the terminal, the pieces that were written last, by the column they begin at."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, Strip]] = {}

    def forget(self) -> None:
        """Somebody else has written there, or the size has changed: everything is drawn again."""
        self._lines.clear()

    def render(self, update: object, console: Console) -> str | None:
        """The bytes that bring the terminal up to date, "" for none; None for an update of another kind."""
        if isinstance(update, LayoutUpdate):
            return "".join(self._parts(_whole(update), console))
        if isinstance(update, ChopsUpdate):
            return "".join(self._parts(_pieces(update), console))
        return None

    def _parts(self, pieces: Iterator[tuple[int, int, Strip]], console: Console) -> Iterator[str]:
        for y, x, strip in pieces:
            for at, part in self._changed(y, x, strip):
                yield Control.move_to(at, y).segment.text
                yield part.render(console)

    def _changed(self, y: int, x: int, strip: Strip) -> Iterator[tuple[int, Strip]]:
        line = self._lines.setdefault(y, {})
        end = x + strip.cell_length
        known = line.get(x)
        for other in [other for other, piece in line.items() if other != x and other < end]:
            if other + line[other].cell_length > x:
                del line[other]
        line[x] = strip
        if known is None or known.cell_length != strip.cell_length:
            yield x, strip
        elif known != strip:
            first, last = _differs(list(known), list(strip), strip.cell_length)
            yield x + first, strip.crop(first, last)


def _whole(update: LayoutUpdate) -> Iterator[tuple[int, int, Strip]]:
    for y, strips in enumerate(update.strips, update.region.y):
        x = update.region.x
        for strip in strips:
            yield y, x, strip
            x += strip.cell_length


def _pieces(update: ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Every piece that a span touches, cut off at the span's end, as the update itself would write it."""
    for y, x1, x2 in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x <= x2 and end > x1:
                yield y, x, strip if x1 <= x < x2 and end <= x2 else strip.crop(0, min(end, x2) - x)


def _differs(old: list[Segment], new: list[Segment], cells: int) -> tuple[int, int]:
    """The first cell that differs, and the one after the last."""
    first = _same(old, new, backwards=False)
    last = cells - _same(old[::-1], new[::-1], backwards=True)
    return min(first, last), max(first, last)


def _same(old: list[Segment], new: list[Segment], *, backwards: bool) -> int:
    """How many cells from one end on look the same. Within a segment only ASCII is compared letter by letter."""
    cells = 0
    for before, after in zip(old, new, strict=False):
        if before == after:
            cells += after.cell_length
            continue
        if before.style == after.style and before.text.isascii() and after.text.isascii():
            pair = [before.text[::-1], after.text[::-1]] if backwards else [before.text, after.text]
            cells += next((n for n, (a, b) in enumerate(zip(*pair, strict=False)) if a != b), min(map(len, pair)))
        break
    return cells


def pace(screen: Screen[Any], seconds: float) -> None:
    """From now on this screen is drawn at most once in so many seconds, and no cursor blinks on it."""
    screen._update_timer.stop()
    timer = screen.set_interval(seconds, screen._on_timer_update, name="screen_update", pause=True)
    vars(screen)["_Screen__update_timer"] = timer
    timer.resume()
    for field in [*screen.query(Input), *screen.query(TextArea)]:
        field.cursor_blink = False
