"""The command log: every program run and request made, as it can be pasted, secrets by name only."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Literal

from warroom.model.live import CommandLine

KEPT = 2000
LONGEST = 16_000
"""Characters of one command: what is longer is cut, and says so."""


class CommandLog:
    """The newest ``KEPT`` commands, oldest first."""

    def __init__(self) -> None:
        self._lines: deque[CommandLine] = deque(maxlen=KEPT)

    def add(
        self, at: datetime, door: Literal["read", "change"], text: str, status: int | None, seconds: float | None
    ) -> None:
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}  # … cut here: it is longer"
        self._lines.append(CommandLine(at=at, door=door, text=text, status=status, seconds=seconds))

    def newest(self, limit: int) -> tuple[CommandLine, ...]:
        return tuple(self._lines)[-limit:]
