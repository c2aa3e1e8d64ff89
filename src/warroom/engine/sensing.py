"""Sensing: samples, log lines, what runs, the triggers and the tree; and the incident that opens by itself."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from warroom.actions.ingress import clean_fact
from warroom.actions.platform import ActivePlatform
from warroom.decision.answers import Stopped
from warroom.decision.tree import TreeReader, reached_times, shape
from warroom.engine.core import Core, log
from warroom.engine.opening import open_incident
from warroom.errors import JournalFull, JournalReadOnly, WarroomError
from warroom.model.cutover import runs
from warroom.model.decision import TreeReading
from warroom.model.event import Body, ReleaseChanged, TreeChanged, TriggerChanged
from warroom.model.halted import halted
from warroom.model.live import PlatformReading, RunningRelease
from warroom.model.plan import Step
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.signal import LogLine, Sample, TriggerReading
from warroom.model.state import Override
from warroom.plugins import isolated, supervise
from warroom.redact import LogCleaner
from warroom.signals.book import SignalBook
from warroom.signals.following import Following
from warroom.signals.past import Past
from warroom.signals.sane import sane
from warroom.signals.spool import LogSpool, pump
from warroom.signals.store import SampleStore
from warroom.signals.triggers import TriggerBook

TICK = 0.5
OPEN_AGAIN = 5.0
"""Seconds between tries to open an incident that could not be opened: the disk may be full."""
RELEASE_EVERY = 2.0
HEALTHY = ("ok", "unknown", "pending")


class Sensing:
    """Owns the books. Everything here runs on the engine's loop; the spool writes on threads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        live = core.folder.path / "live" / _place(core.runbook)
        self.spool = LogSpool(live / "logs", core.clock, core.redactor.clean, clean_lines=LogCleaner(core.redactor))
        self.store = SampleStore(live / "samples.db", core.clock)
        self.signals = SignalBook(core.runbook, core.clock, core.marks)
        self.triggers = TriggerBook(core.runbook, core.clock, core.marks)
        self._past = Past(self.store, self.triggers.baselines, core.marks, core.clock)
        self._recalled: asyncio.Task[None] | None = None
        self.tree = TreeReader(core.runbook, core.clock, _reached(core))
        self.readings: dict[str, TriggerReading] = {}
        self._away: set[str] = set()
        self._following: dict[str, asyncio.Task[None]] = {}
        self._exchanged: set[tuple[str, str, datetime]] = set()
        self._seen_at: float | None = None
        self._says: dict[str, bool] = {}
        """Of each platform that has said what runs, whether it says so now."""
        self._stopped_at: float | None = None
        """When writes were first seen to be stopped (monotonic); None while they go on."""
        self._unopened = ""
        self._open_at = float("-inf")
        self._opening: asyncio.Task[None] | None = None

    def start(self) -> None:
        core = self._core
        if core.state.incident is not None and core.state.at is not None:
            self.triggers.restore(core.state.triggers, core.state.at)
        self._exchanged.update(key for key, _ in self._exchanges())
        self._recalled = core.spawn("what was normal before", self._recall())
        for platform_id, problem in core.broken.items():
            plugin = core.runbook.platforms[platform_id].plugin
            row = PlatformReading(id=platform_id, plugin=plugin, status="broken", words=str(problem))
            core.hub.set(f"platform/{platform_id}", row)
        for platform in core.platforms.values():
            wanted = self._wanted(platform.id)
            if platform.plugin.signals is not None and wanted:
                self._following[platform.id] = core.spawn(
                    f"signals of {platform.id}", self._follow_signals(platform, wanted)
                )
            if platform.plugin.logs is not None:
                core.spawn(f"logs of {platform.id}", pump(self._log_lines(platform), self.spool))
            if platform.plugin.releases is not None:
                core.spawn(f"releases of {platform.id}", self._follow_release(platform))
            core.spawn(f"identity of {platform.id}", core.fingerprint(platform.id))
        core.spawn("tick", self._ticks())

    async def close(self) -> None:
        await self.store.close()

    async def _recall(self) -> None:
        """Without what is on disk, an open incident's journal still knows its release changes."""
        core = self._core
        try:
            if await self._past.recall():
                return
        except WarroomError as error:
            core.trouble("what was normal", f"{error}; it is not known until the next release change")
        for change in core.state.changes:
            core.marks.add(change.now, kind="rollback" if change.rollback else "release", at=change.at)

    def _wanted(self, platform_id: str) -> dict[str, list[str]]:
        """The platform's own signal name → the runbook's signal ids that come from it."""
        wanted: dict[str, list[str]] = {}
        for signal_id, decl in self._core.runbook.signals.items():
            if decl.source is not None and decl.source.platform == platform_id:
                wanted.setdefault(decl.source.signal, []).append(signal_id)
        return wanted

    async def _follow_signals(self, platform: ActivePlatform, wanted: dict[str, list[str]]) -> None:
        signals = platform.plugin.signals
        assert signals is not None
        name = f"the signals of {platform.id}"

        def start() -> AsyncIterator[Sample]:
            return signals.samples(platform.context, frozenset(wanted))

        async for sample in supervise(name, start, of=Sample, clock=self._core.clock, failed=self._failed(platform)):
            self._came(platform)
            self._take(clean_fact(self._core.redactor, sample), wanted)

    def _take(self, given: Sample, wanted: Mapping[str, Sequence[str]]) -> None:
        for signal_id in wanted.get(given.signal, ()):
            declared = self._core.runbook.signals[signal_id]
            clean = sane(given, declared, self.signals.stale_after(signal_id), self._core.clock.now())
            self.signals.add(clean, signal_id)
            self.triggers.add(clean, signal_id)
            self.store.add(clean, signal_id, normal=not self.triggers.baselines.paused)

    def _exchanges(self) -> Iterator[tuple[tuple[str, str, datetime], Step]]:
        """The steps that were to change a platform's database, once each has ended, however it did."""
        for run in runs(self._core.state):
            for step in run.plan.steps:
                ended = run.steps[step.id].ended_at
                if step.role == "database" and step.platform and ended is not None:
                    yield (run.hash, step.id, ended), step

    def _look_anew(self) -> None:
        """After a database was exchanged: what was measured until then says nothing of the one that serves now.

        Some of it is measured once a minute, or more rarely: it is unknown until it is, and that is begun at once.
        """
        for key, step in list(self._exchanges()):
            platform = self._core.platforms.get(step.platform)
            if key in self._exchanged or platform is None or platform.id not in self._following:
                continue
            self._exchanged.add(key)
            wanted, now = self._wanted(platform.id), self._core.clock.now()
            before = self._following[platform.id]
            before.cancel()
            words = f"not measured yet since “{step.title}”"
            for name in wanted:
                self._take(Sample(signal=name, value=None, at=now, source=platform.id, words=words), wanted)
            self._following[platform.id] = self._core.spawn(
                f"signals of {platform.id}", self._follow_again(platform, wanted, before)
            )

    async def _follow_again(
        self, platform: ActivePlatform, wanted: dict[str, list[str]], before: asyncio.Task[None]
    ) -> None:
        """Never two streams at once: what both keep of the platform would be each other's."""
        await asyncio.wait((before,))
        await self._follow_signals(platform, wanted)

    async def _log_lines(self, platform: ActivePlatform) -> AsyncIterator[LogLine]:
        logs = platform.plugin.logs
        assert logs is not None
        name, following = f"the logs of {platform.id}", Following()

        def start() -> AsyncIterator[LogLine]:
            following.begins()
            return logs.follow(platform.context)

        async for line in supervise(name, start, of=LogLine, clock=self._core.clock, failed=self._failed(platform)):
            self._came(platform)
            for each in following.take(line, self._core.clock.now()):
                yield each

    async def _follow_release(self, platform: ActivePlatform) -> None:
        while True:
            await self._read_release(platform)
            await self._core.clock.sleep(RELEASE_EVERY)

    async def read_releases(self) -> None:
        """What runs, read now instead of at the next turn: right after something was changed."""
        knowing = [p for p in self._core.platforms.values() if p.plugin.releases is not None]
        await asyncio.gather(*(self._read_release(platform) for platform in knowing))

    async def _read_release(self, platform: ActivePlatform) -> None:
        """Not being able to read it is not a change."""
        releases = platform.plugin.releases
        assert releases is not None
        try:
            seen = await isolated(f"{platform.id}'s release", releases.running(platform.context), timeout=5)
        except WarroomError:
            return
        if seen is not None:
            self._says[platform.id] = True
            await self._release(platform.id, clean_fact(self._core.redactor, seen))
        elif self._says.get(platform.id):
            self._says[platform.id] = False
            if not any(self._says.values()):
                self._core.silent = True
                self._core.hub.set("running", RunningRelease(release=None))

    async def _release(self, platform_id: str, now: Release) -> None:
        core, was = self._core, self._core.running
        core.running, core.silent = now, False
        rolled = self._rolled_back_to(now)
        if was is None and self._recalled is not None:
            await asyncio.wait((self._recalled,))
            self._past.first(now, rollback=rolled)
        elif was is not None and was.same_as(now) is False:
            self._past.changed(now, self._changed_at(now), kind="rollback" if rolled else "release")
        self._seen_at = core.clock.monotonic()
        core.hub.set("running", RunningRelease(release=now, since=self._since()))
        known = core.state.running
        same = known.same_as(now) if known is not None else False
        if self._open() and (same is False or (was is None and same is None)):
            with contextlib.suppress(JournalFull, JournalReadOnly):  # every console was told; it is tried again
                await core.record(ReleaseChanged(was=known, now=now, seen_by=platform_id, rollback=rolled))

    def _changed_at(self, now: Release) -> datetime:
        """When it came: by its platform's word, within the time since the other was last seen; else that time's begin.

        What it broke at once was broken before this look, and must not be put down to the release before it.
        """
        clock = self._core.clock
        longest = clock.monotonic() - self._seen_at if self._seen_at is not None else 0.0
        ago = (clock.now() - now.deployed_at).total_seconds() if now.deployed_at is not None else longest
        return clock.now() - timedelta(seconds=min(max(0.0, ago), longest))

    def _rolled_back_to(self, now: Release) -> bool:
        """Was it a plan of this incident that brought this release about?"""
        plan = self._core.state.plan
        if plan is None or plan.began_at is None or plan.plan.purpose != "rollback" or plan.plan.target is None:
            return False
        return plan.plan.target.same_as(now) is True

    def _since(self) -> datetime | None:
        newest = self._core.marks.newest
        return newest.at if newest is not None else None

    def _failed(self, platform: ActivePlatform) -> Callable[[WarroomError, float], None]:
        def tell(error: WarroomError, pause: float) -> None:
            words = self._core.redactor.clean(f"{error}; again in {pause:g} s")
            row = PlatformReading(id=platform.id, plugin=platform.plugin.name, status="broken", words=words)
            self._core.hub.set(f"platform/{platform.id}", row)
            self._away.add(platform.id)

        return tell

    def _came(self, platform: ActivePlatform) -> None:
        """Something of it arrives again: its row is read anew, instead of staying red for ever."""
        if platform.id in self._away:
            self._away.discard(platform.id)
            row = PlatformReading(id=platform.id, plugin=platform.plugin.name, status="ok")
            self._core.hub.set(f"platform/{platform.id}", row)
            self._core.spawn(f"identity of {platform.id}", self._core.fingerprint(platform.id))

    def _open(self) -> bool:
        incident = self._core.state.incident
        return incident is not None and incident.closed is None

    async def _ticks(self) -> None:
        """For ever: a look that fails is shown as a red row, and taken again."""
        core = self._core
        while True:
            try:
                await self._tick()
                core.well("sensing")
            except (JournalFull, JournalReadOnly) as error:
                log.warning("not recorded: %s", error)  # every console was told
            except Exception as error:  # noqa: BLE001 - nobody may be left looking at what stands still
                log.exception("a look at everything failed")
                core.trouble("sensing", f"what is shown may be old: {type(error).__name__}: {error}")
            await core.clock.sleep(TICK)

    async def _tick(self) -> None:
        """One look at everything: live values out, changes into the journal, an incident when a trigger fires."""
        core = self._core
        self._look_anew()
        before, self.readings = self.readings, self.triggers.readings()
        for signal in self.signals.readings().values():
            core.hub.set(f"signal/{signal.id}", signal)
        for component in self.signals.components().values():
            core.hub.set(f"component/{component.id}", component)
        for reading in self.readings.values():
            core.hub.set(f"trigger/{reading.id}", reading)
        edge, over = core.marks.lately
        for head in (await asyncio.to_thread(self.spool.heads, edge)).values():
            core.hub.set(f"log/{head.source}", head.model_copy(update={"over": over}))
        if self.store.problem:
            core.trouble("samples", self.store.problem)
        else:
            core.well("samples")
        open_now = self._open()
        tree = self._read_tree(core.state.overrides if open_now else {})
        core.hub.set("tree", tree)
        if open_now:
            self._unopened = ""
            await core.record(*self._changes(tree))
            return
        firing = [r for r in self.readings.values() if r.status == "firing"]
        if firing and self._opens_by_itself() and self._news(firing, before):
            self._unopened = firing[0].title
        if self._unopened and self._opening is None and core.clock.monotonic() >= self._open_at:
            self._opening = core.spawn("opening an incident", self._open_by_itself(self._unopened))

    def _opens_by_itself(self) -> bool:
        """A drill is one incident: what fires once that was closed opens no other."""
        options = self._core.options
        return options.open_on_firing and (options.scenario is None or self._core.state.incident is None)

    async def _open_by_itself(self, title: str) -> None:
        """In turn with what people ask for: two incidents at once would be one too many. Tried until one is open."""
        core = self._core
        try:
            async with core.turn:
                if not self._open():
                    await open_incident(core, title, self.readings, self.unanswered())
            self._unopened = ""
            core.well("opening an incident")
        except WarroomError as error:
            core.trouble("opening an incident", str(error))
        finally:
            self._open_at = core.clock.monotonic() + OPEN_AGAIN
            self._opening = None

    def unanswered(self) -> TreeReading:
        """What the tree says now by what is measured alone: where an incident begins."""
        return self._read_tree({})

    def _read_tree(self, overrides: Mapping[str, Override]) -> TreeReading:
        halt = halted(self._core.runbook, self._core.state)
        if halt is None:
            self._stopped_at = None
            return self.tree.read(self.readings, overrides, self.signals.trend)
        if self._stopped_at is None:
            self._stopped_at = self._core.clock.monotonic()
        stopped = Stopped(halt.words, self.triggers.older(self._stopped_at))
        return self.tree.read(self.readings, overrides, partial(self.signals.trend, since=self._stopped_at), stopped)

    def _news(self, firing: list[TriggerReading], before: dict[str, TriggerReading]) -> bool:
        """A trigger that only goes on firing after its incident was closed opens no second one."""
        return any(r.id not in before or before[r.id].status in HEALTHY for r in firing)

    def _changes(self, tree: TreeReading) -> list[Body]:
        state = self._core.state
        changed: list[Body] = [
            TriggerChanged(was=state.triggers[r.id].status if r.id in state.triggers else "unknown", reading=r)
            for r in self.readings.values()
            if r.id not in state.triggers or state.triggers[r.id].status != r.status
        ]
        if state.tree is None or shape(state.tree) != shape(tree):
            changed.append(TreeChanged(reading=tree))
        return changed


def _place(runbook: Runbook) -> str:
    """A state folder may be several services' and environments': what one of them measured is nobody else's."""
    whose = f"{runbook.service}@{runbook.environment.name or runbook.environment.kind}"
    plain = re.sub(r"[^A-Za-z0-9@-]+", "_", whose)[:60]
    return f"{plain}.{hashlib.sha256(whose.encode()).hexdigest()[:8]}"


def _reached(core: Core) -> Mapping[str, datetime]:
    """When each timer's question was reached, from the journal: a restart does not begin ten minutes anew."""
    if core.journal is None:
        return {}
    events = core.journal.events()
    return reached_times((event.at, event.body.reading) for event in events if isinstance(event.body, TreeChanged))
