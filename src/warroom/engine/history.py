"""What has happened: the timeline, filtered and page by page, of this incident or an earlier one; and the incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from warroom.engine.core import Core
from warroom.journal.codec import decode
from warroom.journal.folder import StateFolder
from warroom.journal.reading import read
from warroom.model.event import Event
from warroom.model.kinds import matching
from warroom.model.live import IncidentLine, IncidentsPage, IncidentsQuery, TimelinePage, TimelineQuery

LOOKED_AT = 20_000
"""How many entries one page may look through for what it is asked: then it says how far it came."""
CHUNK = 1000
Stamp = tuple[tuple[str, int, int], ...]


class History:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._known: dict[str, tuple[Stamp, IncidentLine]] = {}
        self._past: tuple[str, list[Event]] = ("", [])

    async def timeline(self, query: TimelineQuery) -> TimelinePage:
        """Raises BadInput for an incident that is not there, WarroomError for one that can't be read."""
        journal = self._core.journal
        if query.incident and (journal is None or query.incident != journal.folder.name):
            events = await asyncio.to_thread(self._read_past, query.incident)
            total = len(events)
            return await asyncio.to_thread(_page, _slices(events), total, query)
        if journal is None:
            return TimelinePage(events=(), total=0)
        return await asyncio.to_thread(_page, journal.page, journal.last_seq, query)

    def _read_past(self, incident: str) -> list[Event]:
        """The last one that was read is kept: a journal that is closed does not change."""
        known, events = self._past
        if known != incident:
            folder = self._core.folder.holding(incident).existing(incident)
            events = [decode(data, seq) for seq, data in sorted(read(folder).entries.items())]
            self._past = (incident, events)
        return events

    async def incidents(self, query: IncidentsQuery) -> IncidentsPage:
        return await asyncio.to_thread(self._incidents, query)

    def _incidents(self, query: IncidentsQuery) -> IncidentsPage:
        """Only what the page shows is read, and a journal that has not changed since is not read again."""
        here = self._core.folder
        folders = [here] if here.path.name == here.drills.path.name else [here, here.drills]
        found = [(name, folder) for folder in folders for name in folder.ids()]
        found.sort(key=lambda pair: (_changed(pair[1].folder(pair[0])), pair[0]), reverse=True)
        names = [name for name, _ in found]
        start = names.index(query.before) + 1 if query.before in names else 0
        wanted = found[start : start + query.limit]
        return IncidentsPage(incidents=tuple(self._line(name, folder) for name, folder in wanted), total=len(found))

    def _line(self, name: str, folder: StateFolder) -> IncidentLine:
        stamp = _stamp(folder.folder(name))
        known = self._known.get(name)
        if known is None or known[0] != stamp:
            known = self._known[name] = (stamp, IncidentLine.model_validate(folder.summary(name).model_dump()))
        journal = self._core.journal
        return known[1].model_copy(update={"here": journal is not None and journal.folder.name == name})


def _slices(events: list[Event]) -> Callable[[int | None, int], list[Event]]:
    def page(before: int | None, limit: int) -> list[Event]:
        older = events if before is None else [event for event in events if event.seq < before]
        return older[-limit:]

    return page


def _page(older: Callable[[int | None, int], list[Event]], total: int, query: TimelineQuery) -> TimelinePage:
    """Back through the journal until there are enough that match, or enough was looked at."""
    fits = matching(query.kinds, query.contains)
    found: list[Event] = []
    before, looked = query.before, 0
    while len(found) < query.limit and looked < LOOKED_AT:
        events = older(before, CHUNK if query.kinds or query.contains else query.limit)
        if not events:
            return TimelinePage(events=tuple(reversed(found)), total=total, looked=1)
        for event in reversed(events):
            looked, before = looked + 1, event.seq
            if fits(event):
                found.append(event)
                if len(found) == query.limit:
                    break
    return TimelinePage(events=tuple(reversed(found)), total=total, looked=before or 1)


def _stamp(folder: Path) -> Stamp:
    """Differs once anything in the folder's files has: size and time of each."""
    return tuple(
        sorted((file.name, (stat := file.lstat()).st_size, stat.st_mtime_ns) for file in folder.iterdir())
        if folder.is_dir()
        else ()
    )


def _changed(folder: Path) -> int:
    """When the incident began: the folder's journal is made then, and the order must not move under a reader."""
    made = folder / "journal.db"
    return made.lstat().st_ctime_ns if made.exists() else 0
