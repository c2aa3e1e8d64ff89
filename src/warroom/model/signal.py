"""Samples, and what is read from them. A reading that is missing or old is UNKNOWN, never healthy, never firing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warroom.model.base import Fact, Instant

Severity = Literal["critical", "warning"]
TriggerStatus = Literal["ok", "pending", "firing", "clearing", "unknown"]
Freshness = Literal["fresh", "stale", "unknown"]


class Sample(Fact):
    """One measurement, as a plugin gives it.

    ``value`` is in the signal's unit; a ratio is 0–1, a state is 1 (well) or 0 (not). ``count`` is how many
    observations stand behind it (requests, probes) that no earlier sample counted: windows add them up. None where
    that has no meaning. ``value`` None says "asked, and could not know": it is not the same as 0. With ``count`` 0 it
    says "nothing happened": the source lives, and there was nothing to measure.
    """

    signal: str
    value: float | None
    count: int | None = None
    at: Instant
    source: str = ""
    words: str = ""


class SignalReading(Fact):
    kind: Literal["signal"] = "signal"
    id: str
    title: str
    unit: str
    value: float | None
    count: int | None = None
    at: Instant | None = None
    age_s: float | None = None
    freshness: Freshness
    source: str = ""
    words: str = ""
    limit: float | None = None
    since_release: str = ""
    recent: tuple[float | None, ...] = Field(default=(), max_length=240)


class TriggerReading(Fact):
    """A rule's state in numbers and in words. ``held_s`` of ``need_s`` counts towards firing (or clearing).

    ``production_need_s`` is set when a drill has shortened the window, so that both can be shown.
    ``condition`` is the sentence of the condition that decides it. ``began_at`` is when the first sample went beyond
    its limit, ``since_release`` what that has to do with the last release change, in words. ``flaps`` is how often it
    began anew within the last ten minutes: from three on it is flapping. ``baseline`` is the signal's own normal.
    """

    kind: Literal["trigger"] = "trigger"
    id: str
    title: str
    severity: Severity
    impact: str = ""
    status: TriggerStatus
    condition: str = ""
    signal: str = ""
    value: float | None = None
    limit: float | None = None
    count: int | None = None
    held_s: float = 0
    need_s: float = 0
    production_need_s: float | None = None
    began_at: Instant | None = None
    since_release: str = ""
    flaps: int = 0
    baseline: float | None = None
    words: str = ""


class ComponentReading(Fact):
    kind: Literal["component"] = "component"
    id: str
    title: str
    status: Literal["ok", "failing", "unknown"]
    words: str = ""
    age_s: float | None = None


Level = Literal["debug", "info", "warning", "error", "unknown"]


class LogLine(Fact):
    """``text`` is data: control bytes and secrets are already replaced. ``at`` is the source's own time, if any."""

    source: str
    text: str
    at: Instant | None = None
    level: Level = "unknown"
    index: int = -1


class LogHead(Fact):
    """``lines`` and ``errors`` are all that ever came. ``lately``: the errors of a short while, which ``over`` names,
    as in "in 5 m" or "since v2"."""

    kind: Literal["log"] = "log"
    source: str
    lines: int = 0
    errors: int = 0
    lately: int = 0
    over: str = ""
    dropped: int = 0
    note: str = ""
