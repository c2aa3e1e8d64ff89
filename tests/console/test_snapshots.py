"""The main states, as pictures, at the smallest and at a large size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.console.driving import Driver
from tests.console.facts import GOOD
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.model import event as ev
from warroom.model import intent as it


class Compare(Protocol):
    def __call__(
        self,
        app: App[int],
        *,
        terminal_size: tuple[int, int],
        run_before: Callable[[Pilot[int]], Awaitable[None]],
    ) -> bool: ...


def calm(story: Story) -> None:
    story.calm()


def firing(story: Story) -> None:
    story.fires()
    story.opened("High error rate")


def planned(story: Story) -> None:
    firing(story)
    story.push(ev.WheelTaken(), who=story.me)
    story.on[it.Decide](it.Decide(choice="rollback-now"))
    story.pass_time(20)
    story.on[it.Notify](it.Notify(template="started", text="ROLLBACK IN PROGRESS"))
    story.on[it.CaptureEvidence](it.CaptureEvidence())
    story.sealed()
    story.on[it.ChooseTarget](it.ChooseTarget(text=GOOD.version))
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))


def running(story: Story) -> None:
    planned(story)
    assert story.state.plan is not None
    story.on[it.RunPlan](it.RunPlan(hash=story.state.plan.hash))
    story.pass_time(5)


def unknown_after_crash(story: Story) -> None:
    running(story)
    story.crashed()


def failed(story: Story) -> None:
    running(story)
    story.runs_through()
    story.on[it.Verify](it.Verify())
    story.verified("fail")


def verified(story: Story) -> None:
    running(story)
    story.runs_through()
    story.recovers()
    story.on[it.Verify](it.Verify())
    story.verified()


def closed(story: Story) -> None:
    verified(story)
    story.on[it.Notify](it.Notify(template="completed", text="ROLLBACK COMPLETED"))
    story.watched()
    story.on[it.AddNote](it.AddNote(text="2026-03-03 10:00 UTC", about="post-mortem-at"))
    story.on[it.WriteReport](it.WriteReport())
    story.on[it.CloseIncident](it.CloseIncident(outcome="recovered"))


STATES = (calm, firing, planned, running, unknown_after_crash, failed, verified, closed)


def compared(compare: Compare, story: Story, size: tuple[int, int], *keys: str) -> bool:
    app = WarroomConsole(story, now=story.now, tick_s=0)

    async def settle(pilot: Pilot[int]) -> None:
        driver = Driver(app, pilot, story)
        await driver.settle()
        await driver.press(*keys)

    return compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)], ids=["80x24", "200x60"])
@pytest.mark.parametrize("state", STATES, ids=[state.__name__ for state in STATES])
def test_the_main_states(snap_compare: Compare, state: Callable[[Story], None], size: tuple[int, int]) -> None:
    story = Story()
    state(story)
    assert compared(snap_compare, story, size)


@pytest.mark.parametrize("kind", ["production", "staging"])
def test_environments_never_look_alike(snap_compare: Compare, kind: str) -> None:
    story = Story(a_runbook(kind))
    planned(story)
    assert compared(snap_compare, story, (120, 40), "R")


@pytest.mark.parametrize(
    ("state", "key"),
    [
        (firing, "d"),
        (firing, "g"),
        (firing, "m"),
        (planned, "p"),
        (running, "A"),
        (unknown_after_crash, "r"),
        (failed, "f"),
        (firing, "question_mark"),
    ],
)
def test_dialogs_at_the_smallest_size(snap_compare: Compare, state: Callable[[Story], None], key: str) -> None:
    story = Story()
    state(story)
    assert compared(snap_compare, story, (80, 24), key)
