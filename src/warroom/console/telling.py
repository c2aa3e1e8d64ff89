"""What is told outside the screen: the terminal's title, and a bell where the state has changed."""

from __future__ import annotations

from warroom.console.store import Store
from warroom.console.theme import LOOKS
from warroom.model.event import Actor, AutomaticStopped, AutomaticVetoed, Body, RunStarted

_PLAN = {
    "running": "RUNNING",
    "failed": "FAILED",
    "unknown": "UNKNOWN",
    "cancelled": "STOPPED",
    "done": "RUN DONE",
}
_VERDICT = {"pass": "VERIFIED", "fail": "NOT RECOVERED", "inconclusive": "NOT PROVEN"}


def standing(store: Store) -> str:
    """The incident in a word or two; what is wrong comes before what is under way."""
    state, incident = store.state, store.incident
    if incident is None:
        return "FIRING" if store.firing() else "calm"
    if incident.closed:
        return f"CLOSED {incident.closed}"
    if state.automatic is not None and state.automatic.status == "announced":
        return "ROLLS BACK BY ITSELF"
    verdict = state.verification.verdict if state.verification else None
    if state.plan is not None and state.plan.status in _PLAN and (state.plan.status != "done" or verdict is None):
        return _PLAN[state.plan.status]
    if verdict is not None:
        return _VERDICT[verdict]
    return "FIRING" if store.firing() else "open"


def title(store: Store) -> str:
    """``PRODUCTION ai-saas-app INC-0042 FIRING``."""
    if store.runbook is None:
        return "warroom"
    words = [LOOKS[store.runbook.environment.kind].word, store.runbook.service]
    if store.incident is not None:
        words.append(store.incident.id.upper())
    if store.silent_s() is not None:
        words.append("NO NEWS")
    return " ".join([*words, standing(store)])


def of_itself(body: Body, actor: Actor) -> str:
    """What became of the automatic rollback, in a sentence; empty for anything else."""
    match body:
        case AutomaticVetoed():
            return f"{actor.name} vetoed it: nothing is rolled back by itself in this incident."
        case AutomaticStopped():
            return f"Nothing is rolled back by itself in this incident: {body.reason}"
        case RunStarted() if actor.kind == "policy":
            return "Nobody vetoed it: the automatic rollback has begun."
        case _:
            return ""


def failed(store: Store) -> list[str]:
    """What each check that failed has found: that first, then the rule."""
    checked = store.state.verification
    results = checked.results.values() if checked is not None else ()
    return [f"FAIL: {result.words} ({result.title})" for result in results if result.verdict == "fail"]


class Changes:
    """Says once of each change that a person may have to look up for it. What stood at the start is no change."""

    def __init__(self) -> None:
        self._known: set[str] | None = None

    def loud(self, store: Store) -> bool:
        now = _facts(store)
        before, self._known = self._known, now
        fresh = now - before if before is not None else {fact for fact in now if fact.startswith("firing ")}
        return bool(fresh)


def _facts(store: Store) -> set[str]:
    """What rings when it is new: something fires, a run or a verification ended, somebody else drives."""
    state = store.state
    facts = {f"firing {trigger.id}" for trigger in store.firing()}
    if state.plan is not None and state.plan.status in ("done", "failed", "cancelled", "unknown"):
        facts.add(f"run {state.plan.hash} {state.plan.status}")
    if state.verification is not None and state.verification.verdict is not None:
        facts.add(f"verification {state.verification.verdict} {state.verification.began_at}")
    if state.automatic is not None:
        facts.add(f"automatic {state.automatic.status} {state.automatic.at}")
    if state.driver and state.driver != store.me:
        facts.add(f"driver {state.driver}")
    return facts
