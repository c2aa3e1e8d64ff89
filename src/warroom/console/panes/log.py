"""Pane 5: the log tail. Only the lines in sight are drawn, from pages that are queried.

It never lies: moving up holds it still and counts what has come since, dropped lines are counted, a filter says that
it is one, and a search that has not looked at everything yet says how far it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import Literal

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import WorkType

from warroom.console.panes.logfilter import HINT, both, parse, written
from warroom.console.panes.logmoment import Stamps, zone
from warroom.console.panes.logseek import PAGE, SLOW_S, seek
from warroom.console.panes.logtitle import entitled
from warroom.console.panes.logview import LogView
from warroom.console.store import Store
from warroom.console.text import cut, line
from warroom.errors import WarroomError
from warroom.model.live import LogFilter, LogPage, LogQuery

__all__ = ["LogPane", "LogView"]

Ask = Callable[[LogQuery], Awaitable[LogPage]]
Box = Literal["filter", "search"]


class LogPane(Vertical):
    """The view, its boxes, and the questions that fill it. ``ask`` is the session's query."""

    number, label = 5, "Log"
    topics = frozenset({"log", "snapshot"})
    ticks = False

    def __init__(self, store: Store, ask: Ask, name: str, stamps: Stamps | None = None) -> None:
        super().__init__(id=name, classes="pane")
        self.store, self._ask = store, ask
        self.filter = LogFilter(folded=True)
        self.search = LogFilter()
        self.problem = ""
        self._stamps = stamps
        self.marks: tuple[tuple[datetime, str], ...] = ()
        self._page: LogPage | None = None
        self._at_pause = -1
        self._stirred = False
        self._box: Box = "filter"
        self._title = self._below = Content("")

    def compose(self) -> ComposeResult:
        yield LogView(self._stamps)
        yield Static("", id="log-hint", markup=False)
        yield Input(id="log-box")

    @property
    def view(self) -> LogView:
        return self.query_one(LogView)

    @property
    def following(self) -> bool:
        return self.view.following

    def on_mount(self) -> None:
        self._show_box(False)
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    # Filling the view

    async def ask(self, query: LogQuery) -> LogPage:
        """A page; what it says of the whole log is kept for the title."""
        page = await self._ask(query)
        self.marks = page.marks or self.marks
        return page

    def redraw(self) -> None:
        """The heads changed: pull the tail when it is followed, else only count."""
        if not self.is_mounted:
            return
        self.entitle()
        if self.display and (self.following or self.view.missing() is not None):
            self.pull()

    def pull(self) -> None:
        """One question at a time; what stirs meanwhile is asked for right after."""
        if any(worker.group == "log" and worker.is_running for worker in self.workers):
            self._stirred = True
            return
        self._work(self._fill, "log", exclusive=False)

    def _work(
        self, job: Callable[[], Coroutine[None, None, None]], group: str = "log-seek", *, exclusive: bool = True
    ) -> None:
        """Begun by the worker itself, so that one that never comes to run leaves nothing behind."""

        async def run() -> None:
            try:
                await job()
            except WarroomError as error:
                self.problem = str(error)
                self.entitle()

        work: WorkType[None] = run
        self.run_worker(work, group=group, exclusive=exclusive, exit_on_error=False)

    async def _fill(self) -> None:
        while True:
            self._stirred = False
            try:
                page = await self._fetch()
                self.problem = page.problem if page else self.problem
            except WarroomError as error:
                self.problem = str(error)
                page = None
            await self._dress()
            self.entitle()
            searching = page is not None and page.searched < page.of and not page.problem
            if not self._stirred and not searching and (page is None or self.view.missing() is None):
                return
            if page is None or not self.is_mounted:
                return

    async def _fetch(self) -> LogPage | None:
        """What the view misses most: the tail when it is followed, else lines near the end that one is at."""
        view, known = self.view, self._page
        counting = known is not None and known.searched < known.of
        if view.following:
            page = await self.ask(self.asking(first=-PAGE, count=counting))
            if not self.following:  # held meanwhile: it must stand still
                return page
            view.window.replace(page, at_end=True)
        elif (missing := view.missing()) is None or not view.window.lines:
            page = await self.ask(self.asking(first=-1, limit=1, count=counting))
            view.window.matching = max(view.window.matching, page.matching)
        elif missing == "before":
            page = await self.ask(self.asking(before=view.window.seq(0), count=counting))
            was = len(view.window)
            view.window.prepend(page)
            view.place.shift(len(page.lines), max(1, was + len(page.lines)))
        else:
            page = await self.ask(self.asking(after=view.window.seq(len(view.window) - 1), count=counting))
            was = len(view.window)
            view.window.append(page)
            view.place.shift(len(view.window) - was - len(page.lines), max(1, len(view.window)))
        self._page = page
        view.draw()
        return page

    def asking(self, **where: int | bool | datetime) -> LogQuery:
        given: dict[str, object] = {"filter": self.filter, "limit": PAGE, "spend_s": SLOW_S, **where}
        return LogQuery.model_validate(given)

    async def go(self, seq: int) -> None:
        """The line with this number, or the next that passes, with what is around it; held still."""
        self.hold()
        before = await self.ask(self.asking(before=seq, limit=PAGE // 2))
        after = await self.ask(self.asking(after=seq - 1))
        view = self.view
        view.window.replace(before, at_end=False)
        view.window.append(after)
        self._page = after
        view.place.centre(view.window.find(seq), view._height, view.rows)
        await self._dress()
        view.draw()
        self.entitle()
        self.pull()

    async def _dress(self) -> None:
        """What is drawn beside the lines: marks, and what a search lights up.

        Words are found here; which lines an expression matches is the engine's to say, since one may take for ever.
        """
        needles = tuple(text.lower() for text in self.search.has)
        hits: frozenset[int] = frozenset()
        window, narrow = self.view.window, both(self.filter, self.search)
        if (self.search.matches or self.search.unlike) and narrow is not None and window.lines:
            top = window.seq(max(0, self.view.place.top - PAGE // 2))
            page = await self.ask(LogQuery(filter=narrow, after=top - 1, limit=2 * PAGE, spend_s=SLOW_S))
            hits = frozenset(row.index for row in page.lines)
        self.view.set(replace(self.view.settings, needles=needles, hits=hits, marks=self.marks))

    def on_log_view_moved(self, event: LogView.Moved) -> None:
        event.stop()
        self._held()
        if self.view.missing() is not None or self.search.matches or self.search.unlike:
            self.pull()

    def on_log_view_edge(self, event: LogView.Edge) -> None:
        event.stop()
        if event.edge == "end":
            self.follow()
        else:
            self._work(self.to_start)

    async def to_start(self) -> None:
        page = await self.ask(self.asking(after=-1, limit=1))
        if page.lines:
            await self.go(page.lines[0].index)

    # Holding and following

    def hold(self) -> None:
        self.view.following = False
        self._held()
        self.view.draw()

    def _held(self) -> None:
        if self._at_pause < 0:
            self._at_pause = self._count()
        self.entitle()

    def follow(self) -> None:
        self.view.following, self.view.marked = True, None
        self._at_pause = -1
        self.redraw()

    def toggle(self) -> None:
        self.hold() if self.following else self.follow()

    def _count(self) -> int:
        return sum(head.lines for head in self.store.log_heads())

    # The title says what is not seen

    def entitle(self) -> None:
        held = ""
        if not self.following:
            held = f"HELD, {max(0, self._count() - self._at_pause):,} new, {self.store.key('pause')} runs on"
        cells = max(8, self.size.width - 4)
        title = entitled(self.store.log_heads(), self.filter, self._page, self.problem, held)
        title = title.truncate(cells, ellipsis=True)
        if not title.is_same(self._title):
            self._title = title
            self.border_title = title
        below = self._explained().truncate(cells, ellipsis=True)
        if not below.is_same(self._below):
            self._below = below
            self.border_subtitle = below

    def _explained(self) -> Content:
        """For the lower border: where in the log this is, and how it is drawn."""
        view, said = self.view, []
        if self.search != LogFilter():
            said.append(f"s {cut(written(self.search), 30)}")
        if not view.following and view.cursor is not None:
            said.append(f"{view.window.first + view.place.cursor + 1:,} of {view.window.matching:,}")
        if view.settings.wrap:
            said.append("wrapped")
        if not self.filter.folded:
            said.append("repeats shown")
        if view.settings.stamps is not None:
            off = view.settings.stamps == "off"
            said.append("no times" if off else f"times {zone(view.settings.stamps, self.store.now())}")
        return line((f" {' · '.join(said)} " if said else "", "$text-muted"))

    # The boxes: a filter survives every toggle; only an empty one takes it away.

    def open_filter(self) -> None:
        self._open("filter", written(self.filter), f"filter: {HINT} · empty shows all")

    def open_search(self) -> None:
        self._open("search", written(self.search), f"search: {HINT} · n next, N before")

    def _open(self, box: Box, value: str, hint: str) -> None:
        self._box = box
        field = self.query_one("#log-box", Input)
        field.value = value
        field.cursor_position = len(value)
        self.query_one("#log-hint", Static).update(line((hint, "$text-muted")))
        self._show_box(True)
        field.focus()

    def _show_box(self, shown: bool) -> None:
        self.query_one("#log-box").display = self.query_one("#log-hint").display = shown

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """What can't be read stays in the box, with the reason above it."""
        event.stop()
        try:
            wanted = parse(event.value)
        except WarroomError as error:
            self.query_one("#log-hint", Static).update(line(("✖ ", "$error bold"), (str(error), "$error")))
            return
        self.shut_filter()
        if self._box == "filter":
            self.keep(wanted.model_copy(update={"folded": self.filter.folded}))
        else:
            self.search = wanted
            self._work(self._first_hit)

    def shut_filter(self) -> None:
        self._show_box(False)
        self.view.focus()

    def keep(self, wanted: LogFilter) -> None:
        """Another filter. Held still, the cursor stays on its line, or on the next one that passes."""
        here = self.view.cursor
        self.filter, self._page, self.problem = wanted, None, ""
        if self.following or here is None:
            self.view.window.replace(LogPage(lines=(), first=0, matching=0, total=0, more=True), at_end=False)
            self.follow()
            return
        seq = here.line.index
        self._work(lambda: self.go(seq))

    # How lines are drawn

    def wrap(self) -> None:
        self.view.set(replace(self.view.settings, wrap=not self.view.settings.wrap))
        self.entitle()

    def next_stamps(self) -> Stamps:
        """UTC, then local, then none."""
        after: dict[Stamps, Stamps] = {"utc": "local", "local": "off", "off": "utc"}
        self.view.set(replace(self.view.settings, stamps=after[self.view.stamps]))
        self.entitle()
        return self.view.stamps

    def fold_repeats(self) -> bool:
        """Whether they are folded now."""
        self.keep(self.filter.model_copy(update={"folded": not self.filter.folded}))
        return self.filter.folded

    # Seeking

    async def _first_hit(self) -> None:
        """The newest hit at or above where the cursor is."""
        if self.search == LogFilter():
            await self._dress()
        elif not await seek(self, self.search, -1, here=True):
            await self._dress()
            self.app.notify(f"No hit further up; {self.store.key('search-next')} looks further down.", markup=False)
