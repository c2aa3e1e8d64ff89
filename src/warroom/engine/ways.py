"""The ways on once something did not end well: each is a person's to choose, and none is taken by itself."""

from __future__ import annotations

from collections.abc import Iterator

from warroom.engine.core import Core
from warroom.engine.preparing import Preparing
from warroom.errors import Refusal
from warroom.model.cutover import (
    as_it_stands,
    brings_back,
    fired_needing_reason,
    last_rollback,
    runs,
    spent,
    superseded,
    taken_back,
    takes_down,
    to_put_back,
)
from warroom.model.event import NextWay
from warroom.model.halted import halted, ways_to_resume
from warroom.model.leading import answers, follows
from warroom.model.live import WaysPage
from warroom.model.release import Release
from warroom.model.replaced import replaced
from warroom.model.state import PlanState

AGAIN = NextWay(kind="verify-again", title="Look again: what was missing may have come")
DATA = "integrity-verified"
"""What the checks of the data prove."""
CLOSE = NextWay(kind="close", title="Close it as mitigated, with a reason: what is missing will not come")


class Ways:
    def __init__(self, core: Core, preparing: Preparing) -> None:
        self._core = core
        self._preparing = preparing

    async def page(self) -> WaysPage:
        """As things stand now: after a run or a verification that did not end well, a watch, a release put back, or
        while writes stand stopped.

        Raises Refusal where nothing has gone wrong.
        """
        state = as_it_stands(self._core.state)
        plan, checked, watch = state.plan, state.verification, state.watch
        ill = plan is not None and plan.status in ("failed", "cancelled", "unknown", "voided")
        if plan is not None and ill and not superseded(state, plan):
            how = {"cancelled": "was stopped", "voided": "is void"}.get(plan.status, f"ended {plan.status}")
            words = spent(state) or f"{plan.plan.name} {how}: {plan.void_reason or plan.detail}"
            ways = await self.on(again=False)
            if title := self._once_more(plan):
                ways = (NextWay(kind="procedure", title=title, procedure=plan.plan.procedure), *ways)
            return WaysPage(ways=ways, words=words)
        if watch is not None and watch.quiet is False:
            return WaysPage(ways=await self.on(again=True), words=watch.words)
        if why := replaced(self._core.runbook, state):
            return WaysPage(ways=await self.on(again=False), words=why)
        if why := spent(state):
            failed = checked is not None and checked.verdict == "fail" and checked.words
            return WaysPage(ways=await self.on(again=False), words=f"{why}: {failed}" if failed else why)
        halt = halted(self._core.runbook, state)
        if halt is not None and (checked is None or checked.verdict in (None, "pass")):
            return WaysPage(ways=await self.on(again=False), words=halt.words)
        if checked is None or checked.verdict in (None, "pass"):
            raise Refusal("Nothing has gone wrong since the last run", "", "verify the recovery", helps="verify")
        return WaysPage(ways=await self.on(again=checked.verdict == "inconclusive"), words=checked.words)

    def _once_more(self, plan: PlanState) -> str:
        """How the same procedure is offered again: where nothing shows that it would end as it did."""
        procedure = self._core.runbook.procedures.get(plan.plan.procedure)
        if procedure is not None and plan.status in ("cancelled", "voided"):
            return f"Prepare it again: {plan.plan.title}"
        if procedure is not None and procedure.choices:  # what was chosen may have been what was wrong
            return f"Prepare it again: {plan.plan.title}, with another choice than {plan.plan.aim}"
        return ""

    async def on(self, *, again: bool) -> tuple[NextWay, ...]:
        """Best first. A release or a procedure that was tried and did not recover is not offered once more."""
        checked = self._core.state.verification
        unproven = checked is not None and checked.verdict in (None, "inconclusive")
        ways = [AGAIN, *([CLOSE] if unproven else [])] if again else []
        back_again = tuple(self._back_again())
        older = await self._older()
        way = self._by_way()
        if older is not None and way:
            title = f"Go back to {older.name}{' instead' if last_rollback(self._core.state) is not None else ''}"
            ways.append(NextWay(kind="older-release", title=title, release=older, procedure=way))
        escalate = NextWay(kind="escalate", title="Escalate: call the whole team")
        run, by_hand = self._other_procedures(but=way if older is not None else "")
        back = () if back_again else tuple(self._putting_back())
        first = (*back, *self._looking_again()) if self._data_failed() else ()
        answering = tuple(self._answering())
        gone_on = follows(self._core.runbook, self._core.state).procedure
        here = (*answering, *first) if gone_on else (*first, *answering)
        found = (*here, *self._resuming(), *back_again, *ways, *run, *self._stopping(), *back, *by_hand, escalate)
        return tuple(way for place, way in enumerate(found) if way not in found[:place])

    def _back_again(self) -> Iterator[NextWay]:
        """Where somebody else took it back, the same release, by the same way: nothing is known against it."""
        state, last = self._core.state, last_rollback(self._core.state)
        if last is not None and state.target is not None and replaced(self._core.runbook, state):
            title = f"Go back to {state.target.release.name} again"
            way = last.plan.procedure
            yield NextWay(kind="older-release", title=title, release=state.target.release, procedure=way)

    def _data_failed(self) -> bool:
        """A check of the data has failed since the last rollback put another database in place."""
        checked, last = self._core.state.verification, last_rollback(self._core.state)
        if checked is None or checked.verdict != "fail" or last is None or last.began_at is None:
            return False
        swapped = any(step.role == "database" and last.steps[step.id].status == "done" for step in last.plan.steps)
        bad = any(one.verdict == "fail" and one.proves == DATA for one in checked.results.values())
        return swapped and bad and checked.began_at >= last.began_at

    def _looking_again(self) -> Iterator[NextWay]:
        """The parts that lead to the rollback that was done last, the shortest first: a comparison before a restore."""
        last, runbook = last_rollback(self._core.state), self._core.runbook
        name = last.plan.procedure if last is not None else ""
        found = [
            (len(one.steps), one.title, part)
            for part, one in runbook.procedures.items()
            if one.then == name and all(need in self._core.platforms for need in one.needs)
        ]
        for _, title, part in sorted(found):
            yield NextWay(kind="procedure", title=title, procedure=part)

    def _answering(self) -> Iterator[NextWay]:
        """What follows on the part that was done last, or what the runbook has for the very harm that is there."""
        runbook, state = self._core.runbook, self._core.state
        if (led := follows(runbook, state)).procedure:
            yield NextWay(kind="procedure", title=f"Go on: {led.title}", procedure=led.procedure)
            return
        tried = {run.plan.procedure for run in runs(state)}
        for name in answers(runbook, state):
            procedure = runbook.procedures[name]
            if name not in tried:
                yield NextWay(kind="procedure", title=procedure.title, procedure=name)
            elif procedure.choices:  # what was chosen may have been what was wrong
                yield NextWay(kind="procedure", title=f"{procedure.title}, with another choice", procedure=name)

    def _usable(self, kind: str) -> Iterator[tuple[str, str]]:
        """(id, title) of the procedures of a kind whose platforms are there."""
        for procedure_id, procedure in self._core.runbook.procedures.items():
            if procedure.kind == kind and all(need in self._core.platforms for need in procedure.needs):
                yield procedure_id, procedure.title

    def _by_way(self) -> str:
        """By which procedure: the last rollback's; before there was any, the first that needs no choice, one that runs
        itself before one by hand. Empty where the runbook has none."""
        last, procedures = last_rollback(self._core.state), self._core.runbook.procedures
        if last is not None:
            return last.plan.procedure
        found = [name for name, _ in self._usable("rollback") if not procedures[name].choices]
        return min(found, key=lambda name: not procedures[name].runs_itself, default="")

    def _other_procedures(self, but: str) -> tuple[list[NextWay], list[NextWay]]:
        """Those that warroom runs, and those that a person does from the first step to the last."""
        procedures = self._core.runbook.procedures
        tried = {run.plan.procedure for run in runs(self._core.state)}
        run, by_hand = list[NextWay](), list[NextWay]()
        for name, title in self._usable("rollback"):
            if name not in tried and name != but:
                kind = run if any(step.op for step in procedures[name].steps.values()) else by_hand
                kind.append(NextWay(kind="procedure", title=f"Another way: {title}", procedure=name))
        return run, by_hand

    def _resuming(self) -> Iterator[NextWay]:
        """While writes stand stopped nothing else brings anything up: it is what is looked for first."""
        runbook = self._core.runbook
        halt = halted(runbook, self._core.state)
        if halt is None:
            return
        word = " by word" if halt.by_word else ""
        since = f"stopped{word} since {halt.since:%H:%M} UTC" if halt.since is not None else ""
        comes = self._comes_back()
        told = "; ".join(filter(None, (f"starts {comes}" if comes else "", since)))
        for name in ways_to_resume(runbook, halt):
            title = runbook.procedures[name].title
            yield NextWay(kind="procedure", title=f"{title} ({told})" if told else title, procedure=name)

    def _comes_back(self) -> str:
        """What letting writes go on starts where nothing else was brought in meanwhile; empty where that was done."""
        state, last = self._core.state, last_rollback(self._core.state)
        if last is not None:
            return brings_back(state, last) if taken_back(state) else ""
        known = state.running or (state.incident.running if state.incident is not None else None)
        return known.name if known is not None else ""

    def _stopping(self) -> Iterator[NextWay]:
        if halted(self._core.runbook, self._core.state) is not None:
            return
        for procedure_id, title in self._usable("stop-writes"):
            yield NextWay(kind="stop-writes", title=title, procedure=procedure_id)

    def _putting_back(self) -> Iterator[NextWay]:
        """What ran before, by the inverses that were captured: known to be bad, but sometimes better than nothing."""
        state = self._core.state
        run = to_put_back(state)
        if run is None:
            return
        before = brings_back(state, run)
        reason = ", with a reason" if fired_needing_reason(self._core.runbook, state) else ""
        title = f"Put {before} back" if before else f"Take it back: {run.plan.name}"
        down = ": an outage" if takes_down(run) else ""
        yield NextWay(kind="put-back", title=f"{title}{down}{reason}", run=run.hash)

    async def _older(self) -> Release | None:
        """The best target once the one that was just tried, if any was, is counted among the failed: before what the
        incident began on, which is what it is to be older than."""
        from warroom.decision.target import best_target

        state = self._core.state
        page = await self._preparing.releases()
        tried = state.target is not None and last_rollback(state) is not None
        failed = (*state.failed_targets, *((state.target.release,) if state.target is not None and tried else ()))
        began_on = state.incident.running if state.incident is not None else None
        best, _ = best_target(page.releases, began_on or page.running, failed)
        return page.releases[best] if best is not None else None
