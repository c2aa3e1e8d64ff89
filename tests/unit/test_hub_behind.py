"""Two people at one incident, and one of them has a terminal that is held: it holds up nobody, and costs little."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from warroom.engine.hub import BEHIND, Hub
from warroom.model.event import Actor, NoteAdded
from warroom.model.live import Busy
from warroom.model.state import State
from warroom.session import Events, Frame, Resync, Session, Snapshot
from warroom.session.messages import AskWatch, Hello, close_writer, encode
from warroom.session.wire import open_pair, paired, serve
from warroom.testing.builders import a_runbook, an_event, at
from warroom.testing.clock import VirtualClock

MANY = 20_000


class Told:
    """A session of one person's, as the engine's: the hub alone, on which events are published."""

    def __init__(self) -> None:
        self.seq = 0
        self.hub = Hub(VirtualClock(), self._snapshot)

    def _snapshot(self, name: str) -> Snapshot:
        return Snapshot(version="1", me=name, writable=True, at=at(), state=State(seq=self.seq), runbook=a_runbook())

    def happen(self, text: str) -> None:
        self.seq += 1
        self.hub.publish([an_event(NoteAdded(text=text), self.seq)])

    def session(self, name: str) -> Session:
        return cast(Session, _Of(self, name))

    @property
    def waiting(self) -> dict[str, int]:
        """How many events each watcher has still to be told."""
        return {watcher.actor.name: len(watcher.events) for watcher in self.hub._watchers}


class _Of:
    def __init__(self, told: Told, name: str) -> None:
        self.told, self.name = told, name

    def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        return self.told.hub.watch(Actor(name=self.name), since, at)


async def test_one_that_reads_nothing_any_more_holds_up_nobody_and_is_not_remembered_for() -> None:
    told = Told()
    ours, theirs = await open_pair()
    held = asyncio.create_task(serve(told.session("held"), *theirs))
    ours[1].write(encode(Hello()) + encode(AskWatch(id=1, credit=1000)))
    seen: list[int] = []
    async with paired(told.session("reads")) as reads, asyncio.timeout(60):
        watching = reads.watch()
        while len(told.waiting) < 2:
            await anext(watching)
        while told.seq < MANY or seen[-1] < MANY:
            for _ in range(min(100, MANY - told.seq)):
                told.happen("x" * 500)
            told.hub.set("busy", Busy(words=(str(told.seq),)))
            frame = await anext(watching)
            assert not isinstance(frame, Resync)
            seen += [event.seq for event in frame.events] if isinstance(frame, Events) else []
            assert told.waiting["held"] <= BEHIND
        await watching.aclose()
        assert seen == list(range(1, MANY + 1))
    await close_writer(ours[1])
    await held
    assert told.waiting == {}


async def test_one_that_was_too_far_behind_is_told_how_it_stands_now_and_misses_nothing_after_that() -> None:
    told = Told()
    watching: Any = told.hub.watch(Actor(name="op1"), None, at)
    assert isinstance(await anext(watching), Snapshot)
    for _ in range(BEHIND):
        told.happen("in a batch")
    first = await anext(watching)
    assert isinstance(first, Events)
    for _ in range(BEHIND):
        told.happen("while that is on its way")
    told.happen("and one more")
    told.hub.close()
    frames = [first, *[frame async for frame in watching]]
    at_resync = next(n for n, frame in enumerate(frames) if isinstance(frame, Resync))
    before = [event.seq for frame in frames[:at_resync] if isinstance(frame, Events) for event in frame.events]
    assert before == list(range(1, len(before) + 1)), "in order, and none left out"
    snapshot = frames[at_resync + 1]
    assert isinstance(snapshot, Snapshot)
    assert snapshot.state.seq == told.seq
    assert not any(isinstance(frame, Events) for frame in frames[at_resync:])
