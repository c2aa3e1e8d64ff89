"""What every part of the engine shares: the runbook, the journal with its fold, the platforms, and the tasks."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import warroom
from warroom.actions.commands import CommandLog
from warroom.actions.doors import Changing, HttpClient, Reading
from warroom.actions.platform import ActivePlatform
from warroom.api import Clock, Context
from warroom.engine import own_log
from warroom.engine.hub import Hub
from warroom.engine.secrets import Secrets
from warroom.errors import Refusal, WarroomError
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
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

log = logging.getLogger("warroom.engine")
ENGINE = Actor(name="warroom", kind="engine")
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
    """

    scenario: str | None = None
    fault_at: Callable[[], datetime | None] = lambda: None
    open_on_firing: bool = True
    resume: bool = True


@dataclass
class Marks:
    """Release changes seen, newest last: for plots, the log and "errors began 40 s after"."""

    changes: deque[tuple[datetime, str]] = field(default_factory=lambda: deque(maxlen=50))


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
        self.commands = CommandLog()
        self.http = HttpClient()
        self.state = State()
        self.journal: Journal | None = None
        self.marks = Marks()
        self.running: Release | None = None
        self.hub = Hub(clock, self._snapshot)
        self.platforms: dict[str, ActivePlatform] = {}
        self.broken: dict[str, WarroomError] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._busy: list[str] = []
        self._take_up(load(runbook))

    def _take_up(self, loaded: Mapping[str, LoadedPlatform]) -> None:
        for platform_id, platform in loaded.items():
            if platform.plugin is None or platform.problem is not None:
                self.broken[platform_id] = platform.problem or WarroomError(f"{platform_id} could not be loaded")
                continue
            context = Context(
                platform=platform_id,
                config=platform.config,
                read=Reading(self.http, self.commands, self.clock, self.redactor),
                clock=self.clock,
                secret=Secrets(self.redactor),
            )
            self.platforms[platform_id] = ActivePlatform(platform_id, platform.plugin, context)

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
    def incident_folder(self) -> Path:
        if self.journal is None:
            raise Refusal("No incident is open", "", "open one first (o)")
        return self.journal.folder

    def attach(self, journal: Journal, state: State) -> None:
        """From here on ``journal`` is the truth. Watchers get a new Snapshot."""
        self.journal = journal
        self.state = state
        journal.subscribe(self._durable)
        self.hub.resync("another incident is open")

    def _durable(self, events: Sequence[Event]) -> None:
        for event in events:
            self.state = fold(self.state, event)
        self.hub.publish(events)

    async def record(self, *bodies: Body, actor: Actor = ENGINE) -> int:
        """Durable, folded and published when it returns. Raises Refusal without an open incident."""
        if self.journal is None:
            raise Refusal("No incident is open", "", "open one first (o)")
        events = await self.journal.append(actor, *bodies)
        return events[-1].seq if events else self.state.seq

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """The engine owns this task: no client's going away ends it, and its fault is logged, never lost."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("%s failed", task.get_name(), exc_info=task.exception())

    async def end_tasks(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=10)

    @contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """What the engine is doing now, for every console to see."""
        self._busy.append(words)
        self.hub.set("busy", Busy(words=tuple(self._busy)))
        try:
            yield
        finally:
            self._busy.remove(words)
            self.hub.set("busy", Busy(words=tuple(self._busy)))

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
        )
