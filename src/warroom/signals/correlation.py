"""Release changes, and what they have to do with the first error, in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from warroom.api import Clock
from warroom.model.base import span_text

RELATED = 3600.0
"""A release longer ago than this is not named as what came before: too much else has happened since."""
KEPT = 50
LATELY = 300.0
MarkKind = Literal["release", "rollback"]


@dataclass(frozen=True, slots=True)
class Mark:
    """One release change: ``since`` is monotonic, ``at`` the same moment on the wall clock, for plots and the log."""

    since: float
    at: datetime
    name: str
    kind: MarkKind

    @property
    def words(self) -> str:
        return f"rollback to {self.name}" if self.kind == "rollback" else self.name


class Marks:
    """Release changes, oldest first, each kept on monotonic time: a wall clock that jumps puts none out of order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: deque[Mark] = deque(maxlen=KEPT)

    def add(self, name: str, *, kind: MarkKind = "release", at: datetime | None = None) -> bool:
        """A change seen now, or one known to have been at ``at``. False for one that is known already."""
        now, wall = self._clock.monotonic(), self._clock.now()
        ago = 0.0 if at is None else max(0.0, (wall - at).total_seconds())
        mark = Mark(now - ago, wall - timedelta(seconds=ago), name, kind)
        if any(known.name == name and abs(known.since - mark.since) < 5 for known in self._marks):
            return False
        self._marks = deque(sorted((*self._marks, mark), key=lambda each: each.since), maxlen=KEPT)
        return True

    @property
    def newest(self) -> Mark | None:
        return self._marks[-1] if self._marks else None

    @property
    def changes(self) -> Sequence[tuple[datetime, str]]:
        """(when, what) of each, as plots and the log show them."""
        return [(mark.at, mark.words) for mark in self._marks]

    @property
    def lately(self) -> tuple[datetime, str]:
        """From when on what comes is of now, also in words: a short while, of which what ran before is none."""
        edge = self._clock.now() - timedelta(seconds=LATELY)
        if self.newest is not None and self.newest.at > edge:
            return self.newest.at, f"since {self.newest.name}"
        return edge, f"in {span_text(LATELY)}"

    def since_release(self, began: float | None, what: str = "errors") -> str:
        """``errors began 40 s after v1.0.0-beta.3``, for what began at ``began`` (monotonic)."""
        return _words([(mark.since, mark.words) for mark in self._marks], began, what)


def since_release(marks: Iterable[tuple[datetime, str]], first: datetime | None, what: str = "errors") -> str:
    """As ``Marks.since_release``, from wall times; empty where no release change is near. ``marks`` in any order."""
    return _words([(at.timestamp(), name) for at, name in marks], first.timestamp() if first else None, what)


def _words(marks: Sequence[tuple[float, str]], first: float | None, what: str) -> str:
    if first is None or not marks:
        return ""
    before = [(at, name) for at, name in marks if at <= first]
    if before:
        at, name = max(before)
        return f"{what} began {_span(first - at)} after {name}" if first - at <= RELATED else ""
    at, name = min(marks)
    return f"{what} began {_span(at - first)} before {name}" if at - first <= RELATED else ""


def _span(seconds: float) -> str:
    return span_text(float(int(seconds)))
