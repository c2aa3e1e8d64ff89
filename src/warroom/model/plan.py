"""Plans. What is previewed is what runs: the hash binds every step's Calls, inverse and pinned facts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from warroom.model.base import Duration, Fact, canonical, sha256
from warroom.model.call import Call
from warroom.model.choice import Chosen
from warroom.model.release import Release
from warroom.model.units import listed

Risk = Literal["safe", "disruptive", "destructive"]
Role = Literal["application", "database", "caches", "stop-writes", "other"]
StepStatus = Literal["planned", "intended", "done", "failed", "cancelled", "unknown", "skipped", "claimed"]
PLAN_FORMAT = 1
STOPPED = "stopped"
"""The fact by which an operation says that what it is about stands still: ``RECORDED`` where warroom has stopped it
and knows how it was before, ``ELSEWHERE`` where somebody else has."""
RECORDED, ELSEWHERE = "recorded", "elsewhere"
ALREADY = "already"
"""The fact by which an operation says whether what it is about asks for the target already."""
_SAID = {"expected_s", "check_s", "notes", "restores", "stops", "starts"}
_SAID |= {"confirm", "writes", "unproven", "loses", "leaves", "keeps", "ends", "back", "tells", "idle"}
"""Of a preview: words for people, made from the very facts that its Calls are made from."""


class Preview(Fact):
    """An operation's answer to "what would you do?": pure data, made from arguments and facts.

    ``inverse`` are the Calls that take it back, naming content; None needs ``no_inverse``, the reason. ``pinned``
    are identities and specifications that must still hold when the step starts; ``changes`` names those pinned
    facts (of any step) that this step itself changes. ``destroys`` names evidence kinds that must be sealed first.
    ``notes`` say in a line why this differs from what the runbook's author wrote.

    ``restores``: the release that ``inverse`` lets run again, by the name that its platform gives to what it captured;
    empty where it leaves the release as it is, None where the operation does not say. ``stops``: by name, what runs and
    these Calls stop; ``starts``: what stands still and they start. ``inverse`` does the opposite.

    ``confirm``: what a person types to run it, in place of the service's name: that of what is taken away. ``writes``:
    who still writes to that, in words; empty where nobody does. ``unproven``: why what takes its place may not be what
    it should be; empty where that was shown. ``loses``: what is gone once it is done, or that this is not known.
    ``leaves``: what stays behind then, and the way back from it; ``back``: what taking it back loses. ``keeps``: by
    name, what lies beside what serves once it is done, and without which it can't be taken back; ``ends``: what lay
    there and does no more; ``inverse`` does the opposite. ``tells``: what ``check`` sees is what it is done for, and is
    shown then. ``idle``: what it is for is so already, by its facts: ``no_inverse`` says how, and there is nothing to
    take back. ``check_s``: how long ``check`` may look after the Calls.
    """

    calls: tuple[Call, ...] = Field(min_length=1)
    inverse: tuple[Call, ...] | None = None
    no_inverse: str = ""
    pinned: dict[str, JsonValue] = Field(default_factory=dict)
    changes: tuple[str, ...] = ()
    destroys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    restores: str | None = None
    stops: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    confirm: str = ""
    writes: str = ""
    unproven: str = ""
    loses: tuple[str, ...] = ()
    leaves: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    back: str = ""
    tells: bool = False
    idle: bool = False
    check_s: float = Field(default=20, gt=0)
    expected_s: float = 0
    timeout_s: float = Field(default=300, gt=0)


class Step(Fact):
    """One operation with its arguments, previewed. ``facts`` are what the preview was made from, for ``check``.

    A ``manual`` step is done by a person elsewhere. One that ``undoes`` runs a captured inverse: it is done when its
    operation's ``check`` sees "not begun", and its ``Look`` says so.
    """

    id: str
    title: str
    platform: str
    operation: str
    plugin: str
    plugin_version: str
    args: dict[str, JsonValue]
    risk: Risk
    role: Role = "other"
    preview: Preview
    manual: bool = False
    undoes: bool = False
    facts: dict[str, JsonValue] = Field(default_factory=dict)

    def bound(self) -> JsonValue:
        """What the hash covers of this step: not its title, its estimate, its unpinned facts, or what is said of it."""
        preview = self.preview.model_dump(mode="json", exclude=_SAID)
        return {**self.model_dump(mode="json", exclude={"title", "preview", "facts"}), "preview": preview}


class Plan(Fact):
    """An ordered list of steps towards one target. ``hash`` is over everything an approval must bind.

    ``running`` is what ran when it was made: for people to read, and no part of the hash. ``choices`` are what a person
    chose for it; the hash covers which, not the words for it.
    """

    id: str
    format: int = PLAN_FORMAT
    incident: str
    purpose: Literal["rollback", "undo", "stop-writes", "resume-writes", "other"] = "rollback"
    procedure: str
    title: str
    fingerprint: dict[str, str]
    runbook_hash: str
    target: Release | None = None
    running: Release | None = None
    steps: tuple[Step, ...] = Field(min_length=1)
    expected_s: Duration = 0
    notes: tuple[str, ...] = ()
    choices: tuple[Chosen, ...] = ()

    @property
    def hash(self) -> str:
        bound: dict[str, JsonValue] = {
            "format": self.format,
            "incident": self.incident,
            "purpose": self.purpose,
            "procedure": self.procedure,
            "fingerprint": dict(self.fingerprint),
            "runbook": self.runbook_hash,
            "target": self.target.model_dump(mode="json", include={"version", "commit", "digest"})
            if self.target
            else None,
            "steps": [step.bound() for step in self.steps],
        }
        if self.choices:  # a plan that needed none has the hash it had before there were any
            bound["choices"] = {chosen.choice: chosen.value for chosen in self.choices}
        return sha256(canonical(bound))

    @property
    def aim(self) -> str:
        """Where it goes, for people: what was chosen for it, else the target; empty where it has neither."""
        if self.choices:
            return listed([chosen.words for chosen in self.choices])
        return self.target.name if self.target is not None else ""

    @property
    def name(self) -> str:
        """Its title, with what was chosen for it: two plans of one procedure are told apart by that."""
        return f"{self.title}: {self.aim}" if self.choices else self.title

    @property
    def confirm(self) -> str:
        """What a person types to run it; empty: the service's name."""
        return next((step.preview.confirm for step in self.steps if step.preview.confirm), "")

    @property
    def risk(self) -> Risk:
        order: tuple[Risk, ...] = ("safe", "disruptive", "destructive")
        return max((step.risk for step in self.steps), key=order.index)


class Look(Fact):
    """What ``check`` saw: not begun, partly done, done, or cannot tell, in words a person can weigh.

    ``outputs`` are what it measured on the way, over those of the same names that the Calls gave.
    """

    verdict: Literal["not-begun", "partly", "done", "cannot-tell"]
    seen: str
    outputs: dict[str, str] = Field(default_factory=dict)
