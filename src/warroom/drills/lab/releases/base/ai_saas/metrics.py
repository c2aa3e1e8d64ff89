"""What the service counts about itself since it started."""

from __future__ import annotations

import os
import resource
import sys
import time
from bisect import bisect_left
from collections import Counter
from pathlib import Path
from typing import Any

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Upper bounds of the latency histogram in seconds; one more bucket holds what took longer."""


class Metrics:
    def __init__(self) -> None:
        self.started = time.monotonic()
        self.requests: Counter[str] = Counter()
        self.latency = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.calls: dict[str, dict[str, int]] = {}

    def called(self, service: str, ok: bool) -> None:
        """A call of another service, and whether it did what was asked."""
        counted = self.calls.setdefault(service, {"ok": 0, "failed": 0})
        counted["ok" if ok else "failed"] += 1

    def count(self, route: str, status: int, seconds: float) -> None:
        self.requests[f"{route} {status}"] += 1
        self.latency[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds

    def snapshot(self) -> dict[str, Any]:
        return {
            "uptimeSeconds": round(time.monotonic() - self.started, 3),
            "requests": dict(sorted(self.requests.items())),
            "latency": {"bounds": list(BUCKETS), "counts": self.latency, "sum": round(self.seconds, 6)},
            "calls": self.calls,
        }


def resident_bytes() -> int:
    """The memory this process holds now; where the system doesn't say, the most it has held."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
