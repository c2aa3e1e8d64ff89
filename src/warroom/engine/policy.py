"""The automatic rollback that a runbook may opt in to: prepared, announced, counted down, and then run or not.

It goes the way a person goes: the same intents over the same desk, the same guards, the same approval bound to the same
plan, under the name "policy". Anyone's veto, and any person's taking the incident in hand, ends it. Whatever stands
against it ends it for this incident: it is never tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from warroom.decision.policy import ROLL_BACK, WAIVED, Earlier, against, too_much
from warroom.engine.acting import Acting
from warroom.engine.core import Core
from warroom.engine.preparing import Preparing
from warroom.engine.sensing import Sensing
from warroom.engine.talking import ANNOUNCED
from warroom.errors import JournalFull, JournalReadOnly, Refusal, WarroomError
from warroom.model import intent as it
from warroom.model.automation import AutomaticRollback
from warroom.model.event import Actor, AutomaticAnnounced, AutomaticStopped, AutomaticVetoed
from warroom.model.live import MessageQuery
from warroom.model.state import Automatic
from warroom.plugins import isolated

POLICY = Actor(name="policy", kind="policy")
LOOK_EVERY = 0.5
EVIDENCE_PATIENCE = 120.0
"""Seconds that the end of the countdown waits for evidence that is still being captured."""
Take = Callable[[Actor, Any], Awaitable[str]]


class Policy:
    """``take`` is the desk's; ``preview`` fills a message's template."""

    def __init__(
        self,
        core: Core,
        sensing: Sensing,
        preparing: Preparing,
        acting: Acting,
        take: Take,
        preview: Callable[[MessageQuery], Any],
    ) -> None:
        self._core = core
        self._sensing = sensing
        self._preparing = preparing
        self._acting = acting
        self._take = take
        self._preview = preview
        self._ends: float | None = None
        self._vetoed = ""
        acting.last_word = self._last_word

    async def veto(self, actor: Actor, intent: it.Veto) -> str:
        """Anybody's, whoever drives, and before anything is announced as well."""
        core = self._core
        if core.runbook.automatic_rollback is None:
            raise Refusal("There is nothing to veto", "the runbook has no automatic rollback", "")
        now = core.state.automatic
        if (now is not None and now.status == "started") or (now is not None and self._acting.running):
            raise Refusal("It has begun already", "", "abort the run", helps="abort-run")
        if now is not None and now.status in ("vetoed", "stopped"):
            raise Refusal("There is nothing to veto", f"{now.status}{': ' + now.reason if now.reason else ''}", "")
        self._vetoed = self._incident()  # at once: the journal may take a while, and a start must not slip in before
        await core.record(AutomaticVetoed(reason=core.redactor.clean(intent.reason)), actor=actor)
        return "vetoed: nothing is rolled back by itself in this incident"

    def _incident(self) -> str:
        return self._core.state.incident.id if self._core.state.incident is not None else ""

    def _last_word(self, actor: Actor) -> str:
        """Asked in the very moment before a run is begun: why the policy must not, after all."""
        standing = self._core.state.automatic
        if actor.kind != "policy":
            return ""
        if self._vetoed == self._incident() or standing is None or standing.status != "announced":
            return "it was vetoed"
        return f"a person has acted: {self._core.state.steered}" if self._core.state.steered else ""

    async def clock(self) -> None:
        """For ever, where the runbook has such a policy."""
        policy = self._core.runbook.automatic_rollback
        if policy is None:
            return
        while True:
            await self._core.clock.sleep(LOOK_EVERY)
            try:
                await self._look(policy)
            except (JournalFull, JournalReadOnly):
                continue  # every console was told; what can't be recorded is not done
            except WarroomError as error:
                await self._stop(policy, str(error))

    async def _look(self, policy: AutomaticRollback) -> None:
        core, now = self._core, self._core.state.automatic
        if core.state.incident is None or core.state.incident.closed is not None:
            return
        if now is None:
            reading = self._sensing.readings.get(policy.trigger)
            tree = core.state.tree
            advised = tree is not None and tree.advice in ROLL_BACK
            if reading is not None and reading.status == "firing" and advised:
                async with core.turn:
                    await self._announce(policy)
        elif now.status == "announced":
            await self._count(policy, now)

    async def _announce(self, policy: AutomaticRollback) -> None:
        """Under the turn: nobody's intent comes in between. Evidence first, then target, plan, and the word."""
        core = self._core
        if core.state.automatic is not None:
            return
        if why := await self._against(policy):
            return await self._stop(policy, why)
        if not core.state.sealed and not self._preparing.capturing:
            await self._take(POLICY, it.CaptureEvidence())
        page = await self._preparing.releases()
        if page.best is None:
            return await self._stop(policy, page.reason or page.problem)
        best = page.releases[page.best]
        name = best.commit or best.digest or best.version
        await self._take(POLICY, it.ChooseTarget(text=name, reason=page.reason))
        await self._take(POLICY, it.ProposePlan(procedure=policy.procedure))
        plan = core.state.plan
        assert plan is not None
        if why := too_much(plan.plan) or await self._guarded(("decision", "evidence")):
            return await self._stop(policy, why)
        self._ends = core.clock.monotonic() + policy.countdown
        reading = self._sensing.readings[policy.trigger]
        until = core.clock.now() + timedelta(seconds=policy.countdown)
        await core.record(
            AutomaticAnnounced(
                trigger=policy.trigger,
                evidence=f"{reading.title}: {reading.words}",
                procedure=policy.procedure,
                target=best.name,
                hash=plan.hash,
                countdown_s=policy.countdown,
                until=until,
            ),
            actor=POLICY,
        )
        if core.runbook.channels:
            text = (
                f"{core.runbook.service}: warroom will roll back by itself to {best.name} at {until:%H:%M:%S} UTC.\n\n"
            )
            text += f"Reason: {reading.title}: {reading.words[:1000]}\n\nAnyone at a console can veto it until then."
            await self._take(POLICY, it.Notify(template=ANNOUNCED, text=text))

    async def _count(self, policy: AutomaticRollback, now: Automatic) -> None:
        """The countdown: every look asks again whether anything stands against it."""
        core = self._core
        if self._ends is None:
            return await self._stop(policy, "warroom was started anew during the countdown")
        if why := await self._against(policy):
            return await self._stop(policy, why)
        left = self._ends - core.clock.monotonic()
        if left > 0:
            return
        evidence = core.state.evidence
        if evidence is not None and evidence.status == "collecting" and left > -EVIDENCE_PATIENCE:
            return
        async with core.turn:
            await self._begin(policy, now)

    async def _begin(self, policy: AutomaticRollback, announced: Automatic) -> None:
        core = self._core
        standing = core.state.automatic
        if standing is None or standing.status != "announced":
            return  # vetoed while the turn was waited for
        if why := await self._against(policy):
            return await self._stop(policy, why)
        tree = core.state.tree
        assert tree is not None and tree.advice is not None  # noqa: PT018 - what _against has just looked at
        await self._take(POLICY, it.Decide(choice=tree.advice))
        if core.runbook.channels:
            with contextlib.suppress(Refusal):  # a message that can't be made holds up nothing
                text = self._preview(MessageQuery(template="started")).text
                await self._take(POLICY, it.Notify(template="started", text=text))
        if why := await self._guarded(WAIVED):
            return await self._stop(policy, why)
        page = await self._acting.why_not(POLICY)
        waive = tuple(guard.id for guard in page.guards if guard.id in WAIVED)
        why = f"the runbook's automatic rollback on {policy.trigger}, not vetoed within its countdown"
        await self._take(POLICY, it.RunPlan(hash=announced.hash, confirm=core.runbook.service, waive=waive, reason=why))

    async def _against(self, policy: AutomaticRollback) -> str:
        core = self._core
        return against(
            core.runbook,
            policy,
            core.state,
            self._sensing.readings,
            now=core.clock.now(),
            running=core.running,
            deploying=await self._deploying(),
            earlier=await asyncio.to_thread(self._earlier) if policy.rest else (),
        )

    def _earlier(self) -> list[Earlier]:
        """Other incidents of this service, by when they were last worked on. A damaged one counts by its opening."""
        core = self._core
        own = core.state.incident.id if core.state.incident is not None else ""
        return [
            Earlier(id=each.id, last=last)
            for each in core.folder.incidents()
            if each.id != own and each.service in ("", core.runbook.service)
            if (last := each.closed_at or each.opened_at) is not None
        ]

    async def _deploying(self) -> str:
        """What a platform says is being deployed; one that can't be asked now counts as deploying."""
        for platform in self._core.platforms.values():
            watch = platform.plugin.deploying
            if watch is None:
                continue
            try:
                if words := await isolated(platform.id, watch.deploying(platform.context), timeout=5):
                    return self._core.redactor.clean(words)
            except WarroomError as error:
                return f"{platform.id} can't tell: {self._core.redactor.clean(str(error))}"
        return ""

    async def _guarded(self, waived: tuple[str, ...]) -> str:
        page = await self._acting.why_not(POLICY)
        return next((guard.words for guard in page.guards if guard.hard or guard.id not in (*waived, *WAIVED)), "")

    async def _stop(self, policy: AutomaticRollback, why: str) -> None:
        with contextlib.suppress(JournalFull, JournalReadOnly):  # nothing was begun, and every console was told
            standing = self._core.state.automatic
            if standing is None or standing.status == "announced":
                reason = self._core.redactor.clean(why)[:400]
                await self._core.record(AutomaticStopped(trigger=policy.trigger, reason=reason), actor=POLICY)
