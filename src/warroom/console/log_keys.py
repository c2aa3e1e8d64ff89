"""What the log's keys do, wherever the focus is: the log comes into sight, and the key acts on it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from textual.worker import WorkType

from warroom.console.panes.log import LogPane
from warroom.console.panes.logmoment import zone
from warroom.console.panes.logseek import ERRORS, MOST_COPIED, chosen, seek
from warroom.console.screens.logs import JumpScreen, PassingScreen
from warroom.console.text import pasteable
from warroom.errors import WarroomError
from warroom.model.live import LogFilter
from warroom.model.signal import LogLine

if TYPE_CHECKING:
    from warroom.console.app import WarroomConsole

OSC_52_MOST = 74_000
"""Bytes. Terminals drop longer ones without a word."""


class LogKeys:
    app: WarroomConsole

    def _log(self) -> LogPane:
        log = self.app.main.query_one(LogPane)
        if not log.display:
            self.app.main.go(log.number)
        return log

    def _job(self, job: Callable[[], Coroutine[None, None, None]]) -> None:
        """In the background; what fails is told."""

        async def run() -> None:
            try:
                await job()
            except WarroomError as error:
                self.app.tell(str(error), bad=True)

        work: WorkType[None] = run
        self.app.run_worker(work, group="seek", exclusive=True, exit_on_error=False)

    def filter(self) -> None:
        self._log().open_filter()

    def log_sources(self) -> None:
        self.app.push_screen(PassingScreen(self.app.client, self._log()))

    def fold_repeats(self) -> None:
        folded = self._log().fold_repeats()
        self.app.tell("Repeated lines are folded, ×14 says how many." if folded else "Every repeated line is shown.")

    def pause(self) -> None:
        self._log().toggle()

    def wrap(self) -> None:
        self._log().wrap()

    def timestamps(self) -> None:
        stamps = self._log().next_stamps()
        shown = f"Times are {zone(stamps, self.app.client.store.now())}."
        self.app.tell("Times are not shown." if stamps == "off" else shown)

    # Going somewhere

    def next_error(self) -> None:
        self._seek(ERRORS, 1, "No error further down")

    def previous_error(self) -> None:
        self._seek(ERRORS, -1, "No error further up")

    def search(self) -> None:
        self._log().open_search()

    def search_next(self) -> None:
        self._hit(1, "No hit further down")

    def search_previous(self) -> None:
        self._hit(-1, "No hit further up")

    def _hit(self, by: int, none: str) -> None:
        log = self._log()
        if log.search == LogFilter():
            self.search()
        else:
            self._seek(log.search, by, none)

    def _seek(self, wanted: LogFilter, by: int, none: str) -> None:
        log = self._log()

        async def go() -> None:
            if not await seek(log, wanted, by):
                self.app.tell(none + (" passes the filter." if log.filter != LogFilter(folded=True) else "."))

        self._job(go)

    def jump(self) -> None:
        self.app.push_screen(JumpScreen(self.app.client, self._log()))

    # Copying

    def copy(self) -> None:
        log = self._log()

        async def copy() -> None:
            lines = await chosen(log)
            if not lines:
                self.app.tell("There is no line to copy.", bad=True)
                return
            await self._copy("\n".join(map(as_text, lines)), counted(len(lines)))

        self._job(copy)

    async def _copy(self, text: str, what: str) -> None:
        """Copied is only said where somebody has confirmed it; a terminal never does."""
        if self.app.copier is not None:
            self.app.tell(f"{what} {await self.app.copier(text)}")
            return
        if len(text.encode()) > OSC_52_MOST:
            raise WarroomError(f"{what} not copied", "it is more than terminals take at once", "mark fewer lines")
        self.app.copy_to_clipboard(text)
        self.app.tell(
            f"{what} sent to the terminal; if nothing arrives, it does not allow that: turn the mouse off"
            f" ({self.app.client.store.key('mouse')}) and select with it."
        )


def as_text(row: LogLine) -> str:
    """Time, source and text, on one line. What a terminal would obey is a picture: a shell is where it is pasted."""
    when = row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if row.at is not None else "-"
    return pasteable(" ".join((when, row.source, row.text)).replace("\n", " ⏎ "))


def counted(count: int) -> str:
    if count == 1:
        return "1 line"
    return f"{count:,} lines" + (" (the most at once)" if count == MOST_COPIED else "")
