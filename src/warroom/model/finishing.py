"""The next right action once what was decided is done: to prove it, tell everybody, watch, and write it down.

Pure; what comes before it is ``warroom.model.next``.
"""

from __future__ import annotations

from datetime import datetime

from warroom.model.action import Action, NextAction, do
from warroom.model.checklist import settled
from warroom.model.cutover import runs, still_there
from warroom.model.runbook import Runbook
from warroom.model.state import State, Verification
from warroom.model.verifying import progress, waits

ASKED = "ask-a-person"


def finishing(runbook: Runbook, state: State) -> NextAction | None:
    if "verified" not in state.proofs:
        return _proving(runbook, state)
    watch = state.watch
    if watch is not None and watch.quiet is False:
        return do("choose-way", "The watch saw it come back: choose the way on", watch.words)
    if not settled(runbook, state, "completion-sent"):
        over, why = "Tell everybody that it is over", "recovery is verified"
        if told := telling(state, "notify-completed", "completed", over, why):
            return told
    if not settled(runbook, state, "post-mortem-scheduled"):
        return do("schedule-post-mortem", "Schedule the post-mortem", "within 24 hours, while memory is fresh")
    if watch is not None and watch.quiet is None:
        return do("watch", f"Watch until {watch.until:%H:%M} UTC", "a rollback can be undone by what put it there")
    if state.report is None:
        return do("report", "Write the report", "the journal has everything it needs")
    return do("close", "Close the incident", "recovery is verified, and everything is written")


def _proving(runbook: Runbook, state: State) -> NextAction:
    checked, plan = state.verification, state.plan
    if checked is not None and checked.ended_at is None:
        return do("none", f"Verifying: {progress(runbook, checked)}", _waiting(runbook, state, checked))
    stale = checked is not None and plan is not None and plan.ended_at is not None and checked.began_at < plan.ended_at
    if checked is not None and stale and checked.verdict == "fail" and _nothing_came_since(state, checked.began_at):
        return do("verify", "Verification said FAIL: verify again", checked.words)
    if checked is None or stale:
        return do("verify", "Verify the recovery", "a rollback that is done is not yet a recovery")
    if checked.verdict == "inconclusive" and (asked := _unanswered(runbook, state)):
        more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
        return do("answer-check", f"Answer: {asked[0]}{more}", "only a person can see this")
    ways = still_there(state, checked.next)
    best = f"best: {ways[0].title}" if ways else checked.words
    return do("choose-way", f"Verification says {(checked.verdict or 'nothing').upper()}: choose the way on", best)


def _waiting(runbook: Runbook, state: State, checked: Verification) -> str:
    wait = waits(runbook, state, checked.began_at)
    return f"it waits for {wait.words}, until {wait.until:%H:%M:%S} UTC at most" if wait is not None else ""


def _nothing_came_since(state: State, at: datetime) -> bool:
    """No run brought anything else into service: what was found of that stands until it is looked at again."""
    return all(run.plan.purpose == "other" for run in runs(state) if run.ended_at is None or run.ended_at > at)


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


def telling(state: State, action: Action, template: str, sentence: str, why: str) -> NextAction | None:
    """None while a channel has it: what is on its way holds nothing up. What a person carries is still to be done."""
    queued = [m for m in state.messages.values() if m.template == template and m.status == "queued"]
    if any(m.waits_for_a_person for m in queued):
        return do(action, "Send the message yourself, then say that you did", "no channel is set up for it")
    return None if queued else do(action, sentence, why)
