"""Triggers: each is the worst of its conditions, in numbers and in words.

The order, worst first: firing; clearing (it fired, and has not been quiet for long enough); unknown, but it was firing;
pending; unknown; ok. Conditions that nobody measures say so, and do not make a trigger unknown while others of it are
measured: a console that is grey everywhere tells nobody anything. A trigger is ok only when at least one condition is
measured and every measured one is ok.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from warroom.api import Clock
from warroom.model.runbook import Runbook, Trigger
from warroom.model.signal import Sample, TriggerReading
from warroom.model.units import listed
from warroom.signals.baseline import Baselines
from warroom.signals.conditions import Tracker, tracker
from warroom.signals.correlation import Marks
from warroom.signals.windows import Series


@dataclass(frozen=True, slots=True)
class _Tracked:
    trigger: Trigger
    trackers: tuple[Tracker, ...]


class TriggerBook:
    """Every trigger of a runbook, fed with samples. Not safe for several threads: the engine's loop owns it."""

    def __init__(self, runbook: Runbook, clock: Clock, marks: Marks | None = None) -> None:
        self._clock = clock
        self._marks = marks or Marks(clock)
        self.baselines = Baselines()
        self._tracked = {
            trigger_id: _Tracked(
                trigger, tuple(tracker(runbook, name, c, self.baselines) for name, c in trigger.conditions.items())
            )
            for trigger_id, trigger in runbook.triggers.items()
        }
        self._by_signal: dict[str, list[Tracker]] = {}
        for tracked in self._tracked.values():
            for own in tracked.trackers:
                if own.bound:
                    self._by_signal.setdefault(own.condition.signal, []).append(own)
        self._series = {
            signal: Series(group[0].unit, max(max(t.windows.over, t.condition.stale_after) for t in group))
            for signal, group in self._by_signal.items()
        }

    def add(self, sample: Sample, signal_id: str) -> None:
        """A sample of the runbook's signal ``signal_id``. One that no trigger uses is none of this book's business."""
        series = self._series.get(signal_id)
        if series is None:
            return
        now, wall = self._clock.monotonic(), self._clock.now()
        for own in self._by_signal[signal_id]:
            own.notice_gap(series, now, wall)
        if not series.add(sample, now):
            return
        self.baselines.add(signal_id, sample.value, 1.0 if sample.count is None else sample.count, now)
        for own in self._by_signal[signal_id]:
            own.evaluate(series, now, wall)

    def condition(self, condition_id: str) -> Tracker:
        """One condition as it stood at the last look. Raises KeyError for one that the runbook does not have."""
        every = {own.condition_id: own for tracked in self._tracked.values() for own in tracked.trackers}
        return every[condition_id]

    def release_changed(self, at: float | None = None) -> None:
        """Another release runs since ``at`` (monotonic; None: now): what was measured until then is its normal."""
        self.baselines.release_changed(self._clock.monotonic() if at is None else at)

    def restore(self, readings: Mapping[str, TriggerReading], at: datetime) -> None:
        """After a restart, at ``at``: what the journal last said was firing is unknown until there is data again.

        A restart is missing data: it clears nothing. Holds towards firing start anew.
        """
        now = self._clock.monotonic()
        for trigger_id, reading in readings.items():
            tracked = self._tracked.get(trigger_id)
            if tracked is None or reading.status not in ("firing", "clearing"):
                continue
            for own in tracked.trackers:
                if own.condition.sentence == reading.condition:
                    own.was_firing(at, now)

    def readings(self) -> dict[str, TriggerReading]:
        """Every trigger as it stands now."""
        now, wall = self._clock.monotonic(), self._clock.now()
        for tracked in self._tracked.values():
            for own in tracked.trackers:
                own.evaluate(self._series.get(own.condition.signal), now, wall)
        found = {trigger_id: self._reading(trigger_id, tracked) for trigger_id, tracked in self._tracked.items()}
        self.baselines.paused = any(own.unusual for tracked in self._tracked.values() for own in tracked.trackers)
        return found

    def older(self, at: float) -> frozenset[str]:
        """Those that don't fire as they stood at the last look, by numbers that are partly from until ``at``
        (monotonic)."""

        def rests_on_older(own: Tracker) -> bool:
            known = own.status in ("ok", "pending")
            return known and own.window.since is not None and own.window.since <= at

        return frozenset(
            trigger_id for trigger_id, tracked in self._tracked.items() if any(map(rests_on_older, tracked.trackers))
        )

    def _reading(self, trigger_id: str, tracked: _Tracked) -> TriggerReading:
        now = self._clock.monotonic()
        flaps = max((own.flaps(now) for own in tracked.trackers), default=0)
        reading, first = _reading(trigger_id, tracked)
        about = {"flaps": flaps}
        if first is None or reading.status not in ("pending", "firing", "clearing"):
            return reading.model_copy(update=about)
        began = self._clock.now() - timedelta(seconds=now - first)
        since = self._marks.since_release(first, "errors" if "error" in reading.signal else "it")
        words = f"{reading.words}; {since}" if since else reading.words
        return reading.model_copy(update={**about, "began_at": began, "since_release": since, "words": words})


def _rank(own: Tracker) -> tuple[int, float]:
    """Worst first; among equals the one that is furthest towards its window."""
    fired_unknown = own.status == "unknown" and own.fired
    order = {"firing": 0, "clearing": 1, "pending": 3, "unknown": 2 if fired_unknown else 4, "ok": 5}
    need = own.need()
    return order[own.status], -(own.held() / need if need > 0 else 0.0)


def _reading(trigger_id: str, tracked: _Tracked) -> tuple[TriggerReading, float | None]:
    """And when the condition that decides it began (monotonic)."""
    measured = [own for own in tracked.trackers if own.bound]
    decides = min(measured or tracked.trackers, key=_rank)
    trigger = tracked.trigger
    known = decides.status != "unknown"
    normal = decides.baseline()
    reading = TriggerReading(
        id=trigger_id,
        title=trigger.title,
        severity=trigger.severity,
        impact=trigger.impact,
        status=decides.status,
        condition=decides.condition.sentence,
        signal=decides.condition.signal,
        value=decides.window.value if known else None,
        limit=decides.limit,
        count=decides.window.count if known else None,
        held_s=decides.held(),
        need_s=decides.need(),
        production_need_s=decides.production_need(),
        baseline=normal.value if normal is not None else None,
        words=_words(tracked, measured, decides),
    )
    return reading, decides.first


def _words(tracked: _Tracked, measured: list[Tracker], decides: Tracker) -> str:
    if not measured:
        return f"nobody measures {listed(_titles(tracked.trackers))}"
    parts = [decides.words()]
    # Why a signal can't be told is said by the signal; what is beside the one that decides is only named.
    for status in ("firing", "clearing", "unknown", "pending"):
        others = tuple(own for own in measured if own is not decides and own.status == status != decides.status)
        if others:
            parts.append(f"{listed(_titles(others))} {'is' if len(_titles(others)) == 1 else 'are'} {status}")
    missing = len(tracked.trackers) - len(measured)
    if missing:
        parts.append(f"{missing} of {len(tracked.trackers)} conditions {'is' if missing == 1 else 'are'} not measured")
    return "; ".join(parts)


def _titles(trackers: tuple[Tracker, ...]) -> list[str]:
    return list(dict.fromkeys(own.title for own in trackers))
