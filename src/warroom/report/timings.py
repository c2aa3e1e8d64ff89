"""When what happened, in seconds since the fault began."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from warroom.model.event import (
    Decided,
    Event,
    EvidenceSealed,
    IncidentOpened,
    PlanProposed,
    RunEnded,
    VerificationEnded,
)

NAMES = ("detected", "decided", "evidence", "rolled_back", "verified")


def timings(events: Sequence[Event], fault_at: datetime | None = None) -> dict[str, float | None]:
    """Seconds since the fault began, by ``NAMES``; None for what did not happen, and for all where no fault is known.

    ``fault_at`` defaults to what the journal says. ``rolled_back`` is the end of the rollback that led to the verified
    recovery, else of the last that ended well; ``verified`` is None unless the last verification passed.
    """
    began = fault_at or next((e.body.fault_at for e in events if isinstance(e.body, IncidentOpened)), None)
    moments: dict[str, datetime | None] = {
        "detected": next((e.body.detected_at for e in events if isinstance(e.body, IncidentOpened)), None),
        "decided": next(
            (e.at for e in events if isinstance(e.body, Decided) and e.body.choice in ("rollback", "rollback-now")),
            None,
        ),
        "evidence": next((e.at for e in events if isinstance(e.body, EvidenceSealed)), None),
    }
    verified = recovery(events)
    done = [e for e in rollbacks_done(events) if verified is None or e.seq < verified.seq]
    moments["rolled_back"] = done[-1].at if done else None
    moments["verified"] = verified.at if verified else None
    return {name: _since(began, moments[name]) for name in NAMES}


def _since(began: datetime | None, moment: datetime | None) -> float | None:
    return None if began is None or moment is None else round((moment - began).total_seconds(), 3)


def recovery(events: Sequence[Event]) -> Event | None:
    """The verification that proved the recovery which still holds: the first pass after the last that did not."""
    found: Event | None = None
    for event in events:
        if isinstance(event.body, VerificationEnded):
            found = (found or event) if event.body.verdict == "pass" else None
    return found


def rollbacks_done(events: Sequence[Event]) -> list[Event]:
    """The ends of the rollback runs that ended well, in order."""
    hashes = {e.body.hash for e in events if isinstance(e.body, PlanProposed) and e.body.plan.purpose == "rollback"}
    return [e for e in events if isinstance(e.body, RunEnded) and e.body.outcome == "done" and e.body.hash in hashes]
