"""The next right action: one, always, from the runbook's order and the incident as it stands. Pure.

The order is the runbook's: decide, notify, capture, target, plan, run, verify. After a PASS the message that it is over
goes out before the 30-minute watch is waited for: people wait for it, and nothing else is to be done meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from warroom.model.base import Fact
from warroom.model.checklist import settled
from warroom.model.cutover import failed_cut_over, spent, stop_writes_first
from warroom.model.plan import Plan, Step
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.signal import TriggerReading
from warroom.model.state import PlanState, State, StepState
from warroom.model.units import many

Action = Literal[
    "open-incident",
    "take-wheel",
    "veto",
    "answer",
    "decide",
    "notify-started",
    "capture",
    "choose-target",
    "propose-plan",
    "run",
    "stop-writes",
    "resolve-step",
    "claim-step",
    "verify",
    "answer-check",
    "choose-way",
    "watch",
    "notify-completed",
    "schedule-post-mortem",
    "report",
    "close",
    "none",
]
ROLL_BACK = ("rollback", "rollback-now")
ASKED = "ask-a-person"
DRIVEN: tuple[Action, ...] = (
    "decide",
    "choose-target",
    "propose-plan",
    "run",
    "resolve-step",
    "claim-step",
    "verify",
    "choose-way",
    "close",
)
"""What only who drives may do, where somebody does."""


class NextAction(Fact):
    """``sentence`` says what to do, ``why`` what makes it the next thing. ``none``: wait, and what for."""

    action: Action
    sentence: str
    why: str = ""


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
    found = _next(runbook, state, triggers)
    if not writable and found.action != "none":
        return _do("none", f"Read-only. Next: {found.sentence}", "nothing can be changed from here")
    if me and state.driver not in (None, me) and found.action in DRIVEN:
        return _do("none", f"{state.driver} drives. Next: {found.sentence}", found.why)
    return found


def _next(runbook: Runbook, state: State, triggers: Mapping[str, TriggerReading] | None) -> NextAction:
    if state.incident is None:
        return _unopened(runbook, state, state.triggers if triggers is None else triggers)
    if state.incident.closed is not None:
        if state.report is None:
            return _do("report", "Write the report", "the incident is closed and has none")
        return _do("none", f"{state.incident.id} is closed", "its report is written")
    stages: tuple[Stage, ...] = (
        _running,
        _automatic,
        _unsettled,
        _stopping,
        _wheel,
        _aside,
        _deciding,
        _fixing,
        _preparing,
        _planning,
        _closing,
    )
    for stage in stages:
        found = stage(runbook, state)
        if found is not None:
            return found
    return _do("none", "Nothing is left to do", "every step is settled")


def _do(action: Action, sentence: str, why: str = "") -> NextAction:
    return NextAction(action=action, sentence=sentence, why=why)


def _unopened(runbook: Runbook, state: State, triggers: Mapping[str, TriggerReading]) -> NextAction:
    if stop_writes_first(runbook, state, triggers):
        return _stop(runbook, triggers)
    firing = sorted(
        (t for t in triggers.values() if t.status in ("firing", "clearing")), key=lambda t: t.severity != "critical"
    )
    if firing:
        return _do("open-incident", "Open an incident", f"{firing[0].title}: {firing[0].words}".removesuffix(": "))
    if triggers and all(t.status == "unknown" for t in triggers.values()):
        return _do("none", "Nothing can be told yet: no trigger is measured", "an incident can be opened at any time")
    return _do("none", "Nothing fires: go on watching", "an incident can be opened at any time")


def _running(runbook: Runbook, state: State) -> NextAction | None:
    plan = state.plan
    if plan is None or plan.status != "running":
        return None
    for number, step in enumerate(plan.plan.steps, 1):
        now = plan.steps[step.id]
        if now.status in ("unknown", "failed") and not now.resolved:
            return _resolve(step, now)
        if now.status == "intended" and _by_hand(step):
            return _do("claim-step", f"Do step {step.id} by hand, then say it is done", step.title)
        if now.status == "intended":
            return _do("none", f"Step {number} of {len(plan.plan.steps)} is running: {step.title}", plan.plan.title)
    return _do("none", f"{plan.plan.title} is running", "")


def _automatic(runbook: Runbook, state: State) -> NextAction | None:
    """While it counts down, whether to let it is what everybody has to think about."""
    now = state.automatic
    if now is None or now.status != "announced" or now.until is None:
        return None
    sentence = f"Veto the automatic rollback to {now.target}, or let it begin at {now.until:%H:%M:%S} UTC"
    return _do("veto", sentence, "the runbook lets warroom do it; any person may stop it")


def _by_hand(step: Step) -> bool:
    return step.manual or any(call.kind == "manual" for call in step.preview.calls)


def _unsettled(runbook: Runbook, state: State) -> NextAction | None:
    plan = state.plan
    if plan is None or plan.status in ("running", "voided"):
        return None
    for step in plan.plan.steps:
        now = plan.steps[step.id]
        if now.status in ("unknown", "intended", "failed") and not now.resolved:
            return _cut_over(state) if failed_cut_over(plan) is step else _resolve(step, now)
    return None


def _cut_over(state: State) -> NextAction:
    """The target is not in service. Nothing is put back by itself: three ways on, and a person chooses."""
    plan = state.plan
    to = plan.plan.target.name if plan is not None and plan.plan.target is not None else "the target"
    return _do("choose-way", f"The cut-over to {to} failed: choose the way on", plan.detail if plan is not None else "")


def _resolve(step: Step, now: StepState) -> NextAction:
    how = "failed" if now.status == "failed" else "is unknown"
    saw = f"seen: {now.look.seen}" if now.look is not None else now.detail
    return _do("resolve-step", f"Step {step.id} {how}: say whether it is done, again, undo or skip", saw)


def _stopping(runbook: Runbook, state: State) -> NextAction | None:
    """Corruption and security: writes are stopped before anything is decided; it takes the wheel by itself."""
    plan = state.plan
    if plan is not None and plan.plan.purpose == "stop-writes" and plan.status in ("proposed", "approved"):
        return None
    return _stop(runbook, state.triggers) if stop_writes_first(runbook, state) else None


def _stop(runbook: Runbook, triggers: Mapping[str, TriggerReading]) -> NextAction:
    firing = (t for t in triggers.values() if t.status in ("firing", "clearing"))
    why = next((t.title for t in firing if t.id in runbook.triggers and runbook.triggers[t.id].stop_writes_first), "")
    return _do("stop-writes", "Stop writes first", why)


def _wheel(runbook: Runbook, state: State) -> NextAction | None:
    if runbook.environment.kind != "production" or state.driver is not None:
        return None
    return _do("take-wheel", "Take the wheel", "production is read-only until someone drives")


def _aside(runbook: Runbook, state: State) -> NextAction | None:
    """A plan to stop writes, or to undo, waits for nothing of the order below."""
    plan = state.plan
    if plan is None or plan.plan.purpose == "rollback" or plan.status not in ("proposed", "approved"):
        return None
    return _do("run", f"Run the plan: {plan.plan.title}", many(len(plan.plan.steps), "step"))


def _deciding(runbook: Runbook, state: State) -> NextAction | None:
    tree, decision = state.tree, state.decision
    if decision is None and _rolled_back(state):
        return None  # it was waived, and has been done since
    if decision is None:
        open_question = next((step for step in tree.path if step.answer is None), None) if tree is not None else None
        if open_question is not None:
            return _do("answer", f"Answer: {open_question.ask}", open_question.evidence)
        if tree is not None and tree.advice is not None:
            return _do("decide", f"Decide: the runbook says {tree.title}", tree.reason)
        return _do("decide", "Decide what to do", "the decision tree has not been read yet")
    if decision.choice in ROLL_BACK:
        return None
    asked = tree.path[-1] if tree is not None and tree.path and tree.path[-1].answer is None else None
    question = runbook.tree.questions.get(asked.node) if asked is not None else None
    if asked is not None and question is not None and question.from_ is None and not _decided_against(state):
        return _do("answer", f"Answer: {asked.ask}", asked.evidence)  # the ten minutes are over, say
    otherwise = tree is not None and tree.advice in (*ROLL_BACK, "hotfix") and tree.advice != decision.choice
    if tree is not None and otherwise and not _decided_against(state):
        return _do("decide", f"Decide again: the runbook now says {tree.title}", tree.reason)
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
            return None if state.verification is not None else _do("verify", "Verify the hotfix", "the release changed")
        return _do("none", "Deploy the hotfix: it is verified once it runs", decision.reason)
    if firing:
        would = state.tree.would_change if state.tree is not None else ""
        return _do("none", f"Monitoring, as decided: {firing[0]}", would)
    return _do("close", "Close the incident, or go on monitoring", "no trigger fires")


def _preparing(runbook: Runbook, state: State) -> NextAction | None:
    if state.decision is None or state.decision.choice not in ROLL_BACK or _rolled_back(state):
        return None
    if state.plan is not None and state.plan.plan.purpose == "rollback" and state.plan.began_at is not None:
        return None
    if spent(state):
        return None
    if not settled(runbook, state, "stakeholders-notified"):
        why = "the runbook tells them before anything is changed"
        if told := _telling(state, "notify-started", "started", "Notify the stakeholders", why):
            return told
    collecting = state.evidence is not None and state.evidence.status == "collecting"
    if not settled(runbook, state, "evidence-sealed") and not collecting:
        return _do("capture", "Capture evidence", "a rollback destroys what is not captured")
    return None


def _planning(runbook: Runbook, state: State) -> NextAction | None:
    if state.decision is None or state.decision.choice not in ROLL_BACK or _rolled_back(state):
        return None
    target, plan = state.target, state.plan
    if target is None:
        return _do("choose-target", "Choose the release to go back to", "")
    if plan is not None and plan.status == "cancelled" and _goes_to(plan.plan, target.release):
        return _do("choose-way", "The run was stopped: choose the way on", plan.detail)
    if not _may_run(plan) and (why := spent(state)):
        return _do("choose-way", "Choose the way on", why)
    if not _may_run(plan) or plan is None:
        why = f"the last one is void: {plan.void_reason}" if plan is not None and plan.status == "voided" else ""
        return _do("propose-plan", f"Prepare the plan to {target.release.name}", why or target.reason)
    if plan.plan.purpose == "rollback" and not _goes_to(plan.plan, target.release):
        return _do("propose-plan", f"Prepare the plan to {target.release.name}", "the target was changed")
    again = "Go on with" if plan.began_at is not None else "Run"
    why = f"{many(len(plan.plan.steps), 'step')} to {target.release.name}"
    return _do("run", f"{again} the plan: {plan.plan.title}", why)


def _closing(runbook: Runbook, state: State) -> NextAction | None:
    checked, plan = state.verification, state.plan
    if "verified" not in state.proofs:
        if checked is not None and checked.ended_at is None:
            return _do("none", f"Verifying: {len(checked.results)} of {many(len(checked.checks), 'check')}", "")
        stale = (
            checked is not None and plan is not None and plan.ended_at is not None and checked.began_at < plan.ended_at
        )
        if checked is None or stale:
            return _do("verify", "Verify the recovery", "a rollback that is done is not yet a recovery")
        if checked.verdict == "inconclusive" and (asked := _unanswered(runbook, state)):
            more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
            return _do("answer-check", f"Answer: {asked[0]}{more}", "only a person can see this")
        best = f"best: {checked.next[0].title}" if checked.next else checked.words
        return _do("choose-way", f"Verification says {(checked.verdict or 'nothing').upper()}: choose the way on", best)
    watch = state.watch
    if watch is not None and watch.quiet is False:
        return _do("choose-way", "The watch saw it come back: choose the way on", watch.words)
    if not settled(runbook, state, "completion-sent"):
        over, why = "Tell everybody that it is over", "recovery is verified"
        if told := _telling(state, "notify-completed", "completed", over, why):
            return told
    if not settled(runbook, state, "post-mortem-scheduled"):
        return _do("schedule-post-mortem", "Schedule the post-mortem", "within 24 hours, while memory is fresh")
    if watch is not None and watch.quiet is None:
        return _do("watch", f"Watch until {watch.until:%H:%M} UTC", "a rollback can be undone by what put it there")
    if state.report is None:
        return _do("report", "Write the report", "the journal has everything it needs")
    return _do("close", "Close the incident", "recovery is verified, and everything is written")


def _unanswered(runbook: Runbook, state: State) -> list[str]:
    """What nobody has said yet, when that alone is missing."""
    checked = state.verification
    if checked is None:
        return []
    missing = [
        name
        for name, result in checked.results.items()
        if result.verdict != "pass" and name in runbook.verification and runbook.verification[name].required
    ]
    mine = [name for name in missing if runbook.verification[name].use == ASKED and name not in state.answered]
    return [runbook.verification[name].sentence for name in mine] if mine == missing else []


def _rolled_back(state: State) -> bool:
    """The present target's plan has run to its end, or recovery is already verified."""
    if "verified" in state.proofs:
        return True
    plan = state.plan
    if plan is None or plan.status != "done" or plan.plan.purpose != "rollback":
        return False
    return state.target is None or _goes_to(plan.plan, state.target.release)


def _may_run(plan: PlanState | None) -> bool:
    """A plan that can be started, or gone on with."""
    if plan is None or plan.status not in ("proposed", "approved", "failed", "unknown"):
        return False
    return any(step.status == "planned" or step.resolved == "again" for step in plan.steps.values())


def _telling(state: State, action: Action, template: str, sentence: str, why: str) -> NextAction | None:
    """None while a channel has it: what is on its way holds nothing up. What a person carries is still to be done."""
    queued = [m for m in state.messages.values() if m.template == template and m.status == "queued"]
    if any(m.waits_for_a_person for m in queued):
        return _do(action, "Send the message yourself, then say that you did", "no channel is set up for it")
    return None if queued else _do(action, sentence, why)


def _goes_to(plan: Plan, release: Release) -> bool:
    return plan.target is not None and plan.target.matches(release)
