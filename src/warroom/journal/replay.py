"""A past incident through the same door as a live one: read-only, at any pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from itertools import islice
from pathlib import Path

from warroom import __version__
from warroom.errors import JournalDamaged, WarroomError
from warroom.journal.export import read_events
from warroom.model.event import Event, IncidentOpened
from warroom.model.fold import fold_all
from warroom.model.intent import Intent
from warroom.model.live import Page, Query, TimelinePage, TimelineQuery
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.session import Accepted, Events, Frame, Refused, Snapshot

BATCH = 200
LONGEST_PAUSE = 3.0
"""Seconds without an event that a replay at a pace really waits."""


class ReplaySession:
    """``source`` is a journal's folder, or its events. ``speed`` None shows all at once; 1 is real time, 10 is faster.

    A damaged journal is shown up to its first bad entry, and ``trouble`` says so. ``sleep`` takes seconds.
    """

    def __init__(
        self,
        source: Path | Sequence[Event],
        *,
        speed: float | None = None,
        longest_pause: float = LONGEST_PAUSE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.trouble = ""
        self._events, self._runbook = self._read(source)
        if speed is not None and not speed > 0:
            raise WarroomError("A replay can't go at this speed", f"{speed:g} is not above 0")
        self._speed = speed
        self._longest_pause = longest_pause
        self._sleep = sleep
        self._shown = 0
        self._ended = asyncio.Event()

    def _read(self, source: Path | Sequence[Event]) -> tuple[list[Event], Runbook]:
        events = list(source) if not isinstance(source, Path) else self._from_folder(source)
        opened = next((event.body for event in events if isinstance(event.body, IncidentOpened)), None)
        if opened is None:
            raise JournalDamaged(
                "There is nothing to replay", self.trouble or "the journal has no entry that opens the incident"
            )
        return events, opened.runbook

    def _from_folder(self, folder: Path) -> list[Event]:
        events, reading = read_events(folder)
        if reading.verified.ok:
            return events
        self.trouble = reading.verified.reason
        end = reading.verified.first_bad
        return [event for event in events if end is None or event.seq < end]

    async def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        """The incident as it was opened, then its events. Like a live one it stays open until ``close``."""
        at = since
        if at is None:
            at = next(event.seq for event in self._events if isinstance(event.body, IncidentOpened))
            self._shown = max(self._shown, at)
            yield self._snapshot(fold_all(event for event in self._events if event.seq <= at))
        rest = iter([event for event in self._events if event.seq > at])
        before = next((event for event in reversed(self._events) if event.seq <= at), None)
        while not self._ended.is_set():
            batch = tuple(islice(rest, BATCH if self._speed is None else 1))
            if not batch:
                break
            if self._speed is not None and before is not None:
                pause = (batch[0].at - before.at).total_seconds() / self._speed
                await self._pause(min(max(pause, 0.0), self._longest_pause))
                if self._ended.is_set():
                    break
            before = batch[-1]
            self._shown = max(self._shown, before.seq)
            yield Events(events=batch)
        await self._ended.wait()

    async def _pause(self, seconds: float) -> None:
        """Ends early when the session is closed."""
        waits = [asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(self._ended.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()

    def _snapshot(self, state: State) -> Snapshot:
        return Snapshot(
            version=__version__,
            me="replay",
            writable=False,
            at=state.at or self._events[0].at,
            state=state,
            runbook=self._runbook,
        )

    async def query(self, query: Query) -> Page:
        """Only the timeline, as far as it was shown."""
        if not isinstance(query, TimelineQuery):
            raise WarroomError(
                "A replay has no such data",
                f"a journal holds what happened, not {_ASKED.get(query.ask, query.ask)}",
                "Look into the incident's evidence",
            )
        end = self._shown if query.before is None else min(self._shown, query.before - 1)
        known = [event for event in self._events if event.seq <= end]
        total = sum(event.seq <= self._shown for event in self._events)
        return TimelinePage(events=tuple(known[-query.limit :]), total=total)

    async def submit(self, intent_id: str, intent: Intent) -> Accepted | Refused:
        return Refused(reason="This is a replay of a past incident: nothing can be done in it.")

    async def close(self) -> None:
        self._ended.set()


_ASKED = {
    "log": "log lines",
    "samples": "samples",
    "releases": "the release history",
    "diff": "what lies between two releases",
    "message": "templates to fill",
    "guards": "why a plan can't run",
    "evidence": "files",
    "commands": "commands as they were typed",
}
