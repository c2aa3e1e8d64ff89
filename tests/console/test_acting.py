"""Acting: the typed name, guards, abort, unknown steps, manual steps, and what comes after a failed verification."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import Paste
from textual.widgets import Button

from tests.console.conftest import Start
from tests.console.facts import OLDER
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.base import TypedName
from warroom.model import event as ev
from warroom.model.intent import (
    AbortRun,
    ChooseTarget,
    ClaimStep,
    Escalate,
    Intent,
    ProposePlan,
    ResolveStep,
    RunPlan,
    TakeWheel,
    Undo,
    Verify,
)
from warroom.model.live import Guard
from warroom.session import Refused, Reply
from warroom.testing.builders import a_plan, a_step


def planned(kind: str = "drill", *, driven: bool = True) -> Story:
    """An incident with a plan that could be run."""
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    if driven:
        story.push(ev.WheelTaken(), who="op1")
    story.push(ev.Decided(choice="rollback-now", reason="", followed_advice=True), who="op1")
    story.on[ChooseTarget](ChooseTarget(text="v1.0.0-beta.2"))
    story.on[ProposePlan](ProposePlan(procedure="lab-rollback"))
    return story


def running() -> Story:
    story = planned()
    assert story.state.plan is not None
    story.on[RunPlan](RunPlan(hash=story.state.plan.hash))
    return story


async def test_production_asks_for_the_name_typed_and_refuses_paste(start: Start) -> None:
    story = planned("production")
    assert story.state.plan is not None
    async with start(story) as console:
        await console.press("R")
        assert "PRODUCTION" in console.text()
        await console.press("enter", "R", "enter")
        assert story.intents == []
        typed = console.screen.query_one(TypedName)
        typed.value = ""
        typed.post_message(Paste("ai-saas-app"))
        await console.settle()
        assert "Paste is refused" in console.text()
        await console.press("ctrl+v", "enter")
        assert typed.value == ""
        assert story.intents == []
        await console.type("ai-saas-ap")
        await console.press("enter")
        assert story.intents == []
        await console.type("p")
        await console.press("enter")
        assert console.last() == RunPlan(hash=story.state.plan.hash, confirm="ai-saas-app")


async def test_hard_guards_hold_and_soft_ones_are_waived_with_a_reason(start: Start) -> None:
    story = planned()
    story.guards = (Guard(id="fingerprint", words="The lab is another one than planned for.", hard=True),)
    async with start(story) as console:
        await console.press("R")
        assert "held: The lab is another one" in console.text()
        assert console.screen.query_one("#run", Button).disabled
        story.guards = (Guard(id="no-evidence", words="No evidence is sealed.", hard=False),)
        story.push(ev.Acknowledged(what="anything"))  # the state moved: guards are read again
        await console.settle()
        assert "No evidence is sealed" in console.text()
        await console.focus("#run")
        await console.press("enter")
        assert "Say why you waive" in console.text()
        await console.type("no time")
        await console.focus("#run")
        await console.press("enter")
        last = console.last()
        assert isinstance(last, RunPlan)
        assert (last.waive, last.reason) == (("no-evidence",), "no time")


async def test_a_refusal_stays_in_sight_and_nothing_typed_is_lost(start: Start) -> None:
    story = planned()
    story.on[RunPlan] = lambda intent: Refused(reason="Another console is running a plan.")
    async with start(story) as console:
        await console.press("R", "enter")
        assert console.on_top == "RunScreen"
        assert "Another console is running a plan." in console.text()


async def test_closing_a_dialog_never_takes_an_intent_back(begin: Start) -> None:
    story = planned()
    gate, answered = asyncio.Event(), []
    real = story.submit

    async def slow(intent_id: str, intent: Intent) -> Reply:
        await gate.wait()
        answered.append(await real(intent_id, intent))
        return answered[-1]

    story.on[RunPlan] = lambda intent: Refused(reason="The target is gone.")
    async with begin(story) as console:
        console.app.client.session.submit = slow  # type: ignore[method-assign]  # an engine that takes its time
        await console.press("R")
        await console.pilot.press("enter", "enter", "escape")  # a second enter sends nothing twice
        await console.pilot.pause()
        gate.set()
        await console.settle()
        assert len(answered) == 1
        assert console.on_top == "MainScreen"
        assert "The target is gone." in console.told()


async def test_abort_says_what_it_leaves_behind_and_keeping_on_is_the_default(start: Start) -> None:
    story = running()
    async with start(story, (100, 40)) as console:
        await console.press("A")
        assert "is cut short after call 0 of 1" in console.text()
        assert "is not begun" in console.text()
        await console.press("enter")
        await console.press("A", "right", "enter")
        assert "Y stops it" in console.text()
        await console.press("A", "A", "space", "escape", "Y")
        assert story.intents == []
        await console.press("A", "Y")
        assert isinstance(console.last(), AbortRun)


async def test_leaving_is_refused_while_a_plan_runs(begin: Start) -> None:
    story = running()
    async with begin(story) as console:
        await console.press("q")
        assert "would be cut off" in console.told()
        await console.press("ctrl+q")
        assert not story.closed
        story.runs_through()
        await console.settle()
        await console.pilot.press("q")
        await console.pilot.pause()
        assert story.closed


@pytest.mark.parametrize(
    ("button", "choice"), [("done", "done"), ("again", "again"), ("undo", "undo"), ("skip", "skip")]
)
async def test_an_unknown_step_is_shown_with_what_check_saw_and_asks(start: Start, button: str, choice: str) -> None:
    story = running()
    story.crashed()
    async with start(story) as console:
        assert "UNKNOWN" in console.text()
        assert "1 of 3 replicas serves" in console.text()
        await console.press("R")
        assert "r decides" in console.told()
        await console.press("r")
        assert "check says PARTLY DONE" in console.text()
        await console.press("enter")  # Cancel is the default
        assert story.intents == []
        await console.press("r")
        await console.focus(f"#{button}")
        await console.press("enter")
        last = console.last()
        assert isinstance(last, ResolveStep)
        assert (last.step, last.attempt, last.choice) == ("deploy", 1, choice)


async def test_a_manual_step_is_claimed_with_its_output(start: Start) -> None:
    story = planned()
    assert story.state.plan is not None
    plan = story.state.plan.plan
    by_hand = plan.steps[0].model_copy(update={"manual": True})
    plan = plan.model_copy(update={"steps": (by_hand, *plan.steps[1:])})
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash))
    story.step_begins("deploy")
    async with start(story) as console:
        await console.press("M")
        assert "curl -fsS -X POST" in console.text()
        await console.type("it says ok")
        await console.press("ctrl+s")
        assert console.last() == ClaimStep(hash=plan.hash, step="deploy", attempt=1, output="it says ok")


async def test_after_a_failed_verification_the_ways_on_are_one_key_away(start: Start) -> None:
    story = running()
    async with start(story) as console:
        story.runs_through()
        await console.press("v")
        assert console.last() == Verify()
        story.verified("fail")
        await console.settle()
        assert console.on_top == "WaysScreen"
        assert "FAIL: not recovered" in console.text()
        await console.press("enter")
        chosen, proposed = story.intents[-2:]
        assert isinstance(chosen, ChooseTarget)
        assert chosen.text == OLDER.digest
        assert proposed == ProposePlan(procedure="lab-rollback")
        await console.press("escape", "f", "down", "enter")
        assert console.last() == ProposePlan(procedure="option-b")
        await console.press("escape", "f", "down", "down", "enter")
        assert console.on_top == "EscalateScreen"
        await console.focus("#escalate")
        await console.press("enter")
        assert isinstance(console.last(), Escalate)


async def test_putting_back_is_a_way_on_and_a_plan_that_is_read_first(start: Start) -> None:
    story = running()
    story.ways = (ev.NextWay(kind="put-back", title="Put beta.3 back, with a reason", run="sha256:7"),)
    async with start(story) as console:
        story.runs_through()
        await console.press("v")
        story.verified("fail")
        await console.settle()
        assert console.on_top == "WaysScreen"
        assert "Put beta.3 back, with a reason" in console.text()
        assert "what each step captured" in console.text()
        await console.press("enter")
        assert console.last() == Undo(run="sha256:7")


async def test_once_writes_are_stopped_the_plan_that_is_next_is_prepared(start: Start) -> None:
    story = planned()
    stop = a_plan(a_step("freeze", role="stop-writes"), purpose="stop-writes", procedure="stop-writes", target=None)
    ended = {"plan": stop.hash, "step": "freeze", "attempt": 1, "status": "done", "detail": "nothing writes"}
    story.push(
        ev.PlanProposed(plan=stop, hash=stop.hash),
        ev.RunStarted(hash=stop.hash),
        ev.StepEnded.model_validate(ended),
        ev.RunEnded(hash=stop.hash, outcome="done", detail="", seconds=1),
    )
    async with start(story) as console:
        await console.press("p")
        assert console.on_top == "ProcedureScreen"
        assert "Deployed in the drill lab" in console.text(), "what warroom can run, not the stop once more"
        await console.press("down")
        assert "done by hand: you are shown the lines to paste" in console.text()


async def test_a_plan_for_what_is_the_target_no_more_is_not_offered_again(start: Start) -> None:
    story = planned()
    async with start(story) as console:
        await console.press("p")
        assert console.on_top == "PlanScreen"
        await console.press("escape")
        story.on[ChooseTarget](ChooseTarget(text=OLDER.version))
        await console.settle()
        await console.press("p")
        assert console.on_top == "ProcedureScreen", "another target, another plan"


async def test_undo_is_refused_in_the_engines_words(start: Start) -> None:
    story = running()
    story.runs_through()
    async with start(story) as console:
        await console.press("u")
        assert console.last() == Undo()
        assert "Nothing was run that has an inverse." in console.told()


async def test_nobody_acts_in_production_without_the_wheel(start: Start) -> None:
    story = planned("production", driven=False)
    async with start(story) as console:
        await console.press("v")
        assert "D takes the wheel" in console.told()
        await console.press("D")
        await console.type("ai-saas-app")
        await console.press("enter")
        assert console.last() == TakeWheel(service="ai-saas-app")
        assert "op1 drives" in console.text()


async def test_a_session_that_cannot_write_says_so(start: Start) -> None:
    story = planned()
    story.writable = False
    async with start(story) as console:
        assert "READ-ONLY" in console.text()
        await console.press("R", "d", "l", "c", "X")
        assert "This session is read-only" in console.told()
        assert console.on_top == "MainScreen"
        assert story.intents == []
