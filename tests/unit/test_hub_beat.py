"""Silence must mean that something is wrong: an engine with nothing to tell says so, to each watcher."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from warroom.engine import hub as hub_module
from warroom.engine.hub import Hub
from warroom.model.event import Actor
from warroom.model.live import Busy
from warroom.session import Live, Snapshot
from warroom.testing.clock import START


class Passing:
    """A clock of which every look costs a little."""

    def __init__(self) -> None:
        self.at = 0.0

    def monotonic(self) -> float:
        self.at += 0.001
        return self.at


async def test_a_calm_engine_beats_and_a_busy_one_needs_no_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "BEAT", 0.02)
    monkeypatch.setattr(hub_module, "LIVE_EVERY", 0.005)
    clock: Any = Passing()
    snapshot = Snapshot.model_construct(state=Any)
    hub = Hub(clock, lambda name: snapshot)
    watching = hub.watch(Actor(name="op1"), None, lambda: START)
    assert await anext(watching) is snapshot
    first = await anext(watching)
    assert isinstance(first, Live)
    assert set(first.values) == {"presence"}
    for _ in range(3):
        beat = await anext(watching)
        assert beat == Live(at=START, values={})
    hub.set("busy", Busy(words=("sealing",)))
    told = await anext(watching)
    assert isinstance(told, Live)
    assert set(told.values) == {"busy"}
    hub.close()
    assert [frame async for frame in watching] == []


async def test_a_watcher_that_is_cancelled_as_something_comes_is_gone() -> None:
    """``asyncio.wait_for`` would swallow the cancel here (before Python 3.12), and the watcher would go on for ever."""
    clock: Any = Passing()
    hub = Hub(clock, lambda name: Snapshot.model_construct(state=Any))

    async def watch() -> None:
        async for _ in hub.watch(Actor(name="op1"), None, lambda: START):
            pass

    watching = asyncio.create_task(watch())
    while not hub.names():
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    hub.set("busy", Busy(words=("sealing",)))
    await asyncio.sleep(0)  # it has been woken, and has not run yet
    watching.cancel()
    done, _ = await asyncio.wait([watching], timeout=5)
    hub.close()
    assert done == {watching}
    assert watching.cancelled()
