"""What a release change and the first error have to do with each other, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from warroom.model.base import span_text

RELATED = 3600.0
"""A release longer ago than this is not named as what came before: too much else has happened since."""


def since_release(marks: Sequence[tuple[datetime, str]], first: datetime | None, what: str = "errors") -> str:
    """``errors began 40 s after v1.0.0-beta.3``; empty where no release change is near. ``marks`` in any order."""
    if first is None or not marks:
        return ""
    before = [(at, name) for at, name in marks if at <= first]
    if before:
        at, name = max(before)
        passed = (first - at).total_seconds()
        return f"{what} began {_span(passed)} after {name}" if passed <= RELATED else ""
    at, name = min(marks)
    ahead = (at - first).total_seconds()
    return f"{what} began {_span(ahead)} before {name}" if ahead <= RELATED else ""


def _span(seconds: float) -> str:
    return span_text(float(int(seconds)))
