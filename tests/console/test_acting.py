"""Acting: the typed name, guards, abort, unknown steps, manual steps, and what comes after a failed verification."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import Paste
from textual.widgets import Button

from tests.console.conftest import Start
from tests.console.driving import Driver
from tests.console.facts import OLDER
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.screens.base import Reason
from warroom.console.screens.fields import TypedName
from warroom.model import event as ev
from warroom.model.intent import (
    AbortRun,
    ChooseTarget,
    ClaimStep,
    CloseIncident,
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
from warroom.model.signal import TriggerStatus
from warroom.model.verification import Verdict
from warroom.session import Refused, Reply
from warroom.testing.builders import a_plan, a_preview, a_step


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


def on_field(console: Driver) -> str:
    return type(console.screen.focused).__name__


def waivable(story: Story) -> None:
    story.guards = (Guard(id="no-evidence", words="No evidence is sealed.", hard=False),)


async def test_a_needed_reason_comes_first_and_enter_goes_on_from_it_to_the_name(start: Start) -> None:
    story = planned("production")
    waivable(story)
    async with start(story) as console:
        await console.press("R")
        assert on_field(console) == "Reason"
        await console.press("enter")
        assert "Say why you waive" in console.text()
        await console.type("n")
        assert "Say why you waive" not in console.text(), "it is being said"
        await console.type("o time")
        await console.press("enter")
        assert on_field(console) == "TypedName"
        assert story.intents == []
        await console.type("ai-saas")
        await console.press("enter")
        assert "That is not ai-saas-app." in console.text()
        await console.type("-")
        assert "That is not" not in console.text()
        await console.type("app")
        await console.press("enter")
        last = console.last()
        assert isinstance(last, RunPlan)
        assert (last.reason, last.confirm) == ("no time", "ai-saas-app")


async def test_the_name_first_is_as_good(start: Start) -> None:
    story = planned("production")
    waivable(story)
    async with start(story) as console:
        await console.press("R", "tab")
        assert on_field(console) == "TypedName"
        await console.type("ai-saas-app")
        await console.press("enter")
        assert on_field(console) == "Reason"
        await console.type("no time")
        await console.press("enter")
        last = console.last()
        assert isinstance(last, RunPlan)
        assert (last.reason, last.confirm) == ("no time", "ai-saas-app")


async def test_a_refusal_is_not_taken_away_by_typing(start: Start) -> None:
    story = planned()
    waivable(story)
    story.on[RunPlan] = lambda intent: Refused(reason="Another console is running a plan.")
    async with start(story) as console:
        await console.press("R")
        await console.type("no time")
        await console.press("enter")
        assert "Another console is running a plan." in console.text()
        await console.type(" at all")
        assert "Another console is running a plan." in console.text()
        assert console.screen.query_one(Reason).said == "no time at all", "and no line more"


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
        assert (chosen.text, chosen.reason) == (OLDER.digest, f"a way on: Go back to {OLDER.name} instead")
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


async def test_a_way_on_stands_in_the_pane_only_while_there_is_something_to_put_back(start: Start) -> None:
    story = running()
    assert story.state.plan is not None
    run = story.state.plan.hash
    story.ways = (
        ev.NextWay(kind="put-back", title="Put beta.3 back", run=run),
        ev.NextWay(kind="escalate", title="Escalate"),
    )
    async with start(story, size=(120, 60)) as console:
        story.runs_through()
        await console.press("v")
        story.verified("fail")
        await console.settle()
        await console.press("escape")
        assert "1 Put beta.3 back" in console.flat()
        assert "best: Put beta.3 back" in console.flat()
        undo = a_plan(a_step("undo-deploy", role="application", undoes=True), purpose="undo", procedure="undo")
        told = {"plan": undo.hash, "step": "undo-deploy", "attempt": 1}
        story.push(
            ev.PlanProposed(plan=undo, hash=undo.hash),
            ev.RunStarted(hash=undo.hash),
            ev.StepIntended.model_validate({**told, "calls": undo.steps[0].preview.calls, "inverse": None}),
            ev.StepEnded.model_validate({**told, "status": "done", "detail": "beta.3 runs"}),
            ev.RunEnded(hash=undo.hash, outcome="done", detail="", seconds=1),
        )
        await console.settle()
        await console.press("escape")
        assert "Put beta.3 back" not in console.flat()
        assert "1 Escalate" in console.flat()


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


async def test_an_undo_that_was_just_prepared_is_read_not_another_procedure(start: Start) -> None:
    story = running()
    story.runs_through()
    undo = a_plan(a_step("undo-deploy", undoes=True), purpose="undo", procedure="undo", target=None)
    async with start(story) as console:
        story.push(ev.PlanProposed(plan=undo, hash=undo.hash))
        await console.settle()
        assert console.on_top == "PlanScreen"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("ok", "Nothing is wrong with what runs: v1.0.0-beta.2 runs since the rollback"),
        ("clearing", "Nothing holds this undo up; whether it is needed is yours to say"),
    ],
)
async def test_that_nothing_holds_an_undo_up_is_no_advice_to_run_it(
    start: Start, status: TriggerStatus, said: str
) -> None:
    story = running()
    story.runs_through()
    for reading in list(story.state.triggers.values()):
        now = reading.model_copy(update={"status": status})
        story.push(ev.TriggerChanged(was=reading.status, reading=now))
    undo = a_plan(a_step("undo-deploy", undoes=True, role="application"), purpose="undo", procedure="undo", target=None)
    story.push(ev.PlanProposed(plan=undo, hash=undo.hash))
    story.guards = ()
    async with start(story, (80, 24)) as console:
        await console.press("R")
        shown = console.flat()
        assert said in shown
        assert "nothing stands against it" not in shown


async def test_what_is_lost_is_said_before_a_run_and_what_was_left_after_it(start: Start) -> None:
    story = planned("production")
    said = a_preview(
        loses=("you lose 41 rows of User",), leaves=("kept as shop-before",), tells=True, confirm="shop-db"
    )
    swap = a_plan(a_step("swap", preview=said), purpose="other", target=None)
    story.push(ev.PlanProposed(plan=swap, hash=swap.hash))
    story.on[RunPlan] = lambda intent: None
    async with start(story) as console:
        await console.press("p")
        assert "✖ you lose 41 rows of User" in console.text()
        await console.press("escape", "R")
        assert "✖ you lose 41 rows of User" in console.text()
        assert "To run it, type: shop-db" in console.text()
        await console.type("shop-db")
        await console.press("enter")
        assert console.last() == RunPlan(hash=swap.hash, confirm="shop-db")
        ended = {"plan": swap.hash, "step": "swap", "attempt": 1, "status": "done", "detail": "it serves"}
        story.push(
            ev.RunStarted(hash=swap.hash),
            ev.StepEnded.model_validate({**ended, "look": {"verdict": "done", "seen": "it is what was restored"}}),
            ev.RunEnded(hash=swap.hash, outcome="done", detail="", seconds=1),
        )
        await console.settle()
        assert "it is what was restored" in console.text()
        assert "kept as shop-before" in console.text()
        story.push(ev.VerificationStarted(checks=("health",)))
        await console.settle()
        assert "Verifying" in console.text(), "what comes after it stands above it, and is what is shown"


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


async def test_a_check_that_is_still_to_come_is_called_by_its_sentence(start: Start) -> None:
    story = running()
    story.runs_through()
    story.push(ev.VerificationStarted(checks=("health", "not-declared")))
    async with start(story, (120, 40)) as console:
        assert "○ Health checks passing" in console.text()
        assert "○ not-declared" in console.text()
        assert "Verifying 0 of 2 checks, 1 of them required" in console.flat()
        assert "waits for triggers to be quiet: 1 m yet at most" in console.flat()
        story.pass_time(20)
        console.app.main.tick()
        await console.settle()
        assert "waits for triggers to be quiet: 40 s yet" in console.flat(), "a person sees it getting less"
        await console.press("V")
        assert "waits for triggers to be quiet, until " in console.flat()


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("fail", "verification said FAIL."), ("inconclusive", "said INCONCLUSIVE."), (None, "has not been verified.")],
    ids=["fail", "inconclusive", "nobody looked"],
)
async def test_what_verification_said_stands_where_the_incident_is_closed(
    begin: Start, verdict: Verdict | None, words: str
) -> None:
    story = planned()
    if verdict is not None:
        story.push(ev.VerificationStarted(checks=()))
        story.verified(verdict)
    async with begin(story) as console:
        await console.press("X")
        assert console.on_top == "CloseScreen"
        assert words in console.flat()


async def test_what_is_typed_into_the_closing_box_is_its_sentence_and_enter_closes_nothing(begin: Start) -> None:
    story = planned()
    async with begin(story) as console:
        await console.press("X", *"all well", "enter")
        assert console.on_top == "CloseScreen"
        await console.press("tab", "enter")
    assert story.intents[-1] == CloseIncident(outcome="recovered", reason="all well")
