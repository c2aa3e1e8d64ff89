"""Screens that only show: every key, every command made, the timeline."""

from __future__ import annotations

from itertools import groupby

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from warroom.console.keymap import ACTIONS
from warroom.console.screens.base import Dialog, button
from warroom.console.text import cut, fit, line, wide, wrapped
from warroom.console.words import utc
from warroom.model.event import Event
from warroom.model.live import CommandsPage, CommandsQuery, TimelinePage, TimelineQuery
from warroom.model.words import words


class Reading(Dialog):
    """A scrolling text."""

    hint = "arrows and page keys scroll · esc goes back"

    def inside(self) -> ComposeResult:
        yield Static("", id="whole", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        inside = self.query_one("#inside")
        inside.can_focus = True
        inside.focus()
        self.call_after_refresh(self.fill)

    @property
    def cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 3)

    def show(self, lines: list[Content], *, end: bool = False) -> None:
        self.query_one("#whole", Static).update(Content("\n").join(lines))
        if end:
            self.call_after_refresh(self.query_one("#inside").scroll_end, animate=False)

    def fill(self) -> None:
        raise NotImplementedError


class HelpScreen(Reading):
    heading = "every key"

    def fill(self) -> None:
        lines: list[Content] = []
        for group, actions in groupby(ACTIONS, key=lambda action: action.group):
            lines.append(line((group, "bold underline")))
            for action in actions:
                why = action.why_not(self.store)
                lines.append(
                    line(
                        "  ",
                        (fit(self.store.key(action.id), 4), "bold $accent"),
                        action.what,
                        (f"  — {why}" if why else "", "$text-muted"),
                    ).truncate(self.cells, ellipsis=True)
                )
            lines.append(Content(""))
        lines += wrapped(
            "tab, shift+tab and arrows move between panes and in them; esc goes back; "
            "ctrl+p is the palette too. While text is typed, no key acts.",
            self.cells,
            "$text-muted",
        )
        self.show(lines)


class CommandsScreen(Reading):
    heading = "every command made, ready to paste"

    def fill(self) -> None:
        self.read(self._fill())

    async def _fill(self) -> None:
        page = await self.client.ask(CommandsQuery(), CommandsPage)
        lines: list[Content] = []
        for made in page.commands:
            style = "bold $warning" if made.door == "change" else "$text-muted"
            status = "" if made.status is None else f" → {made.status}"
            took = "" if made.seconds is None else f" {made.seconds:.1f} s"
            first = f"{utc(made.at)} {made.door.ljust(6)} "
            rows = wrapped(made.text + status + took, self.cells, "", first)
            rows[0] = rows[0].stylize(style, 9, 15)
            lines += rows
        self.show(lines or [line(("No command has been made yet.", "$text-muted"))], end=True)


class TimelineScreen(Reading):
    heading = "timeline"

    def fill(self) -> None:
        self.read(self._fill())

    async def _fill(self) -> None:
        page = await self.client.ask(TimelineQuery(), TimelinePage)
        lines = [self._entry(event) for event in page.events]
        if page.total > len(page.events):
            lines.insert(
                0, line((f"{page.total - len(page.events):,} earlier entries are in the journal", "$text-muted"))
            )
        self.show(lines or [line(("Nothing is journaled yet.", "$text-muted"))], end=True)

    def _entry(self, event: Event) -> Content:
        first = f"{utc(event.at)} {fit(event.actor.name, 10)} "
        return line((first, "$text-muted"), cut(words(event), max(10, self.cells - wide(first))))
