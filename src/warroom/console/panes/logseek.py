"""Going to a line in the log: the next that a search finds, the first since a moment; and taking lines out of it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from warroom.console.panes.logfilter import both
from warroom.console.panes.logview import LogView
from warroom.model.live import LogFilter, LogPage, LogQuery
from warroom.model.signal import LogLine

PAGE = 200
SLOW_S = 0.6
"""What a search may take of the engine's time before it answers with what it has."""
MOST_COPIED = 1000
ERRORS = LogFilter(levels=("error",))


class Log(Protocol):
    """What is gone to a line in: the pane."""

    filter: LogFilter
    problem: str

    @property
    def view(self) -> LogView: ...

    async def ask(self, query: LogQuery) -> LogPage: ...

    def asking(self, **where: int | bool | datetime) -> LogQuery: ...

    async def go(self, seq: int) -> None: ...

    def entitle(self) -> None: ...


async def seek(pane: Log, wanted: LogFilter, by: int, *, here: bool = False) -> bool:
    """To the next (1) or previous (-1) line that passes the filter and ``wanted``; False where there is none.

    ``here``: the cursor's own line counts.
    """
    narrow = both(pane.filter, wanted)
    shown = pane.view.cursor
    if narrow is None or shown is None:
        return False
    seq = shown.line.index
    known = -1
    while True:
        query = LogQuery(filter=narrow, limit=1, spend_s=SLOW_S, after=seq - here if by > 0 else None)
        if by < 0:
            query = query.model_copy(update={"before": seq + here})
        page = await pane.ask(query)
        pane.problem = page.problem
        if page.lines:
            await pane.go(page.lines[0].index)
            return True
        if not page.more or page.problem or page.searched <= known:
            pane.entitle()
            return False
        known = page.searched


async def since(pane: Log, moment: datetime, wanted: LogFilter | None = None) -> bool:
    """To the first line at that time or later, of those that pass ``wanted`` too."""
    narrow = both(pane.filter, wanted or LogFilter())
    known = -1
    while narrow is not None:
        page = await pane.ask(LogQuery(filter=narrow, limit=1, spend_s=SLOW_S, at=moment))
        if page.lines:
            await pane.go(page.lines[0].index)
            return True
        if not page.more or page.searched <= known:
            break
        known = page.searched
    return False


async def chosen(pane: Log) -> list[LogLine]:
    """The marked lines, else the cursor's."""
    span = pane.view.chosen()
    if span is None:
        return []
    lines: list[LogLine] = []
    after = span[0] - 1
    while after < span[1] and len(lines) < MOST_COPIED:
        page = await pane.ask(pane.asking(after=after, limit=PAGE))
        kept = [row for row in page.lines if row.index <= span[1]]
        lines += kept
        if not kept:
            break
        after = kept[-1].index
    return lines[:MOST_COPIED]
