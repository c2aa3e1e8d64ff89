"""Who watches, and what each of them has still to be told.

Durable events reach every watcher in order, none dropped. Live values are coalesced per key, at most four frames a
second. A watcher that falls too far behind gets Resync and a new Snapshot instead of a growing queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime

from warroom.api import Clock
from warroom.model.event import Actor, Event
from warroom.model.live import LiveValue, Presence
from warroom.session import Events, Frame, Live, Resync, Snapshot

BEHIND = 1000
BATCH = 200
LIVE_EVERY = 0.25
BEAT = 2.0
"""A frame without values comes this often where nothing changes, so that silence means that something is wrong."""


class _Watcher:
    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.events: deque[Event] = deque()
        self.keys: set[str] = set()
        self.resync = ""
        self.wake = asyncio.Event()


class Hub:
    def __init__(self, clock: Clock, snapshot: Callable[[str], Snapshot]) -> None:
        self._clock = clock
        self._snapshot = snapshot
        self._watchers: set[_Watcher] = set()
        self._live: dict[str, LiveValue] = {}
        self._closed = False

    @property
    def live(self) -> dict[str, LiveValue]:
        return dict(self._live)

    def publish(self, events: Sequence[Event]) -> None:
        """Who reads nothing any more is not remembered for: the snapshot that comes first will have it all."""
        for watcher in self._watchers:
            if not watcher.resync:
                watcher.events.extend(events)
            if len(watcher.events) > BEHIND:
                watcher.events.clear()
                watcher.resync = f"this console was more than {BEHIND:,} events behind"
            watcher.wake.set()

    def set(self, key: str, value: LiveValue) -> None:
        """The newest value of ``key``; told only if it differs from the one before."""
        if self._live.get(key) == value:
            return
        self._live[key] = value
        for watcher in self._watchers:
            watcher.keys.add(key)
            watcher.wake.set()

    def forget(self, prefix: str) -> None:
        for key in [key for key in self._live if key.startswith(prefix)]:
            del self._live[key]

    def resync(self, reason: str) -> None:
        for watcher in self._watchers:
            watcher.resync = reason
            watcher.wake.set()

    def close(self) -> None:
        self._closed = True
        for watcher in self._watchers:
            watcher.wake.set()

    def names(self) -> tuple[str, ...]:
        return tuple(sorted({watcher.actor.name for watcher in self._watchers}))

    @property
    def people(self) -> bool:
        """Does anybody watch who has a screen to draw?"""
        return any(watcher.actor.kind == "person" for watcher in self._watchers)

    async def watch(self, actor: Actor, since: int | None, now: Callable[[], datetime]) -> AsyncGenerator[Frame, None]:
        name, watcher = actor.name, _Watcher(actor)
        snapshot = self._snapshot(name)
        watcher.keys.update(self._live)
        watcher.wake.set()
        self._watchers.add(watcher)
        self._present()
        try:
            if since is None or since != snapshot.state.seq:
                yield snapshot
            told = float("-inf")
            while True:
                await self._something(watcher, told)
                if self._closed and not watcher.events and not watcher.resync:
                    return
                if watcher.resync:
                    reason, watcher.resync = watcher.resync, ""
                    watcher.events.clear()
                    watcher.keys = set(self._live)
                    snapshot = self._snapshot(name)  # before the yield: what comes meanwhile is not in it
                    yield Resync(reason=reason)
                    yield snapshot
                while watcher.events:
                    batch = tuple(watcher.events.popleft() for _ in range(min(BATCH, len(watcher.events))))
                    yield Events(events=batch)
                if self._clock.monotonic() - told >= (LIVE_EVERY if watcher.keys else BEAT):
                    told = self._clock.monotonic()
                    keys, watcher.keys = watcher.keys, set()
                    yield Live(at=now(), values={key: self._live[key] for key in sorted(keys) if key in self._live})
        finally:
            self._watchers.discard(watcher)
            self._present()

    async def _something(self, watcher: _Watcher, told: float) -> None:
        """Waits for an event at once, or for live values (or the beat) until their turn has come."""
        while not (watcher.events or watcher.resync or self._closed):
            wait = (LIVE_EVERY if watcher.keys else BEAT) - (self._clock.monotonic() - told)
            if wait <= 0:
                return
            watcher.wake.clear()
            try:
                async with asyncio.timeout(max(0.01, wait)):
                    await watcher.wake.wait()
            except TimeoutError:
                return
        watcher.wake.clear()

    def _present(self) -> None:
        self.set("presence", Presence(names=self.names()))
