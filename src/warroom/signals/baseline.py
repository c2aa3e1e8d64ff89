"""What is normal for a signal: its median over a while before the last release change.

Slices of a window (a sixtieth each) hold the weighted mean of what was measured while no trigger was firing or about
to. When a release change is seen, the slices before it become the baseline; a new release is never measured by itself.
Where too few slices stand before a change (a rollback, minutes after the bad release), the baseline before stays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from statistics import median

SLICES = 60
FEWEST = 10
"""Fewer slices with a value than these are too little to call anything normal."""
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
        for (name, over), kept in self._kept.items():
            if name != signal:
                continue
            last = kept.slices[-1] if kept.slices else None
            if last is not None and now - last.at < over / SLICES:
                last.total += value * weight
                last.weight += weight
            else:
                kept.slices.append(_Slice(now, value * weight, weight))

    def release_changed(self, now: float) -> None:
        """What stands before ``now`` is normal from here on, if it is enough."""
        for kept in self._kept.values():
            means = [s.total / s.weight for s in kept.slices if now - kept.over < s.at <= now]
            if len(means) >= FEWEST:
                kept.baseline = Baseline(median(means), len(means), now)
            kept.slices.clear()

    def of(self, signal: str, over: float) -> Baseline | None:
        kept = self._kept.get((signal, over))
        return kept.baseline if kept is not None else None
