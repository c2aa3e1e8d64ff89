"""What every part of the engine shares: the runbook, the journal with its fold, the platforms, and the tasks."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import warroom
from warroom.actions.changing import Changing, Send
from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.actions.platform import ActivePlatform
from warroom.actions.stores import Stores
from warroom.api import Clock, Context
from warroom.engine import crash_reports, own_log
from warroom.engine.hub import Hub
from warroom.engine.secrets import Secrets, hide_configuration, hide_environment
from warroom.engine.turn import Turn
from warroom.errors import JournalFull, JournalReadOnly, Refusal, WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.publishing import Publisher
from warroom.journal.store import Journal
from warroom.journal.writer import Disk
from warroom.model.acted import Acted, acted
from warroom.model.call import Call
from warroom.model.event import Actor, Body, Event
from warroom.model.fold import fold
from warroom.model.live import Busy, PlatformReading
from warroom.model.release import Release
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.plugins import LoadedPlatform, isolated, load_platforms
from warroom.redact import Redactor
from warroom.session import Snapshot
from warroom.signals.correlation import Marks

log = logging.getLogger("warroom.engine")
ENGINE = Actor(name="warroom", kind="engine")
END_TIMEOUT = 15.0
"""Seconds. Longer than a program gets to end by itself before it is killed."""
Load = Callable[[Runbook], Mapping[str, LoadedPlatform]]


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Options:
    """``fault_at`` and ``scenario`` are a drill's: when its fault began, so that timings count from there.

    ``resume`` takes up an incident that was left open. A drill does not: what its incident was about is gone.
    ``disk`` is how journals wait for theirs; a test gives one that it can hold.
    """

    scenario: str | None = None
    fault_at: Callable[[], datetime | None] = lambda: None
    open_on_firing: bool = True
    disk: Disk | None = None
    resume: bool = True
    publish: str = field(default_factory=lambda: os.environ.get("WARROOM_PUBLISH", ""))
    """Where the journal's heads are published, ``file:PATH`` or ``syslog:SOCKET``; empty: nowhere."""


class Core:
    def __init__(
        self, runbook: Runbook, folder: StateFolder, clock: Clock, options: Options, load: Load = load_platforms
    ) -> None:
        self.runbook = runbook
        self.folder = folder
        self.clock = clock
        self.options = options
        self.redactor = Redactor()
        own_log.hide_with(self.redactor)
        hide_environment(self.redactor)
        self.commands = CommandLog()
        self.http = HttpClient()
        self.stores = Stores()
        self.state = State()
        self.journal: Journal | None = None
        self.publisher: Publisher | None = None
        self.marks = Marks(clock)
        self.running: Release | None = None
        """What was last seen to run."""
        self.silent = False
        """Whoever said it says now that nothing does, or that it can't be told."""
        self.hub = Hub(clock, self._snapshot)
        self.platforms: dict[str, ActivePlatform] = {}
        self.broken: dict[str, WarroomError] = {}
        self.turn = Turn()
        self.ending = False
        self._held: Counter[Journal] = Counter()
        self._unsubscribe: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._troubled: set[str] = set()
        self._busy: list[str] = []
        self._doing: dict[str, str] = {}
        self._take_up(load(runbook))

    def _take_up(self, loaded: Mapping[str, LoadedPlatform]) -> None:
        for platform_id, platform in loaded.items():
            if platform.plugin is None or platform.problem is not None:
                self.broken[platform_id] = platform.problem or WarroomError(f"{platform_id} could not be loaded")
                continue
            hide_configuration(self.redactor, platform_id, platform.config)
            secret = Secrets(self.redactor)
            context = Context(
                platform=platform_id,
                config=platform.config,
                read=Reading(self.http, self.commands, self.clock, self.redactor, stores=self.stores, secret=secret),
                clock=self.clock,
                secret=secret,
                environment=self.runbook.environment.kind,
                hide=partial(self.redactor.register_settings, of=platform_id),
                hidden=self.redactor.holds_secret,
                acted=partial(self._acted, platform_id),
                deployed=self._deployed,
                evidence=partial(self._evidence, platform_id),
            )
            self.platforms[platform_id] = ActivePlatform(platform_id, platform.plugin, context)

    def _acted(self, platform_id: str) -> Sequence[Acted]:
        return acted(self.state, platform_id)

    def _evidence(self, platform_id: str, collector: str) -> Path | None:
        name = f"{platform_id}.{collector}"
        found = next((one for one in reversed(self.state.sealed) if name in one.collected), None)
        return Path(found.path) / name if found is not None and found.path else None

    def _deployed(self) -> datetime | None:
        incident = self.state.incident
        ran = incident.running if incident is not None else self.running
        return ran.deployed_at if ran is not None else None

    def _snapshot(self, name: str) -> Snapshot:
        return Snapshot(
            version=warroom.__version__,
            me=name,
            writable=self.journal is None or not self.journal.read_only,
            at=self.clock.now(),
            state=self.state,
            runbook=self.runbook,
        )

    @property
    def state_now(self) -> State:
        """With nothing that runs where nothing is seen to: the journal has what ran last."""
        return self.state.model_copy(update={"running": None}) if self.silent else self.state

    @property
    def incident_folder(self) -> Path:
        if self.journal is None:
            raise Refusal("No incident is open", "", "open one first", helps="open-incident")
        return self.journal.folder

    async def attach(self, journal: Journal, state: State) -> None:
        """From here on ``journal`` is the truth. Watchers get a new Snapshot."""
        before = self.journal
        self.publisher = self.publisher or self._publisher()
        self._unsubscribe()
        self.journal = journal
        self.state = state
        self._unsubscribe = journal.subscribe(self._durable)
        self.hub.resync("another incident is open")
        if before is not None and not self._held[before]:
            await before.close()

    async def close_journal(self) -> None:
        if self.journal is not None:
            await self.journal.close()
        if self.publisher is not None:
            await asyncio.to_thread(self.publisher.close)

    def _durable(self, events: Sequence[Event]) -> None:
        for event in events:
            self.state = fold(self.state, event)
        self.hub.publish(events)
        if self.publisher is not None and self.journal is not None and self.journal.head is not None:
            self.publisher.offer(self.journal.folder.name, self.journal.head)

    def _publisher(self) -> Publisher | None:
        """What can't be published is told to every console; it holds up no entry."""
        if not self.options.publish:
            return None

        def failed(words: str) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(*((self.trouble, part, words) if words else (self.well, part)))

        part = "published heads"
        loop = asyncio.get_running_loop()
        return Publisher(self.options.publish, failed)

    async def record(self, *bodies: Body, actor: Actor = ENGINE) -> int:
        """Durable, folded and published when it returns. Raises Refusal without an open incident."""
        if self.journal is None:
            raise Refusal("No incident is open", "", "open one first", helps="open-incident")
        events = await self._append(self.journal, actor, bodies)
        return events[-1].seq if events else self.state.seq

    async def _append(self, journal: Journal, actor: Actor, bodies: Sequence[Body]) -> tuple[Event, ...]:
        """A disk that does not take it is told to every console, whoever asked for the entry."""
        try:
            events = await journal.append(actor, *bodies)
        except (JournalFull, JournalReadOnly) as error:
            if not self.ending:
                self.trouble("journal", str(error))
                if journal.read_only:
                    self.hub.resync("the journal can't be added to any more")
            raise
        if journal.low_on_room:
            self.trouble("journal", "its disk is full: only what has already happened is recorded, nothing is begun")
        elif not journal.read_only:  # as an entry may have made it that was asked for after this one
            self.well("journal")
        return events

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[Callable[[Body], Awaitable[None]]]:
        """Yields a ``record`` for work that may outlive its incident: its entries go where the work began."""
        journal = self.journal
        if journal is None:
            raise Refusal("No incident is open", "", "open one first", helps="open-incident")

        async def record(body: Body) -> None:
            await self._append(journal, ENGINE, (body,))

        self._held[journal] += 1
        try:
            yield record
        finally:
            self._held[journal] -= 1
            if not self._held[journal] and journal is not self.journal:
                await journal.close()

    def trouble(self, part: str, words: str) -> None:
        """A part of warroom itself that does not work: a red row on every console until ``well``."""
        row = PlatformReading(id=part, plugin="warroom", status="broken", words=self.redactor.clean(words))
        self._troubled.add(part)
        self.hub.set(f"platform/warroom {part}", row)

    def well(self, part: str) -> None:
        if part in self._troubled:
            self._troubled.discard(part)
            row = PlatformReading(id=part, plugin="warroom", status="ok", words="works again")
            self.hub.set(f"platform/warroom {part}", row)

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """The engine owns this task: no client's going away ends it, and its fault is logged and shown, never lost."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
            crash_reports.report(error)
            words = (
                str(error) if isinstance(error, WarroomError) else f"it failed ({type(error).__name__}), see the log"
            )
            self.trouble(task.get_name(), words)

    async def end_tasks(self) -> None:
        """Every task, and what these start while they end. One that does not end in time is named in the log."""
        self.ending = True
        loop = asyncio.get_running_loop()
        limit = loop.time() + END_TIMEOUT
        while self._tasks and loop.time() < limit:
            for task in list(self._tasks):
                if not task.cancelling():
                    task.cancel()
            await asyncio.wait(list(self._tasks), timeout=limit - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            log.error("%s does not end", task.get_name())

    @contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """What the engine is doing now, for every console to see."""
        self._busy.append(words)
        self._tell_busy()
        try:
            yield
        finally:
            self._busy.remove(words)
            self._tell_busy()

    def doing(self, who: str, words: str) -> None:
        """What ``who`` is at now, within something that takes its time; empty once that is over."""
        self._doing = {**self._doing, who: words} if words else {k: v for k, v in self._doing.items() if k != who}
        self._tell_busy()

    def _tell_busy(self) -> None:
        told = [f"{who}: {words}" for who, words in self._doing.items()]
        self.hub.set("busy", Busy(words=(*self._busy, *told)))

    async def fingerprint(self, platform_id: str) -> str | None:
        """A platform's identity, read now; None when it has none or can't be read (its row says why)."""
        platform = self.platforms.get(platform_id)
        if platform is None or platform.plugin.identity is None:
            return None
        reading = PlatformReading(id=platform_id, plugin=platform.plugin.name, status="ok")
        try:
            work = platform.plugin.identity.fingerprint(platform.context)
            seen = self.redactor.clean(await isolated(f"the identity of {platform_id}", work, timeout=5))
        except WarroomError as error:
            words = self.redactor.clean(str(error))
            self.hub.set(f"platform/{platform_id}", reading.model_copy(update={"status": "unknown", "words": words}))
            return None
        self.hub.set(f"platform/{platform_id}", reading.model_copy(update={"fingerprint": seen}))
        return seen

    async def fingerprints(self) -> dict[str, str]:
        """Every platform's identity that can be read now."""
        ids = list(self.platforms)
        seen = await asyncio.gather(*(self.fingerprint(platform_id) for platform_id in ids))
        return {platform_id: value for platform_id, value in zip(ids, seen, strict=True) if value is not None}

    def changing(self, platform: ActivePlatform, calls: tuple[Call, ...]) -> Changing:
        return Changing(
            calls,
            http=self.http,
            log=self.commands,
            clock=self.clock,
            cleaner=self.redactor,
            secret=platform.context.secret,
            send=_send(platform),
            stores=self.stores,
        )


def _send(platform: ActivePlatform) -> Send | None:
    sender = platform.plugin.sender
    if sender is None:
        return None
    return lambda call, say: isolated(f"{platform.id}'s sender", sender.send(platform.context, call, say))
