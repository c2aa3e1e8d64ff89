"""Whether somebody else took back what this incident's rollback had brought. Pure."""

from __future__ import annotations

from datetime import datetime

from warroom.model.cutover import found_bad, last_rollback, taken_back
from warroom.model.halted import halted
from warroom.model.runbook import Runbook
from warroom.model.state import State


def replaced(runbook: Runbook, state: State) -> str:
    """What came in place of the release that was gone back to, in a sentence; empty while nothing did.

    It says nothing of how that release is: going back to it once more is what is next, not another one. Only what the
    incident began on, or was found bad in it, counts as a release that came back: another is somebody's new one. Where
    the name stays, a trigger that says nothing of health ("a template was changed") tells it.
    """
    last, target = last_rollback(state), state.target
    if last is None or last.status != "done" or last.ended_at is None or taken_back(state):
        return ""
    if target is None or last.plan.target is None or not last.plan.target.matches(target.release):
        return ""
    if halted(runbook, state) is not None or found_bad(state, last):
        return ""
    return _other_release(state, last.ended_at) or _other_template(runbook, state, last.ended_at)


def _other_release(state: State, since: datetime) -> str:
    now, target, incident = state.running, state.target, state.incident
    if now is None or target is None or incident is None or now.matches(target.release):
        return ""
    change = state.changes[-1] if state.changes else None
    if change is None or change.rollback or change.at < since:
        return ""
    bad = (*state.failed_targets, *((incident.running,) if incident.running is not None else ()))
    return f"{now.name} is back in place of {target.release.name}" if any(one.matches(now) for one in bad) else ""


def _other_template(runbook: Runbook, state: State, since: datetime) -> str:
    for reading in state.triggers.values():
        known = runbook.triggers.get(reading.id)
        fires = reading.status in ("firing", "clearing") and known is not None and not known.of_health
        if fires and (reading.began_at is None or reading.began_at >= since):
            return reading.title
    return ""
