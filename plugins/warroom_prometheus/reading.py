"""From the server's answers to one sample: a number in its unit with its own time, or why there is none. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from warroom.model.base import clock_text
from warroom_prometheus.asking import Answer
from warroom_prometheus.config import Config, Signal, Unit

ROUNDING = 1e-6


@dataclass(frozen=True)
class Read:
    """``at`` is the newest sample's own time, in seconds since 1970; None where that is not known."""

    value: float | None
    at: float | None
    words: str = ""


def read(config: Config, signal: Signal, answer: Answer, newest: Answer | None, now: float) -> Read:
    """What an answer says. ``newest`` answers ``signal.newest``, None where it has none. ``now`` is this machine's."""
    evaluated = answer.at if answer.at is not None else (newest.at if newest else None)
    if evaluated is not None and abs(evaluated - now) > config.skew:
        way = "ahead of" if evaluated > now else "behind"
        return Read(None, None, f"Prometheus's clock is {clock_text(abs(evaluated - now))} {way} this machine's")
    at = evaluated
    if newest is not None:
        at = newest.series[0].value if len(newest.series) == 1 else None
        if at is None:
            return Read(None, None, "none of its series has a sample in the last 5 minutes")
        age, limit = (evaluated or now) - at, signal.stale_after or config.stale_after
        if age > limit:
            return Read(None, None, f"its newest sample is {clock_text(age)} old")
        if age < -config.skew:
            return Read(None, None, f"its newest sample is {clock_text(-age)} in the future")
    if answer.warnings and not signal.accept_warnings:
        return Read(None, at, f"a part may be missing: {answer.warnings[0]}")
    value, words = single(answer)
    if value is None:
        return Read(None, at, words)
    value, absurd = fitting(value, signal.unit)
    return Read(value, at, absurd or (f"warning: {answer.warnings[0]}" if answer.warnings else ""))


def single(answer: Answer) -> tuple[float | None, str]:
    """(the one number, "") or (None, why there is none)."""
    if answer.total == 0:
        return None, "the query found no series"
    if answer.total > 1:
        return None, f"the query gives {answer.total:,} series, one was expected: aggregate, with sum(…) or max(…)"
    return answer.series[0].value, answer.series[0].words


def fitting(value: float, unit: Unit) -> tuple[float | None, str]:
    """The value in its unit, or None and what is wrong with it: nothing can be a negative share or time."""
    if unit == "ratio" and -ROUNDING <= value <= 1 + ROUNDING:
        return min(max(value, 0.0), 1.0), ""
    if unit == "ratio":
        return None, f"{value:g} is no ratio: 0 to 1 was expected"
    if unit == "state" and value not in (0, 1):
        return None, f"{value:g} is no state: 1 or 0 was expected"
    if value < 0:
        return None, f"{value:g} is negative, which {unit} can't be"
    return value, ""


class Counter:
    """How many observations no earlier sample counted, from a count over a longer, overlapping range."""

    def __init__(self, over: float) -> None:
        self._over = over
        self._last: float | None = None
        self._rest = 0.0

    def new(self, counted: float, at: float) -> int:
        """``counted`` within the last ``over`` seconds up to ``at``. What rounding leaves is added to the next."""
        share = 1.0 if self._last is None else min(1.0, max(0.0, at - self._last) / self._over)
        self._last = at
        exact = counted * share + self._rest
        whole = int(exact + ROUNDING)
        self._rest = max(0.0, exact - whole)
        return whole
