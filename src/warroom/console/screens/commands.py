"""Every program run and request made, as it can be pasted into a shell; a secret stands there by its name only."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.text import cut, fit, line, wide, wrapped
from warroom.console.words import utc
from warroom.model.live import CommandLine, CommandsPage, CommandsQuery

SHOWN = 2000
_DOORS = (None, "change", "read")


class CommandsScreen(Dialog):
    """Newest last. Everything copied is what was made; nothing of it is run here."""

    heading = "every command made, to paste"
    hint = "y copies this one · Y all shown · k read or change · esc goes back"
    fills = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy_one", "copy this command", show=False),
        Binding("Y", "copy_all", "copy every command shown", show=False),
        Binding("k", "door", "only what read, or only what changed", show=False),
    ]

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.door: str | None = None
        self.every: tuple[CommandLine, ...] = ()
        self.shown: tuple[CommandLine, ...] = ()

    def inside(self) -> ComposeResult:
        yield Choice(name="made")

    def below(self) -> ComposeResult:
        yield Static("", id="which", markup=False)
        yield Static("", id="whole-command", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Copy", "one", "main")
        yield button("Copy all shown", "all")
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#made", Choice).focus()
        self.call_after_refresh(lambda: self.read(self._fill(), "commands"))

    async def _fill(self) -> None:
        page = await self.client.ask(CommandsQuery(limit=SHOWN), CommandsPage)
        self.every = page.commands
        self._show()

    def _show(self) -> None:
        self.shown = tuple(made for made in self.every if self.door in (None, made.door))
        choice = self.query_one("#made", Choice)
        choice.clear_options()
        cells = max(40, self.query_one("#inside").size.width - 3)
        choice.add_options([_row(made, cells) for made in self.shown])
        if self.shown:
            choice.highlighted = len(self.shown) - 1
        what = {None: "all", "change": "what changes something", "read": "what only reads"}[self.door]
        count = f"{len(self.shown):,} of {len(self.every):,}"
        self.query_one("#which", Static).update(line((what, "bold"), (f" · {count}", "$text-muted")))
        if not self.shown:
            self.query_one("#whole-command", Static).update(line(("Nothing of that kind was made yet.", "$text-muted")))

    def on_option_list_option_highlighted(self, event: Choice.OptionHighlighted) -> None:
        if event.option_index >= len(self.shown):
            return  # of the list that was here before
        cells = max(40, self.query_one("#inside").size.width - 3)
        rows = wrapped(self.shown[event.option_index].text, cells, "$accent")
        cut_off = [line(("… all of it is copied", "$text-muted"))] if len(rows) > 4 else []
        self.query_one("#whole-command", Static).update(Content("\n").join([*rows[:4], *cut_off]))

    def on_option_list_option_selected(self, event: Choice.OptionSelected) -> None:
        self.action_copy_one()

    def action_door(self) -> None:
        self.door = _DOORS[(_DOORS.index(self.door) + 1) % len(_DOORS)]
        self._show()

    def action_copy_one(self) -> None:
        at = self.query_one("#made", Choice).highlighted
        if at is None or not self.shown:
            self.complain("There is nothing to copy.")
            return
        self.copy(self.shown[at].text, "one command")

    def action_copy_all(self) -> None:
        if not self.shown:
            self.complain("There is nothing to copy.")
            return
        self.copy("\n".join(made.text for made in self.shown) + "\n", f"{len(self.shown):,} commands")

    def pressed(self, name: str) -> None:
        self.action_copy_one() if name == "one" else self.action_copy_all()


def _row(made: CommandLine, cells: int) -> Content:
    style = "bold $warning" if made.door == "change" else "$text-muted"
    status = "      " if made.status is None else fit(f"→ {made.status}", 6)
    first = f"{utc(made.at)} "
    said = cut(made.text.replace("\n", " ⏎ "), max(10, cells - wide(first) - 14))
    return line((first, "$text-muted"), (made.door.ljust(7), style), (status, "$text-muted"), " ", said)
