"""Asking one database within a time, one question after the other, so that a look never becomes a load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from warroom.api import Context, TimedOut
from warroom_postgres.config import Config

LEAST_S = 0.05
"""What is begun gets at least so long."""


@dataclass
class Looking:
    """``database`` None: the application's own. ``within`` is for all of it, ``each`` for one question, in seconds.

    ``largest``: tables with more rows, by the server's estimate, are not read through. None: all are. ``brief``: how
    many cases there are is enough.
    """

    ctx: Context
    within: float
    each: float
    largest: int | None = None
    database: str | None = None
    brief: bool = False
    _ends: float = field(init=False)

    def __post_init__(self) -> None:
        self._ends = self.ctx.clock.monotonic() + self.within

    @property
    def left(self) -> float:
        return self._ends - self.ctx.clock.monotonic()

    async def ask(self, statement: str, *, at_most: int = 1000) -> Sequence[Mapping[str, Any]]:
        """Raises WarroomError; TimedOut without asking once the time is over."""
        if self.left < LEAST_S:
            raise TimedOut("not looked at", f"the {self.within:g} s for all of it were over")
        config: Config = self.ctx.config
        beside = self.database is not None and config.direct is not None
        found = await self.ctx.read.sql(
            config.direct if beside and config.direct else config.url,
            statement,
            timeout=max(LEAST_S, min(self.each, self.left)),
            at_most=at_most,
            database=self.database,
            through=config.through.relay if config.through else (),
        )
        return found.each()
