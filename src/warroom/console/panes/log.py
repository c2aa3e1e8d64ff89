"""Pane 5: the log tail. Only the lines in sight are drawn, from pages that are queried; there is no widget per line.

It never lies: scrolling up holds it still and counts what has come since, dropped lines are counted, a filter says
that it is one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Input

from warroom.console.store import Store
from warroom.console.text import Part, cut, fit, line, wide
from warroom.console.words import utc
from warroom.errors import WarroomError
from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogLine

Ask = Callable[[LogQuery], Awaitable[LogPage]]

_KEPT = 4000
"""Lines kept in memory around what is in sight."""
_PAGE = 200
_SEARCHED = 20_000
"""How far ``e`` looks for the next error."""


class LogView(ScrollView, can_focus=True):
    """The lines themselves."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "log--time",
        "log--source",
        "log--text",
        "log--error",
        "log--warning",
        "log--here",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "down", show=False),
        Binding("i", "scroll_up", "up", show=False),
    ]

    class Moved(Message):
        """Scrolled by a person, or asked to draw lines that are not here yet."""

    def __init__(self) -> None:
        super().__init__(id="log-view")
        self.lines: dict[int, LogLine] = {}
        self.matching = 0
        self.names = 6
        self.here: int | None = None

    def take(self, page: LogPage) -> None:
        if len(self.lines) > _KEPT:
            top = self.scroll_offset.y
            self.lines = {i: row for i, row in self.lines.items() if abs(i - top) < _KEPT // 2}
        self.lines.update(enumerate(page.lines, page.first))
        self.names = min(14, max([self.names, *(wide(row.source) for row in page.lines)]))
        self.matching = page.matching
        self.virtual_size = Size(self.scrollable_content_region.width, page.matching)
        self.refresh()

    def forget(self) -> None:
        self.lines, self.matching, self.here = {}, 0, None

    def missing(self) -> int | None:
        """The first line in sight that is not here yet."""
        top = self.scroll_offset.y
        rows = range(top, min(self.matching, top + self.scrollable_content_region.height))
        return next((index for index in rows if index not in self.lines), None)

    @property
    def at_end(self) -> bool:
        return self.scroll_offset.y >= self.max_scroll_y

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        index = self.scroll_offset.y + y
        cells = self.scrollable_content_region.width
        row = self.lines.get(index)
        if row is None:
            return Strip.blank(cells, self.rich_style)
        loud = {"error": "log--error", "warning": "log--warning"}.get(row.level, "log--text")
        style = self.get_component_rich_style("log--here" if index == self.here else loud)
        time, source = self.get_component_rich_style("log--time"), self.get_component_rich_style("log--source")
        sign = {"error": "✖ ", "warning": "▲ "}.get(row.level, "  ")
        times = (
            f"{utc(row.at)} " if cells > 56 else ""
        )  # in a small tile the words need the room; zooming shows the time
        room = cells - len(times) - self.names - 1 - 2
        segments = [
            Segment(times, time),
            Segment(f"{fit(row.source, self.names)} ", source),
            Segment(sign, style),
            Segment(fit(row.text, room), style),
        ]
        return Strip(segments).adjust_cell_length(cells, self.rich_style)


class LogPane(Vertical):
    """The view, its filter, and the questions that fill it. ``ask`` is the session's query."""

    number, label = 5, "Log"
    topics = frozenset({"log", "snapshot"})
    ticks = False

    def __init__(self, store: Store, ask: Ask, name: str) -> None:
        super().__init__(id=name, classes="pane")
        self.store, self.ask = store, ask
        self.following = True
        self.problem = ""
        self._at_pause = 0
        self._needle = ""
        self._errors_only = False
        self._stirred = False
        self._title = Content("")

    def compose(self) -> ComposeResult:
        yield LogView()
        yield Input(
            placeholder="filter: text to keep, !error for errors only · enter keeps it, esc leaves", id="log-filter"
        )

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    def on_mount(self) -> None:
        self.query_one("#log-filter", Input).display = False
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    def redraw(self) -> None:
        """The heads changed: pull the tail when it is followed, else only count."""
        if not self.is_mounted:
            return
        self._entitle()
        if self.following and self.display:
            self.pull()

    def pull(self) -> None:
        """One question at a time; what stirs meanwhile is asked for right after."""
        if any(worker.group == "log" and worker.is_running for worker in self.workers):
            self._stirred = True
            return
        self.run_worker(self._fill(), group="log", exit_on_error=False)

    async def _fill(self) -> None:
        view = self.view
        while True:
            self._stirred = False
            rows = max(20, view.scrollable_content_region.height + 5)
            missing = None if self.following else view.missing()
            first = -min(_PAGE, rows) if missing is None else max(0, missing - 20)
            try:
                page = await self.ask(self._query(first, _PAGE))
                self.problem = ""
            except WarroomError as error:
                self.problem = str(error)
                self._entitle()
                return
            view.take(page)
            if self.following:
                view.scroll_to(
                    y=max(0, page.matching - view.scrollable_content_region.height), animate=False, immediate=True
                )
            self._entitle()
            if not self._stirred:
                return

    def _query(self, first: int, limit: int) -> LogQuery:
        passing = LogFilter(has=(self._needle,) if self._needle else (), levels=("error",) if self._errors_only else ())
        return LogQuery(filter=passing, first=first, limit=limit)

    def on_log_view_moved(self, event: LogView.Moved) -> None:
        event.stop()
        if self.following and not self.view.at_end and self.view.matching:
            self.hold()
        elif not self.following and self.view.missing() is not None:
            self.pull()

    def hold(self) -> None:
        self.following = False
        self._at_pause = self._count()
        self._entitle()

    def follow(self) -> None:
        self.following, self.view.here = True, None
        self.redraw()

    def toggle(self) -> None:
        self.hold() if self.following else self.follow()

    def _count(self) -> int:
        return sum(head.lines for head in self.store.log_heads())

    def _entitle(self) -> None:
        heads = self.store.log_heads()
        parts: list[Part] = [(" 5 ", "$accent bold"), ("Log ", "bold")]
        parts += [(" ".join(head.source for head in heads[:8]) + " ", "$text-muted")]
        if errors := sum(head.errors for head in heads):
            parts.append((f"✖ {errors:,} ", "$error"))
        if self._needle or self._errors_only:
            kept = " ".join(
                filter(None, ["errors" if self._errors_only else "", f"“{self._needle}”" if self._needle else ""])
            )
            parts.append((f"/ {kept}: {self.view.matching:,} ", "bold $warning"))
        if not self.following:
            parts.append(
                (
                    f"HELD, {max(0, self._count() - self._at_pause):,} new, {self.store.key('pause')} runs on ",
                    "bold $warning",
                )
            )
        if dropped := sum(head.dropped for head in heads):
            parts.append((f"{dropped:,} not drawn ", "$warning"))
        for head in heads:
            if head.note:
                parts.append((f"{head.source}: {head.note} ", "$warning"))
        if self.problem:
            parts.append((cut(self.problem, 80), "$error"))
        title = line(*parts).truncate(max(8, self.size.width - 4), ellipsis=True)
        if not title.is_same(self._title):
            self._title = title
            self.border_title = title

    # The filter survives every toggle; only an empty one takes it away.

    def open_filter(self) -> None:
        box = self.query_one("#log-filter", Input)
        box.display = True
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.keep_filter(event.value)
        self.shut_filter()

    def shut_filter(self) -> None:
        self.query_one("#log-filter", Input).display = False
        self.view.focus()

    def keep_filter(self, typed: str) -> None:
        words = typed.split()
        self._errors_only = "!error" in words
        self._needle = " ".join(word for word in words if word != "!error")
        self.view.forget()
        self.follow()

    async def seek_error(self, by: int) -> bool:
        """To the next (1) or previous (-1) error among what matches; False where there is none."""
        self.hold() if self.following else None
        view = self.view
        start = view.here if view.here is not None else view.scroll_offset.y + (0 if by > 0 else view.size.height)
        index, searched = start + by, 0
        while 0 <= index < max(1, view.matching) and searched < _SEARCHED:
            first = index if by > 0 else max(0, index - _PAGE + 1)
            page = await self.ask(self._query(first, _PAGE if by > 0 else index - first + 1))
            view.take(page)
            rows = list(enumerate(page.lines, page.first))
            for at, row in rows if by > 0 else reversed(rows):
                if row.level == "error":
                    view.here = at
                    view.scroll_to(y=max(0, at - view.size.height // 2), animate=False, immediate=True)
                    view.refresh()
                    return True
            if not rows:
                return False
            searched += len(rows)
            index = rows[-1][0] + 1 if by > 0 else rows[0][0] - 1
        return False
