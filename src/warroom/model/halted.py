"""Whether writes stand stopped by warroom, and since when. Pure: a fold of the plans that were begun."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from warroom.model.base import Fact, Instant
from warroom.model.cutover import runs
from warroom.model.plan import Plan, Step
from warroom.model.runbook import Procedure, Runbook, StepDecl
from warroom.model.state import PlanState, State, StepState

_DONE = ("done", "claimed")
_UNTOUCHED = ("planned", "skipped", "intended")


class Halt(Fact):
    """``operation`` is what stopped them: what counts back up by the same operation is the best way on.

    ``by_word``: a person said so, and nothing has shown it.
    """

    since: Instant | None = None
    operation: str = ""
    by_word: bool = False

    @property
    def words(self) -> str:
        return f"Writes are stopped{self.how}" + (f" since {self.since:%H:%M} UTC" if self.since is not None else "")

    @property
    def how(self) -> str:
        """Behind whatever says that they are stopped."""
        return " (by word)" if self.by_word else ""


def halted(runbook: Runbook, state: State) -> Halt | None:
    """None while writes go on, as far as warroom's own runs tell: what others do is not in them.

    A rollback alone starts nothing where its procedure has steps of its own for that (``after_stop``); where it has
    none, the cut-over itself brings the application up. Taking back what let them go on stops them again.
    """
    now: Halt | None = None
    stopping: PlanState | None = None
    woke: dict[str, str] = {}
    """The steps that last let them go on, and what had stopped them."""
    up: set[str] = set()
    """Those that bring the application up: so does taking them back, with what ran before."""
    for run in runs(state):
        waking, cutting = resuming(runbook, run.plan), cutting_over(runbook, run.plan)
        left, up = set(waking), up | set(cutting)
        for step, at in _in_order(run):
            if step.undoes:
                now = _undone(step, at, now, woke, up)
            elif step.id in waking:
                left -= {step.id} if _woken(at) else set()
                if not left:
                    now, woke = None, dict.fromkeys(waking, _stopper(now))
            elif step.role == "stop-writes" or run.plan.purpose == "stop-writes":
                if _is_done(at):
                    now = _and_stopped(now, step, at, again=stopping is not run)
                    stopping = run
            elif step.id in cutting and at.status not in _UNTOUCHED:
                now = None
    return now


def resuming(runbook: Runbook, plan: Plan) -> tuple[str, ...]:
    """Its steps that let writes go on where they were stopped."""
    if plan.purpose == "resume-writes":
        return tuple(step.id for step in plan.steps)
    procedure = runbook.procedures.get(plan.procedure)
    known = procedure.steps if procedure is not None else {}
    return tuple(step.id for step in plan.steps if step.id in known and known[step.id].after_stop)


def cutting_over(runbook: Runbook, plan: Plan) -> tuple[str, ...]:
    """Its steps that bring the application up whatever it was; none where that is left to a step of its own."""
    procedure = runbook.procedures.get(plan.procedure)
    if procedure is not None and any(step.after_stop for step in procedure.steps.values()):
        return ()
    return tuple(step.id for step in plan.steps if step.role == "application" and not step.undoes)


def starts(runbook: Runbook, plan: Plan) -> bool:
    """Something runs once it is done, though writes were stopped before it."""
    return bool(resuming(runbook, plan) or cutting_over(runbook, plan))


def stops_again(procedure: Procedure) -> dict[str, StepDecl]:
    """Its steps that stop writes although they may stand stopped: not what comes once the application is up again."""
    if procedure.kind in ("stop-writes", "resume-writes"):
        return {}
    before = takewhile(lambda each: each[1].role != "application", procedure.steps.items())
    return {name: step for name, step in before if step.role == "stop-writes"}


def ways_to_resume(runbook: Runbook, halt: Halt) -> tuple[str, ...]:
    """The procedures that let them go on, the best first."""
    found = [
        name
        for name, procedure in runbook.procedures.items()
        if procedure.kind == "resume-writes" and all(need in runbook.platforms for need in procedure.needs)
    ]

    def other(name: str) -> bool:
        done = (step.op or "" for step in runbook.procedures[name].steps.values())
        return not any(op.partition(".")[2] == halt.operation for op in done)

    return tuple(sorted(found, key=other))


def _in_order(run: PlanState) -> Iterator[tuple[Step, StepState]]:
    return ((step, run.steps[step.id]) for step in run.plan.steps if step.id in run.steps)


def _undone(step: Step, at: StepState, now: Halt | None, woke: dict[str, str], up: set[str]) -> Halt | None:
    if not _is_done(at):
        return now
    name = step.id.removeprefix("undo-")
    if name in woke:
        return now or Halt(since=at.ended_at, operation=woke[name], by_word=_by_word(at))
    return None if step.role == "stop-writes" or name in up else now


def _and_stopped(now: Halt | None, step: Step, at: StepState, *, again: bool) -> Halt:
    """One thing of several that only a person vouches for leaves the whole unproven, until a run shows otherwise."""
    word = _by_word(at)
    if now is None or (again and now.by_word and not word):
        return Halt(since=at.ended_at, operation=step.operation, by_word=word)
    return now.model_copy(update={"by_word": True}) if word and not again else now


def _by_word(at: StepState) -> bool:
    seen = at.look is not None and at.look.verdict == "done"
    return at.status != "done" and not seen


def _stopper(halt: Halt | None) -> str:
    return halt.operation if halt is not None else ""


def _is_done(at: StepState) -> bool:
    return at.status in _DONE or at.resolved == "done"


def _woken(at: StepState) -> bool:
    """It may have failed because what it started is not well: started it has, then."""
    return _is_done(at) or (at.look is not None and at.look.verdict in ("partly", "done"))
