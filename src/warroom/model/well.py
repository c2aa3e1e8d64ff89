"""Whether a release that was gone back to is well, as far as is seen. Pure."""

from __future__ import annotations

from warroom.model.cutover import last_rollback
from warroom.model.halted import halted
from warroom.model.runbook import Runbook
from warroom.model.state import State

_FIRES = ("firing", "clearing", "pending")


def well_since(runbook: Runbook, state: State) -> str:
    """What runs and since when, in words; empty where it is not what the last rollback brought, or something stands
    against it.
    """
    last, now = last_rollback(state), state.running
    if last is None or last.status != "done" or last.ended_at is None or last.plan.target is None:
        return ""
    if now is None or not last.plan.target.matches(now):
        return ""
    if any(release.matches(now) for release in state.failed_targets) or halted(runbook, state) is not None:
        return ""
    health = (t for t in state.triggers.values() if t.id not in runbook.triggers or runbook.triggers[t.id].of_health)
    if any(trigger.status in _FIRES for trigger in health):
        return ""
    return f"{now.name} runs since the rollback that ended at {last.ended_at:%H:%M} UTC, and nothing fires"
