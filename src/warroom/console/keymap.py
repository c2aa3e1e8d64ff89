"""Every key, once: what it does, and why it can't be used now. Footer, help and palette are drawn from it.

Capital letters change the world or end something; lower-case ones prepare. Nothing stands on ctrl+d, ctrl+k, ctrl+z,
Delete or Backspace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from warroom.console.store import Store

Group = Literal["Decide", "Prepare", "Act", "Afterwards", "Look"]
Why = Callable[[Store], str]


@dataclass(frozen=True)
class Action:
    """``why_not`` answers with a sentence when the key can't be used now, else with nothing."""

    id: str
    key: str
    label: str
    what: str
    group: Group
    why_not: Why


def always(store: Store) -> str:
    return ""


def connected(store: Store) -> str:
    return "" if store.snapshot is not None else f"Not yet: {store.problem}."


def _writing(store: Store) -> str:
    if store.snapshot is None:
        return connected(store)
    if not store.writable:
        return "This session is read-only: it can look, but nothing can be changed from here."
    return ""


def _opened(store: Store) -> str:
    if why := _writing(store):
        return why
    if store.incident is None:
        return "No incident is open: o opens one."
    return ""


def _open(store: Store) -> str:
    if why := _opened(store):
        return why
    if store.incident is not None and store.incident.closed:
        return f"This incident is closed ({store.incident.closed}): o opens a new one."
    return ""


def _driving(store: Store) -> str:
    """In production nothing acts until someone has the wheel; the engine holds this too."""
    if why := _open(store):
        return why
    kind = store.runbook.environment.kind if store.runbook else "production"
    if kind == "production" and store.state.driver is None:
        return "Nobody drives: w takes the wheel."
    return ""


def _still(store: Store) -> str:
    if why := _driving(store):
        return why
    return "A plan is running: A stops it, or wait for its end." if store.run_going() else ""


def _can_open(store: Store) -> str:
    if why := _writing(store):
        return why
    if store.incident is not None and not store.incident.closed:
        return f"{store.incident.id} is open already."
    return ""


def _can_run(store: Store) -> str:
    if why := _open(store):
        return why
    plan = store.plan
    if plan is None:
        return "There is no plan yet: p prepares one."
    if plan.status == "voided":
        return f"The plan was voided ({plan.void_reason}): p prepares it again."
    if plan.status == "running":
        return "It is running already: A stops it."
    if store.waiting_steps():
        return "A step waits for a decision first: r decides."
    open_steps = any(step.status == "planned" or step.resolved == "again" for step in plan.steps.values())
    if plan.status not in ("proposed", "approved", "failed", "unknown") or not open_steps:
        return f"This plan has ended ({plan.status}): v verifies, p prepares another."
    return ""


def _can_abort(store: Store) -> str:
    if why := _opened(store):
        return why
    if not store.run_going():
        return "Nothing is running."
    if store.plan is not None and store.plan.aborting:
        return "It is being stopped already."
    return ""


def _can_answer(store: Store) -> str:
    if why := _open(store):
        return why
    tree = store.tree()
    return "" if tree is not None and tree.path else "The tree asks nothing yet."


def _can_undo(store: Store) -> str:
    if why := _still(store):
        return why
    plan = store.plan
    if (plan is None or plan.began_at is None) and not store.state.ended_runs:
        return "Nothing has been run that could be taken back."
    return ""


def _can_resolve(store: Store) -> str:
    if why := _open(store):
        return why
    return "" if store.waiting_steps() else "No step waits for a decision."


def _can_claim(store: Store) -> str:
    if why := _open(store):
        return why
    return "" if store.manual_steps() else "No manual step is under way."


def _can_find_ways(store: Store) -> str:
    if why := _open(store):
        return why
    verification, watch = store.state.verification, store.state.watch
    if verification is None or verification.verdict is None:
        return "Nothing has been verified yet: v verifies."
    came_back = watch is not None and watch.quiet is False
    return "" if verification.next or came_back else "Verification left nothing to choose."


def _can_acknowledge(store: Store) -> str:
    if why := _opened(store):
        return why
    known = store.state.acknowledged
    return "" if any(t.id not in known for t in store.firing()) else "Nothing fires that is not acknowledged."


def _can_stop_writes(store: Store) -> str:
    if why := _open(store):
        return why
    runbook = store.runbook
    if runbook is None or not any(p.kind == "stop-writes" for p in runbook.procedures.values()):
        return "The runbook has no procedure that stops writes."
    return "A plan is running: A stops it first." if store.run_going() else ""


def _can_close(store: Store) -> str:
    if why := _open(store):
        return why
    return "A plan is running: it must end first." if store.run_going() else ""


ACTIONS: tuple[Action, ...] = (
    Action("open", "o", "open", "Open an incident", "Decide", _can_open),
    Action("wheel", "w", "wheel", "Take the wheel, or give it back", "Decide", _open),
    Action("acknowledge", "k", "acknowledge", "Acknowledge what fires", "Decide", _can_acknowledge),
    Action("answer", "a", "answer", "Answer a question of the tree", "Decide", _can_answer),
    Action("decide", "d", "decide", "Record the decision", "Decide", _open),
    Action("escalate", "E", "escalate", "Call the next people now", "Decide", _open),
    Action("message", "m", "message", "Tell stakeholders: preview, edit, send", "Prepare", _open),
    Action("capture", "c", "capture", "Capture and seal evidence", "Prepare", _open),
    Action("note", "n", "note", "Note a cause, an impact, anything", "Prepare", _open),
    Action("target", "g", "target", "Choose the release to go back to", "Prepare", _still),
    Action("tick", "t", "tick", "Tick the checklist line, or take the tick back", "Prepare", _open),
    Action("waive", "x", "waive", "Waive the checklist line, with a reason", "Prepare", _open),
    Action("plan", "p", "plan", "Prepare the plan, or read it", "Act", _open),
    Action("run", "R", "RUN", "Run the plan", "Act", _can_run),
    Action("abort", "A", "ABORT", "Stop the running plan", "Act", _can_abort),
    Action("stop-writes", "S", "STOP WRITES", "Stop writes before anything else", "Act", _can_stop_writes),
    Action("claim", "M", "manual", "Claim a manual step as done", "Act", _can_claim),
    Action("resolve", "r", "resolve", "Decide about an unknown or failed step", "Act", _can_resolve),
    Action("undo", "u", "undo", "Prepare a plan that takes the last run back", "Act", _can_undo),
    Action("verify", "v", "verify", "Check the recovery", "Afterwards", _still),
    Action("ways", "f", "ways on", "Ways forward after a failed verification", "Afterwards", _can_find_ways),
    Action("report", "W", "report", "Write the post-mortem report", "Afterwards", _opened),
    Action("close", "X", "close", "Close the incident", "Afterwards", _can_close),
    Action("pane-1", "1", "decide", "Pane 1: the decision tree", "Look", always),
    Action("pane-2", "2", "checklist", "Pane 2: the checklist", "Look", always),
    Action("pane-3", "3", "health", "Pane 3: health", "Look", always),
    Action("pane-4", "4", "metrics", "Pane 4: metrics and triggers", "Look", always),
    Action("pane-5", "5", "log", "Pane 5: the log", "Look", always),
    Action("pane-6", "6", "plan", "Pane 6: the plan and its run", "Look", always),
    Action("zoom", "z", "zoom", "One pane on the whole screen, and back", "Look", always),
    Action("filter", "slash", "filter", "Filter the log", "Look", always),
    Action("pause", "equals_sign", "pause", "Hold the log still, or let it run", "Look", always),
    Action("next-error", "e", "error", "Next error in the log", "Look", always),
    Action("previous-error", "b", "back", "The error before, in the log", "Look", always),
    Action("commands", "at", "commands", "Every command made so far, to paste", "Look", connected),
    Action("timeline", "T", "timeline", "What happened, in order", "Look", connected),
    Action("help", "question_mark", "help", "Every key", "Look", always),
    Action("palette", "colon", "palette", "Find an action by its name", "Look", always),
    Action("quit", "q", "quit", "Leave the console", "Look", always),
)

BY_ID = {action.id: action for action in ACTIONS}

_NAMES = {"slash": "/", "equals_sign": "=", "question_mark": "?", "colon": ":", "at": "@"}


def shown_key(action: Action) -> str:
    return _NAMES.get(action.key, action.key)
