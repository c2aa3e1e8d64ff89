"""What is struck before the screen has caught up: kept in order, and given on when what it is meant for is up.

A key wanders from widget to widget until one takes it. On a slow line several come at once, and those behind one that
opens a dialog would wander past it. So the next is given on when the one before has been dealt with and the screen
then in front can take it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from textual.events import Key, Paste
from textual.message import Message

KEPT = 300
"""More than a person strikes in the time that a screen needs; what a key held down sends beyond that is let go."""

LOST_S = 2.0
"""A key whose end was not heard of for so long has gone down with the widget that it was given to."""

Struck = Key | Paste


class Passed(Message, namespace="ahead"):
    """Goes the key's own way, right behind it: where this arrives, the key has been dealt with."""


class Ahead:
    """``up`` is the screen that was in front, and ready, when something was struck."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: deque[tuple[Struck, object]] = deque()
        self._since: float | None = None
        self._up: object = None

    def holds(self, event: Struck, top: object, *, seen: bool) -> bool:
        """Whether ``event`` has to wait. Where it does, ``next`` gives it in its turn.

        ``seen``: ``top`` has been drawn, so that ``event`` is meant for it, however busy the console is with the last.
        """
        if self._since is None and not self._waiting:
            self._up = top
            return False
        if len(self._waiting) < KEPT:
            self._waiting.append((event, top if seen else self._up))
        return True

    def lost(self) -> bool:
        """Whether nothing will be heard any more of the one that was given on."""
        return self._since is not None and self._clock() - self._since > LOST_S

    def began(self) -> None:
        """What was given on is on its way."""
        self._since = self._clock()

    def next(self, top: object) -> tuple[Struck, object] | None:
        """The one before has been dealt with, and ``top`` is ready: what was struck next, and what was up then."""
        self._since, self._up = None, top
        return self._waiting.popleft() if self._waiting else None
