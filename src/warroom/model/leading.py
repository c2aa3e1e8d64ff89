"""Which procedure the runbook leads to, where it says so: what a harm is answered by, and what follows on a first part.

Pure. A person may always take another one.
"""

from __future__ import annotations

from collections.abc import Iterator

from warroom.model.base import Fact
from warroom.model.cutover import last_rollback, runs, superseded, taken_back
from warroom.model.procedures import lacking
from warroom.model.runbook import Runbook
from warroom.model.state import PlanState, State


class Lead(Fact):
    """``procedure`` is empty where any that rolls back will do. ``why``: what the part before it has shown."""

    procedure: str = ""
    title: str = ""
    why: str = ""

    def sentence(self, target: str) -> str:
        return f"Prepare the plan: {self.title}" if self.procedure else f"Prepare the plan to {target}"


def leads_to(runbook: Runbook, state: State) -> Lead:
    """Once something was rolled back, what answers the harm is one way among others: a person chooses."""
    if (led := follows(runbook, state)).procedure or last_rollback(state) is not None:
        return led
    return next((Lead(procedure=name, title=runbook.procedures[name].title) for name in answers(runbook, state)), led)


def follows(runbook: Runbook, state: State) -> Lead:
    """What comes after the part that was done last; nothing where that was no part."""
    tried = [run for run in runs(state) if run.plan.purpose in ("rollback", "other")]
    procedure = runbook.procedures.get(tried[-1].plan.procedure) if tried and tried[-1].status == "done" else None
    if procedure is None or procedure.then is None or not _usable(runbook, procedure.then):
        return Lead()
    return Lead(procedure=procedure.then, title=runbook.procedures[procedure.then].title, why=_shown(tried[-1]))


def answers(runbook: Runbook, state: State) -> tuple[str, ...]:
    """The procedures for what fires now, in the runbook's order."""
    broken = set(_broken(runbook, state))
    return tuple(n for n, one in runbook.procedures.items() if broken & set(one.first_for) and _usable(runbook, n))


def rolled_back(runbook: Runbook, state: State) -> bool:
    """The present target's plan has run to its end, as it was or with the writers let go on after it, and no other part
    of it is to follow; or recovery is already verified."""
    if "verified" in state.proofs:
        return True
    plan, last = state.plan, last_rollback(state)
    if plan is None or last is None or taken_back(state) or follows(runbook, state).procedure:
        return False
    if plan is not last and (plan.plan.purpose not in ("resume-writes", "other", "undo") or plan.status != "done"):
        return False
    if last.status != "done" and not superseded(state, last):
        return False
    target = last.plan.target
    return state.target is None or (target is not None and target.matches(state.target.release))


def _broken(runbook: Runbook, state: State) -> Iterator[str]:
    """The conditions that decide a trigger which has fired in this incident, and which is not known to be quiet."""
    for trigger_id in state.fired:
        trigger, reading = runbook.triggers.get(trigger_id), state.triggers.get(trigger_id)
        if trigger is not None and reading is not None and reading.status != "ok":
            yield from (name for name, one in trigger.conditions.items() if one.sentence == reading.condition)


def _usable(runbook: Runbook, name: str) -> bool:
    procedure = runbook.procedures.get(name)
    return procedure is not None and not lacking(runbook, procedure)


def _shown(run: PlanState) -> str:
    """What was seen at its last step."""
    looks = (run.steps[step.id].look for step in reversed(run.plan.steps) if step.id in run.steps)
    return next((look.seen for look in looks if look is not None), "")
