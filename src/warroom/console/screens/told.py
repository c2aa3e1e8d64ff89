"""What was told in passing and what was refused, with the reasons: a message that has gone can be read again."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from warroom.console.screens.base import Dialog, button
from warroom.console.text import line, wrapped
from warroom.console.words import utc


class ToldScreen(Dialog):
    """Newest first."""

    heading = "messages"
    fills = True
    hint = "arrows and page keys scroll · esc goes back"

    def inside(self) -> ComposeResult:
        yield Static("", id="told", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        inside = self.query_one("#inside")
        inside.can_focus = True
        inside.focus()
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        cells = max(40, self.query_one("#inside").size.width - 2)
        lines: list[Content] = []
        for told in reversed(self.store.told.read()):
            sign, style = ("✖ ", "$warning") if told.bad else ("· ", "")
            lines += wrapped(told.words, cells, style, f"{utc(told.at)} {sign}")
        self.query_one("#told", Static).update(
            Content("\n").join(lines or [line(("Nothing was told or refused yet.", "$text-muted"))])
        )
