"""The ways on once something did not end well: each is a person's to choose, and none is taken by itself."""

from __future__ import annotations

from collections.abc import Iterator

from warroom.engine.core import Core
from warroom.engine.preparing import Preparing
from warroom.errors import Refusal
from warroom.model.cutover import fired_needing_reason, last_rollback, ran_before, runs, spent, stopped, to_put_back
from warroom.model.event import NextWay
from warroom.model.live import WaysPage
from warroom.model.release import Release

AGAIN = NextWay(kind="verify-again", title="Look again: what was missing may have come")


class Ways:
    def __init__(self, core: Core, preparing: Preparing) -> None:
        self._core = core
        self._preparing = preparing

    async def page(self) -> WaysPage:
        """As things stand now: after a run or a verification that did not end well, a watch, or a release put back.

        Raises Refusal where nothing has gone wrong.
        """
        state = self._core.state
        plan, checked, watch = state.plan, state.verification, state.watch
        if plan is not None and plan.status in ("failed", "cancelled", "unknown", "voided"):
            how = {"cancelled": "was stopped", "voided": "is void"}.get(plan.status, f"ended {plan.status}")
            words = spent(state) or f"{plan.plan.title} {how}: {plan.void_reason or plan.detail}"
            ways = await self.on(again=False)
            if plan.status in ("cancelled", "voided") and plan.plan.procedure in self._core.runbook.procedures:
                title = f"Prepare it again: {plan.plan.title}"
                ways = (NextWay(kind="procedure", title=title, procedure=plan.plan.procedure), *ways)
            return WaysPage(ways=ways, words=words)
        if watch is not None and watch.quiet is False:
            return WaysPage(ways=await self.on(again=True), words=watch.words)
        if why := spent(state):
            failed = checked is not None and checked.verdict == "fail" and checked.words
            return WaysPage(ways=await self.on(again=False), words=f"{why}: {failed}" if failed else why)
        if checked is None or checked.verdict in (None, "pass"):
            raise Refusal("Nothing has gone wrong since the last run", "", "verify the recovery", helps="verify")
        return WaysPage(ways=await self.on(again=checked.verdict == "inconclusive"), words=checked.words)

    async def on(self, *, again: bool) -> tuple[NextWay, ...]:
        """Best first. A release or a procedure that was tried and did not recover is not offered once more."""
        ways = [AGAIN] if again else []
        older = await self._older()
        if older is not None:
            last = last_rollback(self._core.state)
            way = last.plan.procedure if last is not None else None
            title = f"Go back further, to {older.name}"
            ways.append(NextWay(kind="older-release", title=title, release=older, procedure=way))
        escalate = NextWay(kind="escalate", title="Escalate: call the whole team")
        run, by_hand = self._other_procedures()
        return (*ways, *run, *self._stopping(), *self._putting_back(), *by_hand, escalate)

    def _usable(self, kind: str) -> Iterator[tuple[str, str]]:
        """(id, title) of the procedures of a kind whose platforms are there."""
        for procedure_id, procedure in self._core.runbook.procedures.items():
            if procedure.kind == kind and all(need in self._core.platforms for need in procedure.needs):
                yield procedure_id, procedure.title

    def _other_procedures(self) -> tuple[list[NextWay], list[NextWay]]:
        """Those that warroom runs, and those that a person does from the first step to the last."""
        procedures = self._core.runbook.procedures
        tried = {run.plan.procedure for run in runs(self._core.state)}
        run, by_hand = list[NextWay](), list[NextWay]()
        for name, title in self._usable("rollback"):
            if name not in tried:
                kind = run if any(step.op for step in procedures[name].steps.values()) else by_hand
                kind.append(NextWay(kind="procedure", title=f"Another way: {title}", procedure=name))
        return run, by_hand

    def _stopping(self) -> Iterator[NextWay]:
        state = self._core.state
        if stopped(state):
            return
        begun = any(run.plan.purpose == "rollback" for run in runs(state))
        for procedure_id, title in self._usable("stop-writes"):
            yield NextWay(
                kind="stop-writes", title=f"Leave it stopped: {title}" if begun else title, procedure=procedure_id
            )

    def _putting_back(self) -> Iterator[NextWay]:
        """What ran before, by the inverses that were captured: known to be bad, but sometimes better than nothing."""
        state = self._core.state
        run = to_put_back(state)
        if run is None:
            return
        before = ran_before(state, run)
        reason = ", with a reason" if fired_needing_reason(self._core.runbook, state) else ""
        yield NextWay(kind="put-back", title=f"Put {before} back{reason}", run=run.hash)

    async def _older(self) -> Release | None:
        """The best target once the one that was just tried is counted among the failed: before what the incident began
        on, which is what it is to be older than."""
        from warroom.decision.target import best_target

        state = self._core.state
        page = await self._preparing.releases()
        failed = (*state.failed_targets, *((state.target.release,) if state.target else ()))
        began_on = state.incident.running if state.incident is not None else None
        best, _ = best_target(page.releases, began_on or page.running, failed)
        return page.releases[best] if best is not None else None
