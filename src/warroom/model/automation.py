"""What a runbook may let warroom do by itself: probes that act as an attacker would, and one automatic rollback."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from warroom.model.base import Duration, Fact, Id

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def _time_of_day(value: object) -> object:
    if not isinstance(value, str) or _TIME.fullmatch(value) is None:
        raise ValueError("a time of day in UTC, such as 22:00, was expected")
    return value


TimeOfDay = Annotated[str, BeforeValidator(_time_of_day), WithJsonSchema({"type": "string", "pattern": _TIME.pattern})]
"""``HH:MM``, UTC."""


class ActiveProbe(Fact):
    """Leave to measure a signal in production by trying what must be refused, with a test account of its own.

    ``every`` is the shortest time between two such tries; a platform that is set up to try more often is refused.
    """

    every: Duration = Field(ge=10)
    account: str = Field(default="", max_length=200)


class Between(Fact):
    """A part of each day in UTC; ``after`` later than ``before`` reaches over midnight."""

    after: TimeOfDay
    before: TimeOfDay

    def holds(self, moment: datetime) -> bool:
        now = moment.time().replace(tzinfo=None)
        begins, ends = time.fromisoformat(self.after), time.fromisoformat(self.before)
        return begins <= now < ends if begins <= ends else now >= begins or now < ends


class AutomaticRollback(Fact):
    """Off unless a runbook has it. When ``trigger`` fires, ``procedure`` is prepared, announced for ``countdown``, and
    run unless anyone vetoes it. ``rest``: never within this time of another incident or rollback.
    """

    trigger: Id
    procedure: Id
    countdown: Duration = Field(default=120, ge=1, le=3600)
    rest: Duration = 3600
    quiet_hours: tuple[Between, ...] = ()
