"""Whether a key is meant: one that was held down, or struck twice, never goes through a dialog that it just opened.

A terminal tells of no key that is let go; a held one is the same key again and again, after a first wait of up to
two thirds of a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable

CONFIRMING = frozenset({"enter", "space", "ctrl+s", "ctrl+m", "ctrl+j"})
"""Keys that press a button, or send what a dialog holds."""

PAUSE_S = 1.0
"""So long the key that opened a dialog must rest before it may confirm it; any other key ends the wait."""

REPEAT_S = 0.12
"""The same key sooner than this is its repetition, not a second press."""

GLANCE_S = 0.7
"""A dialog that came by itself takes no confirmation so soon: the key was meant for something else."""


class Steady:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last, self._at = "", float("-inf")
        self._top: object = None
        self._barred = ""
        self._until = float("-inf")

    def came(self) -> None:
        """A dialog has opened by itself."""
        self._until = self._clock() + GLANCE_S

    def takes(self, key: str, top: object, *, typing: bool) -> bool:
        """Is ``key`` meant for ``top``, the screen in front? ``typing``: text has the focus, where keys may repeat."""
        now = self._clock()
        since, again = now - self._at, key == self._last
        if top is not self._top:
            self._top = top
            self._barred = self._last if self._last in CONFIRMING and since < PAUSE_S else ""
        held = key == self._barred and since < PAUSE_S
        self._last, self._at = key, now
        if key not in CONFIRMING:
            self._barred = ""
            return True
        if held or now < self._until:
            return False
        self._barred = ""
        return typing or not (again and since < REPEAT_S)
