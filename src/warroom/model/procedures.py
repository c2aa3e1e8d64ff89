"""Which of the runbook's procedures can be prepared as things stand, and in which order they are offered. Pure."""

from __future__ import annotations

from warroom.model.base import Fact
from warroom.model.runbook import Procedure, Runbook
from warroom.model.state import State

_OF_TARGET = "${target."


class Offer(Fact):
    """One procedure. ``lacks`` names the platforms it needs and this runbook does not configure; ``targetless``: it
    goes to a target, and none is chosen."""

    name: str
    procedure: Procedure
    lacks: tuple[str, ...] = ()
    targetless: bool = False

    @property
    def why_not(self) -> str:
        """In a few words; empty where it can be prepared."""
        if self.lacks:
            return f"needs {', '.join(self.lacks)}"
        return "no target" if self.targetless else ""


def offered(runbook: Runbook, state: State) -> tuple[Offer, ...]:
    """What rolls back before the rest, and what warroom does before what a person does by hand; then what is done by
    hand and waits for a target, and last what needs a platform that isn't there. Else the runbook's order.

    What warroom does itself keeps its place without a target: nobody is led to something graver by not having chosen.
    """
    offers = [
        Offer(
            name=name,
            procedure=procedure,
            lacks=lacking(runbook, procedure),
            targetless=state.target is None and goes_to_target(procedure),
        )
        for name, procedure in runbook.procedures.items()
    ]
    return tuple(sorted(offers, key=_place))


def _place(offer: Offer) -> tuple[bool, bool, bool, bool]:
    by_hand, procedure = not offer.procedure.runs_itself, offer.procedure
    return bool(offer.lacks), offer.targetless and by_hand, procedure.kind != "rollback", by_hand


def lacking(runbook: Runbook, procedure: Procedure) -> tuple[str, ...]:
    """The platforms that it needs and that the runbook does not have."""
    return tuple(need for need in procedure.needs if need not in runbook.platforms)


def goes_to_target(procedure: Procedure) -> bool:
    """It can't be prepared without one: it is a rollback, or a step that isn't only taken along on demand names it."""
    steps = (step for step in procedure.steps.values() if not (step.if_needed or step.after_stop))
    return procedure.kind == "rollback" or any(_OF_TARGET in step.model_dump_json() for step in steps)
