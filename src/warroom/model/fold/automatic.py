"""Folds of the automatic rollback, and of what a person does that changes the incident's course."""

from __future__ import annotations

from typing import Any

from warroom.model import event as ev
from warroom.model import state as st
from warroom.model.event import Event
from warroom.model.fold.registry import having, on
from warroom.model.state import State

STEERING: dict[type[Any], str] = {
    ev.WheelTaken: "took the wheel",
    ev.TreeAnswered: "answered a question of the tree",
    ev.Decided: "decided",
    ev.TargetChosen: "chose a target",
    ev.PlanProposed: "prepared a plan",
    ev.PlanApproved: "approved a plan",
    ev.RunStarted: "ran a plan",
    ev.AbortAsked: "aborted a run",
    ev.StepResolved: "resolved a step",
}
"""Who does one of these has the incident in hand: nothing is done by itself any more."""


def steer(before: State, state: State, event: Event) -> State:
    """After any event that fitted: did a person (or the autopilot, in drills) take it in hand, or the policy begin?"""
    if state is before:
        return state
    if event.actor.kind in ("person", "autopilot"):
        what = STEERING.get(type(event.body))
        return state if what is None else having(state, steered=f"{event.actor.name} {what}")
    if event.actor.kind == "policy" and isinstance(event.body, ev.RunStarted) and state.automatic is not None:
        return having(state, automatic=state.automatic.model_copy(update={"status": "started", "at": event.at}))
    return state


@on(ev.AutomaticAnnounced)
def _announced(state: State, event: Event, body: ev.AutomaticAnnounced) -> State:
    automatic = st.Automatic(
        status="announced",
        trigger=body.trigger,
        target=body.target,
        hash=body.hash,
        until=body.until,
        countdown_s=body.countdown_s,
        by=event.actor.name,
        at=event.at,
    )
    return having(state, automatic=automatic)


@on(ev.AutomaticVetoed)
def _vetoed(state: State, event: Event, body: ev.AutomaticVetoed) -> State:
    before = state.automatic or st.Automatic(status="vetoed", by=event.actor.name, at=event.at)
    given = {"status": "vetoed", "by": event.actor.name, "reason": body.reason, "at": event.at}
    return having(state, automatic=before.model_copy(update=given))


@on(ev.AutomaticStopped)
def _stopped(state: State, event: Event, body: ev.AutomaticStopped) -> State:
    before = state.automatic or st.Automatic(status="stopped", by=event.actor.name, at=event.at)
    given = {
        "status": "stopped",
        "trigger": body.trigger,
        "by": event.actor.name,
        "reason": body.reason,
        "at": event.at,
    }
    return having(state, automatic=before.model_copy(update=given))
