"""The verification checks that need no plugin, by name, with the arguments that each takes in a runbook."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from warroom.model.base import Duration, Fact


class NoArgs(Fact):
    pass


class SignalWithin(Fact):
    """The mean since the rollback ended lies below and above these, over ``at_least`` observations.

    What comes within ``settle`` seconds of that end still tells of requests from before it, and does not count. It is
    waited ``wait`` seconds for enough.
    """

    signal: str
    below: float | None = None
    above: float | None = None
    at_least: int = Field(default=1, ge=1)
    settle: Duration = 3
    wait: Duration = 60


class LogsClean(Fact):
    """``allow`` error lines at most; ``settle`` is how long after the rollback to look at the least."""

    allow: int = Field(default=0, ge=0)
    settle: Duration = 5


class CountsMatch(Fact):
    """``probe`` is the platform's check that gives row counts by table as its numbers."""

    probe: str


class TriggersQuiet(Fact):
    wait: Duration = 60


BUILT_IN_CHECKS: Mapping[str, type[Fact]] = {
    "running-is-target": NoArgs,
    "signal-within": SignalWithin,
    "logs-clean": LogsClean,
    "counts-match": CountsMatch,
    "triggers-quiet": TriggersQuiet,
    "ask-a-person": NoArgs,
}
