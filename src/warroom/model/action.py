"""What can be the next right action, and the line that says it. Pure."""

from __future__ import annotations

from typing import Literal

from warroom.model.base import Fact

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


def do(action: Action, sentence: str, why: str = "") -> NextAction:
    return NextAction(action=action, sentence=sentence, why=why)
