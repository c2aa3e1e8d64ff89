"""A step of which nobody could tell how it stands is looked at again, until somebody can: its server may come back."""

from __future__ import annotations

from warroom.actions.runner import look
from warroom.engine.acting import Acting
from warroom.engine.core import Core, log
from warroom.errors import WarroomError
from warroom.model.event import StepEnded
from warroom.model.plan import Step
from warroom.model.state import PlanState, StepState

OPEN = ("unknown", "failed", "cancelled")
FIRST_S = 2.0
LONGEST_S = 60.0
"""Seconds between two looks: twice as long each time, since most of what can't be told stays so."""


class Relooking:
    """Its step stays what it was: what becomes of it is a person's choice. They choose by what is seen now."""

    def __init__(self, core: Core, acting: Acting) -> None:
        self._core = core
        self._acting = acting

    async def clock(self) -> None:
        core, wait = self._core, FIRST_S
        run: tuple[str, int] | None = None
        while True:
            await core.clock.sleep(wait)
            plan, left = self._left()
            now = (plan.hash, self._acting.begun) if plan is not None and left else None
            wait = min(LONGEST_S, wait * 2) if now is not None and now == run else FIRST_S
            run = now
            for step in left:
                try:
                    await self._again(step)
                except WarroomError as error:
                    log.info("%s could not be looked at again: %s", step.id, error)

    def _left(self) -> tuple[PlanState | None, list[Step]]:
        """Those that were begun, and of which the last look could not tell."""
        plan = self._core.state.plan
        if plan is None or plan.ended_at is None or self._acting.running:
            return plan, []
        return plan, [step for step in plan.plan.steps if step.platform and _open(plan.steps[step.id])]

    async def _again(self, step: Step) -> None:
        core = self._core
        before = core.state.plan
        saw = await look(step, core.platforms, core.redactor)
        if saw.verdict == "cannot-tell":
            return
        async with core.turn:
            plan, left = self._left()
            if plan is None or before is None or plan.hash != before.hash or step not in left:
                return  # somebody chose meanwhile
            state = plan.steps[step.id]
            status = state.status
            if state.attempt != before.steps[step.id].attempt or not (
                status == "unknown" or status == "failed" or status == "cancelled"
            ):
                return
            await core.record(
                StepEnded(
                    plan=plan.hash,
                    step=step.id,
                    attempt=state.attempt,
                    status=status,
                    detail=f"looked at again: {saw.seen}",
                    look=saw,
                )
            )


def _open(state: StepState) -> bool:
    told = state.look is None or state.look.verdict != "cannot-tell"
    return state.status in OPEN and not state.resolved and not told
