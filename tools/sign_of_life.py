"""What a person sees while a long step goes on: what is done now, how far it is, for how long. Standard library only.

On a terminal that is one line, written over each second; anywhere else a line from time to time, so that a log of it
stays short. What is said goes to standard error.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from typing import TextIO

LOOK = 1.0
"""Seconds between two looks at a step."""
RARELY = 20.0
"""Seconds between two lines where nothing can be written over."""

_COLLECTED = re.compile(r"^\s*Collecting ([A-Za-z0-9._-]+)", re.MULTILINE)
_INSTALLING = "Installing collected packages"


def far(log: str, most: int) -> str:
    """How far pip is, from what it has said so far; empty where that can't be told (uv says nothing before its end)."""
    if _INSTALLING in log:
        return "all are here, and are being unpacked"
    names = list(dict.fromkeys(_COLLECTED.findall(log)))
    return f"{len(names)} of at most {most} are here, now {names[-1]}" if names else ""


def elapsed(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} m {rest} s" if minutes else f"{rest} s"


class Sign:
    """``say`` prints a line that stays. ``out`` is where the line that is written over goes, if that is a terminal."""

    def __init__(
        self, say: Callable[[str], None], out: TextIO = sys.stderr, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._say, self._out, self._clock = say, out, clock
        self._over = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._began = self._told = clock()
        self._drawn = False

    def say(self, words: str) -> None:
        self.clear()
        self._say(words)

    def beat(self, doing: str, how_far: str = "") -> None:
        """A step is still going on."""
        now = self._clock()
        words = f"  {elapsed(now - self._began)} · {doing}{': ' + how_far if how_far else ''}"
        if self._over:
            cells = shutil.get_terminal_size().columns - 1
            self._out.write(f"\r\x1b[2K{words[:cells]}")
            self._out.flush()
            self._drawn = True
        elif now - self._told >= RARELY:
            self._told = now
            self._say(words)

    def clear(self) -> None:
        """The line that is written over goes away."""
        if self._drawn:
            self._out.write("\r\x1b[2K")
            self._out.flush()
            self._drawn = False
