"""Incidents and drills, past and open; each one's timeline can be read."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.screens.timeline import TimelineScreen
from warroom.console.text import cut, fit, line
from warroom.console.words import utc
from warroom.model.base import clock_text
from warroom.model.live import IncidentLine, IncidentsPage, IncidentsQuery
from warroom.model.units import many

LIMIT = 50


class IncidentsScreen(Dialog):
    """Newest first. What can't be read is in the list, with the reason."""

    heading = "incidents and drills"
    hint = "arrows choose · enter reads its timeline · esc goes back"
    fills = True

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.found: list[IncidentLine] = []
        self.total = 0

    def inside(self) -> ComposeResult:
        yield Choice(name="incidents")

    def below(self) -> ComposeResult:
        yield Static(line(("reading them …", "$text-muted")), id="how-many", markup=False)
        yield Static("", id="about-incident", markup=False)

    def buttons(self) -> ComposeResult:
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#incidents", Choice).focus()
        self.call_after_refresh(lambda: self.read(self._more(), "incidents"))

    async def _more(self) -> None:
        before = self.found[-1].id if self.found else None
        page = await self.client.ask(IncidentsQuery(limit=LIMIT, before=before), IncidentsPage)
        first = not self.found
        self.found += page.incidents
        self.total = page.total
        choice = self.query_one("#incidents", Choice)
        cells = max(40, self.query_one("#inside").size.width - 3)
        choice.add_options([self._row(each, cells) for each in page.incidents])
        if first and self.found:
            choice.highlighted = 0
        many = f"{len(self.found)} of {self.total}" if self.found else "There has been no incident here yet."
        self.query_one("#how-many", Static).update(line((many, "$text-muted")))

    def _row(self, each: IncidentLine, cells: int) -> Content:
        sign, word, style = _state(each)
        opened = f"{each.opened_at:%Y-%m-%d} {utc(each.opened_at)}" if each.opened_at else "unknown"
        first = f"{fit(each.id, 11)} {fit(opened, 19)} "
        title = cut(each.title or each.damaged or each.newer, max(10, cells - len(first) - 16))
        return line((f"{sign} ", style), (first, "$text-muted"), (fit(word, 13), style), title)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        each = self.found[event.option_index]
        parts = [each.service, each.environment, each.scenario or "", many(each.entries, "entry", "entries")]
        if each.opened_at and each.closed_at:
            parts.append(f"took {clock_text((each.closed_at - each.opened_at).total_seconds())}")
        if each.severity:
            parts.append(each.severity)
        if each.title and (wrong := each.damaged or each.newer):
            parts.append(wrong)
        said = " · ".join(part for part in parts if part)
        self.query_one("#about-incident", Static).update(line((said, "$text-muted")))
        if event.option_index == len(self.found) - 1 and len(self.found) < self.total:
            self.read(self._more(), "incidents")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        each = self.found[event.option_index]
        self.app.push_screen(TimelineScreen(self.client, None if each.here else each.id))


def _state(each: IncidentLine) -> tuple[str, str, str]:
    if each.damaged:
        return "✖", "damaged", "$error bold"
    if each.newer:
        return "?", "read-only", "$warning bold"
    if each.closed is None:
        return "▶", "open here" if each.here else "open", "$warning bold"
    return ("✔", each.closed, "$success") if each.closed == "recovered" else ("–", each.closed, "$text-muted")
