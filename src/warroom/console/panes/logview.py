"""The log's lines on the screen. Only what is in sight is laid out; there is no widget for a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp, Resize
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from warroom.console.panes.logmoment import Stamps, shown_time
from warroom.console.panes.logrows import Extras, Look, Row, Shown, rows_of
from warroom.console.panes.logwindow import Place, Window
from warroom.console.text import wide

NEAR = 60
"""This near to an end of the window, more lines are asked for."""
_WHEEL = 3
_NAMED = 14
_TIMED = 57
"""In a smaller tile the words need the room that times would take; a zoom shows them."""
_KEPT = 3000


@dataclass(frozen=True)
class Settings:
    """``stamps`` None: UTC where there is room, else off. ``needles`` are what a search lights up."""

    wrap: bool = False
    stamps: Stamps | None = None
    needles: tuple[str, ...] = ()
    hits: frozenset[int] = frozenset()
    marks: tuple[tuple[datetime, str], ...] = ()


class LogView(Widget, can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("log--time", "log--source", "log--text", "log--error", "log--warning", "log--count", "log--key"),
        *("log--rule", "log--hit", "log--cursor", "log--marked", "log--thumb"),
    }
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,i", "move(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("home", "edge('start')", "the beginning", show=False),
        Binding("end", "edge('end')", "the end, and on with it", show=False),
        Binding("shift+down", "mark(1)", "mark down", show=False),
        Binding("shift+up", "mark(-1)", "mark up", show=False),
        Binding("enter", "unfold", "unfold the line", show=False),
        Binding("escape", "fold", "fold back", show=False),
    ]

    class Moved(Message):
        """A person moved the cursor: the log is to be held still, and lines may be missing."""

    class Edge(Message):
        def __init__(self, edge: Literal["start", "end"]) -> None:
            super().__init__()
            self.edge = edge

    def __init__(self, stamps: Stamps | None = None) -> None:
        super().__init__(id="log-view")
        self.window = Window()
        self.place = Place()
        self.settings = Settings(stamps=stamps)
        self.following = True
        self.marked: int | None = None
        """The sequence number at the other end of the marked lines."""
        self.unfolded: set[int] = set()
        self._names = 4
        self._rows: dict[tuple[object, ...], list[Row]] = {}
        self._strips: list[Strip] = []
        self._styles: dict[tuple[str, bool, bool], Style] = {}
        self._look = Look(cells=20)

    # What is shown

    @property
    def cursor(self) -> Shown | None:
        return self.window.lines[self.place.cursor] if self.window.lines else None

    def chosen(self) -> tuple[int, int] | None:
        """The sequence numbers of the first and the last line that are marked, else of the cursor's."""
        if self.cursor is None:
            return None
        here = self.cursor.line.index
        other = here if self.marked is None else self.marked
        return min(here, other), max(here, other)

    def set(self, settings: Settings) -> None:
        if settings != self.settings:
            self.settings = settings
            self._rows.clear()
            self.draw()

    @property
    def stamps(self) -> Stamps:
        return self.settings.stamps or ("utc" if self.size.width >= _TIMED else "off")

    def tail(self) -> None:
        """The end in sight."""
        self.place.last(len(self.window), self._height, self.rows)
        self.draw()

    @property
    def rows(self) -> int:
        return max(1, self.size.height)

    def missing(self) -> Literal["before", "after"] | None:
        """Which end of the window somebody is near to, where more lines may lie beyond."""
        if not self.window.at_start and self.place.top < NEAR:
            return "before"
        if not self.window.at_end and self.place.cursor + self.rows > len(self.window) - NEAR:
            return "after"
        return None

    # Laying out

    def draw(self) -> None:
        """Lays out what is in sight, and refreshes the rows that differ."""
        if self.size.width < 4 or not self.size.height:
            return
        names = [wide(shown.line.source) for shown in self.window.lines[self.place.top : self.place.top + self.rows]]
        self._names = min(_NAMED, max([self._names, *names]))
        cells = self.size.width - 2
        look = Look(cells, self.settings.wrap, self.stamps, self._names, self.settings.needles)
        if look != self._look or len(self._rows) > _KEPT:
            self._look = look
            self._rows.clear()
        if self.following:
            self.place.last(len(self.window), self._height, self.rows)
        else:
            self.place.settle(len(self.window), self._height, self.rows)
        strips = self._laid_out()
        if len(strips) != len(self._strips) or any(a != b for a, b in zip(strips, self._strips, strict=True)):
            self._strips = strips
            self.refresh()

    def _laid_out(self) -> list[Strip]:
        strips: list[Strip] = []
        at, skip = self.place.top, self.place.skip
        span = None if self.following and not self.has_focus else self.chosen()
        thumb = self._thumb()
        while len(strips) < self.rows:
            rows = self._rows_of(at) if at < len(self.window) else [[("", "text")]]
            seq = self.window.seq(at) if at < len(self.window) else -1
            here = span is not None and at == self.place.cursor
            marked = span is not None and self.marked is not None and span[0] <= seq <= span[1]
            for n, row in enumerate(rows[skip : skip + self.rows - len(strips)], skip):
                rule = bool(row) and row[0][1] == "rule" and row[0][0].startswith("──")
                first = not rule and (n == 0 or n == len(self._rules(at)))
                sign = "▸" if here and first else "┃" if (here or marked) and not rule else " "
                strips.append(self._strip(row, sign, here and not rule, marked, len(strips) in thumb))
            at, skip = at + 1, 0
        return strips

    def _strip(self, row: Row, sign: str, here: bool, marked: bool, thumb: bool) -> Strip:
        """A sign for the cursor and the marked lines, the row, and the bar that says where in the log this is."""
        segments = [Segment(sign, self._style("count", here, marked))]
        segments += [Segment(text, self._style(style, here, marked)) for text, style in row]
        used = sum(cell_len(text) for text, _ in row)
        room = self.size.width - 2
        segments.append(Segment(" " * max(0, room - used), self._style("text", here, marked)))
        strip = Strip(segments).crop(0, room + 1)
        bar = Segment("┃" if thumb else " ", self._style("thumb", False, False))
        return Strip([*strip, bar])

    def _style(self, name: str, here: bool, marked: bool) -> Style:
        key = (name, here, marked)
        if key not in self._styles:
            style = self.get_component_rich_style(f"log--{name}")
            if here or marked:
                over = self.get_component_rich_style("log--cursor" if here else "log--marked")
                style += Style(bgcolor=over.bgcolor, bold=True if here else None) if name != "hit" else Style()
            self._styles[key] = style
        return self._styles[key]

    def _thumb(self) -> range:
        """The rows of the bar at the right edge; none where everything is in sight."""
        window, rows = self.window, self.rows
        if window.matching <= rows:
            return range(0)
        length = max(1, rows * rows // window.matching)
        if self.following:
            return range(rows - length, rows)
        start = (window.first + self.place.top) * (rows - length) // max(1, window.matching - rows)
        start = max(0, min(rows - length, start))
        return range(start, start + length)

    def _rows_of(self, at: int) -> list[Row]:
        shown = self.window.lines[at]
        seq = shown.line.index
        extras = Extras(seq in self.unfolded, seq in self.settings.hits, self._rules(at))
        key = (seq, shown.repeats, extras)
        rows = self._rows.get(key)
        if rows is None:
            rows = self._rows[key] = rows_of(shown, self._look, extras)
        return rows

    def _height(self, at: int) -> int:
        return len(self._rows_of(at))

    def _rules(self, at: int) -> tuple[str, ...]:
        """The release changes between a line and the one before it; of lines out of order, at the first place."""
        now = self.window.lines[at].line.at
        before = self.window.lines[at - 1].line.at if at else None
        if now is None or before is None or not self.settings.marks:
            return ()
        return tuple(
            f"{name} from {shown_time(when, 'local' if self.stamps == 'local' else 'utc')} on"
            for when, name in self.settings.marks
            if before < when <= now and not self._seen_before(at, when)
        )

    def _seen_before(self, at: int, when: datetime) -> bool:
        """A line of that time or later stands above already."""
        return any(one.line.at is not None and one.line.at >= when for one in self.window.lines[:at])

    def render_line(self, y: int) -> Strip:
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles.clear()
        if self.is_mounted:
            self.draw()

    def on_resize(self, event: Resize) -> None:
        self._strips = []
        self.draw()

    def on_focus(self) -> None:
        self.draw()

    def on_blur(self) -> None:
        self.draw()

    # Moving

    def _moved(self) -> None:
        self.following = False
        self.draw()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self.marked = None
        self._step(by)

    def action_mark(self, by: int) -> None:
        if self.marked is None and self.cursor is not None:
            self.marked = self.cursor.line.index
        self._step(by)

    def _step(self, by: int) -> None:
        if self.window.lines:
            self.place.move(by, len(self.window), self._height, self.rows)
            self._moved()

    def action_page(self, by: int) -> None:
        if self.window.lines:
            self.marked = None
            self.place.page(by, len(self.window), self._height, self.rows)
            self._moved()

    def action_edge(self, edge: Literal["start", "end"]) -> None:
        self.marked = None
        self.post_message(self.Edge(edge))

    def action_unfold(self) -> None:
        if self.cursor is not None:
            self.unfolded ^= {self.cursor.line.index}
            self._moved()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc means the screen's own going back where nothing is unfolded or marked."""
        if action == "fold" and not self.unfolded and self.marked is None:
            return False
        return super().check_action(action, parameters)

    def action_fold(self) -> None:
        self.unfolded, self.marked = set(), None
        self.draw()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self._step(_WHEEL)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self._step(-_WHEEL)

    def on_click(self, event: Click) -> None:
        """The clicked line gets the cursor; nothing else happens."""
        left, at = event.y + self.place.skip, self.place.top
        while at < len(self.window) - 1 and left >= self._height(at):
            left -= self._height(at)
            at += 1
        if self.window.lines:
            self.marked = None
            self.place.cursor = at
            self._moved()
