"""Whether sealed evidence is of use, tried in the background: a dump is one once it has been restored.

It is never in the way: it waits until no plan runs, and gives way at once to one that begins. What it makes it takes
away again, also after warroom was killed in the midst of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from warroom.actions.changing import expected
from warroom.actions.platform import ActivePlatform
from warroom.api import Probed, Prover, Trial
from warroom.engine.acting import Acting
from warroom.engine.core import Core
from warroom.errors import WarroomError
from warroom.model.call import Call
from warroom.model.event_proving import ProofEnded, ProofStarted
from warroom.plugins import isolated

log = logging.getLogger("warroom.engine")
LOOK_S = 60.0
"""For the look beforehand. Judging counts rows, and has as long as the trial itself."""
TIMES = 3
"""How often it is tried, where plans come between."""
TICK_S = 0.2


class Proving:
    def __init__(self, core: Core, acting: Acting) -> None:
        self._core = core
        self._acting = acting

    def begin(self, bundle: str, path: Path, collected: Sequence[str]) -> None:
        """For each collector that gave something, and has somebody to prove it. Does not wait."""
        for name in collected:
            platform_id, _, collector = name.partition(".")
            platform = self._core.platforms.get(platform_id)
            prover = platform.plugin.provers.get(collector) if platform else None
            if platform is not None and prover is not None:
                self._core.spawn(f"proof of {name}", self._proof(bundle, name, platform, prover, path / name))

    async def _proof(self, bundle: str, name: str, platform: ActivePlatform, prover: Prover, folder: Path) -> None:
        began = self._core.clock.monotonic()
        try:
            found = await self._tried(bundle, name, platform, prover, folder)
        except WarroomError as error:
            found = Probed("inconclusive", f"it was not tried: {error}")
        if found is not None:
            seconds = self._core.clock.monotonic() - began
            words = self._core.redactor.clean(found.words)[:1000]
            ended = ProofEnded(bundle=bundle, collector=name, verdict=found.verdict, words=words, seconds=seconds)
            await self._recorded(ended)

    async def _tried(
        self, bundle: str, name: str, platform: ActivePlatform, prover: Prover, folder: Path
    ) -> Probed | None:
        """None where there is nothing to prove."""
        for _ in range(TIMES):
            while self._acting.running:
                await self._core.clock.sleep(TICK_S)
            trial = await isolated(name, prover.prepare(platform.context, folder), timeout=LOOK_S)
            if trial is None:
                return None
            started = ProofStarted(
                bundle=bundle,
                collector=name,
                words=self._core.redactor.clean(trial.words),
                platform=platform.id,
                calls=trial.calls,
                after=trial.after,
            )
            await self._core.record(started)  # as they are: by these very Calls it is taken away after a crash
            try:
                found = await self._giving_way(name, platform, prover, folder, trial)
            finally:
                left = await self._after(platform, trial.after)
            if found is not None:
                return Probed(found.verdict, found.words + left)
        return Probed("inconclusive", f"plans were run meanwhile, {TIMES} times")

    async def _giving_way(
        self, name: str, platform: ActivePlatform, prover: Prover, folder: Path, trial: Trial
    ) -> Probed | None:
        """None where a plan came between."""
        begun = self._acting.begun
        work = asyncio.create_task(self._made(name, platform, prover, folder, trial))
        try:
            while not work.done() and not self._acting.running and self._acting.begun == begun:
                await asyncio.wait({work}, timeout=TICK_S)
            return work.result() if work.done() else None
        finally:
            work.cancel()
            await asyncio.wait({work})

    async def _made(self, name: str, platform: ActivePlatform, prover: Prover, folder: Path, trial: Trial) -> Probed:
        door = self._core.changing(platform, trial.calls)
        try:
            for number, call in enumerate(trial.calls, 1):
                result = await door.execute(call, lambda _, line: self._core.doing(f"proof of {name}", line[:200]))
                if not expected(call, result):
                    said = " ".join(result.text.split())[-600:]
                    return Probed("inconclusive", f"call {number} answered {result.status}: {said}")
            return await isolated(name, prover.judge(platform.context, folder, trial), timeout=trial.timeout_s)
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        finally:
            self._core.doing(f"proof of {name}", "")

    async def _after(self, platform: ActivePlatform, calls: Sequence[Call]) -> str:
        """What it made is taken away; in words what may be left."""
        door = self._core.changing(platform, tuple(calls))
        try:
            for call in calls:
                result = await door.execute(call)
                if not expected(call, result):
                    return f"; what was made for it may be left: {' '.join(result.text.split())[:300]}"
        except WarroomError as error:
            return f"; what was made for it may be left: {error}"
        return ""

    async def recover(self) -> None:
        """Proofs that were cut off: what they made is taken away, by the very Calls that were written down for that."""
        if self._core.journal is None:
            return
        open_ones: dict[tuple[str, str], ProofStarted] = {}
        for event in await asyncio.to_thread(self._core.journal.events):
            if isinstance(event.body, ProofStarted):
                open_ones[event.body.bundle, event.body.collector] = event.body
            elif isinstance(event.body, ProofEnded):
                open_ones.pop((event.body.bundle, event.body.collector), None)
        for started in open_ones.values():
            self._core.spawn(f"what is left of the proof of {started.collector}", self._left_of(started))

    async def _left_of(self, started: ProofStarted) -> None:
        platform = self._core.platforms.get(started.platform)
        left = await self._after(platform, started.after) if platform else "; what was made for it may be left"
        words = self._core.redactor.clean(f"warroom ended while it was tried{left}")
        await self._recorded(
            ProofEnded(bundle=started.bundle, collector=started.collector, verdict="inconclusive", words=words)
        )

    async def _recorded(self, ended: ProofEnded) -> None:
        """The incident may have been closed meanwhile: then nothing more is added to it."""
        try:
            await self._core.record(ended)
        except WarroomError as error:
            log.warning("the proof of %s is not recorded: %s: %s", ended.collector, error, ended.words)
