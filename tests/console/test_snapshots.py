"""The main states, as pictures, at three sizes, and each theme once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from tests.console.conftest import unhurried
from tests.console.driving import Driver
from tests.console.facts import GOOD
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.console.appearance import Appearance
from warroom.console.palettes import THEMES
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


def deciding(story: Story) -> None:
    firing(story)
    story.push(ev.WheelTaken(), who=story.me)


def capturing(story: Story) -> None:
    deciding(story)
    story.on[it.Decide](it.Decide(choice="rollback-now"))
    story.pass_time(20)
    story.on[it.CaptureEvidence](it.CaptureEvidence())


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


STATES: dict[str, tuple[Callable[[Story], None], tuple[str, ...]]] = {
    "calm": (calm, ()),
    "firing": (firing, ()),
    "deciding": (deciding, ("d",)),
    "capturing": (capturing, ()),
    "planned": (planned, ()),
    "running": (running, ()),
    "unknown_after_crash": (unknown_after_crash, ()),
    "failed": (failed, ()),
    "verified": (verified, ()),
    "emergency": (firing, ("exclamation_mark",)),
    "closed": (closed, ()),
}
"""What came before, and the keys pressed then."""
SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x60": (200, 60)}


def compared(compare: Compare, story: Story, size: tuple[int, int], *keys: str, theme: str = "warroom-dark") -> bool:
    app = WarroomConsole(story, now=story.now, tick_s=0, look=Appearance(theme=theme), steady=unhurried())

    async def settle(pilot: Pilot[int]) -> None:
        driver = Driver(app, pilot, story)
        await driver.settle()
        await driver.press(*keys)
        for typed in app.screen.query(Input):
            typed.cursor_blink = False  # or a slow machine's picture shows the half second without a cursor
        await pilot.pause()

    return compare(app, terminal_size=size, run_before=settle)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("state", STATES)
def test_the_main_states(snap_compare: Compare, state: str, size: str) -> None:
    story = Story()
    before, keys = STATES[state]
    before(story)
    assert compared(snap_compare, story, SIZES[size], *keys)


@pytest.mark.parametrize("theme", [theme.name for theme in THEMES])
def test_each_theme(snap_compare: Compare, theme: str) -> None:
    story = Story()
    running(story)
    assert compared(snap_compare, story, (120, 40), theme=theme)


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
