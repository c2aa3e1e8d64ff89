"""A sample that can't be true is no knowledge: it becomes "could not know", with the reason in words."""

from __future__ import annotations

from datetime import datetime

from warroom.model.base import clock_text
from warroom.model.runbook import SignalDecl
from warroom.model.signal import Sample

SKEW = 60.0
"""Seconds by which a source's clock may differ from this one before its times mean nothing."""
MOST: dict[str, float] = {
    "ratio": 2.0,  # a little over 1 is real: memory beyond its soft limit, a pool beyond its size
    "state": 1.0,
    "ms": 86_400_000.0,
    "s": 31_622_400.0,
    "bytes": 1e18,
    "count": 1e15,
    "per-minute": 1e12,
}


def sane(sample: Sample, declared: SignalDecl, stale_after: float, now: datetime) -> Sample:
    """The sample as it is, or one without a value that says what is wrong with it. ``now`` is this host's clock."""
    why = _absurd(sample, declared.unit) or _elsewhen(sample, stale_after, now)
    return sample.model_copy(update={"value": None, "count": None, "words": why}) if why else sample


def _absurd(sample: Sample, unit: str) -> str:
    if sample.count is not None and sample.count < 0:
        return f"{sample.count:,} observations is no count"
    if sample.value is None or 0 <= sample.value <= MOST[unit]:
        return ""
    return (
        f"{sample.value:g} is no {unit}"
        if unit in ("ratio", "state", "count")
        else f"{sample.value:g} {unit} is absurd"
    )


def _elsewhen(sample: Sample, stale_after: float, now: datetime) -> str:
    """Old news, or a clock that is wrong: either way it says nothing of now."""
    age = (now - sample.at).total_seconds()
    if age > max(stale_after, SKEW):
        return f"measured {clock_text(age)} ago, by its source's clock"
    return f"its source's clock is {clock_text(-age)} ahead" if age < -SKEW else ""
