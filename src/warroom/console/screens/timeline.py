"""What happened, in order: searched, filtered, back to the first entry, and followed while it grows."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from warroom.console.client import Client
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.screens.reading import Reading
from warroom.console.text import clean_lines, cut, fit, line, wide, wrapped
from warroom.console.words import utc
from warroom.model.base import stored
from warroom.model.event import Event
from warroom.model.kinds import KINDS, kind_of
from warroom.model.live import TimelineKind, TimelinePage, TimelineQuery
from warroom.model.units import many
from warroom.model.words import words

LIMIT = 200
SIGNS: dict[TimelineKind, tuple[str, str]] = {
    "decisions": ("◆", "$accent"),
    "actions": ("▶", "$warning"),
    "signals": ("∿", "$error"),
    "messages": ("✉", "$secondary"),
    "notes": ("✎", "$foreground"),
    "evidence": ("▣", "$success"),
    "other": ("·", "$text-muted"),
}


class TimelineScreen(Dialog):
    """Newest last. ``incident`` names an earlier one, which is only read."""

    hint = "/ searches · k kind · b further back · enter details · end follows · esc"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", show=False),
        Binding("k", "kind", "only one kind of entry", show=False),
        Binding("b", "back", "further back", show=False),
    ]

    def __init__(self, client: Client, incident: str | None = None) -> None:
        super().__init__(client)
        self.incident = incident
        self.heading = f"timeline of {incident}, to be read" if incident else "timeline"
        self.kind: TimelineKind | None = None
        self.contains = ""
        self.events: list[Event] = []
        self.page: TimelinePage | None = None
        self._seen = -1

    def inside(self) -> ComposeResult:
        yield Choice(name="entries")

    def below(self) -> ComposeResult:
        yield Static("", id="where", markup=False)
        search = Input(placeholder="words to look for, then enter", id="search", max_length=200)
        search.display = False
        yield search

    fills = True

    def buttons(self) -> ComposeResult:
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#entries", Choice).focus()
        self.call_after_refresh(self.frame)

    @property
    def _cells(self) -> int:
        return max(40, self.query_one("#inside").size.width - 3)

    def frame(self) -> None:
        """Follows while the last entry is the one chosen: reading further up is left in peace."""
        if self.incident is None and self.store.state.seq != self._seen and self._following():
            self._seen = self.store.state.seq
            self._read_newest()

    def _following(self) -> bool:
        choice = self.query_one("#entries", Choice)
        return choice.highlighted is None or choice.highlighted >= choice.option_count - 1

    def _query(self, before: int | None) -> TimelineQuery:
        kinds = (self.kind,) if self.kind is not None else ()
        return TimelineQuery(before=before, limit=LIMIT, kinds=kinds, contains=self.contains, incident=self.incident)

    def _read_newest(self) -> None:
        self.read(self._newest(), "timeline")

    async def _newest(self) -> None:
        page = await self.client.ask(self._query(None), TimelinePage)
        self.page, self.events = page, list(page.events)
        choice = self.query_one("#entries", Choice)
        choice.clear_options()
        choice.add_options([self._entry(event) for event in self.events])
        if self.events:
            choice.highlighted = len(self.events) - 1
        self._where()

    async def _older(self) -> None:
        page = self.page
        if page is None or page.looked <= 1:
            self.complain("This is the beginning.")
            return
        older = await self.client.ask(self._query(page.looked), TimelinePage)
        self.page = older.model_copy(update={"total": page.total})
        self.events = [*older.events, *self.events]
        choice = self.query_one("#entries", Choice)
        choice.clear_options()
        choice.add_options([self._entry(event) for event in self.events])
        if self.events:
            choice.highlighted = max(0, len(older.events) - 1)
        self.complain("")
        self._where()

    def _where(self) -> None:
        page = self.page
        if page is None:
            return
        kind = self.kind or "all kinds"
        looked = f", “{self.contains}”" if self.contains else ""
        first = self.events[0].seq if self.events else 0
        of = f"{len(self.events):,} shown of {many(page.total, 'entry', 'entries')}"
        more = " · b goes further back" if page.looked > 1 else f" · from the first entry ({first})" if first else ""
        nothing = " · nothing matches" if not self.events else ""
        shown = line((f"{kind}{looked}", "bold"), (f" · {of}{more}{nothing}", "$text-muted"))
        self.query_one("#where", Static).update(shown.truncate(self._cells, ellipsis=True))

    def _entry(self, event: Event) -> Content:
        sign, style = SIGNS[kind_of(event)]
        first = f"{utc(event.at)} {fit(event.actor.name, 10)} "
        said = cut(words(event), max(10, self._cells - wide(first) - 2))
        return line((f"{sign} ", style), (first, "$text-muted"), said)

    # Keys

    def action_search(self) -> None:
        search = self.query_one("#search", Input)
        search.display = True
        search.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.contains = event.value.strip()
        self.query_one("#entries", Choice).focus()
        self._read_newest()

    def action_kind(self) -> None:
        """The next kind of entry, and after the last one all of them."""
        at = KINDS.index(self.kind) + 1 if self.kind is not None else 0
        self.kind = KINDS[at] if at < len(KINDS) else None
        self._read_newest()

    def action_back(self) -> None:
        self.read(self._older(), "timeline")

    def action_leave(self) -> None:
        """Out of the search first, then out of what it found, then out of the screen."""
        search = self.query_one("#search", Input)
        if search.has_focus or self.contains:
            self.contains, search.value, search.display = "", "", False
            self.query_one("#entries", Choice).focus()
            self._read_newest()
        else:
            self.leave()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.app.push_screen(EntryScreen(self.client, self.events[event.option_index]))


class EntryScreen(Reading):
    """One entry, whole."""

    fills = True

    def __init__(self, client: Client, event: Event) -> None:
        super().__init__(client)
        self.event = event
        self.heading = f"entry {event.seq}"

    def fill(self) -> None:
        event = self.event
        by = event.actor.name if event.actor.kind == "person" else f"{event.actor.name} ({event.actor.kind})"
        lines = [line((f"{event.at:%Y-%m-%d} {utc(event.at)} UTC  ", "$text-muted"), (by, "bold")), Content("")]
        lines += wrapped(words(event), min(90, self.cells), "bold")
        lines.append(Content(""))
        lines += _fields(event)
        self.show(lines)


def _fields(event: Event) -> list[Content]:
    """What the entry holds, field by field; what is large is cut, the journal has it all."""
    lines: list[Content] = []
    for name, value in event.body.model_dump(mode="json").items():
        if name == "type" or value in (None, "", [], {}):
            continue
        text = value if isinstance(value, str) else stored(value).decode()
        rows = [row for part in clean_lines(text[:4000])[:60] for row in wrapped(part, 74)]
        lines.append(line((name.replace("_", " "), "$accent")))
        lines += [Content.assemble("  ", row) for row in rows[:80]]
    return lines
