"""Checklist lines that are left out, with their reason."""

from __future__ import annotations

from textual.app import ComposeResult

from warroom.console.client import Client
from warroom.console.screens.base import Dialog, Reason, button, rows
from warroom.console.text import wrapped
from warroom.model.checklist import Line
from warroom.model.intent import MarkItem


class WaiveScreen(Dialog):
    """A line that is left out, with its reason."""

    hint = "tab moves · enter presses · esc goes back"

    def __init__(self, client: Client, item: Line) -> None:
        super().__init__(client)
        self.item = item
        self.heading = "waive a checklist line"

    def inside(self) -> ComposeResult:
        yield rows(*wrapped(self.item.sentence, 70, "bold", f"{self.item.number} "))
        why = "why it is left out; it stays on the checklist with this reason"
        yield Reason(why, draft=f"waive {self.item.id}", goes_on=True)

    def buttons(self) -> ComposeResult:
        if self.item.if_needed:
            yield button("Not needed, because", "not-needed", "main")
        yield button("Waive, because", "waived", "" if self.item.if_needed else "main")
        if self.item.status in ("waived", "not-needed"):
            yield button("Open it again", "open")
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one(Reason).focus()

    def pressed(self, name: str) -> None:
        reason = self.query_one(Reason).said
        if name == "open":
            self.send(MarkItem(item=self.item.id, mark="open", reason=reason))
            return
        if not reason:
            self.complain("Say why.")
            self.query_one(Reason).focus()
            return
        self.send(MarkItem(item=self.item.id, mark="not-needed" if name == "not-needed" else "waived", reason=reason))
