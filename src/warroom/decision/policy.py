"""Why the automatic rollback must not happen, or not go on. Pure: the same questions before its countdown and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from warroom.model.automation import AutomaticRollback
from warroom.model.base import Fact, Instant, passed_text
from warroom.model.plan import Plan
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import State

WAIVED = ("notified",)
"""The guards that the policy may waive: stakeholders' messages that are on their way, or have no channel."""
ROLL_BACK = ("rollback", "rollback-now")


class Earlier(Fact):
    """Another incident of this service: when something was last done in it."""

    id: str
    last: Instant


def against(
    runbook: Runbook,
    policy: AutomaticRollback,
    state: State,
    readings: Mapping[str, TriggerReading],
    *,
    now: datetime,
    running: Release | None,
    deploying: str,
    earlier: Iterable[Earlier],
) -> str:
    """The first reason, in a sentence; empty when there is none. ``deploying`` is what a platform says goes on."""
    trigger = runbook.triggers[policy.trigger]
    reading = readings.get(policy.trigger)
    if state.incident is None or state.incident.closed is not None:
        return "no incident is open"
    if reading is None or reading.status != "firing":
        return f"{trigger.title} does not fire any more{': ' + reading.words if reading is not None else ''}"
    if state.steered:
        return f"a person has acted: {state.steered}"
    if state.ended_runs or (state.plan is not None and state.plan.began_at is not None):
        return "a plan was run in this incident already"
    if any(hours.holds(now) for hours in policy.quiet_hours):
        return f"{now:%H:%M} UTC is in its quiet hours"
    for other in earlier:
        ago = (now - other.last).total_seconds()
        if ago < policy.rest:
            return f"{other.id} was worked on {passed_text(ago)} ago: not twice in a row without a person"
    return _moving(state, running, deploying) or _advice(state)


def _moving(state: State, running: Release | None, deploying: str) -> str:
    if deploying:
        return f"a deployment is in progress: {deploying}"
    if running is None:
        return "what runs now can't be told"
    if state.changes:
        return f"the running release changed during the incident, to {state.changes[-1].now}"
    return ""


def _advice(state: State) -> str:
    advice = state.tree.advice if state.tree is not None else None
    if advice in ROLL_BACK:
        return ""
    return f"the decision tree advises {advice}" if advice else "the decision tree advises nothing yet"


def too_much(plan: Plan) -> str:
    """Why this plan is none for it: anything but operations that roll the application back."""
    for step in plan.steps:
        if step.risk == "destructive" or step.role == "database":
            return f"step {step.id} is destructive"
        if step.manual or any(call.kind == "manual" for call in step.preview.calls):
            return f"step {step.id} is done by a person"
    return "" if plan.target is not None else "the plan goes back to no release"
