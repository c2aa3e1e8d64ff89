"""Silence must mean that something is wrong: an engine with nothing to tell says so, to each watcher."""

from __future__ import annotations

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
