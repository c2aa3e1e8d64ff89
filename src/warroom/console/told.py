"""What this console has told in passing. A message that has gone is still here, and a refusal waits to be read."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime

KEPT = 200


@dataclass(frozen=True)
class Told:
    at: datetime
    words: str
    bad: bool


class Telling:
    """The newest ``KEPT`` messages, oldest first. ``unread`` counts the refusals since it was last looked at."""

    def __init__(self) -> None:
        self.all: deque[Told] = deque(maxlen=KEPT)
        self.unread = 0

    def add(self, at: datetime, words: str, *, bad: bool, unread: bool = False) -> None:
        self.all.append(Told(at, words, bad))
        self.unread += unread

    def read(self) -> tuple[Told, ...]:
        self.unread = 0
        return tuple(self.all)
