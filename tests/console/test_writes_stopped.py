"""Writes that stand stopped are in sight on every screen, with the key and the button that let them go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from textual.widgets import OptionList

from tests.console.conftest import Start
from tests.console.facts import the_plan
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.planning import ProcedureScreen
from warroom.model import event as ev
from warroom.model.intent import ProposePlan
from warroom.testing.builders import a_preview

RESUME: dict[str, Any] = {
    "title": "Let writes go on",
    "use_when": "The cause is gone",
    "kind": "resume-writes",
    "steps": {"start": {"title": "Start", "manual": {"do": "Start it.", "proof": "It answers."}}},
}


def stopped(how: str = "done", kind: str = "production", more: Mapping[str, Any] | None = None) -> Story:
    book = a_runbook(kind).model_dump(mode="json", by_alias=True)
    story = Story(a_runbook(kind, procedures={**book["procedures"], "resume-writes": RESUME, **(more or {})}))
    story.fires()
    story.opened("High error rate")
    plan = the_plan("stop-writes").model_copy(update={"target": None, "purpose": "stop-writes"})
    story.push(ev.WheelTaken(), ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash), who="op1")
    for step in plan.steps:
        told: dict[str, Any] = {"plan": plan.hash, "step": step.id, "attempt": 1}
        story.push(ev.StepIntended.model_validate({**told, "calls": step.preview.calls, "inverse": None}))
        story.push(ev.StepEnded.model_validate({**told, "status": how, "detail": "stopped"}))
    story.push(ev.RunEnded(hash=plan.hash, outcome="done", detail="", seconds=3))
    return story


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_it_is_said_on_the_first_line_with_the_key_that_leads_on(start: Start, size: tuple[int, int]) -> None:
    story = stopped()
    story.ways = (ev.NextWay(kind="procedure", title="Let writes go on", procedure="resume-writes"),)
    async with start(story, size=size) as console:
        first, second = console.text().splitlines()[:2]
        assert "WRITES STOPPED" in first
        assert "by word" not in first
        assert story.state.plan is not None
        since = f"{story.state.plan.steps['deploy'].ended_at:%H:%M}"
        assert since in first if size[0] > 120 else f"stopped {since}" in second
        await console.press("f")
        assert console.on_top == "WaysScreen"
        assert "starts what was stopped" in console.flat()
        await console.press("enter")
        assert console.last() == ProposePlan(procedure="resume-writes")


@pytest.mark.parametrize("size", [(60, 24), (80, 24), (160, 48)])
async def test_a_persons_word_alone_is_told_as_that(start: Start, size: tuple[int, int]) -> None:
    async with start(stopped("claimed"), size=size) as console:
        first = console.text().splitlines()[0]
        assert "WRITES STOPPED (by word)" in first
        assert ("f lets them go on" if size[0] > 120 else "f resumes") in first
        await console.press("S")
        assert "Writes are stopped (by word) since" in console.flat()


@pytest.mark.parametrize("kind", ["production", "drill"])
async def test_what_fires_is_told_beside_it_by_its_name(start: Start, kind: str) -> None:
    story = stopped(kind=kind)
    async with start(story, size=(80, 24)) as console:
        first, second = console.text().splitlines()[:2]
        assert "WRITES STOPPED: f resumes" in first
        assert "CRITICAL High error rate" in first
        assert second.startswith("T+")
        assert "op1 drives" in second


async def test_stopping_again_says_how_they_go_on(start: Start) -> None:
    story = stopped()
    async with start(story) as console:
        await console.press("S")
        assert "Writes are stopped since" in console.flat()
        await console.focus("#resume")
        await console.press("enter")
        assert console.last() == ProposePlan(procedure="resume-writes")


async def test_while_they_go_on_nothing_is_said(start: Start) -> None:
    story = Story(a_runbook("production"))
    story.opened("High error rate")
    async with start(story) as console:
        assert "WRITES STOPPED" not in console.text()
        await console.press("S")
        assert not console.screen.query("#resume")


async def test_a_procedure_does_not_ask_to_stop_them_again(start: Start) -> None:
    hand: dict[str, Any] = {"manual": {"do": "Do it.", "proof": "It is done."}}
    steps = {
        "stop": {**hand, "title": "Stop it first", "role": "stop-writes", "if_needed": True},
        "swap": {**hand, "title": "Swap it", "role": "database"},
        "more": {**hand, "title": "Look at more", "if_needed": True},
    }
    more = {"scenario-3": {"title": "Scenario 3", "use_when": "Data is damaged", "kind": "database", "steps": steps}}
    for story, stands in ((stopped(more=more), True), (Story(a_runbook("production", procedures=more)), False)):
        if not stands:
            story.opened("High error rate")
            story.push(ev.WheelTaken(), who="op1")
        async with start(story) as console:
            await console.press("p")
            choice, screen = console.screen.query_one("#procedures", OptionList), console.screen
            assert isinstance(screen, ProcedureScreen)
            choice.highlighted = next(i for i, offer in enumerate(screen.offers) if offer.name == "scenario-3")
            await console.press("tab")
            assert ("Writes are stopped since" in console.flat()) is stands
            assert ("take along: Stop it first" in console.flat()) is not stands
            assert "take along: Look at more" in console.flat()


async def test_stopping_them_by_hand_is_taken_back_by_what_lets_them_go_on(start: Start) -> None:
    hand: dict[str, Any] = {"title": "Stop it", "role": "stop-writes", "manual": {"do": "Do it.", "proof": "Done."}}
    by_hand = {"title": "Stop all writes", "use_when": "x", "kind": "stop-writes", "steps": {"freeze": hand}}
    for resume, said in ((RESUME, "taken back by “Let writes go on”"), (None, "can't be taken back")):
        more = {"resume-writes": resume} if resume is not None else {}
        story = Story(a_runbook("production", procedures={"stop-writes": by_hand, **more}))
        story.opened("High error rate")
        plan = the_plan("stop-writes").model_copy(update={"target": None, "purpose": "stop-writes"})
        step = plan.steps[0].model_copy(
            update={"manual": True, "preview": a_preview(inverse=None, no_inverse="a person does this elsewhere")}
        )
        story.lane = {"plan": plan.model_copy(update={"steps": (step,)})}
        async with start(story, size=(120, 40)) as console:
            await console.press("S")
            assert f"{said}: a person does this elsewhere" in console.flat()
            assert f"disruptive · {said}" in console.flat()
