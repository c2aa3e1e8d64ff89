"""Stopping, cutting over, putting back: what comes first, and how it stands once it was begun. Pure.

A cut-over is a step of the role "application" in a plan whose purpose is a rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from warroom.model.event import NextWay
from warroom.model.kept import stuck
from warroom.model.plan import Plan, Preview, Step
from warroom.model.release import Release
from warroom.model.runbook import Procedure, Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import PlanState, State
from warroom.model.units import listed

ROLES = ("application", "stop-writes")
"""Taking back a step of one of these lets what ran before run again."""
_UNTOUCHED = ("planned", "skipped")


def runs(state: State) -> tuple[PlanState, ...]:
    """Every plan that was begun, oldest first."""
    every = (*state.ended_runs, *((state.plan,) if state.plan is not None else ()))
    return tuple(run for run in every if run.began_at is not None)


def last_rollback(state: State) -> PlanState | None:
    return next((run for run in reversed(runs(state)) if run.plan.purpose == "rollback"), None)


def failed_cut_over(run: PlanState | None) -> Step | None:
    """The step that should have brought the target into service and failed; None once a person settled it otherwise."""
    if run is None or run.plan.purpose != "rollback" or run.status == "running":
        return None
    for step in run.plan.steps:
        now = run.steps.get(step.id)
        if now is None or step.role != "application":
            continue
        if now.status == "failed" and now.resolved not in ("done", "again"):
            return step
        if now.status == "skipped" and now.resolved == "skip" and run.status == "failed":
            return step  # nobody brought it up: that a person passed over it changes nothing
    return None


def taken_back(state: State) -> bool:
    """The last thing done to the application was to put back what ran before. What was only made beside, and is taken
    away again, was never part of it."""
    undone = (run for run in runs(state) if run.plan.purpose in ("rollback", "undo"))
    touched = [run for run in undone if run.plan.purpose == "rollback" or _touches(run)]
    return bool(touched) and touched[-1].plan.purpose == "undo" and touched[-1].status == "done"


def spent(state: State) -> str:
    """Why the present target is no way on any more, in a sentence; empty while it is one."""
    last, target = last_rollback(state), state.target
    if last is None or target is None or last.plan.target is None or not last.plan.target.matches(target.release):
        return ""
    name = target.release.name
    if taken_back(state):
        return f"{brings_back(state, last) or 'what ran before'} was put back, in place of {name}"
    if (step := failed_cut_over(last)) is not None and not superseded(state, last):
        now = last.steps[step.id]
        seen = (now.look.seen if now.look is not None else now.detail).removeprefix("FAIL: ")
        return f"FAIL: {name} did not come up ({step.title}){f': {seen}' if seen else ''}"
    if last.status != "running" and found_bad(state, last):
        return f"FAIL: {name} runs and is not recovered"
    return ""


def superseded(state: State, run: PlanState) -> bool:
    """How ``run`` ended is no longer how it stands: the application was let go on since, or recovery was verified."""
    if run.ended_at is None:
        return False
    checked = state.verification
    passed = checked is not None and checked.verdict == "pass" and checked.began_at >= run.ended_at
    return passed or _went_on_since(state, run.ended_at)


def _went_on_since(state: State, at: datetime) -> bool:
    done = [run for run in runs(state) if run.plan.purpose == "resume-writes" and run.status == "done"]
    return any(run.began_at is not None and run.began_at >= at for run in done)


def offers(ways: Iterable[NextWay], release: Release) -> bool:
    """One of them goes to that release: what did not pass was no word on it."""
    return any(way.release is not None and way.release.matches(release) for way in ways)


def found_bad(state: State, run: PlanState) -> bool:
    """The newest word on recovery since ``run`` is that there is none."""
    checked = state.verification
    if checked is None or checked.verdict != "fail" or checked.ended_at is None or run.began_at is None:
        return False
    if run.plan.target is not None and offers(checked.next, run.plan.target):
        return False
    return checked.ended_at >= run.began_at and not _went_on_since(state, checked.ended_at)


def as_it_stands(state: State) -> State:
    """Without an undo that somebody has only looked at: who wants it runs it, and for all others nothing has changed.
    One that a person's word on a step asked for is what comes next."""
    plan, ended = state.plan, state.ended_runs
    if plan is None or plan.plan.purpose != "undo" or plan.began_at is not None or plan.status == "approved":
        return state
    last = ended[-1] if ended else None
    if last is not None and any(step.resolved == "undo" for step in last.steps.values()):
        return state
    return state.model_copy(update={"plan": last, "ended_runs": ended[:-1]})


def ran_before(state: State, run: PlanState) -> str:
    """What taking ``run`` back lets run again, by its name. A service that was stopped when it began runs nothing that
    can be told: then it is what an earlier rollback brought, else what ran when the incident was opened."""
    if run.plan.running is not None:
        return run.plan.running.name
    earlier = [each for each in runs(state) if each.plan.purpose == "rollback" and each.hash != run.hash]
    if earlier and earlier[-1].status == "done" and earlier[-1].plan.target is not None and not taken_back(state):
        return earlier[-1].plan.target.name
    began_on = state.incident.running if state.incident is not None else None
    return began_on.name if began_on is not None and not earlier else "what ran before"


def brings_back(state: State, run: PlanState, steps: Sequence[Step] | None = None) -> str:
    """What taking ``run`` back lets run again, by what its steps captured (``steps``: only those); empty where they
    leave the release as it is. Where no operation says what it captured, it is what was seen to run when it began."""
    touched = run.plan.steps if steps is None else steps
    told = [
        step.preview.restores
        for step in touched
        if step.role == "application"
        and step.preview.inverse is not None
        and run.steps[step.id].status not in _UNTOUCHED
    ]
    if names := list(dict.fromkeys(name for name in told if name)):
        return listed(names)
    return ran_before(state, run) if None in told else ""


def left_down(previews: Iterable[Preview]) -> list[str]:
    """What runs before the first of them and stands still after the last, by name."""
    down: list[str] = []
    for one in previews:
        down = [name for name in down if name not in one.starts]
        down += [name for name in one.stops if name not in down]
    return down


def takes_down(run: PlanState) -> list[str]:
    """What taking ``run`` back stops, and leaves so."""
    touched = [s.preview for s in run.plan.steps if s.preview.inverse and run.steps[s.id].status not in _UNTOUCHED]
    return left_down(one.model_copy(update={"stops": one.starts, "starts": one.stops}) for one in reversed(touched))


def outage(plan: Plan) -> str:
    """What an undo takes out of service, in a sentence; empty where it takes nothing."""
    if plan.purpose != "undo":
        return ""
    if down := left_down(step.preview for step in plan.steps):
        one = len(down) == 1
        end = (
            "stops, and nothing of it answers until it is"
            if one
            else "stop, and nothing of them answers until they are"
        )
        return f"An outage: {listed(down)} {end} started again"
    if on_the_way := list(dict.fromkeys(name for step in plan.steps for name in step.preview.stops)):
        end = "stops first, and is" if len(on_the_way) == 1 else "stop first, and are"
        return f"An outage while it runs: {listed(on_the_way)} {end} started again by its last steps"
    return ""


def stop_writes_first(runbook: Runbook, state: State, triggers: Mapping[str, TriggerReading] | None = None) -> bool:
    """Corruption and security: one of these fires, and writes have neither been stopped nor is it being done."""
    now = state.triggers if triggers is None else triggers
    firing = [t.id for t in now.values() if t.status in ("firing", "clearing")]
    if not any(runbook.triggers[t].stop_writes_first for t in firing if t in runbook.triggers):
        return False
    if not any(procedure.kind == "stop-writes" for procedure in runbook.procedures.values()):
        return False
    return not any(_stops(run) for run in (*state.ended_runs, *((state.plan,) if state.plan is not None else ())))


def _stops(run: PlanState) -> bool:
    """It stops writes or has stopped them: as a plan of its own, or as a step of another."""
    if run.plan.purpose == "stop-writes":
        return run.status in ("running", "done")
    return any(run.steps[s.id].status in ("done", "claimed") for s in run.plan.steps if s.role == "stop-writes")


def stops_before(procedure: Procedure) -> tuple[str, ...]:
    """Its optional steps that stop writes before anything else of it touches the application."""
    found = []
    for step_id, step in procedure.steps.items():
        if step.role == "application":
            break
        if step.role == "stop-writes" and step.if_needed:
            found.append(step_id)
    return tuple(found)


def to_put_back(state: State) -> PlanState | None:
    """The last rollback, where it touched the application or its database, and can still be taken back: what it kept
    for that is there."""
    begun = runs(state)
    touched = [run for run in begun if run.plan.purpose in ("rollback", "undo") and _touches(run)]
    if not touched or touched[-1].plan.purpose != "rollback" or touched[-1].status == "running":
        return None
    run = touched[-1]
    done = [s for s in run.plan.steps if s.preview.inverse is not None and run.steps[s.id].status not in _UNTOUCHED]
    back = any(step.role in ("application", "database") for step in done)
    return run if back and stuck(begun, done) is None else None


def still_there(state: State, ways: Iterable[NextWay]) -> tuple[NextWay, ...]:
    """Of the ways on that were found at some time, those that have not gone since: what was kept to be put back may
    have been dropped, or is back already."""
    run = to_put_back(state)
    back = run.hash if run is not None else ""
    return tuple(way for way in ways if way.kind != "put-back" or way.run in (None, back))


def _touches(run: PlanState) -> bool:
    mine = [step for step in run.plan.steps if step.role in (*ROLES, "database")]
    return any(run.steps[step.id].status not in _UNTOUCHED for step in mine if step.id in run.steps)


def puts_back(state: State, plan: Plan) -> str:
    """What the plan would let run again although the incident began on it, in words; empty when it doesn't."""
    before = state.incident.running if state.incident is not None else None
    if plan.purpose == "undo":
        if any(s.undoes and s.role == "database" for s in plan.steps):
            return "putting back the database of before"
        return "putting back what ran before" if any(s.undoes and s.role in ROLES for s in plan.steps) else ""
    if plan.purpose == "rollback" and plan.target is not None and before is not None and plan.target.matches(before):
        return f"going to {before.name}, on which it began,"
    if plan.purpose == "resume-writes" and (taken_back(state) or last_rollback(state) is None):
        return "letting writes go on with what ran before"
    return ""


def fired_needing_reason(runbook: Runbook, state: State) -> list[str]:
    """Titles of the triggers that fired in this incident and ask for a reason before anything is put back."""
    found = (runbook.triggers[name] for name in state.fired if name in runbook.triggers)
    return [trigger.title for trigger in found if trigger.put_back_needs_reason]
