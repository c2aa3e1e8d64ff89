"""The shape of a runbook. Loading it, with file, line and column for every error, is ``warroom.runbook``'s work.

Sections that are keyed by id are merged over the default runbook key by key (an entry replaces an entry whole)
when the file says ``extends: default``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from warroom.model.automation import ActiveProbe, AutomaticRollback
from warroom.model.base import Duration, Fact, Id, sha256, stored
from warroom.model.decision import Advice
from warroom.model.plan import Role
from warroom.model.signal import Severity

Proof = Literal[
    "severity-assessed",
    "stakeholders-notified",
    "evidence-sealed",
    "cause-noted",
    "target-chosen",
    "procedure-executed",
    "application-rolled-back",
    "database-rolled-back",
    "caches-cleared",
    "verified",
    "health-verified",
    "flows-verified",
    "errors-normal",
    "integrity-verified",
    "users-verified",
    "watch-ended",
    "completion-sent",
    "post-mortem-scheduled",
    "report-written",
]
"""What ticks a checklist item by itself: each is a fold of the journal (``warroom.model.checklist``)."""


class Environment(Fact):
    """``fingerprints`` holds, per platform, the identity this runbook was written for.

    A differing one blocks every change.
    """

    kind: Literal["production", "staging", "drill"]
    name: str = ""
    fingerprints: dict[Id, str] = Field(default_factory=dict)


class Platform(Fact):
    """One configured plugin. ``config`` is checked against the plugin's own schema."""

    plugin: str
    config: dict[str, JsonValue] = Field(default_factory=dict)


class SignalSource(Fact):
    platform: Id
    signal: str


class SignalDecl(Fact):
    """A signal by the name the triggers use; ``source`` None says nobody measures it yet, so it is UNKNOWN.

    ``stale_after``: when its newest sample is old, for every condition that says none of its own. Left out, it follows
    from how often its source measures: three times that, and no less than 30 s.
    """

    title: str
    unit: Literal["ratio", "ms", "s", "bytes", "count", "per-minute", "state"]
    source: SignalSource | None = None
    stale_after: Annotated[Duration, Field(gt=0)] | None = None


class Component(Fact):
    title: str
    signal: Id


class Condition(Fact):
    """``signal`` strictly above or below a limit, or equal to it, over the rolling window ``over``, held for ``for``.

    Fewer than ``at_least`` observations in the window is UNKNOWN, and so is a newest sample older than ``stale_after``
    (left out: the signal's own).
    Clearing takes the opposite held for ``clear_for``, below ``clear_below`` where one is given (hysteresis).
    ``above_baseline`` is a limit of so many times the signal's own normal: its median over ``baseline_over`` before the
    last release change, without what was measured while a trigger fired; UNKNOWN while there is none.
    ``active_probe``: only trying what must be refused can tell, so production needs leave for it (``active_probes``).
    """

    sentence: str
    signal: Id
    above: float | None = None
    below: float | None = None
    equals: float | None = None
    above_baseline: float | None = Field(default=None, gt=1, le=1000)
    baseline_over: Duration = Field(default=3600, ge=60)
    active_probe: bool = False
    over: Duration = 60
    for_: Duration = Field(default=0, alias="for")
    at_least: int = Field(default=0, ge=0)
    clear_below: float | None = None
    clear_for: Duration = 60
    stale_after: Duration = 30


class Trigger(Fact):
    """Fires when any of its conditions does.

    ``stop_writes_first``: while it fires, stopping writes is the first advice and the first step of a rollback.
    ``put_back_needs_reason``: in an incident in which it fired, what ran before is not put back without a reason.
    ``of_health``: false where its quiet says nothing of how the service is, so that no question is answered by it.
    """

    title: str
    severity: Severity
    impact: str = ""
    conditions: dict[Id, Condition] = Field(min_length=1)
    stop_writes_first: bool = False
    put_back_needs_reason: bool = False
    of_health: bool = True


class FromFiring(Fact):
    """``yes`` while any trigger fires, ``no`` while every trigger is known to be quiet, else open."""

    by: Literal["firing"] = "firing"


class FromSeverity(Fact):
    """``critical`` or ``warning``: the worst severity that fires."""

    by: Literal["severity"] = "severity"


class FromTrend(Fact):
    """``yes`` or ``no`` from the slope of a signal over ``over``; open while it can't be told."""

    by: Literal["trend"] = "trend"
    signal: Id
    over: Duration = 300


class FromTimer(Fact):
    """``over`` once ``wait`` has passed since the question was reached; ``waiting`` until then.

    Its question may have other answers as well: those a person gives, before the time is over or after.
    """

    by: Literal["timer"] = "timer"
    wait: Duration


AnswerSource = Annotated[FromFiring | FromSeverity | FromTrend | FromTimer, Field(discriminator="by")]


class Question(Fact):
    """``answers`` maps each one-word answer to the next question or leaf. Without ``from`` a person answers."""

    ask: str
    answers: dict[str, Id] = Field(min_length=2)
    from_: AnswerSource | None = Field(default=None, alias="from")


class Leaf(Fact):
    advice: Advice
    title: str
    then: tuple[str, ...] = ()


class Tree(Fact):
    root: Id
    questions: dict[Id, Question] = Field(min_length=1)
    leaves: dict[Id, Leaf] = Field(min_length=1)


class Item(Fact):
    """A checklist line. ``if_needed`` ones may be "not needed, because"; ``done_when`` ticks it by itself."""

    sentence: str
    if_needed: bool = False
    done_when: Proof | None = None
    hints: tuple[str, ...] = ()
    items: dict[Id, Item] = Field(default_factory=dict)


class Checklist(Fact):
    title: str
    items: dict[Id, Item] = Field(min_length=1)


class Expected(Fact):
    """Seconds, shortest and longest, as the runbook's author expects."""

    least: Duration
    most: Duration
    when: str = ""


class ManualStep(Fact):
    """What a person does elsewhere, with command lines to paste, and what proves it."""

    do: str
    commands: tuple[str, ...] = ()
    risk: Literal["safe", "disruptive", "destructive"] = "disruptive"
    proof: str = ""


class StepDecl(Fact):
    """Either an operation ``op: platform.operation`` with arguments, or ``manual``. Never both.

    Arguments may hold ``${target.version}``, ``${target.commit}``, ``${target.digest}``, ``${running.…}``,
    ``${incident}``, and ``${choice.NAME}`` for each choice of its procedure.
    ``why`` says in a line why this differs from the commands people know. ``if_needed`` ones are taken along where a
    person says so; ``after_stop`` ones where writes are stopped, by this plan or before it.
    """

    title: str
    op: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*$")
    with_: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    manual: ManualStep | None = None
    role: Role = "other"
    if_needed: bool = False
    after_stop: bool = False
    why: str = ""
    timeout: Duration | None = None


class ChoiceDecl(Fact):
    """What a person chooses before the plan is made, from the list that ``use: platform.chooser`` gives.

    A step's arguments have it as ``${choice.NAME}``. ``none`` says what to do where there is nothing to choose from.
    """

    title: str = Field(min_length=1, max_length=200)
    use: str = Field(pattern=r"^[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*$")
    none: str = ""


class Procedure(Fact):
    """An ordered list of steps. ``needs`` names the platforms it must have, ``choices`` what a person has to choose.

    ``first_for`` are conditions: while one of these decides a trigger that fired, this is what is prepared first.
    ``then`` is the procedure that follows once this one is done; until that is done too, nothing is rolled back.
    One of the kind ``other`` changes nothing that is in use: it is no rollback, and nothing is verified after it.
    One with choices is neither in the emergency lane nor run by itself: both take nobody's time to choose.
    """

    title: str
    use_when: str
    kind: Literal["rollback", "database", "stop-writes", "resume-writes", "other"] = "rollback"
    needs: tuple[Id, ...] = ()
    first_for: tuple[Id, ...] = ()
    then: Id | None = None
    expected: tuple[Expected, ...] = ()
    choices: dict[Id, ChoiceDecl] = Field(default_factory=dict)
    steps: dict[Id, StepDecl] = Field(min_length=1)

    @property
    def runs_itself(self) -> bool:
        """Warroom does some of it; else a person does all of it by hand."""
        return any(step.op for step in self.steps.values())


class CheckDecl(Fact):
    """One verification check: ``use`` is ``platform.check`` of a plugin, or a built-in check by its bare name.

    Built in: ``running-is-target``, ``signal-within``, ``logs-clean``, ``counts-match``, ``triggers-quiet``,
    ``ask-a-person``.
    """

    sentence: str
    use: str = Field(pattern=r"^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)?$")
    with_: dict[str, JsonValue] = Field(default_factory=dict, alias="with")
    proves: Proof | None = None
    required: bool = True


class Template(Fact):
    """Jinja2, sandboxed; the names it may use are those of ``warroom.comms``."""

    title: str
    text: str


class Contact(Fact):
    title: str
    reach: str = ""


class EscalationStep(Fact):
    after: Duration
    sentence: str
    contacts: tuple[Id, ...] = ()


class Section(Fact):
    """One heading of the post-mortem, with the prompts that stand under it."""

    title: str
    prompts: tuple[str, ...] = ()


class PostMortem(Fact):
    within: Duration
    sections: dict[Id, Section]
    actions: dict[Id, str] = Field(default_factory=dict)
    improvements: dict[Id, str] = Field(default_factory=dict)
    procedure_updates: dict[Id, str] = Field(default_factory=dict)


class Channel(Fact):
    """Where messages go: a platform with a notifier."""

    platform: Id
    title: str = ""


class Runbook(Fact):
    format: Literal[1]
    service: str = Field(min_length=1, max_length=80)
    environment: Environment
    platforms: dict[Id, Platform] = Field(default_factory=dict)
    signals: dict[Id, SignalDecl] = Field(default_factory=dict)
    components: dict[Id, Component] = Field(default_factory=dict)
    triggers: dict[Id, Trigger] = Field(default_factory=dict)
    tree: Tree
    checklists: dict[Id, Checklist] = Field(default_factory=dict)
    procedures: dict[Id, Procedure] = Field(default_factory=dict)
    verification: dict[Id, CheckDecl] = Field(default_factory=dict)
    templates: dict[Id, Template] = Field(default_factory=dict)
    contacts: dict[Id, Contact] = Field(default_factory=dict)
    escalation: tuple[EscalationStep, ...] = ()
    post_mortem: PostMortem
    channels: dict[Id, Channel] = Field(default_factory=dict)
    watch: Duration = 1800
    status_page: str = ""
    active_probes: dict[Id, ActiveProbe] = Field(default_factory=dict)
    """By signal: which of those that need an active probe may be measured by one in production, and how often."""
    automatic_rollback: AutomaticRollback | None = None
    drill_windows: dict[Id, Duration] = Field(default_factory=dict)
    """Shorter windows, by condition id, ``watch`` or a timer question's id. Only a drill environment may have them."""

    @property
    def hash(self) -> str:
        return sha256(stored(self))

    def window(self, name: str, production: float) -> float:
        """The window in force for ``name``: the drill's where one is declared, else production's."""
        return self.drill_windows.get(name, production)

    def conditions(self) -> Iterator[tuple[str, Trigger, str, Condition]]:
        """(trigger id, trigger, condition id, condition) for every condition."""
        for trigger_id, trigger in self.triggers.items():
            for condition_id, condition in trigger.conditions.items():
                yield trigger_id, trigger, condition_id, condition

    def items(self) -> Iterator[tuple[str, Item]]:
        """(item id, item) for every checklist line, sub-items after their item."""

        def walk(items: dict[str, Item]) -> Iterator[tuple[str, Item]]:
            for item_id, item in items.items():
                yield item_id, item
                yield from walk(item.items)

        for checklist in self.checklists.values():
            yield from walk(checklist.items)
