"""The command log: every program run and request made, as it can be pasted, secrets by name only."""

from __future__ import annotations

import heapq
from collections import deque
from datetime import datetime
from typing import Literal

from warroom.model.live import CommandLine

KEPT = 2000
LONGEST = 16_000
"""Characters of one command: what is longer is cut, and says so."""


class CommandLog:
    """The newest ``KEPT`` commands of each door, oldest first: what only looks never pushes out what changed
    something, however often it looks."""

    def __init__(self) -> None:
        self._lines: dict[str, deque[tuple[int, CommandLine]]] = {
            "read": deque(maxlen=KEPT),
            "change": deque(maxlen=KEPT),
        }
        self._count = 0

    def add(
        self, at: datetime, door: Literal["read", "change"], text: str, status: int | None, seconds: float | None
    ) -> None:
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}  # … cut here: it is longer"
        self._count += 1
        line = CommandLine(at=at, door=door, text=text, status=status, seconds=seconds)
        self._lines[door].append((self._count, line))

    def newest(self, limit: int) -> tuple[CommandLine, ...]:
        """All that changed something, as far as there is room, and the newest that looked."""
        changes = list(self._lines["change"])[-limit:] if limit > 0 else []
        room = limit - len(changes)
        reads = list(self._lines["read"])[-room:] if room > 0 else []
        return tuple(line for _, line in heapq.merge(reads, changes, key=lambda one: one[0]))
