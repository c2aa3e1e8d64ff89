"""An incident's state: a pure, bounded fold of its events. Long lists (timeline, log, samples) are queried instead."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warroom.model.base import Fact, Instant
from warroom.model.decision import Decision, TreeReading
from warroom.model.event import NextWay
from warroom.model.plan import Look, Plan, Step, StepStatus
from warroom.model.release import Release, ReleaseDiff
from warroom.model.runbook import Proof
from warroom.model.signal import Severity, TriggerReading
from warroom.model.verification import CheckResult, Verdict

KEPT = 50
"""How many of each kind of recent thing the state keeps; the journal has them all."""


BY_HAND = "by hand"
"""The channel of a message in a house without notifiers: a person copies it, sends it, and says so."""


class Incident(Fact):
    """``running`` is what ran when it was opened, also where that was noticed a little later."""

    id: str
    title: str
    severity: Severity | None
    detected_at: Instant
    opened_at: Instant
    fingerprint: dict[str, str]
    runbook_hash: str
    scenario: str | None = None
    fault_at: Instant | None = None
    running: Release | None = None
    closed: Literal["recovered", "mitigated", "false-alarm", "unresolved"] | None = None
    closed_at: Instant | None = None


class Mark(Fact):
    mark: Literal["ticked", "waived", "not-needed"]
    by: str
    reason: str
    at: Instant


class Proven(Fact):
    words: str
    at: Instant
    by: str


class Override(Fact):
    answer: str
    by: str
    reason: str
    at: Instant


class Note(Fact):
    text: str
    about: str
    by: str
    at: Instant


class Tried(Fact):
    """Whether what one collector gave is of use. ``verdict`` None: that is being tried."""

    verdict: Verdict | None
    words: str
    at: Instant


class Evidence(Fact):
    """``tried``: by collector, such as a dump that was restored beside."""

    status: Literal["collecting", "sealed", "unsealed"]
    bundle: str
    collectors: tuple[str, ...]
    collected: tuple[str, ...] = ()
    missing: dict[str, str] = Field(default_factory=dict)
    files: int = 0
    size: int = 0
    path: str = ""
    seal: str = ""
    kinds: tuple[str, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    tried: dict[str, Tried] = Field(default_factory=dict)
    at: Instant

    @property
    def proof(self) -> str:
        """At a glance: ``dump proven``; what is worst of several. Empty where there is nothing to prove."""
        if "dump" not in self.kinds and not self.tried:
            return ""
        verdicts = {each.verdict for each in self.tried.values()}
        worst: tuple[tuple[Verdict | None, str], ...] = (
            ("fail", "dump of no use"),
            ("inconclusive", "dump not proven"),
            (None, "dump being tried"),
            ("pass", "dump proven"),
        )
        return next((words for verdict, words in worst if verdict in verdicts), "dump not proven")


class Target(Fact):
    release: Release
    reason: str
    typed: bool
    by: str
    diff: ReleaseDiff | None
    at: Instant


class StepState(Fact):
    """``calls_made`` counts the Calls known to have come back; after a crash the next one's effect is unknown."""

    status: StepStatus = "planned"
    attempt: int = 0
    calls_made: int = 0
    began_at: Instant | None = None
    ended_at: Instant | None = None
    detail: str = ""
    outputs: dict[str, str] = Field(default_factory=dict)
    look: Look | None = None
    resolved: str = ""


class PlanState(Fact):
    plan: Plan
    hash: str
    status: Literal["proposed", "approved", "voided", "running", "done", "failed", "cancelled", "unknown"]
    by: str
    at: Instant
    approvals: tuple[str, ...] = ()
    void_reason: str = ""
    waived: tuple[str, ...] = ()
    steps: dict[str, StepState] = Field(default_factory=dict)
    began_at: Instant | None = None
    ended_at: Instant | None = None
    aborting: bool = False
    detail: str = ""

    def unknown_steps(self) -> tuple[str, ...]:
        """Steps that a person must resolve before anything else of this plan runs."""
        return tuple(
            s for s, state in self.steps.items() if state.status in ("unknown", "intended") and not state.resolved
        )

    def ahead(self) -> tuple[Step, ...]:
        """The steps that a run of it would still make."""
        waiting = {s for s, state in self.steps.items() if state.status == "planned" or state.resolved == "again"}
        return tuple(step for step in self.plan.steps if step.id in waiting)


class Verification(Fact):
    began_at: Instant
    checks: tuple[str, ...]
    results: dict[str, CheckResult] = Field(default_factory=dict)
    verdict: Verdict | None = None
    words: str = ""
    next: tuple[NextWay, ...] = ()
    ended_at: Instant | None = None


class Answered(Fact):
    """What a person said of a check. It is about the run that was then the last."""

    verdict: Literal["pass", "fail"]
    words: str
    by: str
    at: Instant


class Watch(Fact):
    began_at: Instant
    until: Instant
    window_s: float
    production_s: float
    quiet: bool | None = None
    words: str = ""


class Message(Fact):
    """``channel`` is ``BY_HAND`` where the runbook names none: a person passes it on, and says so."""

    id: str
    template: str
    channel: str
    text: str
    status: Literal["queued", "sent", "failed"]
    receipt: str = ""
    at: Instant

    @property
    def waits_for_a_person(self) -> bool:
        return self.status == "queued" and self.channel == BY_HAND


class Escalation(Fact):
    """``acknowledged`` is who said that its people know; until then it is announced."""

    step: int
    sentence: str
    at: Instant
    acknowledged: str = ""


class Change(Fact):
    at: Instant
    was: str
    now: str
    rollback: bool = False


class Automatic(Fact):
    """The automatic rollback of this incident: there is at most one. ``by`` vetoed or stopped it, for ``reason``."""

    status: Literal["announced", "vetoed", "stopped", "started"]
    trigger: str = ""
    target: str = ""
    hash: str = ""
    until: Instant | None = None
    countdown_s: float = 0
    by: str = ""
    reason: str = ""
    at: Instant


class State(Fact):
    """``steered`` says which person took the incident in hand, by what. ``fired`` are the triggers, by id, that fired
    at any time in it.

    ``seq`` is the last event folded in. ``incident`` None: nothing is open, warroom only watches."""

    seq: int = 0
    at: Instant | None = None
    incident: Incident | None = None
    driver: str | None = None
    triggers: dict[str, TriggerReading] = Field(default_factory=dict)
    fired: tuple[str, ...] = ()
    tree: TreeReading | None = None
    overrides: dict[str, Override] = Field(default_factory=dict)
    decision: Decision | None = None
    acknowledged: tuple[str, ...] = ()
    marks: dict[str, Mark] = Field(default_factory=dict)
    proofs: dict[Proof, Proven] = Field(default_factory=dict)
    evidence: Evidence | None = None
    sealed: tuple[Evidence, ...] = ()
    running: Release | None = None
    changes: tuple[Change, ...] = ()
    target: Target | None = None
    failed_targets: tuple[Release, ...] = ()
    plan: PlanState | None = None
    ended_runs: tuple[PlanState, ...] = ()
    verification: Verification | None = None
    answered: dict[str, Answered] = Field(default_factory=dict)
    watch: Watch | None = None
    messages: dict[str, Message] = Field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    escalations: tuple[Escalation, ...] = ()
    automatic: Automatic | None = None
    steered: str = ""
    report: str | None = None
    unreadable: int = 0
