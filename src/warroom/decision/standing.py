"""What stands against a rollback in how things stand: nothing runs, what is meant runs already, or all is well."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from warroom.model.cutover import brings_back, failed_cut_over, last_rollback, runs
from warroom.model.halted import halted, resuming, starts
from warroom.model.kept import kept
from warroom.model.live import Guard
from warroom.model.plan import ALREADY, STOPPED, Plan
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.model.well import well_since


def stands_still(runbook: Runbook, state: State, plan: Plan) -> Iterator[Guard]:
    """Nothing would come of it: what it rolls back is stopped, and no step of it starts that again."""
    halt = halted(runbook, state)
    if halt is not None and not starts(runbook, plan):
        yield _soft("stopped", f"{halt.words}, and no step of this plan starts them again: let writes go on first")
        return
    resumed = resuming(runbook, plan)
    waking = {step.platform for step in plan.steps if step.id in resumed}
    still = [step.title for step in plan.steps if step.facts.get(STOPPED) and step.platform not in waking]
    if still:
        words = f"“{still[0]}” is about what is scaled to zero, and no step of this plan scales it up"
        yield _soft("stopped", f"{words}: let writes go on first, or scale it up")


def runs_already(runbook: Runbook, state: State, plan: Plan) -> bool:
    """What runs is what it goes to, as far as is seen: not where nothing runs, and not where what is asked for is
    another release than what is left of the one before."""
    if state.running is None or plan.target is None or not plan.target.matches(state.running):
        return False
    if halted(runbook, state) is not None or any(step.facts.get(STOPPED) for step in plan.steps):
        return False
    return not any(step.facts.get(ALREADY) is False for step in plan.steps)


def well_again(runbook: Runbook, state: State, plan: Plan) -> Iterator[Guard]:
    """A release that was gone back to, and that nothing stands against, is not left unawares."""
    now = state.running
    if now is not None and plan.target is not None and plan.target.matches(now):
        return
    if words := well_since(runbook, state):
        yield _soft("well-again", f"{words}: this leaves it")


def back_to_failed(state: State, plan: Plan) -> Iterator[Guard]:
    """Taking back a rollback brings back what it left: that may be a release which did not come up in this incident."""
    last = last_rollback(state)
    if plan.purpose != "undo" or last is None:
        return
    comes = brings_back(state, last)
    tried = [run for run in runs(state) if run.hash != last.hash and failed_cut_over(run) is not None]
    if any(run.plan.target is not None and run.plan.target.name == comes for run in tried):
        yield _soft("back-to-failed", f"{comes} did not come up when it was gone back to: this puts it back")


def _soft(guard_id: str, words: str) -> Guard:
    return Guard(id=guard_id, words=words, hard=False)


def only_copies(state: State, plan: Plan) -> Iterator[Guard]:
    """What was left behind when something took its place is the only copy of what was lost by that: it goes once
    recovery is proven, or by somebody's reason."""
    if plan.purpose == "undo":
        return
    there = kept(runs(state))
    for step in plan.steps:
        for name in step.preview.ends:
            left = there.get(name)
            if left is None or not left.step.preview.loses or not (why := _unproven_since(state, left.at)):
                continue
            lost = f" ({left.words})" if left.words else ""
            words = f"{name} is the only copy of the rows that “{left.step.title}” lost{lost}, and {why}"
            yield Guard(id=f"only-copy-{step.id}", words=words, hard=False)


def _unproven_since(state: State, at: datetime) -> str:
    """Empty where recovery was verified after that moment."""
    checked = state.verification
    if checked is None or checked.began_at < at or checked.verdict is None:
        return "recovery has not been verified since"
    return "" if checked.verdict == "pass" else f"recovery is not proven: verification said {checked.verdict.upper()}"
