"""The engine put together: started, asked, stopped."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

from warroom.api import Clock
from warroom.engine.acting import Acting
from warroom.engine.closing import Closing
from warroom.engine.core import Core, Load, Options, SystemClock, log
from warroom.engine.deciding import Deciding
from warroom.engine.desk import WHEEL, Desk
from warroom.engine.emergency import Emergency
from warroom.engine.opening import resume
from warroom.engine.policy import Policy
from warroom.engine.preparing import Preparing
from warroom.engine.proving import Proving
from warroom.engine.queries import Queries
from warroom.engine.relooking import Relooking
from warroom.engine.sensing import Sensing
from warroom.engine.talking import Talking
from warroom.errors import Refusal, WarroomError
from warroom.journal.folder import Lock, StateFolder
from warroom.model import intent as it
from warroom.model.event import Actor
from warroom.model.live import Page, Query
from warroom.model.runbook import Runbook
from warroom.plugins import load_platforms
from warroom.session import Accepted, Frame, Refused, Reply

REMEMBERED = 1000
ONE_AT_A_TIME = (
    *(kind for kind in WHEEL if kind is not it.ClaimStep),
    it.OpenIncident,
    it.RunEmergency,
    it.TakeWheel,
    it.ReleaseWheel,
    it.CaptureEvidence,
    it.AnswerCheck,
)


class Engine:
    """``async with Engine(runbook, folder) as engine:`` – then ``engine.session(actor)`` for each client.

    Raises JournalBusy when another engine holds the state folder. ``lock`` is the folder's, where the caller holds it
    already, and goes on holding it.
    """

    def __init__(
        self,
        runbook: Runbook,
        folder: StateFolder,
        *,
        clock: Clock | None = None,
        options: Options | None = None,
        load: Load = load_platforms,
        lock: Lock | None = None,
    ) -> None:
        self._load = load
        self._folder = folder
        self._own_lock = lock is None
        self._lock = lock
        self._core: Core | None = None
        self._sensing: Sensing | None = None
        self._replies: OrderedDict[tuple[str, str], asyncio.Task[Reply]] = OrderedDict()
        self._runbook = runbook
        self._clock = clock or SystemClock()
        self._options = options or Options()

    async def __aenter__(self) -> Engine:
        if self._own_lock:
            self._lock = self._folder.lock()
        try:
            await self._start()
        except BaseException:
            await self._end()
            raise
        return self

    async def _start(self) -> None:
        self._core = core = Core(self._runbook, self._folder, self._clock, self._options, self._load)
        resumed = self._options.resume and await resume(core)
        self._sensing = Sensing(core)
        preparing = Preparing(core, self.sensing)
        acting = Acting(core)
        proving = Proving(core, acting)
        preparing.sealed = proving.begin
        talking = Talking(core)
        closing = Closing(core, self.sensing, preparing)
        deciding = Deciding(core, self.sensing)
        self._acting = acting
        emergency = Emergency(core, self.sensing, preparing, acting)
        self._desk = Desk(core, deciding, preparing, acting, emergency, talking, closing)
        policy = Policy(core, self.sensing, preparing, acting, self._desk.take, talking.preview)
        self._desk.add(it.Veto, policy.veto)
        self._queries = Queries(core, self.sensing, preparing, acting, emergency, talking, closing)
        if resumed and core.journal is not None and not core.journal.read_only:
            await self._recover(acting.recover, preparing.recover, proving.recover, closing.resume, talking.resume)
        self.sensing.start()
        core.spawn("escalation clock", talking.clock())
        core.spawn("automatic rollback", policy.clock())
        core.spawn("looking again", Relooking(core, acting).clock())

    async def __aexit__(self, *exc: object) -> None:
        """A run that is going on is left UNKNOWN in the journal by being interrupted; the next start looks."""
        await self._end()

    async def _end(self) -> None:
        """Everything that was begun, last first, whatever goes wrong with one of it; the lock goes last of all."""
        async with AsyncExitStack() as stack:
            if self._own_lock and self._lock is not None:
                stack.callback(self._lock.release)
            if (core := self._core) is None:
                return
            stack.push_async_callback(core.close_journal)
            stack.push_async_callback(core.http.close)
            stack.push_async_callback(core.stores.close)
            if self._sensing is not None:
                stack.push_async_callback(self._sensing.close)
            stack.push_async_callback(core.end_tasks)
            core.hub.close()

    async def _recover(self, *parts: Callable[[], Awaitable[None]]) -> None:
        """What was cut off is said in the journal. One that has no room for it is no reason not to look at the rest."""
        for again in parts:
            try:
                await again()
            except WarroomError as error:
                log.error("what was cut off can't be recorded: %s", error)

    @property
    def core(self) -> Core:
        assert self._core is not None, "the engine was not started"
        return self._core

    @property
    def sensing(self) -> Sensing:
        assert self._sensing is not None, "the engine was not started"
        return self._sensing

    @property
    def running(self) -> bool:
        """A plan is running: leaving now would leave a step UNKNOWN."""
        return self._acting.running

    def session(self, actor: Actor) -> LocalSession:
        return LocalSession(self, actor)

    async def submit(self, actor: Actor, intent_id: str, intent: it.Intent) -> Reply:
        """The engine owns the work: cancelling the caller cancels only the wait. The same id gets the first answer."""
        known = self._replies.get((actor.name, intent_id))
        if known is None:
            if self.core.ending:
                return Refused(reason="warroom is ending: nothing was done")
            known = self.core.spawn(f"intent {intent.type}", self._take(actor, intent))
            self._replies[actor.name, intent_id] = known
            while len(self._replies) > REMEMBERED:
                self._replies.popitem(last=False)
        try:
            return await asyncio.shield(known)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not known.cancelled() or (task is not None and task.cancelling()):
                raise
            return Refused(reason="warroom ended before this was answered; its journal says what was done")

    async def _take(self, actor: Actor, intent: it.Intent) -> Reply:
        try:
            if isinstance(intent, ONE_AT_A_TIME):
                turn = self.core.turn
                async with turn.first() if isinstance(intent, it.RunEmergency) else turn:
                    words = await self._desk.take(actor, intent)
            else:
                words = await self._desk.take(actor, intent)
        except WarroomError as error:
            helps = error.helps if isinstance(error, Refusal) else ""
            return Refused(reason=self.core.redactor.clean(str(error)), helps=helps)
        except Exception as error:  # noqa: BLE001 - a fault of ours refuses one intent, it ends nothing
            log.exception("an intent failed: %s", intent.type)
            return Refused(reason=f"warroom failed at this ({type(error).__name__}); its own log has the details")
        return Accepted(seq=self.core.state.seq, words=self.core.redactor.clean(words))

    async def query(self, actor: Actor, query: Query) -> Page:
        """Raises WarroomError where it can't be read, also for a fault of our own."""
        if self.core.ending:
            raise WarroomError("warroom is ending", "", "start it again")
        try:
            return await self._queries.answer(actor, query)
        except WarroomError:
            raise
        except Exception as error:
            log.exception("a query failed: %s", query.ask)
            raise WarroomError("warroom could not read this", type(error).__name__, "its own log has more") from error


class LocalSession:
    """``warroom.session.Session`` in process. The actor is the transport's word, never the client's."""

    def __init__(self, engine: Engine, actor: Actor) -> None:
        self._engine = engine
        self.actor = actor

    def watch(self, since: int | None = None) -> AsyncGenerator[Frame, None]:
        core = self._engine.core
        return core.hub.watch(self.actor, since, core.clock.now)

    async def query(self, query: Query) -> Page:
        return await self._engine.query(self.actor, query)

    async def submit(self, intent_id: str, intent: Any) -> Reply:
        return await self._engine.submit(self.actor, intent_id, intent)

    async def close(self) -> None:
        """The engine goes on: closing a client's session ends nothing but its watches."""
