"""The decision tree as it stands answered, and what it advises."""

from __future__ import annotations

from typing import Literal

from warroom.model.base import Fact, Instant

Advice = Literal["monitor", "rollback", "rollback-now", "hotfix"]
ADVICE: dict[Advice, str] = {
    "monitor": "Monitor",
    "rollback": "Roll back",
    "rollback-now": "Roll back now",
    "hotfix": "Hotfix",
}


class TreeAnswer(Fact):
    """One question on the path. ``answer`` None: it is open. ``evidence`` are the words and numbers behind it."""

    node: str
    ask: str
    answer: str | None
    choices: tuple[str, ...]
    by: Literal["signals", "timer", "person", "open"]
    who: str = ""
    reason: str = ""
    evidence: str = ""


class TreeReading(Fact):
    """The path taken from the root, and the advice it ends in (None while a question is open).

    ``would_change`` says in a sentence what would change the advice.
    """

    kind: Literal["tree"] = "tree"
    path: tuple[TreeAnswer, ...]
    leaf: str | None = None
    advice: Advice | None = None
    title: str = ""
    reason: str = ""
    would_change: str = ""


class Decision(Fact):
    choice: Advice
    reason: str
    by: str
    at: Instant
    followed_advice: bool
