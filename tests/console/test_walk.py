"""The whole drill from the keyboard: open, decide, notify, capture, target, plan, run, verify, watch, close."""

from __future__ import annotations

import pytest

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.facts import GOOD
from tests.console.story import Story
from warroom.model.intent import (
    AddNote,
    Attach,
    ChooseTarget,
    CloseIncident,
    Decide,
    Intent,
    MarkItem,
    Notify,
    OpenIncident,
    ProposePlan,
    RunPlan,
)


def find(story: Story, kind: type[Intent]) -> Intent:
    """The one intent of this kind."""
    found = [intent for intent in story.intents if isinstance(intent, kind)]
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_the_whole_drill_from_alert_to_close(start: Start, size: tuple[int, int]) -> None:
    story = Story()
    story.calm()
    async with start(story, size) as console:
        assert "nothing fires" in console.text()
        story.fires()
        await console.settle()
        assert "CRITICAL High error rate 12.4 %" in console.text()
        assert "Open an incident" in console.text()
        await decide(console)
        await prepare(console)
        await act(console)
        await finish(console)


async def decide(console: Driver) -> None:
    await console.press("o", "enter")
    assert find(console.story, OpenIncident) == OpenIncident(title="High error rate")
    assert "inc-0042" in console.text()
    assert "T+1:12" in console.text()
    assert "ROLLBACK IMMEDIATELY" in console.text()
    await console.press("d", "enter")
    assert find(console.story, Decide) == Decide(choice="rollback-now")


async def prepare(console: Driver) -> None:
    await console.press("m", "ctrl+s")
    message = find(console.story, Notify)
    assert isinstance(message, Notify)
    assert message.template == "started"
    assert "ROLLBACK IN PROGRESS" in message.text
    await console.press("c")
    picture = find(console.story, Attach)
    assert isinstance(picture, Attach)
    assert picture.name == "console.svg"
    assert "inc-0042" in picture.text
    console.story.sealed()
    await console.settle()
    await console.press("g", "enter")
    assert find(console.story, ChooseTarget) == ChooseTarget(text=GOOD.digest or "")


async def act(console: Driver) -> None:
    story = console.story
    await console.press("p", "enter")
    assert find(story, ProposePlan) == ProposePlan(procedure="lab-rollback")
    assert console.on_top == "PlanScreen"
    assert "curl -fsS -X POST" in console.text()
    await console.press("escape", "R", "enter")
    assert story.state.plan is not None
    assert find(story, RunPlan) == RunPlan(hash=story.state.plan.hash)
    assert "RUNNING" in console.text()
    story.runs_through()
    story.recovers()
    await console.settle()
    await console.press("v")
    story.verified()
    await console.settle()
    assert "PASS" in console.text()
    assert "Watching" in console.text()


async def finish(console: Driver) -> None:
    story = console.story
    await console.press("m", "ctrl+s")
    assert [i.template for i in story.intents if isinstance(i, Notify)] == ["started", "completed"]
    story.watched()
    await console.settle()
    await console.press("l", "ctrl+s")
    note = find(story, AddNote)
    assert isinstance(note, AddNote)
    assert (note.about, note.text) == ("post-mortem-at", "2026-03-03 03:01 UTC")
    await console.press("W", "X")
    await console.focus("#as-recovered")
    await console.press("enter")
    assert find(story, CloseIncident) == CloseIncident(outcome="recovered")
    assert "CLOSED recovered" in console.text()


async def test_the_checklist_is_walked_with_the_keyboard(start: Start) -> None:
    story = Story()
    story.fires()
    story.opened("High error rate")
    async with start(story, (120, 40)) as console:
        await console.press("space")
        assert story.intents == []  # the first press only shows which line is meant
        assert "Notify stakeholders" in console.told()
        await console.press("space")
        assert console.last() == MarkItem(item="notify", mark="ticked")
        await console.press("space")
        assert console.last() == MarkItem(item="notify", mark="open")  # never the next line unread
        await console.press("down", "down", "down", "space")
        assert console.last() == MarkItem(item="target", mark="ticked")
        await console.press("up", "x")
        assert console.on_top == "WaiveScreen"
        await console.focus("#not-needed")
        await console.press("enter")
        assert "Say why" in console.text()
        await console.type("no time")
        await console.focus("#not-needed")
        await console.press("enter")
        assert console.last() == MarkItem(item="cause", mark="not-needed", reason="no time")
        assert console.on_top == "MainScreen"
