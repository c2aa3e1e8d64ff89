"""Why a plan can't run, which release to go back to, and the one next right action."""

from __future__ import annotations

from typing import Any

import pytest

from warroom.decision import best_target, guards
from warroom.model import event as ev
from warroom.model.event import Actor, Body
from warroom.model.fold import fold_all
from warroom.model.live import Guard
from warroom.model.measuring import HOW
from warroom.model.next import Action, NextAction, next_action
from warroom.model.plan import Look, Plan
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.model.verification import CheckResult
from warroom.testing.builders import (
    a_call,
    a_plan,
    a_preview,
    a_release,
    a_runbook,
    a_state,
    a_step,
    a_trigger,
    an_event,
    an_incident,
    at,
    events,
)

ME = Actor(name="op1")
BETA_1, BETA_2, BETA_3 = (a_release(f"v1.0.0-beta.{n}") for n in (1, 2, 3))
PRODUCTION = a_runbook(
    environment={"kind": "production", "name": "production", "fingerprints": {"lab": "lab-0001"}}, drill_windows={}
)

DECIDED = ev.Decided(choice="rollback-now", reason="as advised", followed_advice=True)
QUEUED = ev.MessageQueued(message="m1", template="started", channel="ops", text="Rolling back")
SENT = ev.MessageSent(message="m1", receipt="r1")
COLLECTING = ev.EvidenceStarted(bundle="b1", collectors=("logs", "database"))
SEALED = ev.EvidenceSealed(bundle="b1", path="evidence/b1", seal="sha256:00", files=3, size=999, kinds=("logs", "dump"))
CHOSEN = ev.TargetChosen(release=BETA_2, reason="the newest before beta.3")
READY: tuple[Body, ...] = (DECIDED, QUEUED, SENT, COLLECTING, SEALED, CHOSEN)


def proposed(plan: Plan) -> ev.PlanProposed:
    return ev.PlanProposed(plan=plan, hash=plan.hash)


def ended(plan: Plan, outcome: str = "done", step: str = "done") -> tuple[Body, ...]:
    first = plan.steps[0].id
    return (
        ev.RunStarted(hash=plan.hash),
        ev.StepIntended(plan=plan.hash, step=first, attempt=1, calls=(a_call(),), inverse=None),
        ev.StepEnded.model_validate(
            {"plan": plan.hash, "step": first, "attempt": 1, "status": step, "detail": "as it went"}
        ),
        ev.RunEnded.model_validate({"hash": plan.hash, "outcome": outcome, "detail": "", "seconds": 12}),
    )


def resolved(plan: Plan, choice: str) -> ev.StepResolved:
    return ev.StepResolved.model_validate(
        {"plan": plan.hash, "step": plan.steps[0].id, "attempt": 1, "choice": choice, "reason": "seen"}
    )


def verified(verdict: str, *ways: ev.NextWay) -> tuple[Body, ...]:
    return (
        ev.VerificationStarted(checks=("health",)),
        ev.CheckEnded(
            result=CheckResult.model_validate({"id": "health", "title": "Health", "verdict": verdict, "words": "503"})
        ),
        ev.VerificationEnded.model_validate({"verdict": verdict, "words": "the words", "next": ways}),
    )


def found(state: State, runbook: Runbook | None = None, me: Actor = ME, **prints: str | None) -> dict[str, Guard]:
    read: dict[str, str | None] = {"lab": "lab-0001", **prints}
    return {guard.id: guard for guard in guards(runbook or a_runbook(), state, fingerprints=read, me=me)}


# Guards


def test_a_plan_that_is_ready_has_nothing_in_its_way() -> None:
    assert found(a_state(*READY, proposed(a_plan()))) == {}


def test_each_reason_is_words_that_say_what_to_do() -> None:
    waiting = found(a_state(CHOSEN, proposed(a_plan())))
    assert {guard_id: guard.hard for guard_id, guard in waiting.items()} == {
        "evidence": False,
        "decision": False,
        "notified": False,
    }
    assert waiting["notified"].words == (
        "The stakeholders have not been notified: send the message, or tick it if you told them"
    )


@pytest.mark.parametrize(
    ("bodies", "guard_id"),
    [
        ((), "no-plan"),
        ((ev.IncidentClosed(outcome="recovered", reason=""), proposed(a_plan())), "incident-closed"),
        ((proposed(a_plan()), ev.PlanVoided(hash=a_plan().hash, reason="the schema changed")), "plan-voided"),
        ((proposed(a_plan()), ev.RunStarted(hash=a_plan().hash)), "plan-running"),
        ((proposed(a_plan()), *ended(a_plan())), "plan-done"),
        ((proposed(a_plan()), *ended(a_plan(), "unknown", "unknown")), "step-restart"),
        ((proposed(a_plan()), *ended(a_plan(), "failed", "failed")), "step-restart"),
    ],
)
def test_what_is_never_waived(bodies: tuple[Body, ...], guard_id: str) -> None:
    guard = found(a_state(*READY, *bodies))[guard_id]
    assert guard.hard


def test_without_an_incident_nothing_runs() -> None:
    assert found(State())["no-incident"].hard


def test_a_step_that_a_person_settled_is_in_the_way_no_more() -> None:
    plan = a_plan(a_step("one"), a_step("two"))
    unknown = (*READY, proposed(plan), *ended(plan, "unknown", "unknown"))
    assert "step-one" in found(a_state(*unknown))
    assert found(a_state(*unknown, resolved(plan, "again"))) == {}
    looked = ev.StepEnded(
        plan=plan.hash,
        step="one",
        attempt=1,
        status="unknown",
        detail="",
        look=Look(verdict="partly", seen="1 of 3 up"),
    )
    assert "seen: 1 of 3 up" in found(a_state(*unknown, looked))["step-one"].words


@pytest.mark.parametrize(
    ("kind", "driver", "me", "blocked"),
    [
        ("production", None, "op1", True),
        ("production", "op1", "op1", False),
        ("production", "op2", "op1", True),
        ("drill", None, "op1", False),
        ("drill", "op2", "op1", True),
    ],
)
def test_production_needs_the_wheel_and_nobody_drives_past_another(
    kind: str, driver: str | None, me: str, blocked: bool
) -> None:
    runbook = a_runbook(environment={"kind": kind, "name": kind}, drill_windows={})
    bodies = events(an_incident(), *READY, proposed(a_plan()))
    if driver is not None:
        bodies.append(an_event(ev.WheelTaken(), len(bodies) + 1, by=driver))
    guard = found(fold_all(bodies), runbook, Actor(name=me)).get("wheel")
    assert (guard is not None and guard.hard) == blocked


@pytest.mark.parametrize(
    ("read", "guard_id", "hard"),
    [
        ("lab-0001", "", False),
        ("lab-0002", "fingerprint-lab", True),
        (None, "fingerprint-unreadable-lab", False),
    ],
)
def test_another_platform_blocks_and_one_that_cannot_be_read_warns(read: str | None, guard_id: str, hard: bool) -> None:
    state = a_state(ev.WheelTaken(), *READY, proposed(a_plan()))
    for runbook in (PRODUCTION, a_runbook()):
        blocked = found(state, runbook, lab=read)
        assert set(blocked) == ({guard_id} if guard_id else set())
        assert all(guard.hard == hard for guard in blocked.values())


def test_a_plan_made_for_the_wrong_platform_is_blocked_by_the_runbooks_fingerprint() -> None:
    plan = a_plan(fingerprint={"lab": "lab-0002"})
    blocked = found(a_state(ev.WheelTaken(), *READY, proposed(plan)), PRODUCTION, lab="lab-0002")
    assert blocked["fingerprint-lab"].hard
    assert "than the runbook was written for (lab-0002, not lab-0001)" in blocked["fingerprint-lab"].words


def test_only_the_platforms_that_the_plan_changes_count() -> None:
    looks = a_step("look", platform="metrics", risk="safe")
    plan = a_plan(looks, a_step("restart"), fingerprint={"lab": "lab-0001", "metrics": "m-1"})
    assert found(a_state(*READY, proposed(plan)), metrics="m-2") == {}


@pytest.mark.parametrize(
    ("role", "risk", "destroys", "hard"),
    [
        ("database", "destructive", ("dump",), True),
        ("application", "destructive", ("dump",), False),
        ("database", "disruptive", ("dump",), False),
        ("database", "destructive", (), None),
    ],
)
def test_what_a_step_destroys_is_sealed_first(
    role: str, risk: str, destroys: tuple[str, ...], hard: bool | None
) -> None:
    step = a_step("drop", role=role, risk=risk, preview=a_preview(destroys=destroys))
    plan = a_plan(step)
    waived = ev.ItemMarked(item="capture", mark="waived", reason="no time")
    missing = found(a_state(DECIDED, QUEUED, SENT, CHOSEN, waived, proposed(plan))).get("evidence-drop")
    assert (missing.hard if missing is not None else None) == hard
    assert missing is None or missing.words.startswith(f"“{step.title}” destroys dump"), (
        "by its title, as the plan has it"
    )
    assert "evidence-drop" not in found(a_state(*READY, proposed(plan)))


def test_what_is_left_while_somebody_still_writes_to_it_is_said_unless_a_step_before_it_stops_that() -> None:
    leaving = a_step("swap", role="database", preview=a_preview(writes="3 sessions of app"))
    stop = a_step("stop", role="stop-writes")
    said = found(a_state(*READY, proposed(a_plan(leaving))))["writes-swap"]
    assert (said.hard, said.words) == (False, f"“{leaving.title}” while writes go on: 3 sessions of app")
    assert "writes-swap" in found(a_state(*READY, proposed(a_plan(leaving, stop)))), "stopped too late"
    assert "writes-swap" not in found(a_state(*READY, proposed(a_plan(stop, leaving))))


def test_what_nobody_has_proven_takes_the_place_of_another_by_a_reason_only() -> None:
    coming = a_step("swap", role="database", preview=a_preview(unproven="nobody counted its rows"))
    said = found(a_state(*READY, proposed(a_plan(coming))))["unproven-swap"]
    assert (said.hard, said.words) == (False, f"“{coming.title}” with what is unproven: nobody counted its rows")
    assert "unproven-swap" not in found(a_state(*READY, proposed(a_plan(a_step("swap", role="database")))))


def test_a_person_can_tick_what_was_done_elsewhere_and_the_cause_never_blocks() -> None:
    told = ev.ItemMarked(item="notify", mark="ticked", reason="by phone")
    assert "notified" not in found(a_state(DECIDED, told, proposed(a_plan())))
    assert found(a_state(DECIDED, QUEUED, proposed(a_plan())))["notified"].words.endswith("still on its way")
    carried = ev.MessageQueued(message="m1", template="started", channel="by hand", text="Rolling back")
    assert "send it yourself" in found(a_state(DECIDED, carried, proposed(a_plan())))["notified"].words


@pytest.mark.parametrize(
    ("bodies", "guard_id"),
    [
        ((ev.Decided(choice="monitor", reason="", followed_advice=True), proposed(a_plan())), "decision"),
        ((proposed(a_plan(target=BETA_2.model_copy(update={"verdict": "bad"}))),), "target-bad"),
        ((proposed(a_plan(target=a_release("v1.0.0-beta.3"))),), "target-running"),
        ((proposed(a_plan(target=BETA_1)),), "target-changed"),
        ((*verified("fail"), proposed(a_plan())), "target-bad"),
        ((proposed(a_plan()), ev.TriggerChanged(was="ok", reading=a_trigger("unknown"))), "signals-unknown"),
    ],
)
def test_what_is_waived_with_a_reason(bodies: tuple[Body, ...], guard_id: str) -> None:
    guard = found(a_state(*READY, *bodies))[guard_id]
    assert not guard.hard


def test_an_undo_asks_for_no_decision_and_no_message() -> None:
    assert found(a_state(proposed(a_plan(purpose="undo", target=None)))) == {}


def test_an_earlier_run_that_was_left_unknown_is_not_forgotten() -> None:
    first = a_plan()
    second = a_plan(id="plan-2", title="Another way")
    left = found(a_state(*READY, proposed(first), *ended(first, "unknown", "unknown"), proposed(second)))
    assert left["earlier-plan-1"].words == "An earlier run (Roll the lab back) left restart unknown"


# The target

HISTORY = (BETA_3, BETA_2, BETA_1)


@pytest.mark.parametrize(
    ("history", "running", "failed", "index", "part"),
    [
        (HISTORY, BETA_3, (), 1, "the newest before v1.0.0-beta.3; how it ran is not known"),
        (HISTORY, BETA_2, (), 2, ""),
        (HISTORY, BETA_3, (BETA_2,), 2, "Passed over: v1.0.0-beta.2 was gone back to and did not recover"),
        (HISTORY, BETA_1, (), None, "No older release than v1.0.0-beta.1 is left"),
        ((), BETA_3, (), None, "type a version"),
        ((BETA_3, BETA_3, BETA_2), BETA_3, (), 2, ""),
        ((BETA_2, BETA_3, BETA_2, BETA_1), BETA_2, (BETA_3,), 3, ""),
        (HISTORY, None, (), 1, "what runs now cannot be told"),
        (HISTORY, a_release("v0.9-by-hand"), (), 0, "which is not in the history"),
        ((BETA_3, BETA_2.model_copy(update={"verdict": "bad", "note": "slow"}), BETA_1), BETA_3, (), 2, "badly: slow"),
        ((BETA_3, BETA_2.model_copy(update={"verdict": "good"})), BETA_3, (), 1, "it ran well"),
    ],
)
def test_the_best_target(
    history: tuple[Release, ...], running: Release | None, failed: tuple[Release, ...], index: int | None, part: str
) -> None:
    chosen, reason = best_target(history, running, failed)
    assert chosen == index
    assert part in reason


def test_after_a_rollback_the_broken_one_is_newer_though_it_was_deployed_before() -> None:
    made = [r.model_copy(update={"created_at": at(i * 60)}) for i, r in enumerate((BETA_1, BETA_2, BETA_3))]
    chosen, reason = best_target((made[1], made[2], made[0]), made[1], ())
    assert chosen == 2
    assert "v1.0.0-beta.3 is newer" in reason


def test_identity_beats_the_name() -> None:
    repointed = Release(version=BETA_3.version, digest=BETA_2.digest)
    assert best_target((BETA_3, repointed), BETA_3, ())[0] == 1
    unnamed = (Release(version="a"), Release(version="a"), Release(version="b"))
    assert best_target(unnamed, Release(version="a"), ())[0] == 2


# The next right action


def following(*bodies: Body, runbook: Runbook | None = None, **live: Any) -> NextAction:
    return next_action(runbook or a_runbook(), a_state(*bodies), **live)


CARRIED = ev.MessageQueued(message="m1", template="started", channel="by hand", text="Rolling back")
PLAN = a_plan()
RAN = (*READY, proposed(PLAN), *ended(PLAN))
PULL = a_plan(a_step("pull", role="other"))
BACK = a_plan(a_step("undo-restart", undoes=True), id="plan-9", purpose="undo", target=None)
STOP = a_plan(a_step("stop", role="stop-writes"), id="plan-8", purpose="stop-writes", target=None)
BY_HAND = a_plan(a_step("by-hand", manual=True))
OLDER = ev.NextWay(kind="older-release", title="Go back to v1.0.0-beta.1", release=BETA_1)
COMPLETED = (
    ev.MessageQueued(message="m2", template="completed", channel="ops", text="It is over"),
    ev.MessageSent(message="m2", receipt="r2"),
)
SWAP = a_plan(a_step("swap"), a_step("restart-app", title="Restart application"), id="plan-swap", target=None)
"""Killed within the first of its steps, whose second starts the application again."""
SCHEDULED = ev.NoteAdded(text="tomorrow at ten", about="post-mortem-at")
WATCHING = ev.WatchStarted(until=at(1800), production_s=1800, window_s=1800)
QUIET = ev.WatchEnded(quiet=True, words="quiet for 30 m")
REPORT = ev.ReportWritten(path="report.md", sha256="00")


@pytest.mark.parametrize(
    ("bodies", "action", "part"),
    [
        ((), "decide", "Decide what to do"),
        ((CHOSEN, proposed(PLAN), *ended(PLAN)), "verify", ""),
        (READY[:1], "notify-started", ""),
        ((DECIDED, CARRIED), "notify-started", "Send the message yourself"),
        ((DECIDED, CARRIED, SENT), "capture", ""),
        ((DECIDED, CARRIED, ev.ItemMarked(item="notify", mark="ticked", reason="")), "capture", ""),
        (READY[:2], "capture", "Capture evidence"),
        (READY[:3], "capture", ""),
        (READY[:4], "choose-target", ""),
        (READY[:5], "choose-target", ""),
        (READY, "propose-plan", "Prepare the plan to v1.0.0-beta.2"),
        ((*READY, proposed(PLAN)), "run", "Run the plan: Roll the lab back"),
        ((DECIDED, CHOSEN, proposed(PLAN)), "notify-started", ""),
        ((*READY, proposed(PLAN), ev.PlanVoided(hash=PLAN.hash, reason="it changed")), "propose-plan", ""),
        ((*READY, proposed(PLAN), ev.TargetChosen(release=BETA_1, reason="older")), "propose-plan", "beta.1"),
        ((*READY, proposed(PLAN), *ended(PLAN)[:1]), "none", "Roll the lab back is running"),
        ((*READY, proposed(PLAN), *ended(PLAN)[:2]), "none", "Step 1 of 1 is running"),
        ((*READY, proposed(BY_HAND), *ended(BY_HAND)[:2]), "claim-step", "Do step by-hand by hand"),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "unknown", "unknown")),
            "resolve-step",
            "“Restart the web service” is unknown",
        ),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "failed", "failed")),
            "choose-way",
            "The cut-over to v1.0.0-beta.2 failed",
        ),
        (
            (*READY, proposed(PULL), *ended(PULL, "failed", "failed")),
            "resolve-step",
            "“Restart the web service” failed",
        ),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "failed", "failed"), resolved(PLAN, "again")),
            "run",
            "Go on with the plan",
        ),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "failed", "failed"), proposed(BACK), *ended(BACK)),
            "choose-way",
            "Choose the way on",
        ),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "failed", "failed"), proposed(STOP), *ended(STOP)),
            "choose-way",
            "Choose the way on",
        ),
        ((*RAN, *verified("fail"), proposed(BACK), *ended(BACK)), "choose-way", "Choose the way on"),
        (
            (*READY, proposed(PLAN), *ended(PLAN, "unknown", "unknown"), resolved(PLAN, "again")),
            "run",
            "Go on with the plan",
        ),
        (
            (CHOSEN, proposed(PLAN), *ended(PLAN, "unknown", "unknown"), resolved(PLAN, "again")),
            "run",
            "Go on with the plan",
        ),
        (
            (proposed(SWAP), *ended(SWAP, "failed"), ev.PlanVoided(hash=SWAP.hash, reason="could not be reached")),
            "propose-plan",
            "Prepare the plan again: ",
        ),
        ((proposed(SWAP), *ended(SWAP, "unknown", "unknown"), resolved(SWAP, "done")), "run", "Go on with the plan"),
        ((proposed(SWAP), *ended(SWAP, "unknown", "unknown"), resolved(SWAP, "skip")), "decide", ""),
        ((*READY, proposed(PLAN), *ended(PLAN, "cancelled", "cancelled")), "choose-way", "was stopped"),
        (
            (
                *READY,
                proposed(PLAN),
                *ended(PLAN, "cancelled", "cancelled"),
                ev.TargetChosen(release=BETA_1, reason=""),
            ),
            "propose-plan",
            "beta.1",
        ),
        (RAN, "verify", ""),
        ((*RAN, *verified("fail")[:1]), "none", "Verifying: 0 of 1"),
        ((*RAN, *verified("fail", OLDER)), "choose-way", "Verification says FAIL"),
        ((*RAN, *verified("inconclusive")), "choose-way", "INCONCLUSIVE"),
        ((*RAN, *verified("fail"), ev.TargetChosen(release=BETA_1, reason="older")), "propose-plan", "beta.1"),
        ((*RAN, *verified("pass")), "notify-completed", ""),
        ((*RAN, *verified("pass"), COMPLETED[0]), "schedule-post-mortem", ""),
        ((*RAN, *verified("pass"), *COMPLETED, SCHEDULED, WATCHING), "watch", "Watch until 03:30 UTC"),
        (
            (*RAN, *verified("pass"), WATCHING, ev.WatchEnded(quiet=False, words="5xx came back")),
            "choose-way",
            "The watch saw it come back",
        ),
        ((*RAN, *verified("pass"), *COMPLETED, SCHEDULED, WATCHING, QUIET), "report", ""),
        ((*RAN, *verified("pass"), *COMPLETED, SCHEDULED, WATCHING, QUIET, REPORT), "close", ""),
        ((ev.IncidentClosed(outcome="recovered", reason=""),), "report", "Write the report"),
        ((REPORT, ev.IncidentClosed(outcome="recovered", reason="")), "none", "is closed"),
        ((*READY[:1], proposed(a_plan(purpose="stop-writes"))), "run", ""),
        ((ev.Decided(choice="monitor", reason="", followed_advice=True),), "none", "Monitoring, as decided"),
        (
            (
                ev.Decided(choice="monitor", reason="", followed_advice=True),
                ev.TriggerChanged(was="firing", reading=a_trigger("ok")),
            ),
            "close",
            "",
        ),
        ((ev.Decided(choice="hotfix", reason="a line", followed_advice=True),), "none", "Deploy the hotfix"),
        (
            (
                ev.Decided(choice="hotfix", reason="a line", followed_advice=True),
                ev.ReleaseChanged(was=BETA_3, now=BETA_1, seen_by="lab"),
            ),
            "verify",
            "Verify the hotfix",
        ),
    ],
)
def test_the_next_right_action(bodies: tuple[Body, ...], action: Action, part: str) -> None:
    following_action = following(*bodies)
    assert following_action.action == action
    assert part in following_action.sentence


def test_a_new_run_is_verified_anew() -> None:
    again = a_plan(id="plan-2", target=BETA_1)
    bodies = (*RAN, *verified("fail"), ev.TargetChosen(release=BETA_1, reason="older"), proposed(again), *ended(again))
    assert following(*bodies).action == "verify"


def test_before_an_incident_what_fires_is_opened() -> None:
    assert next_action(a_runbook(), State()).action == "none"
    calm, blind = a_trigger(status="ok"), a_trigger(status="unknown")
    assert "Nothing fires" in next_action(a_runbook(), State(), {"errors": calm, "sign-in": blind}).sentence
    lost = next_action(a_runbook(), State(), {"errors": blind})
    assert ("Nothing can be told" in lost.sentence, HOW in lost.why) == (True, False)
    unfed = a_runbook(signals={"errors": {"title": "5xx", "unit": "ratio"}}, components={})
    assert next_action(unfed, State(), {"errors": blind}).why.startswith(HOW), "nobody measures it"
    assert next_action(a_runbook(), State(), {"error-rate": a_trigger()}).action == "open-incident"


def test_production_is_driven_before_anything_else() -> None:
    assert following(runbook=PRODUCTION).action == "take-wheel"
    assert following(ev.WheelTaken(), runbook=PRODUCTION).action == "decide"


def tree(advice: str | None, title: str, answer: str | None = "yes") -> ev.TreeChanged:
    step = {"node": "q", "ask": "How severe?", "answer": answer, "choices": ("yes", "no"), "by": "signals"}
    reading = {"path": (step,), "advice": advice, "title": title, "reason": "because", "leaf": "x" if advice else None}
    return ev.TreeChanged.model_validate({"reading": reading})


def test_open_questions_are_answered_and_changed_advice_is_decided_again() -> None:
    assert following(tree(None, "", None)) == NextAction(action="answer", sentence="Answer: How severe?")
    assert following(tree("rollback-now", "ROLL BACK")).sentence == "Decide: the runbook says ROLL BACK"
    watching = ev.Decided(choice="monitor", reason="", followed_advice=True)
    assert following(watching, tree("rollback", "ROLL BACK")).sentence == "Decide again: the runbook now says ROLL BACK"
    against = ev.Decided(choice="monitor", reason="I know why", followed_advice=False)
    assert following(tree("rollback", "ROLL BACK"), against).action == "none"


def test_corruption_says_to_stop_writes_before_a_target_is_looked_for() -> None:
    runbook = a_runbook()
    procedure = next(iter(runbook.procedures.values())).model_copy(update={"kind": "stop-writes"})
    urgent = runbook.model_copy(
        update={
            "triggers": {k: t.model_copy(update={"stop_writes_first": True}) for k, t in runbook.triggers.items()},
            "procedures": {**runbook.procedures, "stop": procedure},
        }
    )
    assert following(runbook=urgent).action == "stop-writes", "before anything is decided"
    assert following(*READY[:5], runbook=urgent).action == "stop-writes"
    failing = {"high": a_trigger().model_copy(update={"id": next(iter(urgent.triggers))})}
    assert next_action(urgent, State(), failing).action == "stop-writes", "also where no incident is open yet"
    stopped = a_plan(purpose="stop-writes", target=None)
    after = following(*READY[:5], proposed(stopped), *ended(stopped), runbook=urgent)
    assert (after.action, after.sentence) == ("choose-target", "Choose the release to go back to")


def test_there_is_one_next_action_after_every_event_of_a_whole_incident() -> None:
    bodies = (*RAN, *verified("pass"), *COMPLETED, SCHEDULED, WATCHING, QUIET, REPORT)
    for count in range(len(bodies) + 1):
        seen = following(*bodies[:count])
        assert seen.sentence
        assert seen.action != "none" or "running" in seen.sentence or "Verifying" in seen.sentence
