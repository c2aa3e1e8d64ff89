"""Events of acting and what follows: plans, steps, verification, the watch, messages, the report.

Import them from ``warroom.model.event``, which has every body.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from warroom.model.base import Fact, Instant
from warroom.model.call import Call, CallResult
from warroom.model.plan import Look, Plan
from warroom.model.release import Release
from warroom.model.verification import CheckResult, Verdict


class PlanProposed(Fact):
    type: Literal["plan-proposed"] = "plan-proposed"
    plan: Plan
    hash: str


class PlanApproved(Fact):
    type: Literal["plan-approved"] = "plan-approved"
    hash: str


class PlanVoided(Fact):
    type: Literal["plan-voided"] = "plan-voided"
    hash: str
    reason: str


class RunStarted(Fact):
    """``waived`` are the guards that were overridden by the typed name, each with its words."""

    type: Literal["run-started"] = "run-started"
    hash: str
    waived: tuple[str, ...] = ()


class StepIntended(Fact):
    """On disk before the first effect, with the exact Calls (every Ref bound) and the captured inverse."""

    type: Literal["step-intended"] = "step-intended"
    plan: str
    step: str
    attempt: int
    calls: tuple[Call, ...]
    inverse: tuple[Call, ...] | None
    no_inverse: str = ""


class CallMade(Fact):
    """One Call of a step came back. Recorded so that a crash between two Calls is known to the Call."""

    type: Literal["call-made"] = "call-made"
    plan: str
    step: str
    attempt: int
    index: int
    result: CallResult


class StepEnded(Fact):
    type: Literal["step-ended"] = "step-ended"
    plan: str
    step: str
    attempt: int
    status: Literal["done", "failed", "cancelled", "unknown", "skipped", "claimed"]
    detail: str
    outputs: dict[str, str] = Field(default_factory=dict)
    look: Look | None = None
    seconds: float = 0


class StepResolved(Fact):
    """A person's choice for a step that was UNKNOWN (or failed): what happens to it next."""

    type: Literal["step-resolved"] = "step-resolved"
    plan: str
    step: str
    attempt: int
    choice: Literal["done", "again", "undo", "skip"]
    reason: str


class AbortAsked(Fact):
    type: Literal["abort-asked"] = "abort-asked"
    hash: str


class RunEnded(Fact):
    type: Literal["run-ended"] = "run-ended"
    hash: str
    outcome: Literal["done", "failed", "cancelled", "unknown"]
    detail: str
    seconds: float


class VerificationStarted(Fact):
    type: Literal["verification-started"] = "verification-started"
    checks: tuple[str, ...]


class CheckAnswered(Fact):
    """A person's word on a check that only a person can make."""

    type: Literal["check-answered"] = "check-answered"
    check: str
    verdict: Literal["pass", "fail"]
    words: str


class CheckEnded(Fact):
    type: Literal["check-ended"] = "check-ended"
    result: CheckResult


class NextWay(Fact):
    """One way on: ``release`` for another target, ``procedure`` for another procedure.

    ``put-back`` takes a run back, so that what ran before it runs again; ``run`` is the hash of that run's plan.
    """

    kind: Literal["older-release", "procedure", "stop-writes", "put-back", "escalate", "verify-again", "close"]
    title: str
    release: Release | None = None
    procedure: str | None = None
    run: str | None = None


class VerificationEnded(Fact):
    """``next`` are the ways on after FAIL or INCONCLUSIVE, best first."""

    type: Literal["verification-ended"] = "verification-ended"
    verdict: Verdict
    words: str
    next: tuple[NextWay, ...] = ()


class WatchStarted(Fact):
    type: Literal["watch-started"] = "watch-started"
    until: Instant
    production_s: float
    window_s: float


class WatchEnded(Fact):
    type: Literal["watch-ended"] = "watch-ended"
    quiet: bool
    words: str


class MessageQueued(Fact):
    type: Literal["message-queued"] = "message-queued"
    message: str
    template: str
    channel: str
    text: str


class MessageSent(Fact):
    """``receipt`` is what the channel gave back; ``by_hand`` when a person says that they sent it."""

    type: Literal["message-sent"] = "message-sent"
    message: str
    receipt: str
    by_hand: bool = False


class MessageFailed(Fact):
    type: Literal["message-failed"] = "message-failed"
    message: str
    reason: str
    final: bool


class Escalated(Fact):
    type: Literal["escalated"] = "escalated"
    step: int
    sentence: str
    contacts: tuple[str, ...]
    elapsed_s: float


class ReportWritten(Fact):
    type: Literal["report-written"] = "report-written"
    path: str
    sha256: str
