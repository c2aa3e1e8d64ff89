"""The next right action: one, always, from the runbook's order and the incident as it stands. Pure.

The order is the runbook's: decide, notify, capture, target, plan, run, verify. After a PASS the message that it is over
goes out before the 30-minute watch is waited for: people wait for it, and nothing else is to be done meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from warroom.model.action import DRIVEN, Action, NextAction, do
from warroom.model.checklist import settled
from warroom.model.cutover import (
    as_it_stands,
    failed_cut_over,
    spent,
    stop_writes_first,
    superseded,
)
from warroom.model.finishing import finishing, telling
from warroom.model.leading import follows, leads_to, rolled_back
from warroom.model.measuring import HOW, unmeasured
from warroom.model.plan import Plan, Step
from warroom.model.release import Release
from warroom.model.replaced import replaced
from warroom.model.runbook import Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import PlanState, State, StepState
from warroom.model.units import listed, many

__all__ = ["Action", "NextAction", "next_action"]
ROLL_BACK = ("rollback", "rollback-now")
Stage = Callable[[Runbook, State], NextAction | None]


def next_action(
    runbook: Runbook,
    state: State,
    triggers: Mapping[str, TriggerReading] | None = None,
    *,
    me: str = "",
    writable: bool = True,
) -> NextAction:
    """``triggers`` are the newest live readings, where the caller has them; else those that were journaled.

    ``me`` is who asks, and ``writable`` whether anything can be changed from there: what they can't do themselves is
    said to them as what is waited for. Without ``me`` it is what is next, whoever does it.
    """
    stands = as_it_stands(state)
    found = _next(runbook, stands, triggers)
    if stands is not state and found.action in ("run", "resolve-step"):
        found = _gone(found)  # of a plan whose place the undo has taken: nothing of it can be gone on with
    if not writable and found.action != "none":
        return do("none", f"Read-only. Next: {found.sentence}", "nothing can be changed from here")
    if me and state.driver not in (None, me) and found.action in DRIVEN:
        return do("none", f"{state.driver} drives. Next: {found.sentence}", found.why)
    return found


def _gone(found: NextAction) -> NextAction:
    if found.action == "run":
        return do("propose-plan", "Prepare the plan again", "an undo that was only looked at has taken its place")
    return do("choose-way", "Choose the way on", found.sentence)


def _next(runbook: Runbook, state: State, triggers: Mapping[str, TriggerReading] | None) -> NextAction:
    if state.incident is None:
        return _unopened(runbook, state, state.triggers if triggers is None else triggers)
    if state.incident.closed is not None:
        if state.report is None:
            return do("report", "Write the report", "the incident is closed and has none")
        return do("none", f"{state.incident.id} is closed", "its report is written")
    stages: tuple[Stage, ...] = (
        _running,
        _automatic,
        _unsettled,
        _stopping,
        _wheel,
        _aside,
        _going_on,
        _replaced,
        _following,
        _deciding,
        _fixing,
        _preparing,
        _planning,
        finishing,
    )
    for stage in stages:
        found = stage(runbook, state)
        if found is not None:
            return found
    return do("none", "Nothing is left to do", "every step is settled")


def _unopened(runbook: Runbook, state: State, triggers: Mapping[str, TriggerReading]) -> NextAction:
    if stop_writes_first(runbook, state, triggers):
        return _stop(runbook, triggers)
    firing = sorted(
        (t for t in triggers.values() if t.status in ("firing", "clearing")), key=lambda t: t.severity != "critical"
    )
    if firing:
        return do("open-incident", "Open an incident", f"{firing[0].title}: {firing[0].words}".removesuffix(": "))
    telling = [t for t in triggers.values() if t.id not in runbook.triggers or runbook.triggers[t.id].of_health]
    if telling and all(t.status == "unknown" for t in telling):
        fed = "" if {t.id for t in telling} - unmeasured(runbook) else f"{HOW}; "
        return do("none", "Nothing can be told yet: no trigger is measured", f"{fed}an incident can be opened any time")
    return do("none", "Nothing fires: go on watching", "an incident can be opened at any time")


def _running(runbook: Runbook, state: State) -> NextAction | None:
    plan = state.plan
    if plan is None or plan.status != "running":
        return None
    for number, step in enumerate(plan.plan.steps, 1):
        now = plan.steps[step.id]
        if now.status in ("unknown", "failed") and not now.resolved:
            return _resolve(step, now)
        if now.status == "intended" and _by_hand(step):
            return do("claim-step", f"Do step {step.id} by hand, then say it is done", step.title)
        if now.status == "intended":
            return do("none", f"Step {number} of {len(plan.plan.steps)} is running: {step.title}", plan.plan.title)
    return do("none", f"{plan.plan.title} is running", "")


def _automatic(runbook: Runbook, state: State) -> NextAction | None:
    """While it counts down, whether to let it is what everybody has to think about."""
    now = state.automatic
    if now is None or now.status != "announced" or now.until is None:
        return None
    sentence = f"Veto the automatic rollback to {now.target}, or let it begin at {now.until:%H:%M:%S} UTC"
    return do("veto", sentence, "the runbook lets warroom do it; any person may stop it")


def _by_hand(step: Step) -> bool:
    return step.manual or any(call.kind == "manual" for call in step.preview.calls)


def _unsettled(runbook: Runbook, state: State) -> NextAction | None:
    plan = state.plan
    if plan is None or plan.status in ("running", "voided"):
        return None
    for step in plan.plan.steps:
        now = plan.steps[step.id]
        if now.status in ("unknown", "intended", "failed") and not now.resolved:
            if failed_cut_over(plan) is not step:
                return _resolve(step, now)
            if not superseded(state, plan):
                return _cut_over(state)
    return None


def _cut_over(state: State) -> NextAction:
    """The target is not in service. Nothing is put back by itself: three ways on, and a person chooses."""
    plan = state.plan
    to = plan.plan.target.name if plan is not None and plan.plan.target is not None else "the target"
    return do("choose-way", f"The cut-over to {to} failed: choose the way on", plan.detail if plan is not None else "")


def _resolve(step: Step, now: StepState) -> NextAction:
    how = "failed" if now.status == "failed" else "is unknown"
    saw = f"seen: {now.look.seen}" if now.look is not None else now.detail
    return do("resolve-step", f"“{step.title}” {how}: say whether it is done, again, undo or skip", saw)


def _stopping(runbook: Runbook, state: State) -> NextAction | None:
    """Corruption and security: writes are stopped before anything is decided; it takes the wheel by itself."""
    plan = state.plan
    if plan is not None and plan.plan.purpose == "stop-writes" and plan.status in ("proposed", "approved"):
        return None
    return _stop(runbook, state.triggers) if stop_writes_first(runbook, state) else None


def _stop(runbook: Runbook, triggers: Mapping[str, TriggerReading]) -> NextAction:
    firing = (t for t in triggers.values() if t.status in ("firing", "clearing"))
    why = next((t.title for t in firing if t.id in runbook.triggers and runbook.triggers[t.id].stop_writes_first), "")
    return do("stop-writes", "Stop writes first", why)


def _wheel(runbook: Runbook, state: State) -> NextAction | None:
    if runbook.environment.kind != "production" or state.driver is not None:
        return None
    return do("take-wheel", "Take the wheel", "production is read-only until someone drives")


def _aside(runbook: Runbook, state: State) -> NextAction | None:
    """A plan to stop writes, or to undo, waits for nothing of the order below."""
    plan = state.plan
    if plan is None or plan.plan.purpose == "rollback" or plan.status not in ("proposed", "approved"):
        return None
    return do("run", f"Run the plan: {plan.plan.name}", many(len(plan.plan.steps), "step"))


def _going_on(runbook: Runbook, state: State) -> NextAction | None:
    """Cut off: the rest of it, which starts the application again say, waits for no decision; nor does a step that a
    person lets run again."""
    plan = state.plan
    if plan is not None and plan.status == "voided" and any(now.status != "planned" for now in plan.steps.values()):
        return do("propose-plan", f"Prepare the plan again: {plan.plan.name}", f"void midway: {plan.void_reason}")
    if plan is None or plan.status not in ("failed", "unknown") or not _may_run(plan):
        return None
    begun = any(now.status in ("done", "claimed") or now.resolved == "again" for now in plan.steps.values())
    target, elsewhere = plan.plan.target, state.target
    moved = target is not None and elsewhere is not None and not target.matches(elsewhere.release)
    if not begun or moved or failed_cut_over(plan) is not None:
        return None
    left = [step.title for step in plan.ahead()]
    return do("run", f"Go on with the plan: {plan.plan.name}", f"still to be done: {listed(left)}")


def _replaced(runbook: Runbook, state: State) -> NextAction | None:
    """Rolled back, and taken back by somebody else: that comes before any proof of what was rolled back to."""
    why, plan, decision = replaced(runbook, state), state.plan, state.decision
    if not why or (decision is not None and decision.choice not in ROLL_BACK):
        return None
    if plan is not None and plan.plan.purpose == "rollback" and plan.status in ("proposed", "approved"):
        return do("run", f"Run the plan: {plan.plan.name}", why)
    return do("choose-way", f"Choose the way on: {why}", "somebody else changed it after the rollback")


def _following(runbook: Runbook, state: State) -> NextAction | None:
    """Its first part was run before anything was decided: what that has shown is what the decision is made by."""
    lead = follows(runbook, state)
    if state.decision is not None or not lead.procedure:
        return None
    return do("propose-plan", f"Read what was found, then: {lead.title}", lead.why)


def _deciding(runbook: Runbook, state: State) -> NextAction | None:
    tree, decision = state.tree, state.decision
    if decision is None and rolled_back(runbook, state):
        return None  # it was waived, and has been done since
    if decision is None:
        open_question = next((step for step in tree.path if step.answer is None), None) if tree is not None else None
        if open_question is not None:
            return do("answer", f"Answer: {open_question.ask}", open_question.evidence)
        if tree is not None and tree.advice is not None:
            return do("decide", f"Decide: the runbook says {tree.title}", tree.reason)
        return do("decide", "Decide what to do", "the decision tree has not been read yet")
    if decision.choice in ROLL_BACK:
        return None
    asked = tree.path[-1] if tree is not None and tree.path and tree.path[-1].answer is None else None
    question = runbook.tree.questions.get(asked.node) if asked is not None else None
    if asked is not None and question is not None and question.from_ is None and not _decided_against(state):
        return do("answer", f"Answer: {asked.ask}", asked.evidence)  # the ten minutes are over, say
    otherwise = tree is not None and tree.advice in (*ROLL_BACK, "hotfix") and tree.advice != decision.choice
    if tree is not None and otherwise and not _decided_against(state):
        return do("decide", f"Decide again: the runbook now says {tree.title}", tree.reason)
    return None


def _decided_against(state: State) -> bool:
    """A decision against the advice, with its reason, stands: it is not asked for again."""
    return state.decision is not None and not state.decision.followed_advice


def _fixing(runbook: Runbook, state: State) -> NextAction | None:
    """The decision was not to roll back: watch, or wait for the hotfix, until it can be closed."""
    decision = state.decision
    if decision is None or decision.choice in ROLL_BACK or "verified" in state.proofs:
        return None
    firing = [t.title for t in state.triggers.values() if t.status in ("firing", "clearing", "pending")]
    if decision.choice == "hotfix":
        if any(change.at > decision.at for change in state.changes):
            return None if state.verification is not None else do("verify", "Verify the hotfix", "the release changed")
        return do("none", "Deploy the hotfix: it is verified once it runs", decision.reason)
    if firing:
        would = state.tree.would_change if state.tree is not None else ""
        return do("none", f"Monitoring, as decided: {firing[0]}", would)
    return do("close", "Close the incident, or go on monitoring", "no trigger fires")


def _preparing(runbook: Runbook, state: State) -> NextAction | None:
    if state.decision is None or state.decision.choice not in ROLL_BACK or rolled_back(runbook, state):
        return None
    if state.plan is not None and state.plan.plan.purpose == "rollback" and state.plan.began_at is not None:
        return None
    if spent(state):
        return None
    if not settled(runbook, state, "stakeholders-notified"):
        why = "the runbook tells them before anything is changed"
        if told := telling(state, "notify-started", "started", "Notify the stakeholders", why):
            return told
    collecting = state.evidence is not None and state.evidence.status == "collecting"
    if not settled(runbook, state, "evidence-sealed") and not collecting:
        return do("capture", "Capture evidence", "a rollback destroys what is not captured")
    return None


def _planning(runbook: Runbook, state: State) -> NextAction | None:
    if state.decision is None or state.decision.choice not in ROLL_BACK or rolled_back(runbook, state):
        return None
    target, plan = state.target, state.plan
    if target is None:
        return do("choose-target", "Choose the release to go back to", "")
    if plan is not None and plan.status == "cancelled" and _goes_to(plan.plan, target.release):
        return do("choose-way", "The run was stopped: choose the way on", plan.detail)
    if not _may_run(plan) and not follows(runbook, state).procedure and (why := spent(state)):
        return do("choose-way", "Choose the way on", why)
    if not _may_run(plan) or plan is None:
        why = f"the last one is void: {plan.void_reason}" if plan is not None and plan.status == "voided" else ""
        lead = leads_to(runbook, state)
        return do("propose-plan", lead.sentence(target.release.name), why or lead.why or target.reason)
    if plan.plan.purpose == "rollback" and not _goes_to(plan.plan, target.release):
        return do("propose-plan", f"Prepare the plan to {target.release.name}", "the target was changed")
    again = "Go on with" if plan.began_at is not None else "Run"
    why = f"{many(len(plan.plan.steps), 'step')} to {target.release.name}"
    return do("run", f"{again} the plan: {plan.plan.name}", why)


def _may_run(plan: PlanState | None) -> bool:
    """A plan that can be started, or gone on with."""
    if plan is None or plan.status not in ("proposed", "approved", "failed", "unknown"):
        return False
    return bool(plan.ahead())


def _goes_to(plan: Plan, release: Release) -> bool:
    return plan.target is not None and plan.target.matches(release)
