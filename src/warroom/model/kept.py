"""What the runs of this incident left beside what serves, by name: what lies there still, and what does no more.

Pure, from what their steps said of it: what somebody does elsewhere is not seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from warroom.model.base import Fact
from warroom.model.plan import Step
from warroom.model.state import PlanState, StepState


class Kept(Fact):
    """``step`` left it there, at ``at``. ``words``: what that was seen to lose, empty where nobody compared."""

    step: Step
    at: datetime
    words: str = ""


class Stuck(Fact):
    """``step`` can't be taken back: ``why`` is a sentence."""

    step: Step
    why: str


def kept(begun: Iterable[PlanState]) -> dict[str, Kept]:
    """By name, what lies beside what serves."""
    there: dict[str, Kept] = {}
    for at, step, now in _done(begun):
        for name in step.preview.ends:
            there.pop(name, None)
        left = Kept(step=step, at=at, words=now.outputs.get("words", ""))
        there |= dict.fromkeys(step.preview.keeps, left)
    return there


def stuck(begun: Sequence[PlanState], steps: Iterable[Step]) -> Stuck | None:
    """The first of ``steps`` that left something which its way back needs and which is there no more."""
    gone: dict[str, str] = {}
    for at, step, _ in _done(begun):
        for name in step.preview.keeps:
            gone.pop(name, None)
        gone |= {name: _gone(name, at, step) for name in step.preview.ends}
    return next((Stuck(step=s, why=gone[name]) for s in steps for name in s.preview.keeps if name in gone), None)


def _gone(name: str, at: datetime, by: Step) -> str:
    if by.preview.inverse is None and not by.undoes:
        return f"{name} was dropped at {at:%H:%M} UTC"
    return f"{name} is there no more since {at:%H:%M} UTC, by “{by.title}”"


def _done(begun: Iterable[PlanState]) -> Iterator[tuple[datetime, Step, StepState]]:
    """Every step that was done, as they ended."""
    ended = [
        (now.ended_at or run.began_at or run.at, step, now)
        for run in begun
        for step in run.plan.steps
        if (now := run.steps.get(step.id)) is not None and now.status == "done"
    ]
    yield from sorted(ended, key=lambda each: each[0])
