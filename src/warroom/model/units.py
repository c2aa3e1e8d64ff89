"""Values as people read them: ``9.1 %``, ``3,120 ms``, ``failing``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


def value_text(value: float | None, unit: str) -> str:
    """A value of a signal's unit in words; ``unknown`` for None, never a zero."""
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{_short(value * 100)} %"
    if unit == "state":
        return "well" if value >= 0.5 else "failing"
    if unit == "bytes":
        return _bytes(value)
    if unit == "ms":
        return f"{value:,.0f} ms"
    if unit == "s":
        return f"{_short(value)} s"
    if unit == "per-minute":
        return f"{_short(value)}/min"
    return _short(value)


def count_text(count: int | None, unit: str) -> str:
    """``of 4,210 requests``: how many observations stand behind a value; empty where that has no meaning."""
    if count is None or unit not in ("ratio", "ms", "s", "state"):
        return ""
    noun = "check" if unit == "state" else "request"
    return f"of {count:,} {noun}{'' if count == 1 else 's'}"


def many(count: int, one: str, more: str = "") -> str:
    """``1 entry``, ``1,234 entries``: a count with its noun. ``more`` where the plural is not only an s."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def listed(names: Sequence[str], most: int = 4) -> str:
    """``a, b and c``; ``a, b, c, d and 3 more`` where there are many."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _short(value: float) -> str:
    """At most one decimal; two where the value is under one, so that 0.04 does not read as 0."""
    size = abs(value)
    digits = 0 if size >= 1000 else 1 if size >= 1 or value == 0 else 2
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _bytes(value: float) -> str:
    size = abs(value)
    for factor, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= factor:
            return f"{value / factor:.1f} {name}"
    return f"{value:.0f} B"


DOWNTIME = "downtime_s"
"""The output by which a step says how long its service was away, in seconds."""


def downtime_words(outputs: Mapping[str, str]) -> str:
    """``down for 1.3 s``, as the step measured it; empty where it measured none, or what it says is no number."""
    seconds = downtime_s(outputs)
    return "" if seconds is None else f"down for {seconds:.1f} s"


def downtime_s(outputs: Mapping[str, str]) -> float | None:
    try:
        seconds = float(outputs.get(DOWNTIME, ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
