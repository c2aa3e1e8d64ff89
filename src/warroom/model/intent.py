"""Intents: what a person (or the autopilot) asks of the engine. Acting intents name what the person saw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from warroom.model.base import Fact, Id
from warroom.model.choice import LONGEST_VALUE
from warroom.model.decision import Advice

Reason = Annotated[str, Field(max_length=4000)]


class OpenIncident(Fact):
    type: Literal["open-incident"] = "open-incident"
    title: Reason


class TakeWheel(Fact):
    """In production nothing acts until someone drives; ``service`` is typed."""

    type: Literal["take-wheel"] = "take-wheel"
    service: str


class ReleaseWheel(Fact):
    type: Literal["release-wheel"] = "release-wheel"


class AnswerQuestion(Fact):
    """Answers a question of the tree, or overrides what signals answered (then ``reason`` is needed).

    None takes it back.
    """

    type: Literal["answer-question"] = "answer-question"
    node: str
    answer: str | None
    reason: Reason = ""


class Decide(Fact):
    """Going against the tree's advice needs ``reason``."""

    type: Literal["decide"] = "decide"
    choice: Advice
    reason: Reason = ""


class MarkItem(Fact):
    """``waived`` and ``not-needed`` need a reason."""

    type: Literal["mark-item"] = "mark-item"
    item: str
    mark: Literal["ticked", "waived", "not-needed", "open"]
    reason: Reason = ""


class AddNote(Fact):
    type: Literal["add-note"] = "add-note"
    text: Reason
    about: Literal["note", "cause", "impact", "well", "wrong", "action", "post-mortem-at"] = "note"


class Acknowledge(Fact):
    type: Literal["acknowledge"] = "acknowledge"
    what: str


class CaptureEvidence(Fact):
    type: Literal["capture-evidence"] = "capture-evidence"


class Attach(Fact):
    """A client's own picture for the evidence: ``text`` is SVG, at most 2 MB."""

    type: Literal["attach"] = "attach"
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}\.svg$")
    text: str = Field(max_length=2_000_000)


class ChooseTarget(Fact):
    """``text`` is a version, commit or digest as typed or picked from the history."""

    type: Literal["choose-target"] = "choose-target"
    text: str = Field(max_length=300)
    reason: Reason = ""


class ProposePlan(Fact):
    """``include`` names optional ("if needed") steps to take along.

    ``choices`` holds, for each choice of the procedure, the ``value`` of the option that the person took.
    """

    type: Literal["propose-plan"] = "propose-plan"
    procedure: str
    include: tuple[str, ...] = ()
    manual: tuple[str, ...] = ()
    choices: dict[Id, Annotated[str, Field(max_length=LONGEST_VALUE)]] = Field(default_factory=dict, max_length=20)


class ApprovePlan(Fact):
    type: Literal["approve-plan"] = "approve-plan"
    hash: str


class RunPlan(Fact):
    """``confirm`` is the service's name as typed (a drill does not ask for it).

    ``waive`` names guards overridden, with ``reason``.
    """

    type: Literal["run-plan"] = "run-plan"
    hash: str
    confirm: str = ""
    waive: tuple[str, ...] = ()
    reason: Reason = ""


class RunEmergency(Fact):
    """The emergency lane: opens an incident where none is open, takes the wheel, and runs what was shown.

    ``hash`` is of the plan that an ``EmergencyPage`` showed; ``confirm`` is the service's name as typed (a drill does
    not ask for it). What the page lists as waived is waived by it.
    """

    type: Literal["run-emergency"] = "run-emergency"
    hash: str
    confirm: str = ""
    reason: Reason = ""


class AbortRun(Fact):
    type: Literal["abort-run"] = "abort-run"
    hash: str


class ResolveStep(Fact):
    """What to do with a step that is UNKNOWN or failed. ``attempt`` is the one the person saw."""

    type: Literal["resolve-step"] = "resolve-step"
    hash: str
    step: str
    attempt: int
    choice: Literal["done", "again", "undo", "skip"]
    reason: Reason = ""


class ClaimStep(Fact):
    """A manual step was done elsewhere; ``output`` is what the person pasted."""

    type: Literal["claim-step"] = "claim-step"
    hash: str
    step: str
    attempt: int
    output: str = Field(default="", max_length=65536)


class Undo(Fact):
    """Prepare a plan from the captured inverses of the last run, or of the one whose plan has the hash ``run``."""

    type: Literal["undo"] = "undo"
    run: str = ""


class Verify(Fact):
    type: Literal["verify"] = "verify"


class AnswerCheck(Fact):
    """A person's word on a check that only a person can make, with what they saw or were told."""

    type: Literal["answer-check"] = "answer-check"
    check: str
    verdict: Literal["pass", "fail"]
    words: Reason


class Notify(Fact):
    """Sends what the person previewed: ``text`` is the message itself, from ``template``."""

    type: Literal["notify"] = "notify"
    template: str
    text: str = Field(max_length=4000)


class SentByHand(Fact):
    type: Literal["sent-by-hand"] = "sent-by-hand"
    message: str


class Escalate(Fact):
    type: Literal["escalate"] = "escalate"
    reason: Reason = ""


class Veto(Fact):
    """Against the automatic rollback of this incident, whether it is announced already or not. Anybody's."""

    type: Literal["veto"] = "veto"
    reason: Reason = ""


class WriteReport(Fact):
    type: Literal["write-report"] = "write-report"


class CloseIncident(Fact):
    type: Literal["close-incident"] = "close-incident"
    outcome: Literal["recovered", "mitigated", "false-alarm", "unresolved"]
    reason: Reason = ""


Intent = Annotated[
    OpenIncident
    | TakeWheel
    | ReleaseWheel
    | AnswerQuestion
    | Decide
    | MarkItem
    | AddNote
    | Acknowledge
    | CaptureEvidence
    | Attach
    | ChooseTarget
    | ProposePlan
    | ApprovePlan
    | RunPlan
    | RunEmergency
    | AbortRun
    | ResolveStep
    | ClaimStep
    | Undo
    | Verify
    | AnswerCheck
    | Notify
    | SentByHand
    | Escalate
    | Veto
    | WriteReport
    | CloseIncident,
    Field(discriminator="type"),
]

INTENTS: TypeAdapter[Intent] = TypeAdapter(Intent)
