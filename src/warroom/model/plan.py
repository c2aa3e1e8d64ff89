"""Plans. What is previewed is what runs: the hash binds every step's Calls, inverse and pinned facts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from warroom.model.base import Duration, Fact, canonical, sha256
from warroom.model.call import Call
from warroom.model.release import Release

Risk = Literal["safe", "disruptive", "destructive"]
Role = Literal["application", "database", "caches", "stop-writes", "other"]
StepStatus = Literal["planned", "intended", "done", "failed", "cancelled", "unknown", "skipped", "claimed"]
PLAN_FORMAT = 1


class Preview(Fact):
    """An operation's answer to "what would you do?": pure data, made from arguments and facts.

    ``inverse`` are the Calls that take it back, naming content; None needs ``no_inverse``, the reason. ``pinned``
    are identities and specifications that must still hold when the step starts; ``changes`` names those pinned
    facts (of any step) that this step itself changes. ``destroys`` names evidence kinds that must be sealed first.
    ``notes`` say in a line why this differs from what the runbook's author wrote.
    """

    calls: tuple[Call, ...] = Field(min_length=1)
    inverse: tuple[Call, ...] | None = None
    no_inverse: str = ""
    pinned: dict[str, JsonValue] = Field(default_factory=dict)
    changes: tuple[str, ...] = ()
    destroys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    expected_s: float = 0
    timeout_s: float = Field(default=300, gt=0)


class Step(Fact):
    """One operation with its arguments, previewed. ``facts`` are what the preview was made from, for ``check``.

    A ``manual`` step is done by a person elsewhere. One that ``undoes`` runs a captured inverse: its operation's
    ``check`` must then see "not begun".
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
        """What the hash covers of this step: not its title, its estimate, its notes or its unpinned facts."""
        preview = self.preview.model_dump(mode="json", exclude={"expected_s", "notes"})
        return {**self.model_dump(mode="json", exclude={"title", "preview", "facts"}), "preview": preview}


class Plan(Fact):
    """An ordered list of steps towards one target. ``hash`` is over everything an approval must bind.

    ``running`` is what ran when it was made: for people to read, and no part of the hash.
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

    @property
    def hash(self) -> str:
        return sha256(
            canonical(
                {
                    "format": self.format,
                    "incident": self.incident,
                    "purpose": self.purpose,
                    "procedure": self.procedure,
                    "fingerprint": self.fingerprint,
                    "runbook": self.runbook_hash,
                    "target": self.target.model_dump(mode="json", include={"version", "commit", "digest"})
                    if self.target
                    else None,
                    "steps": [step.bound() for step in self.steps],
                }
            )
        )

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
