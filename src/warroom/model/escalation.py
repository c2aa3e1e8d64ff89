"""The escalation path as a clock: who decides now, who is called when. Pure; elapsed seconds count from detection.

A step whose time has come is announced until a person says that it is done; the steps after it come at their own time
all the same, as the path says, until recovery is verified or the incident is closed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from warroom.model.runbook import EscalationStep, Runbook
from warroom.model.state import State

_WHEN = re.compile(r"^(?:first|after|until|within)\s[^:]{1,40}:\s*", re.IGNORECASE)


def due(
    runbook: Runbook, detected_at: datetime, now: datetime, already: Collection[int]
) -> list[tuple[int, EscalationStep]]:
    """The steps whose time has come and that are not in ``already``, with their index, earliest first."""
    return due_after(runbook, (now - detected_at).total_seconds(), already)


def due_after(runbook: Runbook, elapsed_s: float, already: Collection[int]) -> list[tuple[int, EscalationStep]]:
    """As ``due``, for a caller that measures on a clock that never jumps."""
    ripe = [
        (index, step)
        for index, step in enumerate(runbook.escalation)
        if step.after <= elapsed_s and index not in already
    ]
    return sorted(ripe, key=lambda pair: pair[1].after)


def call_id(step: int) -> str:
    """What a person acknowledges when the people of this step know."""
    return f"escalation-{step}"


def open_calls(runbook: Runbook, state: State) -> list[tuple[int, EscalationStep]]:
    """Steps that are due and that nobody has acknowledged. The one that begins at detection calls nobody."""
    incident = state.incident
    if incident is None or incident.closed is not None or "verified" in state.proofs:
        return []
    waiting = [each.step for each in state.escalations if not each.acknowledged and each.step < len(runbook.escalation)]
    return [(index, step) for index in waiting if (step := runbook.escalation[index]).after > 0]


def who_decides(runbook: Runbook, elapsed_s: float, state: State | None = None) -> str:
    """One line for a header: ``on-call engineer decides until 05:00``, then ``notify CTO; 15:00 full team escalation``.

    With the state, what is due and not acknowledged goes first: ``CALL NOW: notify CTO (CTO +49 1)``; once recovery is
    verified nobody is called any more. Empty where the runbook has no escalation path.
    """
    if state is not None and "verified" in state.proofs:
        return "recovery is verified" if runbook.escalation else ""
    calls = open_calls(runbook, state) if state is not None else []
    if calls:
        return "CALL NOW: " + "; ".join(f"{said(step)}{_people(runbook, step)}" for _, step in calls)
    steps = sorted(runbook.escalation, key=lambda step: step.after)
    if not steps:
        return ""
    passed = [step for step in steps if step.after <= max(0.0, elapsed_s)]
    coming = next((step for step in steps if step.after > max(0.0, elapsed_s)), None)
    if not passed:
        return f"{_at(steps[0].after)} {said(steps[0])}"
    now = said(passed[-1])
    if coming is None:
        return now
    if len(passed) == 1 and passed[0].after == 0:
        return f"{now} until {_at(coming.after)}"
    return f"{now}; {_at(coming.after)} {said(coming)}"


def _people(runbook: Runbook, step: EscalationStep) -> str:
    people = [runbook.contacts[name] for name in step.contacts if name in runbook.contacts]
    names = ", ".join(f"{person.title} {person.reach}".strip() for person in people)
    return f" ({names})" if names else ""


def said(step: EscalationStep) -> str:
    """The step's sentence without its own "After 5 minutes:" (a clock stands beside it), its first letter small."""
    words = _WHEN.sub("", step.sentence).strip().rstrip(".") or step.sentence.strip()
    first = words.split(" ", 1)[0]
    return words if first.isupper() or any(c.isupper() for c in first[1:]) else words[:1].lower() + words[1:]


def _at(seconds: float) -> str:
    """``05:00`` or ``1:05:00``: as the clock since detection shows it."""
    hours, rest = divmod(int(seconds), 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes:02}:{secs:02}"
