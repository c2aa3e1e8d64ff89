"""Stopping, cutting over, putting back: what comes first, and how it stands once it was begun. Pure.

A cut-over is a step of the role "application" in a plan whose purpose is a rollback.
"""

from __future__ import annotations

from collections.abc import Mapping

from warroom.model.plan import Plan, Step
from warroom.model.runbook import Procedure, Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import PlanState, State

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
    """The last thing done to the application was to put back what ran before."""
    touched = [run for run in runs(state) if run.plan.purpose in ("rollback", "undo")]
    return bool(touched) and touched[-1].plan.purpose == "undo" and touched[-1].status == "done"


def spent(state: State) -> str:
    """Why the present target is no way on any more, in a sentence; empty while it is one."""
    last, target = last_rollback(state), state.target
    if last is None or target is None or last.plan.target is None or not last.plan.target.matches(target.release):
        return ""
    name = target.release.name
    if taken_back(state):
        return f"{ran_before(state, last)} was put back, in place of {name}"
    if (step := failed_cut_over(last)) is not None:
        now = last.steps[step.id]
        seen = (now.look.seen if now.look is not None else now.detail).removeprefix("FAIL: ")
        return f"FAIL: {name} did not come up ({step.title}){f': {seen}' if seen else ''}"
    if last.status != "running" and any(release.matches(target.release) for release in state.failed_targets):
        return f"FAIL: {name} runs and is not recovered"
    return ""


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


def stopped(state: State) -> bool:
    """Writes were stopped, and nothing has been done to the application since."""
    done = [run for run in runs(state) if run.plan.purpose == "stop-writes" or _touches(run)]
    return bool(done) and done[-1].plan.purpose == "stop-writes" and done[-1].status == "done"


def to_put_back(state: State) -> PlanState | None:
    """The last rollback, where it touched the application and can be taken back, and was not taken back already."""
    touched = [run for run in runs(state) if run.plan.purpose in ("rollback", "undo") and _touches(run)]
    if not touched or touched[-1].plan.purpose != "rollback" or touched[-1].status == "running":
        return None
    run = touched[-1]
    back = (s for s in run.plan.steps if s.role == "application" and s.preview.inverse is not None)
    return run if any(run.steps[step.id].status not in _UNTOUCHED for step in back) else None


def _touches(run: PlanState) -> bool:
    mine = [step for step in run.plan.steps if step.role in ROLES]
    return any(run.steps[step.id].status not in _UNTOUCHED for step in mine if step.id in run.steps)


def puts_back(state: State, plan: Plan) -> str:
    """What the plan would let run again although the incident began on it, in words; empty when it doesn't."""
    before = state.incident.running if state.incident is not None else None
    if plan.purpose == "undo":
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
