"""Folds of acting and what follows: plans, steps, verification, the watch, messages, the report."""

from __future__ import annotations

from typing import Any

from warroom.model import event as ev
from warroom.model import state as st
from warroom.model.cutover import offers
from warroom.model.event import Event
from warroom.model.fold.registry import forget, having, named, on, prove
from warroom.model.runbook import Proof
from warroom.model.state import KEPT, PlanState, State, StepState


@on(ev.PlanProposed)
def _proposed(state: State, event: Event, body: ev.PlanProposed) -> State:
    steps = {step.id: StepState() for step in body.plan.steps}
    plan = PlanState(plan=body.plan, hash=body.hash, status="proposed", by=event.actor.name, at=event.at, steps=steps)
    ended = (
        (*state.ended_runs, state.plan)[-KEPT:] if state.plan is not None and state.plan.ended_at else state.ended_runs
    )
    return having(state, plan=plan, ended_runs=ended)


def _plan(state: State, plan_hash: str, **changes: Any) -> State:
    if state.plan is None or state.plan.hash != plan_hash:
        return state
    return having(state, plan=state.plan.model_copy(update=changes))


@on(ev.PlanApproved)
def _approved(state: State, event: Event, body: ev.PlanApproved) -> State:
    if state.plan is None or state.plan.hash != body.hash or state.plan.status not in ("proposed", "approved"):
        return state
    who = (*(a for a in state.plan.approvals if a != event.actor.name), event.actor.name)
    return _plan(state, body.hash, status="approved", approvals=who)


@on(ev.PlanVoided)
def _voided(state: State, event: Event, body: ev.PlanVoided) -> State:
    return _plan(state, body.hash, status="voided", void_reason=body.reason, approvals=())


_OF_A_RUN: tuple[Proof, ...] = (
    "verified",
    "health-verified",
    "flows-verified",
    "errors-normal",
    "integrity-verified",
    "users-verified",
    "watch-ended",
)


@on(ev.RunStarted)
def _run(state: State, event: Event, body: ev.RunStarted) -> State:
    after = _plan(
        state, body.hash, status="running", began_at=event.at, ended_at=None, waived=body.waived, aborting=False
    )
    if after.plan is not None and after.plan.plan.purpose == "rollback":
        after = having(forget(after, "procedure-executed", "application-rolled-back", *_OF_A_RUN), answered={})
    if after.plan is not None and after.plan.plan.purpose == "undo":
        roles = {step.role for step in after.plan.plan.steps}
        taken_back: tuple[Proof, ...] = tuple(proof for role, proof in _ROLE_PROOFS.items() if role in roles)
        after = forget(after, *(("procedure-executed", *taken_back) if taken_back else ()), *_OF_A_RUN)
        after = having(after, answered={})
    return after


def _step(state: State, body: Any, **changes: Any) -> State:
    plan = state.plan
    if plan is None or plan.hash != body.plan or body.step not in plan.steps:
        return state
    step = plan.steps[body.step].model_copy(update=changes)
    return having(state, plan=plan.model_copy(update={"steps": {**plan.steps, body.step: step}}))


@on(ev.StepIntended)
def _intended(state: State, event: Event, body: ev.StepIntended) -> State:
    fresh = {"status": "intended", "attempt": body.attempt, "calls_made": 0, "began_at": event.at, "ended_at": None}
    return _step(state, body, **fresh, detail="", look=None, resolved="")


@on(ev.CallMade)
def _call_made(state: State, event: Event, body: ev.CallMade) -> State:
    return _step(state, body, calls_made=body.index + 1)


_ROLE_PROOFS: dict[str, Proof] = {
    "application": "application-rolled-back",
    "database": "database-rolled-back",
    "caches": "caches-cleared",
}


@on(ev.StepEnded)
def _step_ended(state: State, event: Event, body: ev.StepEnded) -> State:
    ended = {
        "status": body.status,
        "ended_at": event.at,
        "detail": body.detail,
        "outputs": body.outputs,
        "look": body.look,
    }
    after = _step(state, body, **ended)
    return after if after is state else _prove_role(after, event, body.step)


def _prove_role(state: State, event: Event, step_id: str) -> State:
    """A role's checklist line ticks when every step of that role is done, and at least one was really done."""
    plan = state.plan
    if plan is None or plan.plan.purpose != "rollback":
        return state
    role = next((s.role for s in plan.plan.steps if s.id == step_id), "other")
    proof = _ROLE_PROOFS.get(role)
    statuses = [plan.steps[s.id].status for s in plan.plan.steps if s.role == role and s.id in plan.steps]
    if proof is None or "done" not in statuses or any(s not in ("done", "skipped") for s in statuses):
        return state
    return prove(state, event, proof, f"{plan.plan.title}: {step_id}")


@on(ev.StepResolved)
def _resolved(state: State, event: Event, body: ev.StepResolved) -> State:
    status = {"done": "done", "skip": "skipped"}.get(body.choice)
    after = _step(state, body, resolved=body.choice, **({"status": status} if status else {}))
    return after if after is state else _prove_role(after, event, body.step)


@on(ev.AbortAsked)
def _abort(state: State, event: Event, body: ev.AbortAsked) -> State:
    return _plan(state, body.hash, aborting=True)


@on(ev.RunEnded)
def _run_ended(state: State, event: Event, body: ev.RunEnded) -> State:
    void = state.plan is not None and state.plan.hash == body.hash and state.plan.status == "voided"
    outcome = "voided" if void else body.outcome  # voided while it ran: it is not gone on with, but proposed again
    after = _plan(state, body.hash, status=outcome, ended_at=event.at, detail=body.detail, aborting=False)
    plan = after.plan
    if plan is None or plan.hash != body.hash or body.outcome != "done" or plan.plan.purpose != "rollback":
        return after
    return prove(after, event, "procedure-executed", f"{plan.plan.title}, {body.seconds:.0f} s")


@on(ev.VerificationStarted)
def _verifying(state: State, event: Event, body: ev.VerificationStarted) -> State:
    return forget(having(state, verification=st.Verification(began_at=event.at, checks=body.checks)), *_OF_A_RUN[:-1])


@on(ev.CheckAnswered)
def _check_answered(state: State, event: Event, body: ev.CheckAnswered) -> State:
    said = st.Answered(verdict=body.verdict, words=body.words, by=event.actor.name, at=event.at)
    return having(state, answered=named(state.answered, body.check, said))


@on(ev.CheckEnded)
def _check(state: State, event: Event, body: ev.CheckEnded) -> State:
    now = state.verification
    if now is None:
        return state
    results = named(now.results, body.result.id, body.result)
    return having(state, verification=now.model_copy(update={"results": results}))


@on(ev.VerificationEnded)
def _verified(state: State, event: Event, body: ev.VerificationEnded) -> State:
    now = state.verification
    if now is None:
        return state
    ended = now.model_copy(
        update={"verdict": body.verdict, "words": body.words, "next": body.next, "ended_at": event.at}
    )
    after = having(state, verification=ended)
    for proof in _OF_A_RUN[:-1]:
        results = [r for r in now.results.values() if r.proves == proof]
        if results and all(r.verdict == "pass" for r in results):
            after = prove(after, event, proof, "; ".join(r.words for r in results)[:200])
    if body.verdict == "pass":
        if state.target is not None:
            bad = tuple(one for one in state.failed_targets if not one.matches(state.target.release))
            after = having(after, failed_targets=bad)
        return prove(after, event, "verified", body.words)
    if body.verdict == "fail" and state.target is not None and not offers(body.next, state.target.release):
        return having(after, failed_targets=(*state.failed_targets, state.target.release)[-KEPT:])
    return after


@on(ev.WatchStarted)
def _watch(state: State, event: Event, body: ev.WatchStarted) -> State:
    watch = st.Watch(began_at=event.at, until=body.until, window_s=body.window_s, production_s=body.production_s)
    return forget(having(state, watch=watch), "watch-ended")


@on(ev.WatchEnded)
def _watch_ended(state: State, event: Event, body: ev.WatchEnded) -> State:
    if state.watch is None:
        return state
    after = having(state, watch=state.watch.model_copy(update={"quiet": body.quiet, "words": body.words}))
    return prove(after, event, "watch-ended", body.words) if body.quiet else after


@on(ev.MessageQueued)
def _queued(state: State, event: Event, body: ev.MessageQueued) -> State:
    message = st.Message(
        id=body.message, template=body.template, channel=body.channel, text=body.text, status="queued", at=event.at
    )
    kept = dict(state.messages)
    # What is still owed is never the one to go, unless everything is owed: a bounded state beats an endless one.
    while len(kept) >= KEPT:
        del kept[next((k for k, m in kept.items() if m.status == "sent"), next(iter(kept)))]
    return having(state, messages={**kept, body.message: message})


@on(ev.MessageSent)
def _sent(state: State, event: Event, body: ev.MessageSent) -> State:
    message = state.messages.get(body.message)
    if message is None:
        return state
    sent = message.model_copy(update={"status": "sent", "receipt": body.receipt, "at": event.at})
    after = having(state, messages={**state.messages, body.message: sent})
    proofs: dict[str, Proof] = {"started": "stakeholders-notified", "completed": "completion-sent"}
    proof = proofs.get(message.template)
    how = "sent by hand" if body.by_hand else f"sent to {message.channel}: {body.receipt}"
    return prove(after, event, proof, how[:200]) if proof else after


@on(ev.MessageFailed)
def _failed(state: State, event: Event, body: ev.MessageFailed) -> State:
    message = state.messages.get(body.message)
    if message is None or not body.final:
        return state
    failed = message.model_copy(update={"status": "failed", "receipt": body.reason})
    return having(state, messages={**state.messages, body.message: failed})


@on(ev.Escalated)
def _escalated(state: State, event: Event, body: ev.Escalated) -> State:
    step = st.Escalation(step=body.step, sentence=body.sentence, at=event.at)
    return having(state, escalations=(*state.escalations, step)[-KEPT:])


@on(ev.ReportWritten)
def _report(state: State, event: Event, body: ev.ReportWritten) -> State:
    return prove(having(state, report=body.path), event, "report-written", body.path)


@on(ev.Raw)
def _raw(state: State, event: Event, body: ev.Raw) -> State:
    return having(state, unreadable=state.unreadable + 1)
