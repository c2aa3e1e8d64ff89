"""Every size from nothing to a wall of a screen: no crash, everything where it belongs, and the way to the rollback."""

from __future__ import annotations

import random

import pytest

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.panes.base import Pane
from warroom.model import event as ev
from warroom.model import intent as it

SIZES = (
    (80, 24),
    (100, 30),
    (120, 40),
    (160, 50),
    (200, 60),
    (300, 80),
    (80, 60),
    (200, 24),
    (60, 16),
    (150, 29),
    (110, 30),
)
TITLES = ("1 Decide", "2 Checklist", "3 Health", "4 Metrics", "5 Log", "6 Plan")


def ready(kind: str = "drill") -> Story:
    """Everything is decided and planned: the next thing is to run it."""
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    story.push(ev.WheelTaken(), who="op1")
    for intent in (it.Decide(choice="rollback-now"), it.CaptureEvidence()):
        story.on[type(intent)](intent)
    story.sealed()
    story.on[it.Notify](it.Notify(template="started", text="ROLLBACK IN PROGRESS"))
    story.on[it.ChooseTarget](it.ChooseTarget(text="v1.0.0-beta.2"))
    story.on[it.ProposePlan](it.ProposePlan(procedure="lab-rollback"))
    return story


def places(console: Driver) -> dict[str, tuple[int, int, int, int]]:
    return {
        pane.id or "": (pane.region.x, pane.region.y, pane.region.width, pane.region.height)
        for pane in console.app.main.panes
    }


@pytest.mark.parametrize("size", SIZES)
async def test_panes_fill_the_screen_and_none_covers_another(begin: Start, size: tuple[int, int]) -> None:
    async with begin(ready(), size) as console:
        text = console.text()
        for title in TITLES:
            assert title in text
        assert all(len(row) <= size[0] for row in text.splitlines())
        box = console.app.main.query_one("#panes").region
        taken: set[tuple[int, int]] = set()
        for x, y, width, height in places(console).values():
            cells = {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
            assert width >= 20
            assert height >= 2
            assert not cells & taken
            assert all(box.contains(*cell) for cell in cells)
            taken |= cells
        assert len(taken) > box.area * 0.95


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["production", "drill"])
async def test_the_plan_the_next_action_and_its_keys_stay_in_sight(
    begin: Start, size: tuple[int, int], kind: str
) -> None:
    async with begin(ready(kind), size) as console:
        await console.press("escape")
        rows = console.text().splitlines()
        assert any(" R " in row and "▶" in row for row in rows[:3]), rows[:3]
        footer = rows[-1]
        for key in ("R RUN", "g target", "p plan"):
            assert key in footer, footer
        assert "lab-rollback → v1.0.0-beta.2" in console.text()
        assert "prepared, not run" in console.text()


async def test_a_very_wide_screen_gives_the_log_a_column_of_its_own(begin: Start) -> None:
    for size in ((300, 80), (200, 24)):
        async with begin(ready(), size) as console:
            x, _, width, height = places(console)["log"]
            assert x + width >= size[0] - 1
            assert height == console.app.main.query_one("#panes").size.height
            assert width >= size[0] // 3


async def test_a_storm_of_sizes_leaves_what_a_quiet_start_shows(begin: Start, full: bool) -> None:
    """While dialogs are open and while a plan runs; afterwards the screen is as if it had never been another size."""
    rng = random.Random(7)
    keys = (
        "d",
        "escape",
        "question_mark",
        "escape",
        "R",
        "escape",
        "p",
        "escape",
        "5",
        "z",
        "escape",
        "2",
        "m",
        "escape",
    )
    async with begin(ready(), (120, 40)) as console:
        for number in range(1000 if full else 45):
            size = (
                rng.choice(((1, 1), (0, 0), (2, 90), (300, 1)))
                if rng.random() < 0.1
                else (rng.randrange(1, 320), rng.randrange(1, 90))
            )
            await console.pilot.resize_terminal(*size)
            if number % 3 == 0:
                await console.pilot.press(keys[number // 3 % len(keys)])
            if number == 25:
                console.story.on[it.RunPlan](it.RunPlan(hash=console.story._plan.hash))
        await console.pilot.press("escape", "escape", "escape")
        await console.settle()
        assert console.on_top == "MainScreen"
        console.app.main.zoom(None)
        seen = {}
        for size in SIZES:
            await console.pilot.resize_terminal(*size)
            await console.settle()
            seen[size] = places(console)
            for pane in console.app.main.query(Pane):
                assert pane.query_one("#body").size.height >= min(len(pane._lines), 1)
        story = console.story
    for size in ((80, 24), (300, 80), (200, 24), (120, 40)):
        async with begin(story, size) as console:
            assert places(console) == seen[size], size


@pytest.mark.parametrize("size", [(59, 40), (80, 15), (1, 1), (10, 3), (59, 15)])
async def test_too_small_says_so_and_nothing_more(begin: Start, size: tuple[int, int]) -> None:
    async with begin(ready(), (80, 24)) as console:
        await console.press("escape")
        await console.pilot.resize_terminal(*size)
        await console.settle()
        assert "Decide" not in console.text()
        if size[0] > 45:
            assert f"Too small: warroom needs 60 × 16, this is {size[0]} × {size[1]}." in console.text()
        await console.pilot.resize_terminal(80, 24)
        await console.settle()
        assert "1 Decide" in console.text()
