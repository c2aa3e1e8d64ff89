"""What warroom itself has done on a platform, by the journal: for a plugin that must know what was left there."""

from __future__ import annotations

from pydantic import Field, JsonValue

from warroom.model.base import Fact, Instant
from warroom.model.cutover import runs
from warroom.model.state import State


class Acted(Fact):
    """One step that was done, at ``at``. ``facts`` are those that its plan was made from; ``undone``: its inverse was
    run. ``open``: it was begun at ``at``, and whether it took is not known, or not yet. ``outputs``: what it gave."""

    operation: str
    facts: dict[str, JsonValue]
    undone: bool
    at: Instant
    open: bool = False
    outputs: dict[str, str] = Field(default_factory=dict)


def acted(state: State, platform: str) -> tuple[Acted, ...]:
    """In the incident that ``state`` is of, oldest first. What a person did by hand is not known."""
    found = []
    for run in runs(state):
        for step in run.plan.steps:
            how = run.steps.get(step.id)
            if how is None or step.platform != platform or step.manual:
                continue
            done = how.status == "done" or how.resolved == "done"
            going = how.status in ("intended", "unknown") and not how.resolved
            at = how.ended_at if done else how.began_at
            if at is not None and (done or going):
                found.append(
                    Acted(
                        operation=step.operation,
                        facts=step.facts,
                        undone=step.undoes,
                        at=at,
                        open=not done,
                        outputs=how.outputs,
                    )
                )
    return tuple(sorted(found, key=lambda one: one.at))
