"""The log's dialogs: which sources and levels pass, and where to jump to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from warroom.console.client import Client
from warroom.console.panes.log import LogPane
from warroom.console.panes.logfilter import LEVELS, written
from warroom.console.panes.logmoment import parse_moment, shown_time, zone
from warroom.console.panes.logseek import ERRORS, since
from warroom.console.screens.base import Choice, Dialog, button
from warroom.console.screens.fields import Toggles
from warroom.console.text import fit_name, line
from warroom.console.words import age_text
from warroom.errors import BadInput, WarroomError
from warroom.model.live import LogFilter


class _Passing(Toggles):
    """``changed`` is called after each toggle."""

    def __init__(self, taken: set[str], lines: list[tuple[str, Content]], changed: Callable[[list[str]], None]) -> None:
        super().__init__(name="passing")
        self._given = taken, lines
        self._changed = changed

    def on_mount(self) -> None:
        taken, lines = self._given
        self.offer(lines)
        self.take(taken)
        self.highlighted = 0

    def take(self, taken: set[str]) -> None:
        self._taken = set(taken)
        for at, (name, words) in enumerate(self._offered):
            self.replace_option_prompt_at_index(at, self._drawn(name, words))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.prevent_default()  # else the base's own would be called once more
        super().on_option_list_option_selected(event)
        self._changed(self.taken)


class PassingScreen(Dialog):
    """Every toggle acts at once; words and expressions of the filter stay as they are."""

    heading = "what the log shows"
    hint = "space takes or leaves a line · esc goes back"

    def __init__(self, client: Client, log: LogPane) -> None:
        super().__init__(client)
        self.tail = log
        self._heads = {head.source: head for head in self.store.log_heads()}

    def inside(self) -> ComposeResult:
        lines: list[tuple[str, Content]] = []
        for name, head in sorted(self._heads.items()):
            errors = (f"  ✖ {head.errors:,}", "$error") if head.errors else ""
            named = (fit_name(name, 28), "bold")
            lines.append((f"source {name}", line("source  ", named, f"{head.lines:>12,}", errors)))
        lines += [(f"level {level}", line("level   ", (level, "bold"))) for level in reversed(LEVELS)]
        yield Static("", id="kept", markup=False)
        yield _Passing(self._taken(), lines, self._keep)

    def buttons(self) -> ComposeResult:
        yield button("Everything", "everything")
        yield button("Close", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self._say()
        self.query_one(_Passing).focus()

    def _taken(self) -> set[str]:
        passing = self.tail.filter
        sources = {name for name in self._heads if self._passes(name)}
        return {f"source {name}" for name in sources} | {f"level {level}" for level in passing.levels or LEVELS}

    def _passes(self, name: str) -> bool:
        passing = self.tail.filter
        named = not passing.sources or any(
            name == one or (one not in self._heads and name.startswith(one)) for one in passing.sources
        )
        return named and name not in passing.without

    def _keep(self, taken: list[str]) -> None:
        """Sources are left out by name, so that one which begins to speak later is shown."""
        levels = tuple(level for level in LEVELS if f"level {level}" in taken)
        without = tuple(name for name in self._heads if f"source {name}" not in taken)
        if not levels or len(without) == len(self._heads) > 0:
            self.query_one(_Passing).take(self._taken())
            self.complain("Nothing would be shown: leave one source and one level.")
            return
        self.complain("")
        update = {"levels": () if len(levels) == len(LEVELS) else levels, "sources": (), "without": without}
        self.tail.keep(self.tail.filter.model_copy(update=update))
        self._say()

    def pressed(self, name: str) -> None:
        self.tail.keep(LogFilter(folded=self.tail.filter.folded))
        self.query_one(_Passing).take(self._taken())
        self.complain("")
        self._say()

    def _say(self) -> None:
        kept = written(self.tail.filter)
        words = line(("filter: ", "$text-muted"), kept) if kept else line(("Everything is shown.", "$text-muted"))
        self.query_one("#kept", Static).update(words)


class JumpScreen(Dialog):
    heading = "jump in the log"
    hint = "type a time, or choose with the arrows · enter jumps · esc goes back"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "to_places", "from the field to the list", show=False)]

    def __init__(self, client: Client, log: LogPane) -> None:
        super().__init__(client)
        self.tail = log
        self._places: list[tuple[str, Content]] = []

    def inside(self) -> ComposeResult:
        stamps = self.tail.view.stamps
        shown = zone(stamps, self.store.now())
        yield Input(placeholder=f"12:03 or 12:03:40 ({shown}), -5m, 2026-03-02 12:03", id="moment")
        if self.tail.marks:
            when, name = self.tail.marks[-1]
            ago = age_text((self.store.now() - when).total_seconds())
            at = shown_time(when, "local" if stamps == "local" else "utc")
            self._places = [
                ("deploy", line("the last release change  ", (f"{name}, {at}, {ago} ago", "$text-muted"))),
                ("after", line("the first error after it")),
            ]
        self._places += [("start", line("the beginning")), ("end", line("the end, and on with it"))]
        yield Choice(*[words for _, words in self._places], name="places")

    def buttons(self) -> ComposeResult:
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        super().on_mount()
        self.query_one("#moment").focus()

    def action_to_places(self) -> None:
        self.query_one(Choice).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            moment = parse_moment(event.value, self.store.now(), self.tail.view.stamps)
        except BadInput as error:
            self.complain(str(error))
            return
        self._jump(self._since(moment, None, "No line is as late as that"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        place = self._places[event.option_index][0]
        if place == "end":
            self.leave()
            self.tail.follow()
        elif place == "start":
            self._jump(self.tail.to_start())
        else:
            when = self.tail.marks[-1][0]
            wanted = ERRORS if place == "after" else None
            self._jump(self._since(when, wanted, "No error since then" if wanted else "No line since then"))

    async def _since(self, moment: datetime, wanted: LogFilter | None, none: str) -> None:
        if not await since(self.tail, moment, wanted):
            raise WarroomError(none, "the filter may hide some" if written(self.tail.filter) else "")

    def _jump(self, work: Coroutine[None, None, None]) -> None:
        """Closes when it got there."""

        async def go() -> None:
            await work
            self.leave()

        self.read(go())
