"""The escalation clock in the engine: each step once, at its time since detection, also through a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.engines import OP2, World, a_running
from tests.world import until
from warroom.engine.core import SystemClock
from warroom.model import intent as it
from warroom.model.escalation import call_id, who_decides
from warroom.model.event import Acknowledged, Escalated

PATH: list[dict[str, Any]] = [
    {"after": 0, "sentence": "On-call engineer decides", "contacts": ["lead"]},
    {"after": 60, "sentence": "Notify CTO", "contacts": ["lead"]},
    {"after": 600, "sentence": "Full team escalation", "contacts": ["lead"]},
]
CONTACTS = {"lead": {"title": "Lead", "reach": "+49 1"}}


class Ahead(SystemClock):
    """The real time, moved on by the tests: a step's time comes when they say so, not when the machine is slow."""

    def __init__(self) -> None:
        self.by = 0.0
        self.looks = 0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.by)

    def monotonic(self) -> float:
        return super().monotonic() + self.by

    async def sleep(self, seconds: float) -> None:
        self.looks += seconds == 1  # the escalation's own pause
        await super().sleep(min(seconds, 0.05))

    async def looked(self) -> None:
        """It has looked, from beginning to end, since."""
        after = self.looks + 2
        await until(lambda: self.looks >= after)


def taken(world: World) -> list[tuple[int, float]]:
    journal = world.engine.core.journal
    assert journal is not None
    return [(e.body.step, e.body.elapsed_s) for e in journal.events() if isinstance(e.body, Escalated)]


def acknowledged(world: World) -> list[tuple[str, str]]:
    journal = world.engine.core.journal
    assert journal is not None
    return [(e.actor.name, e.body.what) for e in journal.events() if isinstance(e.body, Acknowledged)]


def line(world: World) -> str:
    return who_decides(world.engine.core.runbook, 61, world.state)


async def test_each_step_at_its_time_once_and_on_from_there_after_a_restart(tmp_path: Path) -> None:
    clock = Ahead()
    async with a_running(tmp_path, clock=clock, escalation=PATH, contacts=CONTACTS) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        clock.by += 60
        await until(lambda: line(world) == "CALL NOW: notify CTO (Lead +49 1)")
        await world.ok(it.Acknowledge(what=call_id(1)), OP2)
        assert line(world) == "notify CTO; 10:00 full team escalation"
    async with a_running(tmp_path, clock=clock, escalation=PATH, contacts=CONTACTS) as world:
        await clock.looked()
        assert [step for step, _ in taken(world)] == [0, 1]
        clock.by += 540
        await until(lambda: line(world) == "CALL NOW: full team escalation (Lead +49 1)")
        assert [step for step, _ in taken(world)] == [0, 1, 2]
        assert all(elapsed >= PATH[step]["after"] - 0.05 for step, elapsed in taken(world))
        assert world.state.escalations[1].acknowledged == "op2"
        assert acknowledged(world) == [("op2", "escalation-1")]


async def test_nobody_is_called_for_what_is_closed(tmp_path: Path) -> None:
    clock = Ahead()
    async with a_running(tmp_path, clock=clock, escalation=PATH, contacts=CONTACTS) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        await until(lambda: taken(world))
        await world.ok(it.CloseIncident(outcome="false-alarm", reason="a test"))
        assert world.engine.core.journal is not None
        before = taken(world)
        clock.by += 700
        await clock.looked()
        assert taken(world) == before
        assert [step for step, _ in before] == [0]
