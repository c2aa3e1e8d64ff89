"""A screen that only shows: a long text, scrolled."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from warroom.console.screens.base import Dialog, button


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
