"""After acting: is it recovered, the watch, the report, the end."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from warroom.actions.verification import Eyes, check, verdict
from warroom.comms import outstanding
from warroom.engine.core import Core
from warroom.engine.preparing import Preparing
from warroom.engine.sensing import Sensing
from warroom.engine.ways import AGAIN, Ways
from warroom.errors import Refusal, WarroomError
from warroom.files import write_private
from warroom.model.base import sha256, span_text
from warroom.model.event import (
    Actor,
    CheckAnswered,
    CheckEnded,
    IncidentClosed,
    ReportWritten,
    VerificationEnded,
    VerificationStarted,
    WatchEnded,
    WatchStarted,
)
from warroom.model.intent import AnswerCheck, CloseIncident, Verify, WriteReport
from warroom.model.live import WaysPage
from warroom.model.release import Release
from warroom.model.units import many
from warroom.model.verification import CheckResult, Verdict
from warroom.plugins import isolated

REPORT = "report.md"
ASKED = "ask-a-person"


class Closing:
    def __init__(self, core: Core, sensing: Sensing, preparing: Preparing) -> None:
        self._core = core
        self._sensing = sensing
        self._preparing = preparing
        self._ways = Ways(core, preparing)
        self._starting = False
        self._task: asyncio.Task[None] | None = None

    async def verify(self, actor: Actor, intent: Verify) -> str:
        core = self._core
        if self._checking():
            raise Refusal("Verification is going on already", "", "")
        if core.state.plan is not None and core.state.plan.status == "running":
            raise Refusal(f"{core.state.plan.plan.title} is running", "", "verify when it has ended")
        checks = tuple(core.runbook.verification)
        if not checks:
            raise Refusal("The runbook declares no check", "", "add a verification section")
        self._starting = True
        try:
            await core.record(VerificationStarted(checks=checks), actor=actor)
            self._task = core.spawn("verification", self._verify(self._eyes()))
        finally:
            self._starting = False
        return f"verifying: {many(len(checks), 'check')}"

    def _checking(self) -> bool:
        """Until the verdict is published, not until its task has ended: who sees a verdict may act on it."""
        if self._starting:
            return True
        checked = self._core.state.verification
        return self._task is not None and not self._task.done() and (checked is None or checked.verdict is None)

    def _eyes(self) -> Eyes:
        """Looks back to the end of the last run, or, where nothing ran, only from now on."""
        core, state = self._core, self._core.state
        ended = state.plan.ended_at if state.plan is not None and state.plan.status == "done" else None
        since = ended or core.clock.now()
        since_monotonic = core.clock.monotonic() - max(0.0, (core.clock.now() - since).total_seconds())
        return Eyes(
            platforms=core.platforms,
            running=self._running,
            target=state.target.release if state.target else None,
            since_monotonic=since_monotonic,
            seen_since=lambda signal, at: [(p.value, p.seen) for p in self._sensing.signals.since(signal, at)],
            log_since=lambda: self._sensing.spool.since(since, 5),
            triggers=lambda: self._sensing.readings,
            counts_then=state.sealed[-1].counts if state.sealed else {},
            said_by_a_person=self._said,
            clock=core.clock,
            cleaner=core.redactor,
            signals=core.runbook.signals,
            no_health=frozenset(name for name, each in core.runbook.triggers.items() if not each.of_health),
        )

    async def _running(self) -> Release | None:
        for platform in self._core.platforms.values():
            if platform.plugin.releases is not None:
                return await isolated(platform.id, platform.plugin.releases.running(platform.context), timeout=10)
        return None

    async def answer(self, actor: Actor, intent: AnswerCheck) -> str:
        """A person's word on a check. Once it was the last that was missing, recovery is looked at again by itself."""
        core = self._core
        decl = core.runbook.verification.get(intent.check)
        if decl is None or decl.use != ASKED:
            asked = [name for name, each in core.runbook.verification.items() if each.use == ASKED]
            raise Refusal(f"{intent.check} is no check that a person answers", f"these are: {', '.join(asked)}", "")
        if not intent.words.strip():
            raise Refusal("An answer needs words", decl.sentence, "say what you saw, or who told you")
        words = core.redactor.clean(intent.words.strip())
        await core.record(CheckAnswered(check=intent.check, verdict=intent.verdict, words=words), actor=actor)
        checked = core.state.verification
        running = core.state.plan is not None and core.state.plan.status == "running"
        if checked is None or checked.verdict in (None, "pass") or self._checking() or running or self._unanswered():
            return "recorded"
        await self.verify(actor, Verify())
        return "recorded; looking at all of it again"

    def _unanswered(self) -> list[str]:
        """Checks that have to pass, and that nobody has answered."""
        checks = self._core.runbook.verification.items()
        return [name for name, decl in checks if decl.use == ASKED and decl.required and self._said(name) is None]

    def _said(self, check_id: str) -> tuple[Verdict, str] | None:
        """A person's word: their answer, else the checklist line that this check proves, ticked with what was told."""
        answered = self._core.state.answered.get(check_id)
        if answered is not None:
            return answered.verdict, f"{answered.by}: {answered.words}"
        proves = self._core.runbook.verification[check_id].proves
        for item_id, item in self._core.runbook.items():
            mark = self._core.state.marks.get(item_id)
            if item.done_when == proves and proves and mark is not None and mark.mark == "ticked":
                return "pass", f"{mark.by}: {mark.reason or item.sentence}"
        return None

    async def _verify(self, eyes: Eyes) -> None:
        core = self._core
        results: dict[str, CheckResult] = {}
        eyes.failed_already = lambda: any(
            result.verdict == "fail" and core.runbook.verification[name].required for name, result in results.items()
        )

        async def one(check_id: str) -> None:
            result = await check(check_id, core.runbook.verification[check_id], eyes)
            results[check_id] = result
            await core.record(CheckEnded(result=result))

        began = _run_began(core)
        try:
            with core.busy("checking recovery"):
                await self._sensing.read_releases()
                ended = await asyncio.gather(
                    *(one(check_id) for check_id in core.runbook.verification), return_exceptions=True
                )
                if faults := [fault for fault in ended if isinstance(fault, BaseException)]:
                    raise faults[0]
                result, words = verdict(core.runbook, results)
                if _run_began(core) != began:
                    result, words = "inconclusive", "a plan was run while it was checked"
                ways = () if result == "pass" else await self._ways.on(again=result == "inconclusive")
                ended_now = VerificationEnded(verdict=result, words=words, next=ways)
                if result != "pass":
                    await core.record(ended_now)
                    return
                window = core.runbook.window("watch", core.runbook.watch)
                until = core.clock.now() + timedelta(seconds=window)
                # One entry's moment: nothing comes between the proof and the watch over it.
                await core.record(
                    ended_now, WatchStarted(until=until, production_s=core.runbook.watch, window_s=window)
                )
            core.spawn("watch", self.watch(window))
        except Exception as error:  # nobody may be left waiting for an end that does not come
            words = str(error) if isinstance(error, WarroomError) else f"{type(error).__name__}: {error}"
            words = core.redactor.clean(f"the verification failed itself: {words}"[:400])
            if core.state.verification is not None and core.state.verification.verdict is None:
                await core.record(VerificationEnded(verdict="inconclusive", words=words, next=(AGAIN,)))
            raise

    async def ways(self) -> WaysPage:
        return await self._ways.page()

    async def watch(self, remaining: float) -> None:
        """Until the window is over or a trigger fires. A release change under it is a finding as well.

        While a trigger counts towards firing it is not over: whether that came to anything is what is watched for.
        """
        core = self._core
        began_here = core.clock.monotonic()
        ends = began_here + remaining
        was = core.state.target.release if core.state.target is not None else core.running
        began = core.state.watch.began_at if core.state.watch else None
        while core.clock.monotonic() < ends or self._pending():
            await core.clock.sleep(0.5)
            now = core.state.watch
            if now is None or now.quiet is not None or now.began_at != began or _closed(core):
                return
            firing = [r for r in self._sensing.readings.values() if r.status == "firing"]
            if firing:
                words = "; ".join(f"{r.title} fires: {r.words.partition('; ')[0]}" for r in firing)
                return await self._end_watch(False, words)
            if was is not None and core.running is not None and was.same_as(core.running) is False:
                return await self._end_watch(False, f"{core.running.name} runs now, {was.name} was rolled back to")
        blind = [r.title for r in self._sensing.readings.values() if r.status == "unknown" and r.need_s and r.signal]
        quiet = any(r.status == "ok" for r in self._sensing.readings.values())
        words = "no trigger fired" if quiet else f"nothing could be seen: {', '.join(blind)}"
        watched = span_text(round(core.clock.monotonic() - began_here))
        await self._end_watch(quiet, f"watched for {watched}: {words}")

    def _pending(self) -> bool:
        return any(r.status == "pending" for r in self._sensing.readings.values())

    async def _end_watch(self, quiet: bool, words: str) -> None:
        await self._core.record(WatchEnded(quiet=quiet, words=words))

    async def resume(self) -> None:
        """A verification that was cut off says so. A watch that was going on goes on for what is left of it."""
        checked = self._core.state.verification
        if checked is not None and checked.verdict is None:
            words = "warroom ended while it was checked"
            await self._core.record(VerificationEnded(verdict="inconclusive", words=words, next=(AGAIN,)))
        watch = self._core.state.watch
        if watch is None or watch.quiet is not None or _closed(self._core):
            return
        left = (watch.until - self._core.clock.now()).total_seconds()
        self._core.spawn("watch", self.watch(max(0.0, left)))

    async def report(self, actor: Actor, intent: WriteReport) -> str:
        path = await self._write_report(actor)
        return f"written to {path}"

    async def _write_report(self, actor: Actor) -> str:
        from warroom.report import post_mortem

        core = self._core
        assert core.journal is not None
        events = await asyncio.to_thread(core.journal.events)
        data = post_mortem(events, now=core.clock.now()).encode()
        path = core.incident_folder / REPORT
        await asyncio.to_thread(write_private, path, data)
        await core.record(ReportWritten(path=str(path), sha256=sha256(data)), actor=actor)
        return str(path)

    async def close(self, actor: Actor, intent: CloseIncident) -> str:
        core, state = self._core, self._core.state
        if state.plan is not None and state.plan.status == "running":
            raise Refusal(f"{state.plan.plan.title} is running", "", "wait for it, or abort it", helps="abort-run")
        if self._checking():
            raise Refusal("Recovery is being checked", "", "close when that has ended")
        if self._preparing.capturing:
            raise Refusal("Evidence is being captured", "", "close when it is sealed")
        passed = state.verification is not None and state.verification.verdict == "pass"
        passed = passed and "verified" in state.proofs  # what ran after that verdict has taken the proof away
        watched = "watch-ended" in state.proofs
        if intent.outcome == "recovered" and not passed:
            raise Refusal(
                "Recovery is not proven", "verification has not passed", "verify, or close as mitigated", helps="verify"
            )
        owed = outstanding(state)
        if not (passed and watched and not owed) and not intent.reason.strip():
            missing = f"{many(len(owed), 'message')} still on the way"
            missing = missing if passed and watched else "the watch is not over" if passed else "recovery is not proven"
            raise Refusal("Closing now needs a reason", missing, "say why")
        await core.record(IncidentClosed(outcome=intent.outcome, reason=intent.reason), actor=actor)
        try:
            await self._write_report(actor)
        except WarroomError as error:
            return f"closed; the report could not be written: {error}"
        return "closed"


def _run_began(core: Core) -> datetime | None:
    return core.state.plan.began_at if core.state.plan is not None else None


def _closed(core: Core) -> bool:
    return core.state.incident is None or core.state.incident.closed is not None
