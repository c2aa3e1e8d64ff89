"""A person's hand on the keys, whose clock the tests move; and the moment in which one key is all that is missing."""

from __future__ import annotations

from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.steady import Steady
from warroom.model import event as ev


class Hand:
    """A clock that tests move, and the guard on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steady = Steady(lambda: self.now)

    def press(self, key: str, top: object, after: float = 0.3, *, typing: bool = False) -> bool:
        self.now += after
        return self.steady.takes(key, top, typing=typing)


def ready(kind: str, *, wheel: bool = True) -> Story:
    """Everything is prepared: one confirmation is all that is missing."""
    story = Story(a_runbook(kind))
    story.fires()
    story.opened("High error rate")
    if wheel:
        story.push(ev.WheelTaken(), who="op1")
    return story
