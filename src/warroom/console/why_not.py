"""Why an action can't be used now, in a sentence; an empty one when it can. The engine holds all of this too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warroom.model.cutover import spent
from warroom.model.escalation import open_calls
from warroom.model.replaced import replaced

if TYPE_CHECKING:
    from warroom.console.store import Store


def always(store: Store) -> str:
    return ""


def connected(store: Store) -> str:
    return "" if store.snapshot is not None else f"Not yet: {store.problem}."


def writing(store: Store) -> str:
    if store.snapshot is None:
        return connected(store)
    if not store.writable:
        return "This session is read-only: it can look, but nothing can be changed from here."
    return ""


def has_incident(store: Store) -> str:
    if why := writing(store):
        return why
    if store.incident is None:
        return f"No incident is open: {store.key('open')} opens one."
    return ""


def incident_open(store: Store) -> str:
    if why := has_incident(store):
        return why
    if store.incident is not None and store.incident.closed:
        return f"This incident is closed ({store.incident.closed}): {store.key('open')} opens a new one."
    return ""


def driving(store: Store) -> str:
    """In production nothing acts until someone has the wheel; the engine holds this too."""
    if why := incident_open(store):
        return why
    kind, driver = store.runbook.environment.kind if store.runbook else "production", store.state.driver
    if driver not in (None, store.me):
        return f"{driver} drives: {store.key('wheel')} takes the wheel."
    if kind == "production" and driver is None:
        return f"Nobody drives: {store.key('wheel')} takes the wheel."
    return ""


def standing_still(store: Store) -> str:
    if why := driving(store):
        return why
    return f"A plan is running: {store.key('abort')} stops it, or wait for its end." if store.run_going() else ""


def can_open(store: Store) -> str:
    if why := writing(store):
        return why
    if store.incident is not None and not store.incident.closed:
        return f"{store.incident.id} is open already."
    return ""


def can_plan(store: Store) -> str:
    """Reading a plan is everybody's; preparing one is who drives."""
    if store.plan is not None and store.plan.status != "voided":
        return has_incident(store) if store.writable else connected(store)
    return driving(store)


def can_run(store: Store) -> str:
    if why := driving(store):
        return why
    plan = store.plan
    if plan is None:
        return f"There is no plan yet: {store.key('plan')} prepares one."
    if plan.status == "voided":
        return f"The plan was voided ({plan.void_reason}): {store.key('plan')} prepares it again."
    if plan.status == "running":
        return f"It is running already: {store.key('abort')} stops it."
    if store.waiting_steps():
        return f"A step waits for a decision first: {store.key('resolve')} decides."
    open_steps = any(step.status == "planned" or step.resolved == "again" for step in plan.steps.values())
    if plan.status not in ("proposed", "approved", "failed", "unknown") or not open_steps:
        verifies, prepares = store.key("verify"), store.key("plan")
        return f"This plan has ended ({plan.status}): {verifies} verifies, {prepares} prepares another."
    return ""


def can_abort(store: Store) -> str:
    if why := has_incident(store):
        return why
    if not store.run_going():
        return "Nothing is running."
    if store.plan is not None and store.plan.aborting:
        return "It is being stopped already."
    return ""


def can_answer(store: Store) -> str:
    if why := incident_open(store):
        return why
    tree = store.tree()
    return "" if tree is not None and tree.path else "The tree asks nothing yet."


def can_undo(store: Store) -> str:
    if why := standing_still(store):
        return why
    plan = store.plan
    if (plan is None or plan.began_at is None) and not store.state.ended_runs:
        return "Nothing has been run that could be taken back."
    return ""


def can_resolve(store: Store) -> str:
    if why := driving(store):
        return why
    return "" if store.waiting_steps() else "No step waits for a decision."


def can_claim(store: Store) -> str:
    if why := driving(store):
        return why
    return "" if store.manual_steps() else "No manual step is under way."


def can_emergency(store: Store) -> str:
    """No incident, no trigger and no decision is needed; the lane's own screen says what holds it."""
    if why := writing(store):
        return why
    return f"A plan is running: {store.key('abort')} stops it first." if store.run_going() else ""


def can_check(store: Store) -> str:
    if why := has_incident(store):
        return why
    return "" if store.runbook is not None and store.runbook.verification else "The runbook declares no check."


def can_find_ways(store: Store) -> str:
    if why := incident_open(store):
        return why
    plan, verification, watch = store.plan, store.state.verification, store.state.watch
    if plan is not None and plan.status in ("failed", "cancelled", "unknown", "voided"):
        return ""
    if (watch is not None and watch.quiet is False) or spent(store.state) or store.halt() is not None:
        return ""
    if store.runbook is not None and replaced(store.runbook, store.state):
        return ""
    if verification is None or verification.verdict is None:
        return f"Nothing has been verified yet: {store.key('verify')} verifies."
    return "" if verification.verdict != "pass" else "Verification has passed: nothing is to be chosen."


def can_acknowledge(store: Store) -> str:
    if why := has_incident(store):
        return why
    known = store.state.acknowledged
    if store.runbook is not None and open_calls(store.runbook, store.state):
        return ""
    return "" if any(t.id not in known for t in store.firing()) else "Nothing fires that is not acknowledged."


def can_veto(store: Store) -> str:
    """Anybody may, whoever drives; before it is announced as well."""
    if why := incident_open(store):
        return why
    if store.runbook is None or store.runbook.automatic_rollback is None:
        return "The runbook has no automatic rollback: nothing is done by itself."
    now = store.state.automatic
    if now is None or now.status == "announced":
        return ""
    if now.status == "started":
        return f"It has begun: {store.key('abort')} stops a run." if store.run_going() else "It has run already."
    return f"There is none any more: {now.by} {now.status} it."


def can_stop_writes(store: Store) -> str:
    if why := writing(store):
        return why
    runbook = store.runbook
    if runbook is None or not any(p.kind == "stop-writes" for p in runbook.procedures.values()):
        return "The runbook has no procedure that stops writes."
    return f"A plan is running: {store.key('abort')} stops it first." if store.run_going() else ""


def can_close(store: Store) -> str:
    if why := driving(store):
        return why
    return "A plan is running: it must end first." if store.run_going() else ""
