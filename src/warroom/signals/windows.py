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
from dataclasses import dataclass, field

from warroom.model.signal import Sample

FINEST = 1200
"""A window never holds more than about this many points: what arrives closer together is merged."""


@dataclass(slots=True)
class Point:
    """One sample, or several that came within ``Series.grain`` seconds: their weighted mean.

    ``at`` is monotonic. ``known`` False: the source could not know. ``seen`` counts observations. ``value`` and
    ``share`` (it, weighted) are worked out once for a point and not for every window that has it.
    """

    at: float
    known: bool
    total: float
    weight: float
    seen: int
    counted: bool
    value: float | None = field(init=False)
    share: float = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.total / self.weight if self.weight > 0 else None
        self.share = self.value * self.weight if self.value is not None else 0.0

    def take(self, other: Point) -> None:
        """One that came so soon after this that they are one."""
        self.total += other.total
        self.weight += other.weight
        self.seen += other.seen
        self.counted = self.counted or other.counted
        self.__post_init__()


@dataclass(frozen=True, slots=True)
class Window:
    """What a window says. ``value`` None: nothing was observed in it. ``count`` None: counts have no meaning here.

    ``since`` is when its first point came (monotonic).
    """

    value: float | None
    seen: int
    count: int | None
    newest: float | None = None
    since: float | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """A window as it was worked out ``at``: it says the same until a sample comes or its ``oldest`` point falls out."""

    at: float
    oldest: float
    window: Window


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
        self._said: dict[float, _Said] = {}

    def add(self, sample: Sample, at: float) -> bool:
        """False when it is only the last sample again (same time, value and count): a stuck source goes stale."""
        key = (sample.source, sample.at, sample.value, sample.count)
        if key == self._last:
            return False
        self._last = key
        self._said.clear()
        self.newest = at
        self.known = _nothing(sample) or (sample.value is not None and (sample.count is None or sample.count > 0))
        self.words = sample.words
        point = _point(sample, at)
        last = self.points[-1] if self.points else None
        if last is not None and at - last.at < self.grain and last.known == point.known and self.unit != "state":
            last.take(point)
        else:
            self.points.append(point)
        while self.points and (self.points[0].at <= at - self.keep or len(self.points) > 2 * FINEST):
            self.points.popleft()
        return True

    def age(self, now: float) -> float | None:
        return None if self.newest is None else max(0.0, now - self.newest)

    def window(self, now: float, over: float) -> Window:
        """The last ``over`` seconds; where samples come more seldom than that, the newest one alone."""
        said = self._said.get(over)
        if said is not None and said.at <= now and now - over < said.oldest:
            return said.window
        edge = now - over
        points = [p for p in self.points if p.at > edge] or list(self.points)[-1:]
        seen = sum([p.seen for p in points])
        count = seen if any(p.counted for p in points) else None
        newest = next((p.value for p in reversed(points) if p.value is not None), None)
        since = points[0].at if points else None
        window = Window(value=_value(self.unit, points), seen=seen, count=count, newest=newest, since=since)
        if points:
            self._said[over] = _Said(now, points[0].at, window)
        return window


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
    weight = sum([p.weight for p in points])
    if not weight > 0:
        return None
    if unit in ("ratio", "state"):
        return sum([p.share for p in points]) / weight
    pairs = [(p.value, p.weight) for p in points if p.value is not None]
    if unit in ("ms", "s"):
        return _weighted_median(pairs)
    return sum([value for value, _ in pairs]) / len(pairs)


def _weighted_median(pairs: list[tuple[float, float]]) -> float:
    ordered = sorted(pairs)
    half = sum(weight for _, weight in ordered) / 2
    passed = 0.0
    for value, weight in ordered:
        passed += weight
        if passed >= half:
            return value
    return ordered[-1][0]
