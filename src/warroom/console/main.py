"""The one screen: header, next action, six panes, footer."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.events import Resize
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from warroom.console.client import Client
from warroom.console.keymap import ACTIONS
from warroom.console.panes.base import Pane
from warroom.console.panes.checklist import ChecklistPane
from warroom.console.panes.decide import DecidePane
from warroom.console.panes.header import Footer, Header, NextLine
from warroom.console.panes.health import HealthPane
from warroom.console.panes.log import LogPane
from warroom.console.panes.logmoment import Stamps
from warroom.console.panes.metrics import MetricsPane
from warroom.console.panes.plan import PlanPane
from warroom.console.text import line
from warroom.model.live import LogPage, LogQuery, SamplesPage, SamplesQuery

WIDE = (110, 30)
"""From this size on, panes stand as in the picture; below, they stack."""
COLUMNS = (180, 240)
"""From the first of these widths on, low screens have three columns, the log one of them; from the second, all."""
TWO = 150
"""Below this width the header has two lines."""
TALL = 40
LEAST = (60, 16)
_AS_PICTURED = ("decide", "health", "metrics", "checklist", "log", "plan")
_IN_COLUMNS = ("decide", "health", "log", "metrics", "checklist", "plan")
_TOO_SMALL = "Too small: warroom needs {} × {}, this is {} × {}."


class MainScreen(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(action.key, f"app.act('{action.id}')", action.label, id=action.id, show=False) for action in ACTIONS),
        Binding("escape", "back", "back", show=False),
    ]

    class Shown(Message):
        """On top again: what waited for a dialog to go may come."""

    def __init__(self, client: Client, stamps: Stamps | None = None) -> None:
        super().__init__(id="main")
        self._stamps = stamps
        self.client = client
        self.zoomed: str | None = None
        self._silent = False
        self._laid_out = Size(0, 0)

    def compose(self) -> ComposeResult:
        store = self.client.store
        self.update_classes(self._shape(), update=False)  # no style is there yet that could be the wrong one
        yield Header(store, "header")
        yield NextLine(store, "next")
        every: dict[str, Pane | LogPane] = {
            "decide": DecidePane(store, "decide"),
            "health": HealthPane(store, "health"),
            "metrics": MetricsPane(store, self._samples, "metrics"),
            "checklist": ChecklistPane(store, "checklist"),
            "log": LogPane(store, self._log, "log", self._stamps),
            "plan": PlanPane(store, "plan"),
        }
        with Container(id="panes"):
            yield from (every[name] for name in (_IN_COLUMNS if _columns(*self.app.size) else _AS_PICTURED))
        yield Footer(store, "footer")
        yield Static("", id="too-small", markup=False)

    async def _log(self, query: LogQuery) -> LogPage:
        return await self.client.ask(query, LogPage)

    async def _samples(self, query: SamplesQuery) -> SamplesPage:
        return await self.client.ask(query, SamplesPage)

    @property
    def panes(self) -> list[Pane | LogPane]:
        return [*self.query(Pane), *self.query(LogPane)]

    def pane(self, number: int) -> Pane | LogPane:
        return next(pane for pane in self.panes if pane.number == number)

    def on_mount(self) -> None:
        self.query_one("#decide").focus()
        self.redraw(None)

    def on_screen_resume(self) -> None:
        self.post_message(self.Shown())

    def on_resize(self, event: Resize) -> None:
        """Textual tells the same size several times over."""
        if event.size != self._laid_out:
            self._laid_out = event.size
            self._lay_out()

    def _lay_out(self) -> None:
        shape = self._shape()
        self.update_classes(shape)
        if shape["-small"]:
            self.query_one("#too-small", Static).update(line(_TOO_SMALL.format(*LEAST, *self.app.size)))
        self._order(_IN_COLUMNS if shape["-columns"] else _AS_PICTURED)
        self.call_after_refresh(self.redraw, None)

    def _shape(self) -> dict[str, bool]:
        """Which of the layouts' classes hold at this size: set together, styles are looked up once for all of them."""
        cells, rows = self.app.size
        low = rows < WIDE[1]
        columns = _columns(cells, rows)
        stacked = not columns and (low or cells < WIDE[0])
        return {
            "-small": cells < LEAST[0] or rows < LEAST[1],
            "-columns": columns,
            "-stacked": stacked,
            "-flat": stacked or low,
            "-tall": stacked and rows >= TALL,
            "-two": cells < TWO,
        }

    def _order(self, names: tuple[str, ...]) -> None:
        """A grid is filled in the panes' order."""
        box = self.query_one("#panes")
        if tuple(pane.id for pane in box.children) != names:
            for before, after in pairwise(names):
                box.move_child(box.query_one(f"#{after}"), after=box.query_one(f"#{before}"))
            self.call_after_refresh(self._measure)

    def _measure(self) -> None:
        """What was drawn while panes were moved has not been measured by Textual."""
        for pane in self.query(Pane):
            for child in pane.children:
                child.refresh(layout=True)

    def redraw(self, topics: Iterable[str] | None) -> None:
        """Draw what depends on these topics; None draws everything."""
        if not self.is_mounted or not self.children:  # it is not there yet, or not any more
            return
        runbook = self.client.store.runbook
        if topics is None or "snapshot" in topics:
            now = runbook.environment.kind if runbook is not None else ""
            self.update_classes({kind: kind == now for kind in ("production", "staging", "drill")})
        changed = None if topics is None else set(topics)
        for pane in self.panes:
            if changed is None or pane.topics & changed:
                pane.redraw()
        if changed is None or changed & {"state", "snapshot", "trigger", "signal", "presence", "busy"}:
            self._lines()

    def tick(self) -> None:
        """A second has passed. Without news from the engine every reading has grown older."""
        if not self.is_mounted:
            return
        was, self._silent = self._silent, self.client.store.silent_s() is not None
        for pane in self.query(Pane):
            if pane.ticks or was or self._silent:
                pane.redraw()
        self._lines()

    def _lines(self) -> None:
        if not all(self.query(part) for part in (Header, NextLine, Footer)):  # the screen is being taken down
            return
        self.query_one(Header).redraw()
        following = self.query_one(NextLine)
        following.redraw()
        self.query_one(Footer).redraw(following.action)

    # Panes

    def go(self, number: int) -> None:
        """To a pane. Where panes are stacked it takes the room at once, and the same key gives it back."""
        pane = self.pane(number)
        stacked = self.has_class("-stacked")
        if self.zoomed is not None or stacked:
            self.zoom(None if self.zoomed == pane.id and stacked else pane.id)
        self._focus(pane)

    def _focus(self, pane: Pane | LogPane) -> None:
        (pane.view if isinstance(pane, LogPane) else pane).focus()

    def focused_pane(self) -> Pane | LogPane | None:
        node: Widget | None = self.focused
        while node is not None and not isinstance(node, Pane | LogPane):
            node = node.parent if isinstance(node.parent, Widget) else None
        return node

    def toggle_zoom(self) -> None:
        pane = self.focused_pane()
        if self.zoomed is not None or pane is None:
            self.zoom(None)
        else:
            self.zoom(pane.id)

    def zoom(self, pane_id: str | None) -> None:
        """One pane alone; where panes are stacked the plan stays below it."""
        self.zoomed = pane_id
        stays = {pane_id, "plan"} if self.has_class("-stacked") else {pane_id}
        for pane in self.panes:
            pane.display = pane_id is None or pane.id in stays
            pane.set_class(pane.id == pane_id, "-zoomed")
        self.set_class(pane_id is not None, "-zoom")
        self.call_after_refresh(self.redraw, None)

    def action_back(self) -> None:
        if isinstance(self.focused, Input):
            self.query_one(LogPane).shut_filter()
        elif self.zoomed is not None:
            self.zoom(None)
        else:
            log = self.query_one(LogPane)
            if not log.following:
                log.follow()


def _columns(cells: int, rows: int) -> bool:
    return cells >= COLUMNS[0 if rows < WIDE[1] else 1]
