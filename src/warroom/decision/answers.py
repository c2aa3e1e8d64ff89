"""How each kind of question answers itself: from what fires, from a trend, from a timer. With the words behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from warroom.model.base import clock_text
from warroom.model.runbook import FromFiring, FromSeverity, FromTimer, FromTrend, Question, Runbook
from warroom.model.signal import TriggerReading
from warroom.model.units import listed

Trend = Callable[[str, float], tuple[str | None, str]]


@dataclass(frozen=True, slots=True)
class Said:
    """``answer`` None: it cannot be told, and ``evidence`` says why."""

    answer: str | None
    by: Literal["signals", "timer", "open"]
    evidence: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """Writes stand stopped: what was measured before says nothing of now, and who can't write can't fail.

    ``older``: the triggers that are quiet by numbers from before.
    """

    words: str
    older: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """What the triggers say, sorted. One that is clearing has fired and is not over: it still counts as firing."""

    firing: tuple[TriggerReading, ...]
    pending: tuple[TriggerReading, ...]
    unknown: tuple[TriggerReading, ...]
    unmeasured: tuple[str, ...]
    total: int
    older: tuple[TriggerReading, ...] = ()
    stopped: str = ""
    """That writes are, in words; empty where they go on. ``older`` are quiet by numbers from before that."""

    @property
    def unmeasured_words(self) -> str:
        if not self.unmeasured:
            return ""
        return f"{len(self.unmeasured)} of {self.total} triggers {_are(len(self.unmeasured))} not measured"


def measured(runbook: Runbook, trigger_id: str) -> bool:
    """Is there a source for any of the trigger's conditions?"""
    signals = (runbook.signals.get(c.signal) for c in runbook.triggers[trigger_id].conditions.values())
    return any(signal is not None and signal.source is not None for signal in signals)


def known(runbook: Runbook, triggers: Mapping[str, TriggerReading], stopped: Stopped | None = None) -> Known:
    """Triggers of the runbook that have no reading yet are unknown too."""
    firing: list[TriggerReading] = []
    pending: list[TriggerReading] = []
    unknown: list[TriggerReading] = []
    unmeasured: list[str] = []
    older: list[TriggerReading] = []
    for trigger_id, trigger in runbook.triggers.items():
        reading = triggers.get(trigger_id) or TriggerReading(
            id=trigger_id, title=trigger.title, severity=trigger.severity, status="unknown", words="no data yet"
        )
        if reading.status in ("firing", "clearing"):
            firing.append(reading)
        elif reading.status == "pending":
            pending.append(reading)
        elif not trigger.of_health:
            continue
        elif reading.status == "unknown":
            if measured(runbook, trigger_id):
                unknown.append(reading)
            else:
                unmeasured.append(trigger.title)
        elif stopped is not None and trigger_id in stopped.older:
            older.append(reading)
    firing.sort(key=lambda r: (r.severity != "critical", r.status != "firing"))
    total = sum(trigger.of_health for trigger in runbook.triggers.values())
    return Known(
        firing=tuple(firing),
        pending=tuple(pending),
        unknown=tuple(unknown),
        unmeasured=tuple(unmeasured),
        total=total,
        older=tuple(older),
        stopped=stopped.words if stopped is not None else "",
    )


def answer(question: Question, facts: Known, trend: Trend, waited: float, wait: float) -> Said:
    """What the question's source says now. ``waited`` of ``wait`` seconds is what a timer goes by."""
    match question.from_:
        case FromFiring():
            return _firing(facts)
        case FromSeverity():
            return _severity(facts)
        case FromTrend(signal=signal, over=over):
            found, words = trend(signal, over)
            if found is None and facts.stopped:
                words = f"{facts.stopped}, and only what came since counts: {words}"
            return Said(found, "signals" if found is not None else "open", words)
        case FromTimer():
            if waited >= wait:
                return Said("over", "timer", f"{clock_text(wait)} have passed")
            return Said("waiting", "timer", f"{clock_text(waited)} of {clock_text(wait)}")
        case None:
            return Said(None, "open", "")


def _firing(facts: Known) -> Said:
    if facts.firing:
        worst = facts.firing[0]
        more = f", and {len(facts.firing) - 1} more" if len(facts.firing) > 1 else ""
        return Said("yes", "signals", f"{_named(worst)}{more}")
    if facts.stopped and (waits := _waits(facts)):
        return Said(None, "open", f"{facts.stopped}: no trigger fires, but {waits}")
    if facts.unknown:
        words = f"no trigger fires, but {_unknown(facts.unknown)}"
        return Said(None, "open", words)
    if len(facts.unmeasured) == facts.total:
        return Said(None, "open", "nobody measures any trigger of this runbook")
    unseen = f"{facts.stopped}, so what writing would meet is not seen" if facts.stopped else ""
    parts = ["no trigger fires", unseen, *(f"{_named(r)}" for r in facts.pending[:2]), facts.unmeasured_words]
    return Said("no", "signals", "; ".join(part for part in parts if part))


def _waits(facts: Known) -> str:
    """While writes are stopped, nothing is called well by what was measured before, nor while something goes wrong."""
    waits = [_named(reading) for reading in facts.pending[:1]]
    if facts.older:
        waits.append(f"fresh numbers are waited for of {listed([r.title for r in facts.older])}")
    if facts.unknown:
        waits.append(_unknown(facts.unknown))
    return "; ".join(waits)


def _severity(facts: Known) -> Said:
    critical = [r for r in facts.firing if r.severity == "critical"]
    worst = critical or list(facts.firing)
    if not worst:
        return Said(None, "open", "no trigger fires: a person has to say how severe it is")
    severity = "critical" if critical else "warning"
    blind = [r for r in facts.unknown if r.severity == "critical"]
    but = f"; but {_unknown(tuple(blind))}" if blind and not critical else ""
    return Said(severity, "signals", f"{_named(worst[0])}{but}")


def _named(reading: TriggerReading) -> str:
    """What fires and its number. What else its words say, of conditions that can't be told, stands with the trigger."""
    number = reading.words.partition("; ")[0]
    return f"{reading.title}: {number}" if number else reading.title


def _unknown(readings: tuple[TriggerReading, ...]) -> str:
    if len(readings) == 1:
        return f"{readings[0].title} is unknown ({readings[0].words})"
    return f"{listed([r.title for r in readings])} are unknown"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
