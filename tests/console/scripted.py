"""A strict Session for tests: events and live values are fed by hand, intents recorded, the unexpected fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from typing import Any

from warroom.errors import WarroomError
from warroom.model.event import Actor, Body, Event
from warroom.model.fold import fold
from warroom.model.intent import Intent
from warroom.model.live import LiveValue, Page, Query
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.session import Accepted, Events, Frame, Live, Refused, Reply, Resync, Snapshot

Handler = Callable[[Any], Reply | None]


class ScriptedSession:
    """``on`` says how an intent is answered (None: accepted), ``pages`` what a query gives. ``now`` stands still."""

    def __init__(self, runbook: Runbook, now: datetime, *, me: str = "op1", writable: bool = True) -> None:
        self.runbook, self.me, self.writable = runbook, me, writable
        self.state = State()
        self.events: list[Event] = []
        self.intents: list[Intent] = []
        self.ids: list[str] = []
        self.unexpected: list[str] = []
        self.queries: list[Query] = []
        self.on: dict[type[Any], Handler] = {}
        self.pages: dict[type[Any], Callable[[Any], Page]] = {}
        self.closed = False
        self._now = now
        self._answers: dict[str, Reply] = {}
        self._watchers: list[asyncio.Queue[Frame | None]] = []
        self._live: dict[str, LiveValue] = {}

    def now(self) -> datetime:
        return self._now

    def pass_time(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    # What the engine would do

    def push(self, *bodies: Body, who: str | None = None) -> None:
        """Journals these and shows them."""
        made = []
        for body in bodies:
            seq = self.state.seq + 1
            kind: Any = "policy" if who == "policy" else "person" if who else "engine"
            actor = Actor(name=who or "engine", kind=kind)
            event = Event(seq=seq, at=self._now, id=f"event-{seq}", actor=actor, body=body)
            self.state = fold(self.state, event)
            made.append(event)
        self.events += made
        self._emit(Events(events=tuple(made)))

    def live(self, **values: LiveValue) -> None:
        self._live.update(values)
        self._emit(Live(at=self._now, values=values))

    def resync(self, reason: str) -> None:
        self._emit(Resync(reason=reason))
        self._emit(self._snapshot())
        self._emit(Live(at=self._now, values=self._live))

    def end(self) -> None:
        self._emit(None)

    def live_values(self) -> dict[str, LiveValue]:
        return dict(self._live)

    def _emit(self, frame: Frame | None) -> None:
        for queue in self._watchers:
            queue.put_nowait(frame)

    def _snapshot(self) -> Snapshot:
        return Snapshot(
            version="0.0.0", me=self.me, writable=self.writable, at=self._now, state=self.state, runbook=self.runbook
        )

    # What the console sees

    async def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        queue.put_nowait(self._snapshot())
        if self._live:
            queue.put_nowait(Live(at=self._now, values=dict(self._live)))
        self._watchers.append(queue)
        while (frame := await queue.get()) is not None:
            yield frame

    async def query(self, query: Query) -> Page:
        self.queries.append(query)
        answer = self.pages.get(type(query))
        if answer is None:
            self.unexpected.append(repr(query))
            raise WarroomError("The script has no such page", type(query).__name__)
        return answer(query)

    async def submit(self, intent_id: str, intent: Intent) -> Reply:
        if intent_id in self._answers:
            return self._answers[intent_id]
        self.intents.append(intent)
        self.ids.append(intent_id)
        handler = self.on.get(type(intent))
        if handler is None:
            self.unexpected.append(repr(intent))
            return Refused(reason=f"the script does not expect {intent.type}")
        reply = handler(intent) or Accepted(seq=self.state.seq)
        self._answers[intent_id] = reply
        return reply

    async def close(self) -> None:
        self.closed = True
