"""What warroom's own requests met: response times and failures over a rolling window."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

KEPT = 20_000
SHARES = {"p50": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class Met:
    """One request: when it ended (monotonic seconds), how long it took, whether it failed (5xx, or no reply).

    ``seconds`` None: it was refused at once, which says nothing of how long a reply takes. A request that timed out
    took at least its timeout, and counts with that.
    """

    ended: float
    seconds: float | None
    failed: bool


class Window:
    """The requests of the last ``length_s`` seconds."""

    def __init__(self, length_s: float) -> None:
        self._length = length_s
        self._met: deque[Met] = deque(maxlen=KEPT)

    def add(self, met: Met) -> None:
        self._met.append(met)
        while self._met and self._met[0].ended <= met.ended - self._length:
            self._met.popleft()

    def read(self, kind: Literal["p50", "p95", "error-ratio"]) -> tuple[float | None, int]:
        """(a percentile in ms, or the failed share 0–1; None where nothing was measured) and over how many requests."""
        if kind == "error-ratio":
            return (sum(m.failed for m in self._met) / len(self._met) if self._met else None), len(self._met)
        times = sorted(m.seconds for m in self._met if m.seconds is not None)
        return (percentile(times, SHARES[kind]) * 1000 if times else None), len(times)


def percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of values in ascending order: always one that was measured."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
