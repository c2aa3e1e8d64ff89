"""Every action, once: its key, what it does, and why it can't be used now. Footer, help and palette are drawn from it.

Capital letters change the world or end something; lower-case ones prepare. Nothing stands on ctrl+d, ctrl+k, ctrl+z,
Delete or Backspace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from warroom.console import why_not as why
from warroom.console.keys import Keys

if TYPE_CHECKING:
    from warroom.console.store import Store

Group = Literal["Decide", "Prepare", "Act", "Afterwards", "Look"]


@dataclass(frozen=True)
class Action:
    """``id`` is a stable name, for settings; ``key`` the key until a person chooses another.

    ``why_not`` answers with a sentence when the action can't be used now, else with nothing.
    """

    id: str
    key: str
    label: str
    what: str
    group: Group
    why_not: Callable[[Store], str]


ACTIONS: tuple[Action, ...] = (
    Action("open", "o", "open", "Open an incident", "Decide", why.can_open),
    Action("wheel", "D", "wheel", "Take the wheel, or give it back", "Decide", why.incident_open),
    Action("acknowledge", "k", "acknowledge", "Acknowledge what fires and calls", "Decide", why.can_acknowledge),
    Action("answer", "a", "answer", "Answer a question of the tree", "Decide", why.can_answer),
    Action("decide", "d", "decide", "Record the decision", "Decide", why.driving),
    Action("escalate", "P", "page", "Call the next people now", "Decide", why.incident_open),
    Action("message", "m", "message", "Tell stakeholders: preview, edit, send", "Prepare", why.incident_open),
    Action("capture", "c", "capture", "Capture and seal evidence", "Prepare", why.incident_open),
    Action("note", "l", "note", "Note a cause, an impact, anything", "Prepare", why.incident_open),
    Action("target", "g", "target", "Choose the release to go back to", "Prepare", why.standing_still),
    Action("tick", "space", "tick", "Tick the checklist line, or take the tick back", "Prepare", why.incident_open),
    Action("waive", "x", "waive", "Waive the checklist line, with a reason", "Prepare", why.incident_open),
    Action(
        "emergency", "exclamation_mark", "EMERGENCY", "Roll back now: one screen, one name", "Act", why.can_emergency
    ),
    Action("plan", "p", "plan", "Prepare the plan, or read it", "Act", why.can_plan),
    Action("run", "R", "RUN", "Run the plan", "Act", why.can_run),
    Action("abort", "A", "ABORT", "Stop the running plan", "Act", why.can_abort),
    Action("veto", "B", "VETO", "Veto the automatic rollback of this incident", "Act", why.can_veto),
    Action("stop-writes", "S", "STOP WRITES", "Stop writes before anything else", "Act", why.can_stop_writes),
    Action("claim", "M", "manual", "Claim a manual step as done", "Act", why.can_claim),
    Action("resolve", "r", "resolve", "Decide about an unknown or failed step", "Act", why.can_resolve),
    Action("undo", "u", "undo", "Prepare a plan that takes the last run back", "Act", why.can_undo),
    Action("verify", "v", "verify", "Check the recovery", "Afterwards", why.standing_still),
    Action("checks", "V", "checks", "Every check, and what only a person can answer", "Afterwards", why.can_check),
    Action("ways", "f", "ways on", "Ways on when it did not work", "Afterwards", why.can_find_ways),
    Action("report", "W", "report", "Write the post-mortem report", "Afterwards", why.has_incident),
    Action("close", "X", "close", "Close the incident", "Afterwards", why.can_close),
    Action("pane-1", "1", "decide", "Pane 1: the decision tree", "Look", why.always),
    Action("pane-2", "2", "checklist", "Pane 2: the checklist", "Look", why.always),
    Action("pane-3", "3", "health", "Pane 3: health", "Look", why.always),
    Action("pane-4", "4", "metrics", "Pane 4: metrics and triggers", "Look", why.always),
    Action("pane-5", "5", "log", "Pane 5: the log", "Look", why.always),
    Action("pane-6", "6", "plan", "Pane 6: the plan and its run", "Look", why.always),
    Action("zoom", "z", "zoom", "One pane on the whole screen, and back", "Look", why.always),
    Action("graph", "G", "graph", "One signal over time, on the whole screen", "Look", why.connected),
    Action("filter", "slash", "filter", "Filter the log", "Look", why.always),
    Action("log-sources", "L", "sources", "Sources and levels that the log shows", "Look", why.always),
    Action("search", "s", "search", "Search in the log", "Look", why.always),
    Action("search-next", "n", "next hit", "Next hit in the log", "Look", why.always),
    Action("search-previous", "N", "hit before", "The hit before, in the log", "Look", why.always),
    Action("pause", "equals_sign", "pause", "Hold the log still, or let it run", "Look", why.always),
    Action("next-error", "e", "error", "Next error in the log", "Look", why.always),
    Action("previous-error", "E", "error before", "The error before, in the log", "Look", why.always),
    Action("jump", "J", "jump", "Jump to a time or a deploy in the log", "Look", why.always),
    Action("wrap", "w", "wrap", "Wrap the log's long lines, or cut them", "Look", why.always),
    Action("timestamps", "t", "times", "Times in the log: UTC, local, none", "Look", why.always),
    Action("fold-repeats", "F", "repeats", "Fold the log's repeated lines, or show each", "Look", why.always),
    Action("copy", "y", "copy", "Copy the log's line, or the marked ones", "Look", why.always),
    Action("commands", "at", "commands", "Every command made so far, to paste", "Look", why.connected),
    Action("told", "H", "messages", "What was told and refused here", "Look", why.always),
    Action("incidents", "h", "incidents", "Incidents and drills, past and open", "Look", why.connected),
    Action("timeline", "T", "timeline", "What happened, in order", "Look", why.connected),
    Action("mouse", "f2", "mouse", "The mouse on or off", "Look", why.always),
    Action("help", "question_mark", "help", "Every key", "Look", why.always),
    Action("palette", "colon", "palette", "Find an action by its name", "Look", why.always),
    Action("quit", "q", "quit", "Leave the console", "Look", why.always),
)

BY_ID = {action.id: action for action in ACTIONS}

DEFAULT_KEYS = Keys({action.id: action.key for action in ACTIONS})

BY_INTENT: dict[str, str] = {
    "open-incident": "open",
    "take-wheel": "wheel",
    "release-wheel": "wheel",
    "answer-question": "answer",
    "decide": "decide",
    "mark-item": "waive",
    "add-note": "note",
    "acknowledge": "acknowledge",
    "capture-evidence": "capture",
    "choose-target": "target",
    "propose-plan": "plan",
    "approve-plan": "plan",
    "run-plan": "run",
    "run-emergency": "emergency",
    "answer-check": "checks",
    "abort-run": "abort",
    "veto": "veto",
    "resolve-step": "resolve",
    "claim-step": "claim",
    "undo": "undo",
    "verify": "verify",
    "notify": "message",
    "sent-by-hand": "message",
    "escalate": "escalate",
    "write-report": "report",
    "close-incident": "close",
}
"""The action that leads to each intent. The engine names intents; only here do they become keys."""
