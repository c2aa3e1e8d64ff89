"""A signal's newest points on monotonic time, and what a rolling window of them says.

How a window becomes one number, by unit:

- ``ratio``: weighted by count, so that a second with two requests does not outvote one with two thousand;
- ``ms`` and ``s``: the median, weighted by count. Percentiles cannot be averaged, and one slow sample should neither
  make an outage nor hide one;
- everything else: the mean. Of a ``state`` that is the share of checks that went well: "below 0.5" says that most
  failed. A condition that asks for an exact value (``equals``) goes by the newest one.

A sample without a value says "could not know", and while it is the newest, the window is unknown. With ``count`` 0
it says "nothing happened": that is knowledge too (the source lives), but adds no observation.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from warroom.model.signal import Sample

FINEST = 1200
"""A window never holds more than about this many points: what arrives closer together is merged."""


@dataclass(slots=True)
class Point:
    """One sample, or several that came within ``Series.grain`` seconds: their weighted mean.

    ``at`` is monotonic. ``known`` False: the source could not know. ``seen`` counts observations.
    """

    at: float
    known: bool
    total: float
    weight: float
    seen: int
    counted: bool

    @property
    def value(self) -> float | None:
        return self.total / self.weight if self.weight > 0 else None


@dataclass(frozen=True, slots=True)
class Window:
    """What a window says. ``value`` None: nothing was observed in it. ``count`` None: counts have no meaning here."""

    value: float | None
    seen: int
    count: int | None
    newest: float | None = None


class Series:
    """One signal's points of the last ``keep`` seconds. Bounded whatever the rate."""

    def __init__(self, unit: str, keep: float) -> None:
        self.unit = unit
        self.keep = max(keep, 1.0)
        self.grain = self.keep / FINEST
        self.points: deque[Point] = deque()
        self.newest: float | None = None
        self.known = False
        self.words = ""
        self._last: tuple[object, ...] = ()

    def add(self, sample: Sample, at: float) -> bool:
        """False when it is only the last sample again (same time, value and count): a stuck source goes stale."""
        key = (sample.source, sample.at, sample.value, sample.count)
        if key == self._last:
            return False
        self._last = key
        self.newest = at
        self.known = _nothing(sample) or (sample.value is not None and (sample.count is None or sample.count > 0))
        self.words = sample.words
        point = _point(sample, at)
        last = self.points[-1] if self.points else None
        if last is not None and at - last.at < self.grain and last.known == point.known and self.unit != "state":
            last.total += point.total
            last.weight += point.weight
            last.seen += point.seen
            last.counted = last.counted or point.counted
        else:
            self.points.append(point)
        while self.points and (self.points[0].at <= at - self.keep or len(self.points) > 2 * FINEST):
            self.points.popleft()
        return True

    def age(self, now: float) -> float | None:
        return None if self.newest is None else max(0.0, now - self.newest)

    def window(self, now: float, over: float) -> Window:
        """The last ``over`` seconds; where samples come more seldom than that, the newest one alone."""
        points = [p for p in self.points if p.at > now - over] or list(self.points)[-1:]
        seen = sum(p.seen for p in points)
        count = seen if any(p.counted for p in points) else None
        newest = next((p.value for p in reversed(points) if p.value is not None), None)
        return Window(value=_value(self.unit, points), seen=seen, count=count, newest=newest)


def _point(sample: Sample, at: float) -> Point:
    counted = sample.count is not None
    if sample.value is None or (sample.count is not None and sample.count <= 0):
        return Point(at=at, known=_nothing(sample), total=0.0, weight=0.0, seen=0, counted=counted)
    weight = float(sample.count) if sample.count is not None else 1.0
    seen = sample.count if sample.count is not None else 1
    return Point(at=at, known=True, total=sample.value * weight, weight=weight, seen=seen, counted=counted)


def _nothing(sample: Sample) -> bool:
    """The source lives and says that nothing happened. A negative count is no count: it stays "could not know"."""
    return sample.count == 0


def _value(unit: str, points: list[Point]) -> float | None:
    known = [(p.value, p.weight) for p in points]
    pairs = [(value, weight) for value, weight in known if value is not None]
    if not pairs:
        return None
    if unit in ("ms", "s"):
        return _weighted_median(pairs)
    if unit not in ("ratio", "state"):
        return sum(value for value, _ in pairs) / len(pairs)
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)


def _weighted_median(pairs: list[tuple[float, float]]) -> float:
    ordered = sorted(pairs)
    half = sum(weight for _, weight in ordered) / 2
    passed = 0.0
    for value, weight in ordered:
        passed += weight
        if passed >= half:
            return value
    return ordered[-1][0]
