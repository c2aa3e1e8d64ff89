"""What is normal for a signal: its median over a while before the last release change.

Slices of a window (a sixtieth each) hold the weighted mean of what was measured while no trigger was firing or about
to. When a release change is seen, the slices before it become the baseline; a new release is never measured by itself.
Where too few slices stand before a change (a rollback, minutes after the bad release), the baseline before stays.
After a restart the same is made again of what is on disk (``past``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

SLICES = 60
FEWEST = 10
"""Fewer slices with a value than these are too little to call anything normal."""
Seen = tuple[float, float, float]
"""When (monotonic seconds), the value, and how many observations stand behind it."""
NONE_YET = "no release change was seen yet that anything normal stands before"


@dataclass(frozen=True, slots=True)
class Baseline:
    """``value`` in the signal's unit; ``slices`` is how much stands behind it, ``until`` when it ended (monotonic)."""

    value: float
    slices: int
    until: float


@dataclass(slots=True)
class _Slice:
    at: float
    total: float
    weight: float


@dataclass(slots=True)
class _Kept:
    over: float
    slices: deque[_Slice] = field(default_factory=lambda: deque(maxlen=2 * SLICES))
    baseline: Baseline | None = None

    def add(self, value: float, weight: float, now: float) -> None:
        last = self.slices[-1] if self.slices else None
        if last is not None and now - last.at < self.over / SLICES:
            last.total += value * weight
            last.weight += weight
        else:
            self.slices.append(_Slice(now, value * weight, weight))

    def release_changed(self, at: float) -> None:
        means = [s.total / s.weight for s in self.slices if at - self.over < s.at <= at]
        if len(means) >= FEWEST:
            self.baseline = Baseline(median(means), len(means), at)
        self.slices = deque((s for s in self.slices if s.at > at), maxlen=2 * SLICES)


class Baselines:
    """One for each (signal, window) that a condition asks for. ``paused``: nothing that comes now is normal."""

    def __init__(self) -> None:
        self.paused = False
        self._kept: dict[tuple[str, float], _Kept] = {}

    def want(self, signal: str, over: float) -> None:
        self._kept.setdefault((signal, over), _Kept(over))

    def add(self, signal: str, value: float | None, weight: float, now: float) -> None:
        """``weight`` is how many observations stand behind the value; without any it says nothing."""
        if self.paused or value is None or weight <= 0:
            return
        for (name, _), kept in self._kept.items():
            if name == signal:
                kept.add(value, weight, now)

    def release_changed(self, at: float) -> None:
        """What stands before ``at`` is normal from here on, if it is enough. ``at`` may lie in the past."""
        for kept in self._kept.values():
            kept.release_changed(at)

    @property
    def wanted(self) -> list[tuple[str, float]]:
        return list(self._kept)

    def recall_before(self, signal: str, over: float, seen: Iterable[Seen], change: float) -> bool:
        """What was measured before a restart, until a release change at ``change``. False where it is too little."""
        before = _Kept(over)
        for at, value, weight in seen:
            before.add(value, weight, at)
        before.release_changed(change)
        if before.baseline is not None:
            self._kept[signal, over].baseline = before.baseline
        return before.baseline is not None

    def recall_since(self, signal: str, over: float, seen: Iterable[Seen]) -> None:
        """What was measured since the last release change, before a restart. What came after the restart follows it."""
        kept, before = self._kept[signal, over], _Kept(over)
        for at, value, weight in seen:
            before.add(value, weight, at)
        kept.slices = deque((*before.slices, *kept.slices), maxlen=2 * SLICES)

    def of(self, signal: str, over: float) -> Baseline | None:
        kept = self._kept.get((signal, over))
        return kept.baseline if kept is not None else None
