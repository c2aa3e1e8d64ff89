"""One condition of a trigger over time: pending, firing, clearing, and what missing data does to each.

Missing data never fires and never clears. A hold is as long as it was seen: from where it began to the newest sample,
not to now. Missing data takes a pending condition back to the start (a hold has to be seen to be
continuous); a firing one is shown as unknown, remembers that it was firing, and goes on from there when data is back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal

from warroom.model.base import clock_text, span_text
from warroom.model.runbook import Condition, Runbook, SignalDecl
from warroom.model.signal import TriggerStatus
from warroom.model.units import count_text, value_text
from warroom.signals.baseline import NONE_YET, Baseline, Baselines
from warroom.signals.windows import Series, Window

LEAST = 5.0
"""Seconds of a rolling window in a drill: less holds too few observations to be a ratio of."""
FLAPPING = 3
"""A breach that began so often within ``FLAPS_OVER`` seconds comes and goes: it is said, whatever the state."""
FLAPS_OVER = 600.0
Side = Literal["breach", "between", "clear"]


@dataclass(frozen=True, slots=True)
class InForce:
    """The windows in force: production's, or shorter ones in a drill. Seconds.

    A drill's window for a condition shortens its ``for``, and to the same scale its ``over`` and ``clear_for``, though
    not below ``LEAST`` (a rolling minute would otherwise still be full of the good seconds before). A condition without
    ``for`` has its ``over`` shortened, and ``clear_for`` where it is longer.
    """

    over: float
    need: float
    clear: float
    drill: bool
    baseline: float = 3600.0


def in_force(runbook: Runbook, condition_id: str, condition: Condition) -> InForce:
    if condition_id not in runbook.drill_windows:
        return InForce(
            condition.over, condition.for_, condition.clear_for, drill=False, baseline=condition.baseline_over
        )
    short = runbook.window(condition_id, condition.for_)
    need = min(short, condition.for_)
    if not condition.for_:
        return InForce(min(condition.over, short), need, min(condition.clear_for, short), drill=True)

    def to_scale(production: float) -> float:
        return min(production, short, max(LEAST, production * need / condition.for_))

    base = max(60.0, condition.baseline_over * need / condition.for_)
    return InForce(to_scale(condition.over), need, to_scale(condition.clear_for), drill=True, baseline=base)


def _unknown() -> Baseline | None:
    return None


@dataclass(slots=True)
class Tracker:
    """A condition's state. Times are monotonic, but for ``fired_at``, which is shown.

    ``since``: when the present phase's hold began. ``began``: when the breach that fired began. ``until``: how far it
    was seen. ``first``: when the first sample beyond the limit came, of the breach that goes on. ``turns``: when a
    breach began anew after the opposite had been seen. ``said``: what the newest look at a state that is not well says.
    """

    condition_id: str
    condition: Condition
    windows: InForce
    title: str
    unit: str
    bound: bool
    status: TriggerStatus = "unknown"
    since: float = 0.0
    began: float = 0.0
    until: float = 0.0
    fired_at: datetime | None = None
    why_unknown: str = ""
    window: Window = field(default_factory=lambda: Window(None, 0, None))
    said: str = ""
    baseline: Callable[[], Baseline | None] = _unknown
    first: float | None = None
    turns: deque[float] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def fired(self) -> bool:
        return self.fired_at is not None

    @property
    def unusual(self) -> bool:
        """It fires or is about to; also where it did so when it was last seen, and nothing is known since."""
        return self.fired or self.status == "pending"

    @property
    def limit(self) -> float | None:
        """None where it is so many times a baseline, and there is none."""
        own = self.condition
        if own.above_baseline is not None:
            normal = self.baseline()
            return own.above_baseline * normal.value if normal is not None else None
        return next((x for x in (own.above, own.below, own.equals) if x is not None), None)

    @property
    def upper(self) -> float | None:
        """The limit that it fires above, if it is of that kind."""
        return self.limit if self.condition.above_baseline is not None else self.condition.above

    def evaluate(self, series: Series | None, now: float, wall: datetime) -> None:
        """Where the condition stands at ``now``, given what was seen until now."""
        why = self.missing(series, now)
        if not why and series is not None:
            self.window = series.window(now, self.windows.over)
            self.said = series.words if self.window.newest is not None and self.window.newest < 1 else ""
            if self.condition.equals is not None:
                self.window = replace(self.window, value=self.window.newest)
            why = self._too_little()
        self.why_unknown = why
        self.until = now if series is None or series.newest is None else min(now, series.newest)
        self._step(None if why else self._side(), now, wall)
        if self.status in ("pending", "firing") and self.first is None and series is not None:
            self.first = next(
                (p.at for p in series.points if p.at > now - self.windows.over and self._bad(p.value)), now
            )
        elif self.status == "ok" or (self.status == "unknown" and not self.fired):
            self.first = None

    def flaps(self, now: float) -> int:
        """How often a breach began within the last ten minutes."""
        while self.turns and self.turns[0] <= now - FLAPS_OVER:
            self.turns.popleft()
        return len(self.turns)

    def _bad(self, value: float | None) -> bool:
        return value is not None and self._where(value) == "breach"

    def notice_gap(self, series: Series, now: float, wall: datetime) -> None:
        """Before a sample is added: was the one before it so long ago that nothing can be said of the time between?"""
        if series.newest is not None and now - series.newest > self.condition.stale_after:
            self.evaluate(series, now, wall)

    def was_firing(self, at: datetime, now: float) -> None:
        """After a restart: it was firing when last journaled, and nothing has been seen since."""
        if self.bound and self.fired_at is None:
            self.fired_at, self.began, self.since = at, now, now

    def missing(self, series: Series | None, now: float) -> str:
        """Why nothing can be known; empty when there is a fresh sample."""
        if not self.bound:
            return f"nobody measures {self.title}"
        age = series.age(now) if series is not None else None
        if series is None or age is None:
            return f"no data yet for {self.title}"
        if age > self.condition.stale_after:
            return f"no data for {clock_text(age)}"
        if not series.known:
            return f"could not be measured{': ' + series.words if series.words else ''}"
        if self.condition.above_baseline is not None and self.baseline() is None:
            return f"no baseline: {NONE_YET}"
        return ""

    def held(self) -> float:
        """Seconds that the present phase was seen to hold; for a firing one, since its breach began."""
        if self.status == "firing":
            return max(0.0, self.until - self.began)
        return max(0.0, self.until - self.since) if self.status in ("pending", "clearing") else 0.0

    def need(self) -> float:
        return self.windows.clear if self.status == "clearing" else self.windows.need

    def production_need(self) -> float | None:
        if not self.windows.drill:
            return None
        return self.condition.clear_for if self.status == "clearing" else self.condition.for_

    def words(self) -> str:
        """Its state; that it comes and goes; and what is normal for it, beside a fixed limit."""
        parts = [self._state_words()]
        if len(self.turns) >= FLAPPING:
            parts.append(f"flapping: began {len(self.turns)} times in {span_text(FLAPS_OVER)}")
        normal = self.baseline()
        if (
            normal is not None
            and self.condition.above_baseline is None
            and self.window.value
            and self.status != "unknown"
        ):
            times = self.window.value / normal.value if normal.value else 0.0
            how = f"{times:,.1f} times " if times >= 1.5 else ""
            parts.append(f"{how}its normal {value_text(normal.value, self.unit)}")
        return ", ".join(parts)

    def _state_words(self) -> str:
        if self.status == "unknown":
            was = f"; it was firing at {self.fired_at:%H:%M} UTC" if self.fired_at is not None else ""
            return self.why_unknown + was
        measured = self._measured()
        held, need = clock_text(self.held()), clock_text(self.need())
        if self.status == "pending":
            return f"{measured}, {self._breach_words()} for {held} of {need}"
        if self.status == "clearing":
            return f"{measured}, no longer {self._breach_words()} for {held} of {need}"
        if self.status == "firing" and self._one_look and self.said:
            return measured
        if self.status == "firing":
            return f"{measured}, {self._firing_words()} for {held}"
        return f"{measured} over {span_text(self.windows.over)}, not {self._breach_words()}"

    @property
    def _one_look(self) -> bool:
        """A single look that is not well makes it fire: then what that says is told, and no share of the looks."""
        return self.unit == "state" and self.condition.below == 1

    def _measured(self) -> str:
        if self._one_look and self.said:
            return self.said
        if self.unit == "state" and self.condition.equals is None and self.window.value is not None:
            failed = round((1 - self.window.value) * self.window.seen)
            return f"{failed:,} of {self.window.seen:,} check{'' if self.window.seen == 1 else 's'} failed"
        of = count_text(self.window.count, self.unit)
        return f"{value_text(self.window.value, self.unit)}{' ' + of if of else ''}"

    def _firing_words(self) -> str:
        if self._side() == "breach":
            return self._breach_words()
        return f"below {value_text(self.limit, self.unit)} but not clear of it, firing"

    def _breach_words(self) -> str:
        own = self.condition
        if self.unit == "state" and own.below is not None:
            return "more than half" if own.below == 0.5 else f"more than {value_text(1 - own.below, 'ratio')}"
        parts = [
            f"{word} {value_text(limit, self.unit)}"
            for word, limit in (("above", self.upper), ("below", own.below))
            if limit is not None
        ]
        normal = self.baseline()
        if own.above_baseline is not None and normal is not None:
            parts[0] += f" ({own.above_baseline:g} times its normal {value_text(normal.value, self.unit)})"
        if own.equals is not None:
            parts.append(value_text(own.equals, self.unit))
        return " or ".join(parts) or "beyond any limit"

    def _too_little(self) -> str:
        if self.window.seen < self.condition.at_least:
            return (
                f"only {self.window.seen:,} of the {self.condition.at_least:,} observations needed "
                f"in {span_text(self.windows.over)}"
            )
        if self.window.value is None:
            return f"nothing was observed in {span_text(self.windows.over)}"
        return ""

    def _side(self) -> Side:
        return "between" if self.window.value is None else self._where(self.window.value)

    def _where(self, value: float) -> Side:
        own, upper = self.condition, self.upper
        if (
            (upper is not None and value > upper)
            or (own.below is not None and value < own.below)
            or (own.equals is not None and value == own.equals)
        ):
            return "breach"
        if upper is not None and own.clear_below is not None and value >= own.clear_below:
            return "between"
        return "clear"

    def _step(self, side: Side | None, now: float, wall: datetime) -> None:
        if side is None:
            self.status = "unknown"
        elif side == "breach":
            self._breach(now, wall)
        elif not self.fired:
            self.status = "ok"
        elif side == "between":
            self.status = "firing"
        else:
            if self.status != "clearing":
                self.status, self.since = "clearing", now
            if self.until - self.since >= self.windows.clear:
                self.status, self.fired_at = "ok", None

    def _breach(self, now: float, wall: datetime) -> None:
        if self.status in ("ok", "clearing"):
            self.turns.append(now)
        if self.fired:
            self.status = "firing"
            return
        if self.status != "pending":
            self.status, self.since = "pending", now
        if self.until - self.since >= self.windows.need:
            self.status, self.began, self.fired_at = "firing", self.since, wall


def tracker(runbook: Runbook, condition_id: str, condition: Condition, baselines: Baselines | None = None) -> Tracker:
    """``baselines`` holds what is normal: for a limit that goes by it, and to stand beside a duration's fixed one."""
    declared: SignalDecl | None = runbook.signals.get(condition.signal)
    windows = in_force(runbook, condition_id, condition)
    normal: Callable[[], Baseline | None] = _unknown
    timed = declared is not None and declared.unit in ("ms", "s") and condition.above is not None
    if baselines is not None and (condition.above_baseline is not None or timed):
        baselines.want(condition.signal, windows.baseline)
        normal = partial(baselines.of, condition.signal, windows.baseline)
    return Tracker(
        condition_id=condition_id,
        condition=condition,
        windows=windows,
        baseline=normal,
        title=declared.title if declared is not None else condition.signal,
        unit=declared.unit if declared is not None else "count",
        bound=declared is not None and declared.source is not None,
    )
