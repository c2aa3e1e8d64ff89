"""The emergency lane, and stopping writes: worked out to the last Call by reading alone, then begun by one intent.

What was shown is what runs: the intent names the hash of a plan that was prepared here. Only what could make it do
harm holds it (``decision.guards.emergency_guards``); everything else is waived by the typed name, and journaled.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from warroom.actions.ingress import clean_fact
from warroom.actions.pinned import plan_moved
from warroom.actions.planner import Situation, make_plan
from warroom.actions.runner import Runner
from warroom.api import Context, Readiness
from warroom.decision.guards import emergency_guards
from warroom.engine.acting import Acting
from warroom.engine.core import Core
from warroom.engine.opening import open_incident
from warroom.engine.preparing import Preparing
from warroom.engine.sensing import Sensing
from warroom.errors import Refusal, WarroomError
from warroom.model.cutover import stop_writes_first, stops_before
from warroom.model.event import Actor, Body, Decided, PlanApproved, PlanProposed, RunStarted, TargetChosen, WheelTaken
from warroom.model.halted import halted
from warroom.model.intent import CaptureEvidence, RunEmergency
from warroom.model.live import EmergencyPage, EmergencyQuery, Guard
from warroom.model.plan import Plan
from warroom.model.release import Release, ReleaseDiff
from warroom.model.state import PlanState, State, StepState
from warroom.model.units import listed
from warroom.plugins import isolated

log = logging.getLogger("warroom.engine")
FIRST_S = 10.0
"""How long evidence that the plan would destroy may hold up its first step, in seconds."""
READY_S = 1.0
DIFF_S = 1.0
KEPT = 16
ROLL_BACK = ("rollback", "rollback-now")


@dataclass(frozen=True)
class _Aim:
    """Where to go back to, and what is known of it. ``problem`` is why there is nothing to aim at."""

    release: Release | None = None
    reason: str = ""
    typed: bool = False
    missing: str = ""
    problem: str = ""
    diff: ReleaseDiff | None = None


@dataclass(frozen=True)
class _Prepared:
    plan: Plan
    aim: _Aim


class Emergency:
    def __init__(self, core: Core, sensing: Sensing, preparing: Preparing, acting: Acting) -> None:
        self._core = core
        self._sensing = sensing
        self._preparing = preparing
        self._acting = acting
        self._prepared: OrderedDict[str, _Prepared] = OrderedDict()

    @property
    def _state(self) -> State:
        """The open incident's; without one only what runs is known."""
        state = self._core.state_now
        if state.incident is None or state.incident.closed is not None:
            return State(running=None if self._core.silent else self._core.running)
        return state

    async def page(self, actor: Actor, query: EmergencyQuery) -> EmergencyPage:
        """Everything that ``!`` shows. Reads only: nothing is journaled, and no state changes."""
        core = self._core
        page = EmergencyPage(
            purpose=query.purpose,
            running=None if core.silent else core.running,
            name_to_type="" if core.runbook.environment.kind == "drill" else core.runbook.service,
            opens=self._state.incident is None,
            stop_writes_first=query.purpose == "rollback" and self._stop_first(),
        )
        aim, fingerprints = await asyncio.gather(self._aim(query), core.fingerprints())
        if aim.problem:
            return page.model_copy(update={"problem": core.redactor.clean(aim.problem)})
        incident = self._state.incident
        situation = Situation(
            incident=incident.id if incident else await asyncio.to_thread(core.folder.new_incident_id),
            runbook=core.runbook,
            running=core.running,
            silent=core.silent,
            target=aim.release,
            fingerprints=fingerprints,
            stopped=halt.words if (halt := halted(core.runbook, self._state)) is not None else "",
        )
        (plan, problem), aim, diff, rows = await asyncio.gather(
            self._plan(situation, query), self._seen(aim), self._between(aim), self._not_ready()
        )
        if plan is None:
            return page.model_copy(update={"problem": core.redactor.clean(problem), "reason": aim.reason})
        aim = replace(aim, diff=diff)
        self._prepared[plan.hash] = _Prepared(plan, aim)
        self._prepared.move_to_end(plan.hash)
        while len(self._prepared) > KEPT:
            self._prepared.popitem(last=False)
        changed = {step.platform for step in plan.steps if step.risk != "safe"}
        unready = [guard for platform_id, found in rows.items() if platform_id in changed for guard in found]
        guards = (*await self._guards(actor, plan, aim), *unready)
        if problem:
            words = core.redactor.clean(f"Another way would come first, and can't be worked out: {problem}")
            guards = (Guard(id="passed-over", words=words, hard=False), *guards)
        first = self._first(plan)
        return page.model_copy(
            update={
                "plan": plan,
                "hash": plan.hash,
                "reason": aim.reason,
                "diff": aim.diff,
                "held": tuple(guard for guard in guards if guard.hard),
                "waives": tuple(guard for guard in guards if not guard.hard),
                "first": tuple(first),
                "first_s": FIRST_S if first else 0,
            }
        )

    # Where to, and how

    async def _aim(self, query: EmergencyQuery) -> _Aim:
        if query.purpose != "rollback":
            return _Aim()
        state = self._state
        if query.target:
            return await self._typed(query.target)
        chosen = state.target
        tried = chosen is not None and any(chosen.release.matches(other) for other in state.failed_targets)
        if chosen is not None and not tried and not (state.running and chosen.release.matches(state.running)):
            return _Aim(release=chosen.release, reason=chosen.reason, typed=chosen.typed)
        page = await self._preparing.releases()
        if page.best is None:
            why = page.problem or page.reason
            return _Aim(problem=f"No release to go back to is known. {why[:1].upper()}{why[1:]}")
        return _Aim(release=page.releases[page.best], reason=page.reason)

    async def _typed(self, text: str) -> _Aim:
        try:
            release, typed = await self._preparing.resolve(text)
        except Refusal as error:
            return _Aim(problem=str(error))
        said = "as it was typed: nothing that could be asked knows releases" if typed else "typed by hand"
        return _Aim(release=release, reason=said, typed=typed)

    async def _seen(self, aim: _Aim) -> _Aim:
        """The same, looked up once more: proven missing, or out of reach, or there."""
        if aim.release is None or aim.typed:
            return aim
        named = aim.release.digest or aim.release.commit or aim.release.version
        try:
            _, typed = await self._preparing.resolve(named)
        except Refusal as error:
            return replace(aim, missing=str(error))
        return replace(aim, typed=typed or aim.typed)

    async def _between(self, aim: _Aim) -> ReleaseDiff | None:
        """What lies between, where that is told soon enough: good to know, and nothing waits for it."""
        if aim.release is None or aim.typed:
            return None
        try:
            async with asyncio.timeout(DIFF_S):
                return await self._preparing.diff(aim.release)
        except TimeoutError:
            return None

    async def _plan(self, situation: Situation, query: EmergencyQuery) -> tuple[Plan | None, str]:
        """The first procedure of its kind that can be worked out and may use this lane; why those before it can't."""
        reasons: list[str] = []
        first = self._stop_first()
        for procedure_id in self._candidates(query, situation.target):
            stops = stops_before(situation.runbook.procedures[procedure_id]) if first else ()
            try:
                plan = await make_plan(situation, procedure_id, self._core.platforms, include=stops)
            except WarroomError as error:
                reasons.append(f"{situation.runbook.procedures[procedure_id].title}: {error}")
                continue
            if barred := [s for s in plan.steps if s.risk == "destructive" and s.role != "application"]:
                reasons.append(f"{plan.title}: {barred[0].title} is destructive, and never done in this lane")
                continue
            return plan, "; ".join(reasons)
        what = "stops writes" if query.purpose == "stop-writes" else "rolls back"
        if not reasons:
            return None, f"The runbook has no procedure that {what}"
        normal = "choose the target, prepare a plan, read it and run it" if query.purpose == "rollback" else ""
        way = f". The normal way: {normal}" if normal else ""
        return None, f"{'; '.join(reasons)}{way}"

    def _candidates(self, query: EmergencyQuery, target: Release | None) -> list[str]:
        """The one asked for; else those with operations, the last plan's own first. By hand only where there are none,
        or where the platforms of those can't be reached: the rest of the runbook is for services that run elsewhere.

        One that failed comes last for the release it failed with alone: that release may have been what was wrong.
        """
        runbook, last = self._core.runbook, self._state.plan
        if query.procedure:
            known = runbook.procedures.get(query.procedure)
            return [query.procedure] if known is not None and known.kind in (query.purpose, "database") else []
        usable = [
            name
            for name, procedure in runbook.procedures.items()
            if procedure.kind == query.purpose and all(need in self._core.platforms for need in procedure.needs)
        ]
        failed = {
            run.plan.procedure
            for run in self._ended()
            if run.status == "unknown" or (run.status == "failed" and _to(run.plan.target, target))
        }
        mine = last.plan.procedure if last is not None else ""

        def order(name: str) -> tuple[bool, bool, bool, bool]:
            # Whatever needs a choice is never worked out here. Last, it says so where there is nothing else.
            procedure = runbook.procedures[name]
            return (bool(procedure.choices), not procedure.runs_itself, name in failed, name != mine)

        return sorted(usable, key=order)

    def _ended(self) -> Iterable[PlanState]:
        state = self._state
        return (*state.ended_runs, *((state.plan,) if state.plan is not None else ()))

    def _stop_first(self) -> bool:
        """A trigger that asks for it fires, and writes have not been stopped yet."""
        return stop_writes_first(self._core.runbook, self._state, self._sensing.readings)

    # What stands against it

    async def _guards(self, actor: Actor, plan: Plan, aim: _Aim) -> tuple[Guard, ...]:
        core = self._core
        ids = sorted({step.platform for step in plan.steps if step.platform})
        read = await asyncio.gather(*(core.fingerprint(platform_id) for platform_id in ids))
        state = self._state
        found = emergency_guards(
            core.runbook,
            state if state.triggers else state.model_copy(update={"triggers": dict(self._sensing.readings)}),
            plan,
            fingerprints=dict(zip(ids, read, strict=True)),
            me=actor,
            others=[name for name in core.hub.names() if name != actor.name],
            journal=self._unwritable(),
            diff=aim.diff,
        )
        named = aim.release.name if aim.release else ""
        if aim.missing:
            found = (Guard(id="target-missing", words=f"{named} is not there: {aim.missing}", hard=True), *found)
        elif aim.typed:
            words = f"Nothing has shown that {named} is there: nothing that could be asked knows it"
            found = (*found, Guard(id="target-unseen", words=words, hard=False))
        return tuple(clean_fact(core.redactor, guard) for guard in found)

    def _unwritable(self) -> str:
        journal = self._core.journal
        if journal is None or self._state.incident is None:
            return ""
        return journal.read_only or ("its disk is full" if journal.low_on_room else "")

    async def _not_ready(self) -> dict[str, list[Guard]]:
        """What each platform says of itself; one that does not answer in time is unknown."""
        core = self._core

        async def one(platform_id: str, readiness: Readiness, context: Context) -> list[Guard]:
            try:
                rows = await isolated(platform_id, readiness.ready(context), timeout=READY_S)
            except WarroomError as error:
                words = core.redactor.clean(f"Whether {platform_id} is ready is not known: {error}")
                return [Guard(id=f"ready-{platform_id}", words=words, hard=False)]
            how = {"not-ready": " is not ready:", "unknown": "?"}  # the words of the latter say what was found
            return [
                Guard(
                    id=f"ready-{row.id}",
                    words=core.redactor.clean(f"{row.title}{how[row.status]} {row.words}"),
                    hard=False,
                )
                for row in rows
                if row.status in how and row.needed
            ]

        asked = {p.id: (p.plugin.readiness, p.context) for p in core.platforms.values() if p.plugin.readiness}
        found = await asyncio.gather(*(one(name, *each) for name, each in asked.items()))
        return dict(zip(asked, found, strict=True))

    def _first(self, plan: Plan) -> list[str]:
        """The kinds of evidence that the plan destroys and that no sealed bundle holds."""
        sealed = {kind for bundle in self._state.sealed for kind in bundle.kinds}
        return list(dict.fromkeys(k for step in plan.steps for k in step.preview.destroys if k not in sealed))

    # Going

    async def run(self, actor: Actor, intent: RunEmergency) -> str:
        """Held by nothing but what ``emergency_guards`` calls hard, and by a plan that is not what was shown."""
        core, acting = self._core, self._acting
        acting.not_while_running()
        prepared = self._prepared.get(intent.hash)
        incident = self._state.incident
        here = incident.id if incident else await asyncio.to_thread(core.folder.new_incident_id)
        if prepared is None or prepared.plan.incident != here:
            raise Refusal("The plan changed since you saw it", "", "look at it again")
        plan, aim = prepared.plan, prepared.aim
        service = core.runbook.service
        if core.runbook.environment.kind != "drill" and intent.confirm != service:
            raise Refusal("The service's name was not typed as it stands", "", f"type {service}")
        guards = await self._guards(actor, plan, aim)
        if hard := [guard for guard in guards if guard.hard]:
            raise Refusal(hard[0].words, *(("", f"and {len(hard) - 1} more") if len(hard) > 1 else ()))
        if moved := await plan_moved(plan, (), core.platforms, core.fingerprint):
            raise Refusal("The plan changed since you saw it", core.redactor.clean(moved), "look at it again")
        if incident is None:
            await self._open(actor, plan)
        steps = {step.id: StepState() for step in plan.steps}
        bodies = self._bodies(actor, intent, prepared, guards)
        await acting.start(actor, plan, steps, bodies, lambda runner: self._evidence(actor, plan, runner))
        return f"running {plan.title}"

    async def _open(self, actor: Actor, plan: Plan) -> None:
        core = self._core
        firing = [reading.title for reading in self._sensing.readings.values() if reading.status == "firing"]
        opened = await open_incident(
            core, listed(firing) if firing else plan.title, self._sensing.readings, self._sensing.unanswered(), actor
        )
        if opened != plan.incident:
            raise Refusal("The plan changed since you saw it", f"it was made for {plan.incident}", "look at it again")

    def _bodies(
        self, actor: Actor, intent: RunEmergency, prepared: _Prepared, guards: Sequence[Guard]
    ) -> tuple[Body, ...]:
        """One entry after the other, on disk together or not at all."""
        core, plan, aim = self._core, prepared.plan, prepared.aim
        state, bodies = core.state, list[Body]()
        lane = "emergency lane" if plan.purpose == "rollback" else "writes stopped at once"
        if state.driver != actor.name:
            bodies.append(WheelTaken())
        if plan.purpose == "rollback" and (state.decision is None or state.decision.choice not in ROLL_BACK):
            advised = state.tree.advice if state.tree is not None else None
            reason = f"{lane}: {intent.reason or 'begun at once'}"
            bodies.append(Decided(choice="rollback-now", reason=reason, followed_advice=advised in ROLL_BACK))
        if aim.release is not None and (state.target is None or state.target.release != aim.release):
            bodies.append(TargetChosen(release=aim.release, reason=aim.reason, typed=aim.typed, diff=aim.diff))
        how = "by the typed name" if core.runbook.environment.kind != "drill" else "in a drill"
        said = f": {intent.reason}" if intent.reason.strip() else ""
        waived = tuple(f"{guard.id}: {guard.words} (waived {how}, {lane}{said})" for guard in guards)
        bodies += [PlanProposed(plan=plan, hash=plan.hash), PlanApproved(hash=plan.hash)]
        return (*bodies, RunStarted(hash=plan.hash, waived=waived))

    async def _evidence(self, actor: Actor, plan: Plan, runner: Runner) -> None:
        """Capture begins now. What the plan destroys is waited for, though not long; no fault of it holds the run."""
        kinds = frozenset(self._first(plan))
        if not kinds and (self._state.sealed or self._preparing.capturing):
            return
        if not self._preparing.capturing:
            try:
                await self._preparing.capture(actor, CaptureEvidence())
            except (WarroomError, OSError) as error:
                log.warning("evidence could not be begun in the emergency lane: %s", error)
                self._core.trouble("evidence", str(error))
                return
        waits: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(ended.wait()) for ended in self._preparing.capturing_of(kinds)
        ]
        if not waits:
            return
        stop: asyncio.Future[Any] = asyncio.ensure_future(runner.aborted())
        try:
            with self._core.busy(f"capturing {listed(sorted(kinds))} before the first step"):
                async with asyncio.timeout(FIRST_S):
                    while not stop.done() and (left := [wait for wait in waits if not wait.done()]):
                        await asyncio.wait({stop, *left}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            log.warning("evidence was not captured within %g s: the run goes on without it", FIRST_S)
        finally:
            for task in (stop, *waits):
                task.cancel()
            await asyncio.gather(stop, *waits, return_exceptions=True)


def _to(tried: Release | None, target: Release | None) -> bool:
    """Whether both go to one release. Where either has none, nothing tells them apart."""
    return tried is None or target is None or tried.matches(target)
