"""Numbers as people read them. Every number carries its age, and a missing one is never drawn as a zero."""

from __future__ import annotations

from datetime import datetime

from warroom.model.base import clock_text, span_text
from warroom.model.signal import TriggerReading

_SPARKS = "▁▂▃▄▅▆▇█"


def value_text(value: float | None, unit: str) -> str:
    """``12.4 %``, ``3,120 ms``, ``up``: a value in its signal's unit."""
    if value is None:
        return "unknown"
    if unit == "ratio":
        return f"{value * 100:.1f} %"
    if unit == "state":
        return "well" if value >= 1 else "not well"
    if unit == "bytes":
        return size_text(value)
    if unit == "s":
        return f"{value:,.1f} s"
    if unit == "ms":
        return f"{value:,.0f} ms"
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"
    return f"{number}/min" if unit == "per-minute" else number


def limit_text(value: float | None, unit: str) -> str:
    """The limit, without needless decimals."""
    if value is None:
        return ""
    if unit == "ratio":
        return f"{value * 100:g} %"
    return value_text(value, unit)


def size_text(size: float) -> str:
    for name in ("B", "kB", "MB", "GB"):
        if size < 1000 or name == "GB":
            return f"{size:,.0f} {name}" if name == "B" else f"{size:,.1f} {name}"
        size /= 1000
    raise AssertionError("the loop always returns")


def age_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} m"
    return f"{seconds / 3600:.0f} h"


def utc(at: datetime | None) -> str:
    return at.strftime("%H:%M:%S") if at is not None else "--:--:--"


def sparkline(values: tuple[float | None, ...], cells: int, limit: float | None = None) -> str:
    """The newest ``cells`` values from 0 to the largest of them (or of the limit); a gap is a blank, not a low."""
    if cells <= 0:
        return ""
    shown = values[-cells:]
    known = [v for v in shown if v is not None]
    top = max([*known, limit or 0.0, 0.0])
    if not known or top <= 0:
        return "".join(" " if v is None else _SPARKS[0] for v in shown).rjust(cells)
    drawn = (" " if v is None else _SPARKS[min(7, max(0, int(v / top * 7.999)))] for v in shown)
    return "".join(drawn).rjust(cells)


def held_text(trigger: TriggerReading) -> str:
    """``pending 3:12 of 5:00``, ``firing 7:10, after 5:00``; production's window too where a drill has shortened it."""
    if trigger.need_s <= 0:
        return trigger.status
    between = ", after" if trigger.status == "firing" else " of"
    words = f"{trigger.status} {clock_text(trigger.held_s)}{between} {clock_text(trigger.need_s)}"
    if trigger.production_need_s is not None and trigger.production_need_s != trigger.need_s:
        words += f" (prod. {span_text(trigger.production_need_s)})"
    return words


def bar(part: float, cells: int) -> str:
    """A bar of ``cells``, filled by ``part`` from 0 to 1."""
    full = max(0, min(cells, round(part * cells)))
    return "━" * full + "╌" * (cells - full)
