"""Is it getting worse? The slope of a signal over a window, and whether it can be told from noise.

The slope is Theil–Sen's: the median of the slopes of all pairs of points, which one wild point cannot move. Whether
there is a trend at all is Mann and Kendall's test: of all pairs, how many rise and how many fall, against what chance
would give (95 %). Both need no assumption on how the noise is distributed. A rise also has to matter: at least a tenth
of the present level, and of the limit, over the window, or it is no trend that a person would act on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import erf, sqrt
from statistics import median

POINTS = 60
"""The window is cut into at most so many slices, each its mean: 1,770 pairs."""
FEWEST = 8
COVER = 0.6
"""The points must span so much of the window."""
SURE = 1.96
MATTERS = 0.1


@dataclass(frozen=True, slots=True)
class Trend:
    """``change`` is over the whole window, in the signal's unit; ``sure`` whether it can be told from noise.

    ``enough`` False: too few points, or of too short a time; then nothing else means anything. ``confidence`` is how
    improbable it would be (0–1) that mere noise rose or fell as steadily; ``slices`` how many means were compared.
    """

    enough: bool
    change: float = 0.0
    level: float = 0.0
    sure: bool = False
    spanned: float = 0.0
    confidence: float = 0.0
    slices: int = 0

    @property
    def confidence_words(self) -> str:
        """Rounded down: what is 94.9 % sure is not called 95 %."""
        share = int(self.confidence * 1000) / 10
        return "more than 99.9 % sure" if share >= 99.9 else f"{share:g} % sure"

    def matters(self, limit: float | None) -> bool:
        """Is the change a tenth of the present level, and of the limit where there is one?"""
        return self.change != 0 and abs(self.change) >= MATTERS * max(abs(self.level), abs(limit or 0.0))


def trend(points: Sequence[tuple[float, float]], over: float) -> Trend:
    """The trend of (seconds, value) points, in order of time, within the last ``over`` seconds."""
    slices = _slices(points, over)
    spanned = slices[-1][0] - slices[0][0] if slices else 0.0
    if len(slices) < FEWEST or spanned < COVER * over:
        return Trend(enough=False, spanned=spanned)
    pairs = list(combinations(slices, 2))
    slope = median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs)
    score = sum((later[1] > earlier[1]) - (later[1] < earlier[1]) for earlier, later in pairs)
    n = len(slices)
    spread = sqrt(n * (n - 1) * (2 * n + 5) / 18)
    z = max(0.0, (abs(score) - 1) / spread)
    level = median(value for _, value in slices[-max(3, n // 3) :])
    return Trend(
        enough=True,
        change=slope * over,
        level=level,
        sure=z >= SURE,
        spanned=spanned,
        confidence=erf(z / sqrt(2)),
        slices=n,
    )


def _slices(points: Sequence[tuple[float, float]], over: float) -> list[tuple[float, float]]:
    """The mean of each slice of the window that holds a point, at its points' mean time."""
    if not points:
        return []
    end = points[-1][0]
    start = end - over
    width = over / POINTS if over > 0 else 1.0
    held: dict[int, list[tuple[float, float]]] = {}
    for at, value in points:
        if at >= start:
            held.setdefault(min(POINTS - 1, int((at - start) / width)), []).append((at, value))
    return [
        (sum(at for at, _ in group) / len(group), sum(value for _, value in group) / len(group))
        for _, group in sorted(held.items())
    ]
