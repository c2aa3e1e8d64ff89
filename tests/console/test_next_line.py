"""The next right action in every state there is: a sentence, and a key that can be pressed or what is waited for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.console.facts import trigger
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.keymap import BY_ID, DEFAULT_KEYS
from warroom.console.panes.header import NEXT_KEYS
from warroom.console.store import Store
from warroom.model import event as ev
from warroom.model.intent import ChooseTarget, ProposePlan, RunPlan
from warroom.model.next import NextAction, next_action
from warroom.model.signal import TriggerReading
from warroom.session import Live, Snapshot

Told = Callable[[Story], None]


def opened(story: Story) -> None:
    story.fires()
    story.opened("High error rate")


def driven(story: Story) -> None:
    opened(story)
    story.push(ev.WheelTaken(), who="op1")


def driven_by_another(story: Story) -> None:
    opened(story)
    story.push(ev.WheelTaken(), who="op2")
    story.push(ev.Decided(choice="rollback-now", reason="", followed_advice=True), who="op2")


def decided(story: Story) -> None:
    driven(story)
    story.push(ev.Decided(choice="rollback-now", reason="", followed_advice=True), who="op1")


def planned(story: Story) -> None:
    decided(story)
    story.push(ev.MessageQueued(message="m1", template="started", channel="team-chat", text="x"))
    story.push(ev.EvidenceStarted(bundle="b1", collectors=("logs",)))
    story.sealed()
    story.on[ChooseTarget](ChooseTarget(text="v1.0.0-beta.2"))
    story.on[ProposePlan](ProposePlan(procedure="lab-rollback"))


def the_hash(story: Story) -> str:
    assert story.state.plan is not None
    return story.state.plan.hash


def voided(story: Story) -> None:
    planned(story)
    story.push(ev.PlanVoided(hash=the_hash(story), reason="the image is another one now"))


def running(story: Story) -> None:
    planned(story)
    story.on[RunPlan](RunPlan(hash=the_hash(story)))


def by_hand(story: Story) -> None:
    planned(story)
    assert story.state.plan is not None
    plan = story.state.plan.plan
    plan = plan.model_copy(update={"steps": (plan.steps[0].model_copy(update={"manual": True}), *plan.steps[1:])})
    story.push(ev.PlanProposed(plan=plan, hash=plan.hash), ev.RunStarted(hash=plan.hash))
    story.step_begins("deploy")


def aborted(story: Story) -> None:
    running(story)
    story.step_ends("deploy", "cancelled", "aborted; v1.0.0-beta.3 runs")
    story.push(ev.RunEnded(hash=the_hash(story), outcome="cancelled", detail="aborted", seconds=3))


def step_failed(story: Story) -> None:
    running(story)
    story.step_ends("deploy", "failed", "call 1 answered 500")
    story.push(ev.RunEnded(hash=the_hash(story), outcome="failed", detail="deploy failed", seconds=3))


def crashed(story: Story) -> None:
    running(story)
    story.crashed()


def ran(story: Story) -> None:
    running(story)
    story.runs_through()


def passed(story: Story) -> None:
    judged("pass")(story)


def watch_saw_it(story: Story) -> None:
    passed(story)
    story.push(ev.WatchEnded(quiet=False, words="High error rate fires"))


def told_everybody(story: Story) -> None:
    passed(story)
    story.push(ev.MessageQueued(message="m2", template="completed", channel="team-chat", text="x"))
    story.push(ev.NoteAdded(text="tomorrow", about="post-mortem-at"))


def closed(story: Story) -> None:
    passed(story)
    story.push(ev.IncidentClosed(outcome="recovered", reason=""))


def reported(story: Story) -> None:
    closed(story)
    story.push(ev.ReportWritten(path="report.md", sha256="0" * 64))


def judged(verdict: str) -> Told:
    def tell(story: Story) -> None:
        ran(story)
        story.push(ev.VerificationStarted(checks=("identity",)))
        story.verified(verdict)  # type: ignore[arg-type]  # one of the table's words

    return tell


STATES: dict[str, tuple[Told, str, str]] = {
    "calm": (Story.calm, "none", "Nothing fires"),
    "firing, nothing open": (Story.fires, "open-incident", "Open an incident"),
    "open, nobody drives": (opened, "take-wheel", "Take the wheel"),
    "driven": (driven, "decide", "Decide"),
    "another drives": (driven_by_another, "notify-started", "Notify"),
    "decided": (decided, "notify-started", "Notify the stakeholders"),
    "planned": (planned, "run", "Run the plan"),
    "voided": (voided, "propose-plan", "Prepare the plan"),
    "running": (running, "none", "is running"),
    "a manual step": (by_hand, "claim-step", "by hand"),
    "aborted": (aborted, "choose-way", "was stopped"),
    "a step failed": (step_failed, "choose-way", "failed"),
    "unknown after a crash": (crashed, "resolve-step", "is unknown"),
    "ran": (ran, "verify", "Verify"),
    "FAIL": (judged("fail"), "choose-way", "FAIL"),
    "INCONCLUSIVE": (judged("inconclusive"), "choose-way", "INCONCLUSIVE"),
    "PASS": (passed, "notify-completed", "over"),
    "the watch runs": (told_everybody, "watch", "Watch until"),
    "the watch saw it": (watch_saw_it, "choose-way", "come back"),
    "closed": (closed, "report", "Write the report"),
    "all written": (reported, "none", "closed"),
}


def following(story: Story, **seen: bool) -> tuple[Store, NextAction]:
    store = Store(DEFAULT_KEYS, story.now)
    store.apply(
        Snapshot(version="0", me=story.me, writable=True, at=story.now(), state=story.state, runbook=story.runbook)
    )
    store.apply(Live(at=story.now(), values=story.live_values()))
    readings: dict[str, TriggerReading] = {t.id: t for t in store.triggers()}
    return store, next_action(story.runbook, store.state, readings, me=store.me, **seen)


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("kind", ["production", "drill"])
def test_there_is_always_one_and_its_key_can_be_pressed(name: str, kind: str) -> None:
    tell, action, words = STATES[name]
    story = Story(a_runbook(kind))
    tell(story)
    store, found = following(story)
    if kind == "drill" and action == "take-wheel":
        action, words = "decide", "Decide"
    assert (found.action, words in found.sentence) == (action, True), found
    key = NEXT_KEYS.get(found.action)
    if key is not None:
        assert BY_ID[key].why_not(store) == ""
    else:
        assert found.action in ("none", "watch"), "what has no key is waited for, and the sentence says for what"


@pytest.mark.parametrize("name", STATES)
def test_who_can_change_nothing_is_told_what_comes_next_and_offered_no_key(name: str) -> None:
    story = Story(a_runbook("production"))
    STATES[name][0](story)
    _, found = following(story, writable=False)
    assert found.sentence
    assert found.action == "none"


@pytest.mark.parametrize("name", ["planned", "a step failed", "unknown after a crash", "ran", "FAIL", "a manual step"])
def test_what_only_the_driver_may_do_is_waited_for_by_everybody_else(name: str) -> None:
    story = Story(a_runbook("production"), me="op9")
    STATES[name][0](story)
    story.push(ev.WheelTaken(), who="op1")
    _, found = following(story)
    assert found.action == "none"
    assert found.sentence.startswith("op1 drives. Next: ")


def test_where_data_is_in_danger_writes_are_stopped_before_all_else() -> None:
    runbook = a_runbook("production")
    name, urgent = next(iter(runbook.triggers.items()))
    urgent = urgent.model_copy(update={"stop_writes_first": True})
    runbook = runbook.model_copy(update={"triggers": {**runbook.triggers, name: urgent}})
    for tell in (Story.calm, opened, driven, decided):
        story = Story(runbook)
        tell(story)
        reading = trigger(name, urgent.title, "firing", "error-rate", 0.5)
        story.live(**{f"trigger-{name}": reading})
        if story.state.incident is not None:
            story.push(ev.TriggerChanged(was="ok", reading=reading))
        store, found = following(story)
        assert found.action == "stop-writes"
        assert BY_ID[NEXT_KEYS["stop-writes"]].why_not(store) == ""


def test_every_action_has_a_key_or_is_waited_for() -> None:
    from typing import get_args

    from warroom.model.next import Action

    assert set(get_args(Action)) == {*NEXT_KEYS, "none", "watch"}
    assert set(NEXT_KEYS.values()) <= set(BY_ID)
