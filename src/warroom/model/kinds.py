"""What kind of thing an entry of the journal tells of, for the timeline's filters."""

from __future__ import annotations

from collections.abc import Callable, Collection

from warroom.model import event as ev
from warroom.model.event import Event
from warroom.model.live import TimelineKind
from warroom.model.words import words

_KINDS: dict[TimelineKind, tuple[type[object], ...]] = {
    "decisions": (
        ev.TreeChanged,
        ev.TreeAnswered,
        ev.Decided,
        ev.ItemMarked,
        ev.TargetChosen,
        ev.PlanApproved,
        ev.WheelTaken,
        ev.WheelReleased,
        ev.Acknowledged,
        ev.CheckAnswered,
    ),
    "actions": (
        ev.PlanProposed,
        ev.PlanVoided,
        ev.RunStarted,
        ev.StepIntended,
        ev.CallMade,
        ev.StepEnded,
        ev.StepResolved,
        ev.AbortAsked,
        ev.RunEnded,
        ev.VerificationStarted,
        ev.CheckEnded,
        ev.VerificationEnded,
        ev.WatchStarted,
        ev.WatchEnded,
    ),
    "signals": (ev.TriggerChanged, ev.ReleaseChanged),
    "messages": (ev.MessageQueued, ev.MessageSent, ev.MessageFailed, ev.Escalated),
    "notes": (ev.NoteAdded,),
    "evidence": (
        ev.EvidenceStarted,
        ev.EvidenceCollected,
        ev.EvidenceMissing,
        ev.EvidenceSealed,
        ev.EvidenceUnsealed,
        ev.ProofStarted,
        ev.ProofEnded,
        ev.Attached,
    ),
}
KINDS: tuple[TimelineKind, ...] = (*_KINDS, "other")


def kind_of(event: Event) -> TimelineKind:
    return next((kind for kind, bodies in _KINDS.items() if isinstance(event.body, bodies)), "other")


def matching(kinds: Collection[TimelineKind], contains: str) -> Callable[[Event], bool]:
    """Of one of ``kinds``, with ``contains`` in its words or its author's name, whatever the case. Empty passes all."""
    wanted = contains.strip().casefold()

    def fits(event: Event) -> bool:
        if kinds and kind_of(event) not in kinds:
            return False
        return not wanted or wanted in f"{event.actor.name} {words(event)}".casefold()

    return fits
