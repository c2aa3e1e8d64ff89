"""When a sample is old: as the runbook says, else as its source's own pace makes it.

A source that measures once a minute would be unknown for half of each minute under a limit of 30 s. So what a runbook
leaves out follows from what the platform says of itself, and what it says itself has to be possible.
"""

from __future__ import annotations

import math

from warroom.api import SignalOffer
from warroom.model.base import span_text
from warroom.model.runbook import Condition, Runbook, SignalDecl
from warroom.runbook.cross import Cross
from warroom.runbook.problems import Pos, Problem, quoted
from warroom.runbook.shape import Path

LEAST = 30.0
MISSED = 3
"""So many times the pause between two samples: one that is late, and one that is lost, are no outage."""


def check_freshness(cross: Cross) -> None:
    """After the plugins have been asked: a limit of age that its source can't keep is refused."""
    for signal_id, signal in cross.runbook.signals.items():
        every = _every(cross, signal_id)
        if every and signal.stale_after is not None and signal.stale_after <= every:
            _too_short(cross, signal_id, ("signals", signal_id, "stale_after"), signal.stale_after, every)
    for trigger_id, _, condition_id, condition in cross.runbook.conditions():
        every = _every(cross, condition.signal)
        path: Path = ("triggers", trigger_id, "conditions", condition_id)
        if not every:
            continue
        if _says(condition) and condition.stale_after <= every:
            _too_short(cross, condition.signal, (*path, "stale_after"), condition.stale_after, every)
        _too_seldom(cross, condition_id, condition, path, every)


def settled(cross: Cross) -> Runbook:
    """The runbook with every ``stale_after`` filled in: the condition's own, the signal's, or what its pace makes."""
    book = cross.runbook
    signals = {name: _fresh(signal, cross.offers.get(name)) for name, signal in book.signals.items()}

    def filled(condition: Condition) -> Condition:
        declared = signals.get(condition.signal)
        if _says(condition) or declared is None or declared.stale_after is None:
            return condition
        return condition.model_copy(update={"stale_after": declared.stale_after})

    triggers = {
        trigger_id: trigger.model_copy(
            update={"conditions": {name: filled(condition) for name, condition in trigger.conditions.items()}}
        )
        for trigger_id, trigger in book.triggers.items()
    }
    return book.model_copy(update={"signals": signals, "triggers": triggers})


def _fresh(signal: SignalDecl, offer: SignalOffer | None) -> SignalDecl:
    if signal.stale_after is not None or offer is None:
        return signal
    found = max(LEAST, MISSED * (offer.every or 0.0), offer.fresh_for or 0.0)
    return signal.model_copy(update={"stale_after": found}) if found > LEAST else signal


def _says(condition: Condition) -> bool:
    return "stale_after" in condition.model_fields_set


def _every(cross: Cross, signal_id: str) -> float:
    offer = cross.offers.get(signal_id)
    return (offer.every or 0.0) if offer is not None else 0.0


def _place(cross: Cross, signal_id: str, path: Path) -> Pos:
    """Where a person can mend it: what the default runbook says is mended at the source that does not fit it."""
    at = cross.value(*path)
    return cross.value("signals", signal_id, "source") if at.file == cross.default_file else at


def _too_short(cross: Cross, signal_id: str, path: Path, stale_after: float, every: float) -> None:
    found = f"stale_after {span_text(stale_after)} for {quoted(signal_id)}, which is measured every {span_text(every)}"
    expected = f"{span_text(max(LEAST, MISSED * every))}, or none: then it is that by itself"
    at = _place(cross, signal_id, path)
    if at != cross.value(*path):
        expected = f"every: {span_text(math.floor(stale_after / MISSED))} or less, as the default's {path[-2]} says"
    cross.wrong(at, found, expected)


def _too_seldom(cross: Cross, condition_id: str, condition: Condition, path: Path, every: float) -> None:
    """One look is one observation of a state: too few looks in the window, and the rule is unknown for ever."""
    signal = cross.runbook.signals.get(condition.signal)
    if (
        signal is None
        or signal.unit != "state"
        or condition.at_least <= 1
        or condition.at_least * every <= condition.over
    ):
        return
    at = _place(cross, condition.signal, path)
    looks = math.floor(condition.over / every)
    over, pace = span_text(condition.over), span_text(every)
    found = f"at most {looks} looks at {quoted(condition.signal)} in {over}, one every {pace}"
    need = span_text(math.floor(condition.over / condition.at_least))
    expected = f"{condition.at_least} or more, as {condition_id} needs them: every: {need}, or a longer over"
    cross.warnings.append(Problem(at, found, expected))
