"""Events: the journal's entries, and the only truth. Each body says one thing that happened.

An event carries ``v``; a reader upcasts older bodies and shows newer or unknown ones raw, read-only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from warroom.model.base import Fact, Instant
from warroom.model.decision import Advice, TreeReading
from warroom.model.event_acting import (
    AbortAsked,
    CallMade,
    CheckAnswered,
    CheckEnded,
    Escalated,
    MessageFailed,
    MessageQueued,
    MessageSent,
    NextWay,
    PlanApproved,
    PlanProposed,
    PlanVoided,
    ReportWritten,
    RunEnded,
    RunStarted,
    StepEnded,
    StepIntended,
    StepResolved,
    VerificationEnded,
    VerificationStarted,
    WatchEnded,
    WatchStarted,
)
from warroom.model.event_automatic import AutomaticAnnounced, AutomaticStopped, AutomaticVetoed
from warroom.model.event_proving import ProofEnded, ProofStarted
from warroom.model.release import Release, ReleaseDiff
from warroom.model.runbook import Runbook
from warroom.model.signal import Severity, TriggerReading
from warroom.model.verification import Artifact

__all__ = [
    "EVENTS",
    "EVENT_VERSION",
    "AbortAsked",
    "Acknowledged",
    "Actor",
    "Attached",
    "AutomaticAnnounced",
    "AutomaticStopped",
    "AutomaticVetoed",
    "Body",
    "CallMade",
    "CheckAnswered",
    "CheckEnded",
    "Decided",
    "EngineStarted",
    "Escalated",
    "Event",
    "EvidenceCollected",
    "EvidenceMissing",
    "EvidenceSealed",
    "EvidenceStarted",
    "EvidenceUnsealed",
    "IncidentClosed",
    "IncidentOpened",
    "ItemMarked",
    "MessageFailed",
    "MessageQueued",
    "MessageSent",
    "NextWay",
    "NoteAdded",
    "PlanApproved",
    "PlanProposed",
    "PlanVoided",
    "ProofEnded",
    "ProofStarted",
    "Raw",
    "ReleaseChanged",
    "ReportWritten",
    "RunEnded",
    "RunStarted",
    "StepEnded",
    "StepIntended",
    "StepResolved",
    "TargetChosen",
    "TreeAnswered",
    "TreeChanged",
    "TriggerChanged",
    "VerificationEnded",
    "VerificationStarted",
    "WatchEnded",
    "WatchStarted",
    "WheelReleased",
    "WheelTaken",
]

EVENT_VERSION = 1


class Actor(Fact):
    """Who: the name comes from the transport (the kernel's user id), never from an intent."""

    name: str
    kind: Literal["person", "engine", "autopilot", "policy"] = "person"
    uid: int | None = None


class IncidentOpened(Fact):
    """Carries the whole runbook and what was seen at detection, so that a replay can't drift."""

    type: Literal["incident-opened"] = "incident-opened"
    incident: str
    title: str
    detected_at: Instant
    severity: Severity | None
    triggers: tuple[TriggerReading, ...]
    running: Release | None
    fingerprint: dict[str, str]
    runbook: Runbook
    runbook_hash: str
    scenario: str | None = None
    fault_at: Instant | None = None


class EngineStarted(Fact):
    type: Literal["engine-started"] = "engine-started"
    pid: int
    version: str


class WheelTaken(Fact):
    type: Literal["wheel-taken"] = "wheel-taken"


class WheelReleased(Fact):
    type: Literal["wheel-released"] = "wheel-released"


class TriggerChanged(Fact):
    type: Literal["trigger-changed"] = "trigger-changed"
    was: str
    reading: TriggerReading


class ReleaseChanged(Fact):
    """``rollback``: a plan of this incident brought it about."""

    type: Literal["release-changed"] = "release-changed"
    was: Release | None
    now: Release | None
    seen_by: str
    rollback: bool = False


class TreeChanged(Fact):
    type: Literal["tree-changed"] = "tree-changed"
    reading: TreeReading


class TreeAnswered(Fact):
    """A person's answer to a question of the tree; ``answer`` None takes it back."""

    type: Literal["tree-answered"] = "tree-answered"
    node: str
    answer: str | None
    reason: str
    evidence: str = ""


class Decided(Fact):
    type: Literal["decided"] = "decided"
    choice: Advice
    reason: str
    followed_advice: bool


class ItemMarked(Fact):
    """A person's mark on a checklist line; ``open`` takes a mark back. ``sentence`` is the line's own, as it was."""

    type: Literal["item-marked"] = "item-marked"
    item: str
    sentence: str = ""
    mark: Literal["ticked", "waived", "not-needed", "open"]
    reason: str = ""


class NoteAdded(Fact):
    type: Literal["note-added"] = "note-added"
    text: str
    about: Literal["note", "cause", "impact", "well", "wrong", "action", "post-mortem-at"] = "note"


class Acknowledged(Fact):
    type: Literal["acknowledged"] = "acknowledged"
    what: str


class EvidenceStarted(Fact):
    type: Literal["evidence-started"] = "evidence-started"
    bundle: str
    collectors: tuple[str, ...]


class EvidenceCollected(Fact):
    type: Literal["evidence-collected"] = "evidence-collected"
    bundle: str
    collector: str
    artifacts: tuple[Artifact, ...]


class EvidenceMissing(Fact):
    """A collector that gave nothing: its absence is recorded, and never holds up a rollback."""

    type: Literal["evidence-missing"] = "evidence-missing"
    bundle: str
    collector: str
    reason: str


class EvidenceSealed(Fact):
    """``seal`` is the SHA-256 of the manifest; ``counts`` are row counts by table, from the dump's own snapshot."""

    type: Literal["evidence-sealed"] = "evidence-sealed"
    bundle: str
    path: str
    seal: str
    files: int
    size: int
    kinds: tuple[str, ...]
    counts: dict[str, int] = Field(default_factory=dict)


class EvidenceUnsealed(Fact):
    """A capture ended without a seal: nothing of that bundle is offered as evidence."""

    type: Literal["evidence-unsealed"] = "evidence-unsealed"
    bundle: str
    reason: str


class Attached(Fact):
    type: Literal["attached"] = "attached"
    name: str
    sha256: str
    size: int


class TargetChosen(Fact):
    type: Literal["target-chosen"] = "target-chosen"
    release: Release
    reason: str
    typed: bool = False
    diff: ReleaseDiff | None = None


class IncidentClosed(Fact):
    type: Literal["incident-closed"] = "incident-closed"
    outcome: Literal["recovered", "mitigated", "false-alarm", "unresolved"]
    reason: str


class Raw(Fact):
    """A body of a version or type this warroom does not know: shown as it is, folded into nothing."""

    type: Literal["raw"] = "raw"
    body: JsonValue


Body = Annotated[
    IncidentOpened
    | EngineStarted
    | WheelTaken
    | WheelReleased
    | TriggerChanged
    | ReleaseChanged
    | TreeChanged
    | TreeAnswered
    | Decided
    | ItemMarked
    | NoteAdded
    | Acknowledged
    | EvidenceStarted
    | EvidenceCollected
    | EvidenceMissing
    | EvidenceSealed
    | EvidenceUnsealed
    | ProofStarted
    | ProofEnded
    | Attached
    | TargetChosen
    | AutomaticAnnounced
    | AutomaticVetoed
    | AutomaticStopped
    | PlanProposed
    | PlanApproved
    | PlanVoided
    | RunStarted
    | StepIntended
    | CallMade
    | StepEnded
    | StepResolved
    | AbortAsked
    | RunEnded
    | VerificationStarted
    | CheckAnswered
    | CheckEnded
    | VerificationEnded
    | WatchStarted
    | WatchEnded
    | MessageQueued
    | MessageSent
    | MessageFailed
    | Escalated
    | ReportWritten
    | IncidentClosed
    | Raw,
    Field(discriminator="type"),
]


class Event(Fact):
    """``seq`` counts from 1 without gaps within an incident; order is by ``seq``, never by ``at``."""

    v: int = EVENT_VERSION
    seq: int = Field(ge=1)
    at: Instant
    id: str
    actor: Actor
    body: Body


EVENTS: TypeAdapter[Event] = TypeAdapter(Event)
