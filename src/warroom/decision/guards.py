"""Why the plan can't run now, each reason with what to do about it.

Hard ones are never waived. Soft ones are waived by the person who runs the plan, with a reason, and are journaled. The
cause of the incident is not among them: finding it never holds up a rollback.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from warroom.decision.answers import known
from warroom.decision.standing import back_to_failed, only_copies, runs_already, stands_still, well_again
from warroom.model.checklist import settled
from warroom.model.cutover import fired_needing_reason, outage, puts_back
from warroom.model.event import Actor
from warroom.model.live import Guard
from warroom.model.plan import Plan, Step
from warroom.model.release import ReleaseDiff
from warroom.model.runbook import Runbook
from warroom.model.state import State, StepState
from warroom.model.units import listed

RUNNABLE = ("proposed", "approved", "failed", "cancelled", "unknown")
"""A plan in one of these may be started or gone on with, once its steps are settled."""


def guards(runbook: Runbook, state: State, *, fingerprints: Mapping[str, str | None], me: Actor) -> tuple[Guard, ...]:
    """Hard ones first. ``fingerprints`` is what was read of each platform just now; None: it could not be read."""
    found = [*_standing(state), *_wheel(runbook, state, me)]
    if state.plan is not None:
        found += [
            *_platforms(runbook, state.plan.plan, fingerprints),
            *_evidence(runbook, state, state.plan.plan, state.plan.steps),
            *_earlier(state),
            *_put_back(runbook, state, state.plan.plan),
            *_outage(state.plan.plan),
            *back_to_failed(state, state.plan.plan),
            *_writes(state.plan.plan, state.plan.steps),
            *_unproven(state.plan.plan, state.plan.steps),
            *only_copies(state, state.plan.plan),
        ]
        if state.plan.plan.purpose == "rollback":
            found += [*_decision(state), *_told(runbook, state), *_target(runbook, state, state.plan.plan)]
            found += stands_still(runbook, state, state.plan.plan)
        found += _sight(runbook, state)
    return tuple(sorted(found, key=lambda guard: not guard.hard))


NEVER = ("plan-running", "journal", "target-missing", "put-back")
"""What holds up the emergency lane, beside a fingerprint that was read and differs. A name lifts all the rest."""


def emergency_guards(
    runbook: Runbook,
    state: State,
    plan: Plan,
    *,
    fingerprints: Mapping[str, str | None],
    me: Actor,
    others: Sequence[str],
    journal: str,
    diff: ReleaseDiff | None,
) -> tuple[Guard, ...]:
    """What stands against running ``plan`` at once: hard ones hold it, the typed name waives the others.

    ``journal`` is why it can't be written, empty when it can; ``others`` are the people who watch besides.
    """
    found = [*_lane_held(state, journal), *_lane_wheel(runbook, state, me), *_platforms(runbook, plan, fingerprints)]
    found += [*_evidence(runbook, state, plan, {}), *_earlier(state), *_left_over(state)]
    found += [
        _hard(guard.id, f"{guard.words}, which this lane does not ask for: prepare the plan, and run it with one")
        for guard in _put_back(runbook, state, plan)
    ]
    if plan.purpose == "rollback":
        found += [*_decision(state), *_told(runbook, state), *_target(runbook, state, plan), *_cause(runbook, state)]
        found += [*_schema(plan, diff), *stands_still(runbook, state, plan), *well_again(runbook, state, plan)]
    found += [*_sight(runbook, state), *_alone(runbook, others)]
    kept = [g if g.id in NEVER or _differs(g) else g.model_copy(update={"hard": False}) for g in found]
    return tuple(sorted(kept, key=lambda guard: not guard.hard))


def _differs(guard: Guard) -> bool:
    return guard.hard and guard.id.startswith("fingerprint-")


def _lane_held(state: State, journal: str) -> Iterator[Guard]:
    if journal:
        yield _hard("journal", f"Nothing can be journaled ({journal}): what is done must be on record")
    if state.plan is not None and state.plan.status == "running":
        yield _hard("plan-running", f"{state.plan.plan.title} is running: wait for it, or abort it")


def _lane_wheel(runbook: Runbook, state: State, me: Actor) -> Iterator[Guard]:
    if state.driver not in (None, me.name):
        yield _soft("wheel", f"{state.driver} drives, and loses the wheel by this")


def _left_over(state: State) -> Iterator[Guard]:
    """Steps of the plan that this one takes the place of, whose outcome nobody has said."""
    plan = state.plan
    if plan is not None and plan.status != "running" and (left := plan.unknown_steps()):
        yield _soft("step-unknown", f"The last run ({plan.plan.title}) left {listed(left)} unknown")


def _cause(runbook: Runbook, state: State) -> Iterator[Guard]:
    if not settled(runbook, state, "cause-noted"):
        yield _soft("cause", "The cause is not known: it is looked for afterwards")


def _schema(plan: Plan, diff: ReleaseDiff | None) -> Iterator[Guard]:
    if plan.target is None:
        return
    if diff is None:
        yield _soft("schema", f"Whether {plan.target.name} fits the present database schema is not known")
    elif diff.migrations:
        lie = "1 migration lies" if len(diff.migrations) == 1 else f"{len(diff.migrations)} migrations lie"
        yield _soft("schema", f"Whether {plan.target.name} fits the present schema is not known: {lie} between")


def _alone(runbook: Runbook, others: Sequence[str]) -> Iterator[Guard]:
    if runbook.environment.kind != "drill" and not others:
        yield _soft("second-person", "Nobody else is watching: no second person has looked at this")


def _hard(guard_id: str, words: str) -> Guard:
    return Guard(id=guard_id, words=words, hard=True)


def _soft(guard_id: str, words: str) -> Guard:
    return Guard(id=guard_id, words=words, hard=False)


def _standing(state: State) -> Iterator[Guard]:
    """Is there an incident, a plan, and is it one that can be started?"""
    if state.incident is None:
        yield _hard("no-incident", "No incident is open: open one first")
    elif state.incident.closed is not None:
        yield _hard("incident-closed", f"{state.incident.id} is closed: open a new incident")
    plan = state.plan
    if plan is None:
        yield _hard("no-plan", "There is no plan: choose a target and propose one")
        return
    if plan.status == "voided":
        yield _hard("plan-voided", f"The plan is void ({plan.void_reason}): propose it again")
    elif plan.status == "running":
        yield _hard("plan-running", f"{plan.plan.title} is running: wait for it, or abort it")
    elif plan.status == "done":
        yield _hard("plan-done", f"{plan.plan.title} has run: verify, or propose another plan")
    elif plan.status not in RUNNABLE:
        yield _hard("plan-not-runnable", f"The plan is {plan.status}: propose it again")
    for step_id, step in plan.steps.items():
        if step.status in ("unknown", "intended", "failed") and not step.resolved and plan.status != "running":
            saw = f" (seen: {step.look.seen})" if step.look is not None else ""
            how = "failed" if step.status == "failed" else "is unknown"
            yield _hard(f"step-{step_id}", f"Step {step_id} {how}{saw}: say whether it is done, again, undo or skip")


def _wheel(runbook: Runbook, state: State, me: Actor) -> Iterator[Guard]:
    if state.driver == me.name:
        return
    if state.driver is not None:
        yield _hard("wheel", f"{state.driver} drives: ask for the wheel, or let {state.driver} run it")
    elif runbook.environment.kind == "production" and me.kind != "policy":
        yield _hard("wheel", "Production is read-only until someone drives: take the wheel")


def _platforms(runbook: Runbook, plan: Plan, fingerprints: Mapping[str, str | None]) -> Iterator[Guard]:
    """Only the platforms that the plan changes count."""
    for platform in dict.fromkeys(step.platform for step in plan.steps if step.risk != "safe"):
        read = fingerprints.get(platform)
        written = runbook.environment.fingerprints.get(platform)
        planned = plan.fingerprint.get(platform)
        if read is None:
            if written is not None or planned is not None:
                yield _soft(
                    f"fingerprint-unreadable-{platform}",
                    f"What {platform} is could not be read: make sure yourself that it is the right one",
                )
        elif written is not None and read != written:
            yield _hard(
                f"fingerprint-{platform}",
                f"{platform} is another one than the runbook was written for ({read}, not {written}): "
                "check the address, or the runbook's fingerprint",
            )
        elif planned is not None and read != planned:
            yield _hard(
                f"fingerprint-{platform}",
                f"{platform} is another one than the plan was made for ({read}, not {planned}): propose the plan again",
            )


def _evidence(runbook: Runbook, state: State, plan: Plan, steps: Mapping[str, StepState]) -> Iterator[Guard]:
    """What a step would destroy is in a sealed bundle first."""
    kinds = {kind for bundle in state.sealed for kind in bundle.kinds}
    missing_at_all = False
    for step in plan.steps:
        missing = [kind for kind in step.preview.destroys if kind not in kinds]
        if not missing or (step.id in steps and steps[step.id].status in ("done", "skipped")):
            continue
        missing_at_all = True
        yield _destroys(step, missing)
    if not missing_at_all and plan.purpose == "rollback" and not settled(runbook, state, "evidence-sealed"):
        now = state.evidence
        if now is not None and now.status == "collecting":
            yield _soft(
                "evidence", f"Evidence is still being collected ({len(now.collected)} of {len(now.collectors)})"
            )
        else:
            yield _soft("evidence", "No evidence is sealed: capture it")


def _destroys(step: Step, missing: list[str]) -> Guard:
    words = f"“{step.title}” destroys {listed(missing)}, which no sealed evidence holds: capture evidence first"
    if step.role == "database" and step.risk == "destructive":
        return _hard(f"evidence-{step.id}", words)
    return _soft(f"evidence-{step.id}", words)


def _earlier(state: State) -> Iterator[Guard]:
    for run in state.ended_runs:
        if left := run.unknown_steps():
            yield _soft(f"earlier-{run.plan.id}", f"An earlier run ({run.plan.title}) left {listed(left)} unknown")


def _put_back(runbook: Runbook, state: State, plan: Plan) -> Iterator[Guard]:
    """Where data, money or safety are at stake, nothing of what ran before comes back without somebody's reason."""
    what, titles = puts_back(state, plan), fired_needing_reason(runbook, state)
    if what and titles:
        yield _soft("put-back", f"{listed(titles)} fired in this incident: {what} needs a reason")


def _outage(plan: Plan) -> Iterator[Guard]:
    """A procedure that stops what serves says so in its title; an undo that does says it here, and is asked for it."""
    if words := outage(plan):
        yield _soft("outage", words)


def _writes(plan: Plan, steps: Mapping[str, StepState]) -> Iterator[Guard]:
    """What is written to something that is about to be left goes with it, unless a step before it stops that."""
    for step in plan.steps:
        if step.role == "stop-writes":
            return
        if step.preview.writes and steps[step.id].status not in ("done", "skipped", "claimed"):
            yield _soft(f"writes-{step.id}", f"“{step.title}” while writes go on: {step.preview.writes}")


def _unproven(plan: Plan, steps: Mapping[str, StepState]) -> Iterator[Guard]:
    """Nobody has shown that what comes is what it should be: it may be used all the same, by somebody's reason."""
    for step in plan.steps:
        if step.preview.unproven and steps[step.id].status not in ("done", "skipped", "claimed"):
            yield _soft(f"unproven-{step.id}", f"“{step.title}” with what is unproven: {step.preview.unproven}")


def _decision(state: State) -> Iterator[Guard]:
    if state.decision is None:
        yield _soft("decision", "Nobody has decided to roll back: decide")
    elif state.decision.choice not in ("rollback", "rollback-now"):
        yield _soft("decision", f"The decision was {state.decision.choice}, not to roll back: decide again")


def _told(runbook: Runbook, state: State) -> Iterator[Guard]:
    if settled(runbook, state, "stakeholders-notified"):
        return
    queued = [m for m in state.messages.values() if m.template == "started" and m.status == "queued"]
    if any(message.waits_for_a_person for message in queued):
        yield _soft("notified", "The stakeholders' message waits for you: send it yourself, then say that you did")
    elif queued:
        yield _soft("notified", "The stakeholders' message is still on its way")
    else:
        yield _soft(
            "notified", "The stakeholders have not been notified: send the message, or tick it if you told them"
        )


def _target(runbook: Runbook, state: State, plan: Plan) -> Iterator[Guard]:
    target = plan.target
    if target is None:
        return
    if any(target.matches(other) for other in state.failed_targets):
        yield _soft("target-bad", f"{target.name} was gone back to before and did not recover: choose another target")
    elif target.verdict == "bad":
        why = f" ({target.note})" if target.note else ""
        yield _soft("target-bad", f"{target.name} ran badly{why}: choose another target")
    if runs_already(runbook, state, plan):
        yield _soft("target-running", f"{target.name} is what runs now: choose another target")
    if state.target is not None and not target.matches(state.target.release):
        yield _soft("target-changed", f"The plan goes to {target.name}, the target is {state.target.release.name} now")


def _sight(runbook: Runbook, state: State) -> Iterator[Guard]:
    """Signals that should be seen and are not. What nobody measures is not news at this moment."""
    unknown = known(runbook, state.triggers).unknown
    if unknown:
        yield _soft(
            "signals-unknown", f"Unknown now: {listed([r.title for r in unknown])}. Look at the service yourself"
        )
