"""Acting: plans proposed, run, aborted, resolved and taken back; and what a crash left behind, looked at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from warroom.actions.choosing import chosen
from warroom.actions.pinned import plan_moved
from warroom.actions.planner import Situation, make_plan, undo_plan
from warroom.actions.runner import SETTLED, Ports, Runner, look
from warroom.decision.guards import guards
from warroom.engine.core import Core
from warroom.errors import JournalFull, JournalReadOnly, Refusal
from warroom.model.call import Call
from warroom.model.cutover import brings_back, runs, stop_writes_first, stops_before
from warroom.model.event import (
    AbortAsked,
    Actor,
    Body,
    PlanApproved,
    PlanProposed,
    PlanVoided,
    RunEnded,
    RunStarted,
    StepEnded,
    StepIntended,
    StepResolved,
)
from warroom.model.halted import halted
from warroom.model.intent import AbortRun, ApprovePlan, ClaimStep, ProposePlan, ResolveStep, RunPlan, Undo
from warroom.model.kept import stuck
from warroom.model.live import GuardsPage
from warroom.model.plan import Plan, Step
from warroom.model.state import PlanState, StepState
from warroom.model.units import many


class Acting:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._runner: Runner | None = None
        self._starting = False
        self.begun = 0
        """How many runs there have been: one may begin and end between two looks at ``running``."""
        self.last_word: Callable[[Actor], str] = lambda actor: ""
        """Why this actor must not begin a run, asked in the very moment before it is begun; empty to let it."""

    @property
    def running(self) -> bool:
        """Until its end is published, not until its task has ended: who sees the end may go on at once."""
        if self._starting:
            return True
        runner, plan = self._runner, self._core.state.plan
        if runner is None or plan is None or plan.hash != runner.hash:
            return False
        return plan.began_at is not None and plan.ended_at is None

    async def propose(self, actor: Actor, intent: ProposePlan) -> str:
        core = self._core
        self.not_while_running()
        with core.turn.giving_way():
            situation = await self.situation()
            procedure = core.runbook.procedures.get(intent.procedure)
            if procedure is not None and procedure.kind == "rollback" and situation.target is None:
                raise Refusal("No target is chosen", "", "choose one first", helps="choose-target")
            stops = stops_before(procedure) if procedure and stop_writes_first(core.runbook, core.state) else ()
            if procedure is not None and (procedure.choices or intent.choices):
                made = await chosen(procedure, intent.choices, core.platforms, core.redactor)
                situation = replace(situation, choices=made)
            plan = await make_plan(
                situation,
                intent.procedure,
                core.platforms,
                include=(*intent.include, *stops),
                manual=intent.manual,
            )
        return await self._proposed(actor, plan)

    async def _proposed(self, actor: Actor, plan: Plan) -> str:
        await self._core.record(PlanProposed(plan=plan, hash=plan.hash), actor=actor)
        return f"{plan.name}: {many(len(plan.steps), 'step')}"

    async def situation(self) -> Situation:
        core = self._core
        return Situation(
            incident=core.state.incident.id if core.state.incident else "",
            runbook=core.runbook,
            running=core.running,
            silent=core.silent,
            target=core.state.target.release if core.state.target else None,
            fingerprints=await core.fingerprints(),
            stopped=halt.words if (halt := halted(core.runbook, core.state)) is not None else "",
        )

    def not_while_running(self) -> None:
        if self._runner is not None and self.running:
            raise Refusal(
                f"{self._runner.plan.title} is running",
                "one plan at a time",
                "wait for it, or abort it",
                helps="abort-run",
            )

    def _plan(self, plan_hash: str) -> PlanState:
        """The plan that the person saw; another one since then is a reason to look again."""
        plan = self._core.state.plan
        if plan is None:
            raise Refusal("There is no plan", "", "propose one first", helps="propose-plan")
        if plan.hash != plan_hash:
            raise Refusal(
                "The plan changed since you saw it", "it has another hash now", "look at it again", helps="propose-plan"
            )
        return plan

    async def approve(self, actor: Actor, intent: ApprovePlan) -> str:
        plan = self._plan(intent.hash)
        if plan.status not in ("proposed", "approved"):
            raise Refusal(
                f"The plan is {plan.status}", plan.void_reason or plan.detail, "propose it again", helps="propose-plan"
            )
        await self._still_true(plan)
        await self._core.record(PlanApproved(hash=intent.hash), actor=actor)
        return "approved"

    async def _still_true(self, plan: PlanState) -> None:
        """Fingerprints and pinned facts, read again. A changed one voids the plan, and says which."""
        core = self._core
        done = [step_id for step_id, step in plan.steps.items() if step.status in SETTLED]
        with core.turn.giving_way():
            reason = await plan_moved(plan.plan, done, core.platforms, core.fingerprint)
        if reason:
            await core.record(PlanVoided(hash=plan.hash, reason=core.redactor.clean(reason)))
            raise Refusal("The plan is void", core.redactor.clean(reason), "propose it again", helps="propose-plan")

    async def why_not(self, actor: Actor) -> GuardsPage:
        core = self._core
        plan = core.state.plan
        ids = {step.platform for step in plan.plan.steps if step.platform} if plan else set()
        seen = {platform_id: await core.fingerprint(platform_id) for platform_id in sorted(ids)}
        found = guards(core.runbook, core.state_now, fingerprints=seen, me=actor)
        name = (plan.plan.confirm if plan else "") or core.runbook.service
        return GuardsPage(guards=found, name_to_type="" if core.runbook.environment.kind == "drill" else name)

    async def run(self, actor: Actor, intent: RunPlan) -> str:
        """Every guard again, here: what a screen showed does not count. INTENDED is durable before the first effect."""
        self.not_while_running()
        plan = self._plan(intent.hash)
        with self._core.turn.giving_way():
            page = await self.why_not(actor)
        hard = [guard for guard in page.guards if guard.hard]
        if hard:
            raise Refusal(hard[0].words, *(("", f"and {len(hard) - 1} more") if len(hard) > 1 else ()))
        if page.name_to_type and intent.confirm != page.name_to_type:
            raise Refusal("The name was not typed as it stands", "", f"type {page.name_to_type}")
        soft = [guard for guard in page.guards if guard.id not in intent.waive]
        if soft:
            raise Refusal(soft[0].words, f"{len(soft)} to settle or waive", "settle it, or waive it with a reason")
        if page.guards and not intent.reason.strip():
            raise Refusal("Waiving needs a reason", ", ".join(guard.id for guard in page.guards), "say why")
        await self._still_true(plan)
        waived = tuple(f"{guard.id}: {guard.words} (waived: {intent.reason})" for guard in page.guards)
        approved = () if actor.name in plan.approvals else (PlanApproved(hash=plan.hash),)
        await self.start(actor, plan.plan, plan.steps, (*approved, RunStarted(hash=plan.hash, waived=waived)))
        return f"running {plan.plan.name}"

    async def start(
        self,
        actor: Actor,
        plan: Plan,
        steps: Mapping[str, StepState],
        bodies: Sequence[Body],
        first: Callable[[Runner], Awaitable[None]] | None = None,
    ) -> None:
        """Records ``bodies`` together, then runs ``plan``; ``first`` is done before its first step."""
        self.not_while_running()
        if why := self.last_word(actor):
            raise Refusal("It does not begin", why, "")
        self._runner = runner = Runner(plan, plan.hash, steps, self._ports())
        self._starting = True
        self.begun += 1
        try:
            await self._core.record(*bodies, actor=actor)
        except BaseException:
            self._runner = None
            raise
        finally:
            self._starting = False
        self._core.spawn("run", self._run(runner, first))

    def _ports(self) -> Ports:
        core = self._core
        return Ports(
            record=core.record,
            progress=lambda progress: core.hub.set(f"progress/{progress.step}", progress),
            changing=core.changing,
            platforms=core.platforms,
            read_fingerprint=core.fingerprint,
            clock=core.clock,
            cleaner=core.redactor,
        )

    async def _run(self, runner: Runner, first: Callable[[Runner], Awaitable[None]] | None) -> None:
        try:
            if first is not None:
                await first(runner)
            with self._core.busy(runner.plan.title):
                await runner.run()
        finally:
            if self._runner is runner:
                self._runner = None
                self._core.hub.forget("progress/")

    async def abort(self, actor: Actor, intent: AbortRun) -> str:
        if self._runner is None or self._runner.hash != intent.hash:
            raise Refusal("Nothing of that plan is running", "", "")
        self._runner.abort()  # first: a journal that can't be written holds up no one who wants it to stop
        with contextlib.suppress(JournalFull, JournalReadOnly):
            await self._core.record(AbortAsked(hash=intent.hash), actor=actor)
        return "aborting; what was done stays done"

    async def claim(self, actor: Actor, intent: ClaimStep) -> str:
        plan = self._plan(intent.hash)
        state = plan.steps.get(intent.step)
        if self._runner is None or state is None or state.attempt != intent.attempt:
            raise Refusal("That step is not waiting for anyone", "", "look at the plan again")
        if not self._runner.claim(intent.step, self._core.redactor.clean(intent.output)):
            raise Refusal("That step is not waiting for anyone", "", "look at the plan again")
        title = next((step.title for step in plan.plan.steps if step.id == intent.step), intent.step)
        return f"claimed as done: {title}"

    async def resolve(self, actor: Actor, intent: ResolveStep) -> str:
        """A person's word on a step that is unknown or failed. Nothing runs by this alone."""
        self.not_while_running()
        plan = self._plan(intent.hash)
        state = plan.steps.get(intent.step)
        if state is None or state.status not in ("unknown", "failed", "cancelled", "intended"):
            raise Refusal(f"Step {intent.step} has nothing to resolve", "", "look at the plan again")
        if state.attempt != intent.attempt:
            raise Refusal(f"Step {intent.step} was tried again since you saw it", "", "look at the plan again")
        if intent.choice in ("done", "skip") and not intent.reason.strip():
            raise Refusal("This needs a reason", "nothing proves it but your word", "say what you saw")
        resolved = StepResolved(
            plan=plan.hash, step=intent.step, attempt=intent.attempt, choice=intent.choice, reason=intent.reason
        )
        if intent.choice != "undo":
            await self._core.record(resolved, actor=actor)
            return f"{intent.step}: {intent.choice}; run the plan to go on"
        with self._core.turn.giving_way():
            situation = await self.situation()
        captured = self._captured(plan, only=intent.step)
        self._not_stuck([step for step, _ in captured])
        undo = undo_plan(situation, captured, f"Undo {intent.step}")
        await self._core.record(resolved, PlanProposed(plan=undo, hash=undo.hash), actor=actor)
        return "the undo is prepared; look at it, then run it"

    async def undo(self, actor: Actor, intent: Undo) -> str:
        self.not_while_running()
        begun = runs(self._core.state)
        if not begun:
            raise Refusal("Nothing has run", "", "")
        run = next((run for run in begun if run.hash == intent.run), None) if intent.run else begun[-1]
        if run is None:
            raise Refusal("That run is not known any more", "", "look at the ways on again")
        with self._core.turn.giving_way():
            situation = await self.situation()
        captured = self._captured(run)
        self._not_stuck([step for step, _ in captured] or ([] if intent.run else _last_with_a_way_back(begun)))
        before = brings_back(self._core.state, run, [s for s, _ in captured]) if run.plan.purpose == "rollback" else ""
        title = f"Undo {run.plan.name}{f': back to {before}' if before else ''}"
        return await self._proposed(actor, undo_plan(situation, captured, title))

    def _not_stuck(self, steps: Sequence[Step]) -> None:
        """Raises Refusal where what one of them kept for its way back is there no more."""
        if (found := stuck(runs(self._core.state), steps)) is not None:
            raise Refusal(f"“{found.step.title}” can't be taken back", found.why, "choose another way on")

    def _captured(self, run: PlanState, only: str = "") -> list[tuple[Step, tuple[Call, ...]]]:
        """Steps of the run whose inverse was captured when they were intended, in order; from the journal itself."""
        journal = self._core.journal
        if journal is None:
            return []
        inverses = {
            event.body.step: event.body.inverse
            for event in journal.events()
            if isinstance(event.body, StepIntended) and event.body.plan == run.hash
        }
        touched = ("done", "failed", "unknown", "cancelled", "intended")
        steps = [s for s in run.plan.steps if run.steps[s.id].status in touched and (not only or s.id == only)]
        return [(step, inverse) for step in steps if (inverse := inverses.get(step.id))]

    async def recover(self) -> None:
        """After a crash: an INTENDED step without an outcome is UNKNOWN. Looked at, shown, never repeated."""
        core = self._core
        plan = core.state.plan
        if plan is None or plan.began_at is None or plan.ended_at is not None:
            return
        left = [step for step in plan.plan.steps if plan.steps[step.id].status == "intended"]
        seen = await asyncio.gather(*(look(step, core.platforms, core.redactor) for step in left))
        ended = [
            StepEnded(
                plan=plan.hash,
                step=step.id,
                attempt=plan.steps[step.id].attempt,
                status="unknown",
                detail=f"warroom ended while this step ran; now: {saw.seen}",
                look=saw,
            )
            for step, saw in zip(left, seen, strict=True)
        ]
        where = f"in {left[0].title}" if left else "between two steps"
        seconds = max(0.0, (core.clock.now() - plan.began_at).total_seconds())
        outcome = RunEnded(hash=plan.hash, outcome="unknown", detail=f"warroom ended {where}", seconds=seconds)
        await core.record(*ended, outcome)


def _last_with_a_way_back(begun: Sequence[PlanState]) -> list[Step]:
    """What somebody means who asks for an undo after a run that has none."""
    for run in reversed(begun):
        found = [s for s in run.plan.steps if s.preview.inverse is not None and run.steps[s.id].status in SETTLED]
        if found:
            return found
    return []
