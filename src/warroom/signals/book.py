"""The newest of every declared signal, of every component, and whether a signal is getting worse."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from warroom.api import Clock
from warroom.model.base import clock_text, span_text
from warroom.model.runbook import Condition, FromTrend, Runbook, SignalDecl
from warroom.model.signal import ComponentReading, Freshness, Sample, SignalReading
from warroom.model.units import value_text
from warroom.signals.correlation import Marks
from warroom.signals.trend import trend
from warroom.signals.windows import Point, Series

RECENT = 240
STALE_AFTER = 30.0
"""Where nothing says when a signal is old."""
SAME_BREACH = 60.0
"""Seconds without a value beyond its limit after which the next one is the first of another breach."""
HISTORY = 900.0
"""Seconds of points kept in memory, for trends; older ones are in the store."""


@dataclass(slots=True)
class _Entry:
    declared: SignalDecl
    limit: float | None
    stale_after: float
    worse_down: bool
    series: Series
    newest: Sample | None = None
    first_bad: float | None = None
    last_bad: float = 0.0
    recent: deque[float | None] = field(default_factory=lambda: deque(maxlen=RECENT))


class SignalBook:
    """Fed with samples by the runbook's names. Not safe for several threads: the engine's loop owns it."""

    def __init__(self, runbook: Runbook, clock: Clock, marks: Marks | None = None) -> None:
        self._runbook = runbook
        self._clock = clock
        self._marks = marks or Marks(clock)
        trends = [q.from_.over for q in runbook.tree.questions.values() if isinstance(q.from_, FromTrend)]
        longest = max([HISTORY, *trends])
        self._entries = {
            signal_id: _entry(declared, [c for _, _, _, c in runbook.conditions() if c.signal == signal_id], longest)
            for signal_id, declared in runbook.signals.items()
        }

    def add(self, sample: Sample, signal_id: str) -> None:
        """A sample of the runbook's signal ``signal_id``; one that is not declared is ignored."""
        entry = self._entries.get(signal_id)
        if entry is None:
            return
        now = self._clock.monotonic()
        age = entry.series.age(now)
        if not entry.series.add(sample, now):
            return
        if age is not None and age > entry.stale_after:
            entry.recent.append(None)
        entry.newest = sample
        entry.recent.append(sample.value)
        if sample.value is not None and _beyond(sample.value, entry):
            if entry.first_bad is None or now - entry.last_bad > SAME_BREACH:
                entry.first_bad = now
            entry.last_bad = now

    def stale_after(self, signal_id: str) -> float:
        """Seconds after which a sample of it is old."""
        return self._entries[signal_id].stale_after

    def readings(self) -> dict[str, SignalReading]:
        """Every declared signal as it stands now."""
        now = self._clock.monotonic()
        return {signal_id: self._reading(signal_id, entry, now) for signal_id, entry in self._entries.items()}

    def components(self) -> dict[str, ComponentReading]:
        """Every component. Old or missing is unknown, never ok."""
        now = self._clock.monotonic()
        found: dict[str, ComponentReading] = {}
        for component_id, component in self._runbook.components.items():
            entry = self._entries.get(component.signal)
            if entry is None:
                found[component_id] = ComponentReading(
                    id=component_id, title=component.title, status="unknown", words="nobody measures it"
                )
                continue
            reading = self._reading(component.signal, entry, now)
            found[component_id] = _component(component_id, component.title, reading, entry)
        return found

    def since(self, signal_id: str, at: float) -> list[Point]:
        """What came of a signal since ``at`` (monotonic), oldest first."""
        entry = self._entries.get(signal_id)
        return [point for point in entry.series.points if point.at >= at] if entry is not None else []

    def trend(self, signal_id: str, over: float, since: float = float("-inf")) -> tuple[str | None, str]:
        """Getting worse over the last ``over`` seconds? ``yes``, ``no``, or None where it cannot be told, and words.

        What came before ``since`` (monotonic) does not count. Worse is up, but down for a state and for a signal whose
        triggers only have a lower limit.
        """
        entry = self._entries.get(signal_id)
        if entry is None or entry.declared.source is None:
            return None, f"nobody measures {entry.declared.title if entry else signal_id}"
        now = self._clock.monotonic()
        title, span = entry.declared.title, span_text(over)
        freshness = _freshness(entry, now)
        if freshness != "fresh":
            return None, f"{title} is {freshness}"
        known = [(p.at, p.value) for p in entry.series.points if p.at > max(now - over, since)]
        points = [(at, value) for at, value in known if value is not None]
        seen = trend(points, over)
        if not seen.enough:
            return None, f"too little of {title} yet: {len(points)} points over {clock_text(seen.spanned)} of {span}"
        unit = _plain(entry.declared.unit)
        level = f"about {value_text(seen.level, unit)}"
        if not seen.matters(entry.limit):
            return "no", f"{title} is level over {span}, {level}"
        way = "rose" if seen.change > 0 else "fell"
        words = f"{title} {way} by {value_text(abs(seen.change), unit)} over {span}, to {level}"
        words += f" (median slope of {seen.slices} points, {seen.confidence_words})"
        if (seen.change < 0) != entry.worse_down:
            return "no", words
        return ("yes", words) if seen.sure else (None, f"{words}: that may be chance")

    def _reading(self, signal_id: str, entry: _Entry, now: float) -> SignalReading:
        newest = entry.newest
        bound = entry.declared.source is not None
        return SignalReading(
            id=signal_id,
            title=entry.declared.title,
            unit=entry.declared.unit,
            value=newest.value if newest is not None else None,
            count=newest.count if newest is not None else None,
            at=newest.at if newest is not None else None,
            age_s=entry.series.age(now),
            freshness=_freshness(entry, now),
            source=newest.source if newest is not None else "",
            words=_words(entry, now) if bound else "nobody measures it",
            limit=entry.limit,
            since_release=self._since(entry, now),
            recent=tuple(entry.recent),
        )

    def _since(self, entry: _Entry, now: float) -> str:
        if entry.first_bad is None or now - entry.last_bad > SAME_BREACH:
            return ""
        return self._marks.since_release(entry.first_bad, "errors" if "error" in entry.declared.title else "it")


def _plain(unit: str) -> str:
    """A change of a state has no words of its own."""
    return "ratio" if unit == "state" else unit


def _entry(declared: SignalDecl, conditions: list[Condition], history: float) -> _Entry:
    limits = [x for c in conditions for x in (c.above, c.below, c.equals) if x is not None]
    stale = min((c.stale_after for c in conditions), default=declared.stale_after or STALE_AFTER)
    down = declared.unit == "state" or (
        bool(conditions) and all(c.above is None and c.above_baseline is None for c in conditions)
    )
    return _Entry(
        declared=declared,
        limit=limits[0] if limits else None,
        stale_after=stale,
        worse_down=down,
        series=Series(declared.unit, max(history, stale)),
    )


def _freshness(entry: _Entry, now: float) -> Freshness:
    age = entry.series.age(now)
    if age is None:
        return "unknown"
    if age > entry.stale_after:
        return "stale"
    return "fresh" if entry.newest is not None and entry.newest.value is not None else "unknown"


def _words(entry: _Entry, now: float) -> str:
    newest, age = entry.newest, entry.series.age(now)
    if newest is None or age is None:
        return "no data yet"
    if age > entry.stale_after:
        return f"no data for {clock_text(age)}"
    if newest.value is None and not newest.words:
        return "nothing was observed" if newest.count == 0 else "could not be measured"
    return newest.words


def _component(component_id: str, title: str, reading: SignalReading, entry: _Entry) -> ComponentReading:
    if reading.freshness != "fresh" or reading.value is None:
        return ComponentReading(
            id=component_id, title=title, status="unknown", words=reading.words, age_s=reading.age_s
        )
    well = not _beyond(reading.value, entry)
    words = reading.words or value_text(reading.value, reading.unit)
    return ComponentReading(
        id=component_id, title=title, status="ok" if well else "failing", words=words, age_s=reading.age_s
    )


def _beyond(value: float, entry: _Entry) -> bool:
    """A state that is not well; anything else beyond its trigger's limit, if it has one."""
    if entry.declared.unit == "state":
        return value < 0.5
    if entry.limit is None:
        return False
    return value < entry.limit if entry.worse_down else value > entry.limit
