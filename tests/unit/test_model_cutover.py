"""Once the cut-over has begun: what failed, what may be put back and for which reason, and what stops writes first."""

from __future__ import annotations

from typing import Any

import pytest

from warroom.decision.guards import emergency_guards, guards
from warroom.model import event as ev
from warroom.model.cutover import (
    failed_cut_over,
    ran_before,
    spent,
    stop_writes_first,
    stops_before,
    taken_back,
    to_put_back,
)
from warroom.model.event import Actor, Body
from warroom.model.leading import rolled_back
from warroom.model.live import Guard
from warroom.model.plan import Plan
from warroom.model.runbook import Procedure, Runbook
from warroom.testing.builders import (
    a_call,
    a_plan,
    a_preview,
    a_release,
    a_runbook,
    a_state,
    a_step,
    a_trigger,
    an_incident,
)

ME = Actor(name="op1")
OLD, TARGET, BAD = (a_release(f"v1.0.0-beta.{n}") for n in (1, 2, 3))
UP = a_step("up", title="Start the target", preview=a_preview(inverse=(a_call("up", "beta.3"),)))
ROLLBACK = a_plan(a_step("pull", role="other"), UP, running=BAD)
BLIND = a_plan(UP, id="p7", procedure="other", target=OLD)
UNDO = a_plan(a_step("undo-up", undoes=True), id="p2", purpose="undo", target=None)
STOP = a_plan(a_step("stop", role="stop-writes"), id="p3", purpose="stop-writes", target=None)
RESUME = a_plan(a_step("start", role="other"), id="p4", purpose="resume-writes", target=None)
SWAP = a_plan(a_step("swap", role="database", preview=a_preview(inverse=(a_call("back"),))), id="p8")
SWAPPED_BACK = a_plan(a_step("undo-swap", role="database", undoes=True), id="p9", purpose="undo", target=None)
CHOSEN = ev.TargetChosen(release=TARGET, reason="the newest before")


def proposed(plan: Plan) -> ev.PlanProposed:
    return ev.PlanProposed(plan=plan, hash=plan.hash)


def ran(plan: Plan, last: str = "done", outcome: str = "", detail: str = "exited (1)") -> tuple[Body, ...]:
    """The plan from its proposal to its end; its last step ended as ``last``."""
    bodies: list[Body] = [proposed(plan), ev.RunStarted(hash=plan.hash)]
    for step in plan.steps:
        status = last if step is plan.steps[-1] else "done"
        said = {"plan": plan.hash, "step": step.id, "attempt": 1, "status": status, "detail": detail}
        bodies += [
            ev.StepIntended(plan=plan.hash, step=step.id, attempt=1, calls=(a_call(),), inverse=None),
            ev.StepEnded.model_validate(said),
        ]
    ended = {"hash": plan.hash, "outcome": outcome or last, "detail": "as it went", "seconds": 3}
    return (*bodies, ev.RunEnded.model_validate(ended))


def resolved(choice: str) -> ev.StepResolved:
    said = {"plan": ROLLBACK.hash, "step": "up", "attempt": 1, "choice": choice, "reason": "seen"}
    return ev.StepResolved.model_validate(said)


FAIL = (ev.VerificationStarted(checks=("health",)), ev.VerificationEnded(verdict="fail", words="503"))


@pytest.mark.parametrize(
    ("bodies", "failed"),
    [
        (ran(ROLLBACK, "failed"), True),
        ((*ran(ROLLBACK, "failed"), resolved("skip")), True),
        ((*ran(ROLLBACK, "failed"), resolved("undo")), True),
        ((*ran(ROLLBACK, "failed"), resolved("again")), False),
        ((*ran(ROLLBACK, "failed"), resolved("done")), False),
        (ran(ROLLBACK, "unknown"), False),
        (ran(ROLLBACK), False),
        (ran(ROLLBACK)[:-1], False),
        (ran(UNDO, "failed"), False),
    ],
)
def test_a_failed_cut_over_is_known(bodies: tuple[Body, ...], failed: bool) -> None:
    assert (failed_cut_over(a_state(CHOSEN, *bodies).plan) is not None) == failed


@pytest.mark.parametrize(
    ("bodies", "words"),
    [
        ((), ""),
        (ran(ROLLBACK), ""),
        (ran(ROLLBACK, "failed"), "FAIL: v1.0.0-beta.2 did not come up (Start the target): exited (1)"),
        ((*ran(ROLLBACK, "failed"), *ran(STOP)), "FAIL: v1.0.0-beta.2 did not come up (Start the target): exited (1)"),
        ((*ran(ROLLBACK, "failed"), *ran(UNDO)), "v1.0.0-beta.3 was put back, in place of v1.0.0-beta.2"),
        (
            (*ran(ROLLBACK, "failed", detail="FAIL: web-1 exited"),),
            "FAIL: v1.0.0-beta.2 did not come up (Start the target): web-1 exited",
        ),
        ((*ran(ROLLBACK), *FAIL), "FAIL: v1.0.0-beta.2 runs and is not recovered"),
        ((*ran(ROLLBACK, "failed"), ev.TargetChosen(release=OLD, reason="older")), ""),
    ],
)
def test_why_the_target_is_no_way_on_any_more(bodies: tuple[Body, ...], words: str) -> None:
    assert spent(a_state(CHOSEN, *bodies)) == words


@pytest.mark.parametrize(
    ("bodies", "back"),
    [
        ((), False),
        (ran(ROLLBACK), True),
        (ran(ROLLBACK, "failed"), True),
        ((*ran(ROLLBACK, "failed"), *ran(STOP)), True),
        ((*ran(ROLLBACK, "failed"), *ran(UNDO)), False),
        (ran(a_plan(a_step("up"))), False),
        (ran(SWAP), True),
        ((*ran(SWAP), *ran(SWAPPED_BACK)), False),
        ((*ran(ROLLBACK)[:4], ran(ROLLBACK, "failed")[-1]), False),
    ],
)
def test_only_a_cut_over_that_was_begun_and_captured_can_be_put_back(bodies: tuple[Body, ...], back: bool) -> None:
    assert (to_put_back(a_state(CHOSEN, *bodies)) is not None) == back


def test_a_rollback_is_nothing_taken_back() -> None:
    assert not taken_back(a_state(CHOSEN, *ran(ROLLBACK)))
    assert taken_back(a_state(CHOSEN, *ran(ROLLBACK), *ran(UNDO)))
    beside = a_plan(a_step("undo-restore", role="other", undoes=True), id="p10", purpose="undo", target=None)
    swapped_then = a_state(*ran(SWAP), *ran(beside))
    assert not taken_back(swapped_then), "what was restored beside is dropped, and the swap stands"
    assert rolled_back(a_runbook(), a_state(CHOSEN, *ran(ROLLBACK), *ran(beside)))
    assert not rolled_back(a_runbook(), a_state(CHOSEN, *ran(ROLLBACK), *ran(UNDO)))


@pytest.mark.parametrize(
    ("bodies", "name"),
    [
        ((CHOSEN, *ran(ROLLBACK, "failed")), "v1.0.0-beta.3"),
        ((CHOSEN, *ran(BLIND, "failed")), "v1.0.0-beta.3"),
        ((CHOSEN, *ran(ROLLBACK), *ran(BLIND, "failed")), "v1.0.0-beta.2"),
        ((CHOSEN, *ran(ROLLBACK, "failed"), *ran(BLIND, "failed")), "what ran before"),
    ],
)
def test_what_would_be_put_back_has_a_name_where_that_is_known(bodies: tuple[Body, ...], name: str) -> None:
    """BLIND was planned while the service was stopped: nothing ran that could be named."""
    state = a_state(*bodies)
    assert state.plan is not None
    assert ran_before(state, state.plan) == name


# A reason for putting back


def book(needed: bool) -> Runbook:
    plain = a_runbook()
    triggers = {k: t.model_copy(update={"put_back_needs_reason": needed}) for k, t in plain.triggers.items()}
    return plain.model_copy(update={"triggers": triggers})


def found(*bodies: Body, needed: bool = True, opened: bool = True) -> dict[str, Guard]:
    state = a_state(*bodies, opened=opened)
    return {g.id: g for g in guards(book(needed), state, fingerprints={"lab": "lab-0001"}, me=ME)}


def test_putting_back_needs_a_reason_where_the_trigger_says_so() -> None:
    bodies = (CHOSEN, *ran(ROLLBACK, "failed"), proposed(UNDO))
    guard = found(*bodies)["put-back"]
    assert guard.words == ("Error rate above 5 % fired in this incident: putting back what ran before needs a reason")
    assert not guard.hard, "with a reason it is done"
    assert "put-back" not in found(*bodies, needed=False)


def test_a_trigger_that_is_quiet_by_now_still_asks_for_the_reason() -> None:
    cleared = ev.TriggerChanged(was="firing", reading=a_trigger("ok"))
    assert "put-back" in found(CHOSEN, cleared, *ran(ROLLBACK, "failed"), proposed(UNDO))
    calm = an_incident(triggers=(a_trigger("ok"),))
    bodies = (CHOSEN, *ran(ROLLBACK, "failed"), proposed(UNDO))
    assert "put-back" not in found(calm, *bodies, opened=False), "it never fired"
    fires = ev.TriggerChanged(was="ok", reading=a_trigger())
    assert "put-back" in found(calm, fires, cleared, *bodies, opened=False)


@pytest.mark.parametrize(
    ("bodies", "asked"),
    [
        ((proposed(a_plan(a_step(undoes=True, role="caches"), purpose="undo", target=None)),), False),
        ((proposed(a_plan(a_step(undoes=True, role="stop-writes"), purpose="undo", target=None)),), True),
        ((*ran(STOP), proposed(RESUME)), True),
        ((CHOSEN, *ran(ROLLBACK), proposed(RESUME)), False),
        ((CHOSEN, *ran(ROLLBACK, "failed"), *ran(UNDO), proposed(RESUME)), True),
        ((CHOSEN, proposed(ROLLBACK)), False),
        ((CHOSEN, *ran(ROLLBACK), proposed(a_plan(UP, id="p5", target=BAD))), True),
    ],
)
def test_every_road_back_is_held(bodies: tuple[Body, ...], asked: bool) -> None:
    assert ("put-back" in found(*bodies)) == asked


def test_the_emergency_lane_asks_for_no_reason_and_so_puts_nothing_back() -> None:
    held: dict[str, Any] = {"fingerprints": {"lab": "lab-0001"}, "me": ME, "others": (), "journal": "", "diff": None}
    back = a_plan(UP, id="p5", target=BAD)
    found_there = emergency_guards(book(True), a_state(CHOSEN, *ran(ROLLBACK)), back, **held)
    guard = next(g for g in found_there if g.id == "put-back")
    assert guard.hard
    assert "run it with one" in guard.words


# Writes first


def procedure(**roles: str) -> Procedure:
    steps = {
        name: {"title": name, "op": "lab.restart", "role": role.removesuffix("?"), "if_needed": role.endswith("?")}
        for name, role in roles.items()
    }
    return Procedure.model_validate({"title": "t", "use_when": "u", "steps": steps})


def test_optional_stops_before_the_cut_over_come_first() -> None:
    assert stops_before(procedure(stop="stop-writes?", pull="other", up="application")) == ("stop",)
    assert stops_before(procedure(undo="application", scale_down="stop-writes?")) == (), "after it, it is no such stop"
    assert stops_before(procedure(stop="stop-writes", up="application")) == (), "it is taken along anyway"


def test_a_stop_that_was_part_of_a_rollback_is_a_stop_as_well() -> None:
    runbook = a_runbook()
    triggers = {k: t.model_copy(update={"stop_writes_first": True}) for k, t in runbook.triggers.items()}
    stops = {
        "halt": Procedure.model_validate(
            {**procedure(stop="stop-writes").model_dump(by_alias=True), "kind": "stop-writes"}
        )
    }
    runbook = runbook.model_copy(update={"triggers": triggers, "procedures": {**runbook.procedures, **stops}})
    with_stop = a_plan(a_step("stop", role="stop-writes"), UP)
    assert stop_writes_first(runbook, a_state())
    assert stop_writes_first(runbook, a_state(CHOSEN, *ran(ROLLBACK)))
    assert not stop_writes_first(runbook, a_state(CHOSEN, *ran(with_stop)))
    assert not stop_writes_first(runbook, a_state(*ran(STOP)))
