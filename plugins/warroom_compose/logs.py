"""What the containers write, followed through restarts, recreation and an engine that goes away for a while.

A container's standard output is the source ``web-1``, its standard error ``web-1.stderr``; what the engine says of them
all is the source ``docker``. Times are the engine's. Within a container each of the two streams is in order, and a line
is known by its stream, its time in nanoseconds and how many of that very time came before: so that a connection which
begins anew at a moment already seen neither loses nor doubles one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from warroom.api import Context, WarroomError
from warroom.model.signal import LogLine
from warroom_compose.client import Engine, EngineRefused, NotThere, engine
from warroom_compose.config import Config
from warroom_compose.events import Happened, happened, query
from warroom_compose.lines import ERRORS, Position, entries, level_of, objects
from warroom_compose.project import Container, hide, inspected, labelled
from warroom_compose.times import moment

FIRST_LINES = 1000
"""Of each container, how many of its newest lines are read when its following begins."""
FIRST_EVENTS_S = 600
AGAIN_S = 1.0
"""Between tries to reach an engine that is away, in seconds."""
PREDECESSOR_S = 10.0
"""How long a new container's lines wait for the last ones of the container that it replaces."""
GOING = 409
"""The engine's status for the log of a container that is just being removed; all of it was read by then."""
WAITING = 2048
"""Lines that may wait to be taken: after that the engine waits."""


class ComposeLogs:
    async def follow(self, ctx: Context) -> AsyncGenerator[LogLine, None]:
        """All containers of the project, whatever becomes of them. An engine that is away is asked again."""
        following = _Following(ctx)
        watch = asyncio.create_task(following.watch())
        try:
            while True:
                while not following.lines.empty():
                    yield following.lines.get_nowait()
                line = asyncio.create_task(following.lines.get())
                await asyncio.wait({line, watch}, return_when=asyncio.FIRST_COMPLETED)
                if watch.done():
                    line.cancel()
                    await watch
                    return
                yield line.result()
        finally:
            await following.end()
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)


@dataclass
class _One:
    """A container that is followed. ``begun`` is set whenever it starts, or goes for good."""

    id: str
    source: str
    tty: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gone: bool = False
    task: asyncio.Task[None] | None = None


class _Following:
    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.lines: asyncio.Queue[LogLine] = asyncio.Queue(maxsize=WAITING)
        self._containers: dict[str, _One] = {}
        self._newest: dict[str, _One] = {}
        self._events = Position()
        self._failed: asyncio.Queue[BaseException] = asyncio.Queue()

    async def end(self) -> None:
        tasks = [one.task for one in self._containers.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def watch(self) -> None:
        """For ever: which containers there are, and what happens to them."""
        self._events.begin(self._ctx.clock.now().timestamp() - FIRST_EVENTS_S)
        while True:
            try:
                async with engine(self._ctx) as of:
                    await self._watch_with(of)
            except (WarroomError, OSError):
                pass  # the signals and the readiness rows say that the engine is away
            await self._ctx.clock.sleep(AGAIN_S)

    async def _watch_with(self, of: Engine) -> None:
        """Until the engine ends it. What happens between the list and the stream is in the stream, which looks back."""
        config: Config = self._ctx.config
        wanted = labelled(config.project)
        listed = await of.ask(lambda api: api.containers(all=True, filters=wanted))
        for one in sorted(listed, key=lambda one: one["Created"]):
            await self._begin(of, str(one["Id"]))
        stream = await of.read("/events", filters=query(config.project), since=self._events.begins())
        async for event in objects(stream):
            for found in happened(event):
                if self._events.take("", found.ns):
                    await self._event(of, found)

    async def _event(self, of: Engine, found: Happened) -> None:
        one = self._containers.get(found.container)
        if found.action == "destroy" and one is not None:
            one.gone = True
            one.begun.set()
        elif found.action == "start":
            if one is None:
                await self._begin(of, found.container)
            else:
                one.begun.set()
        if found.words:
            at = moment(found.ns)
            await self.lines.put(LogLine(source="docker", text=found.words, at=at, level=found.level))

    async def _begin(self, of: Engine, container_id: str) -> None:
        if container_id in self._containers:
            return
        try:
            told = await of.ask(lambda api: api.inspect_container(container_id))
        except NotThere:
            return
        hide(self._ctx, told)
        found = inspected(told)
        one = _One(container_id, source_of(found), found.tty)
        self._containers[container_id] = one
        before = self._newest.get(one.source)
        self._newest[one.source] = one
        one.task = asyncio.create_task(self._follow(one, before), name=f"logs of {one.source}")

    async def _follow(self, one: _One, before: _One | None) -> None:
        """One container until it is gone, behind the last lines of the one that it replaces."""
        if before is not None and before.task is not None:
            await asyncio.wait({before.task}, timeout=PREDECESSOR_S)
        position = Position()
        while not one.gone:
            one.begun.clear()
            try:
                async with engine(self._ctx) as of:
                    await self._lines(of, one, position)
                    again = inspected(await of.ask(lambda api: api.inspect_container(one.id))).state
            except NotThere:
                break
            except EngineRefused as error:
                if error.status != GOING:
                    await self._say(one, f"its log can't be read: {error.cause or error.title}")
                again = "exited"
            except WarroomError:
                await self._ctx.clock.sleep(AGAIN_S)  # the engine is away
                continue
            if again in ("running", "restarting", "paused"):
                await self._ctx.clock.sleep(AGAIN_S / 4)
            else:
                await one.begun.wait()
        if self._newest.get(one.source) is one:
            del self._newest[one.source]
        self._containers.pop(one.id, None)

    async def _lines(self, of: Engine, one: _One, position: Position) -> None:
        since = position.begins()
        stream = await of.read(
            f"/containers/{one.id}/logs",
            follow=True,
            stdout=True,
            stderr=True,
            timestamps=True,
            tail=FIRST_LINES if since is None else None,
            since=since,
        )
        async for entry in entries(stream, tty=one.tty):
            if position.take(entry.stream, entry.ns):
                source = one.source if entry.stream == "stdout" else f"{one.source}{ERRORS}"
                level = level_of(entry.text)
                await self.lines.put(LogLine(source=source, text=entry.text, at=moment(entry.ns), level=level))

    async def _say(self, one: _One, words: str) -> None:
        now = self._ctx.clock.now()
        await self.lines.put(LogLine(source=one.source, text=f"warroom: {words}", at=now, level="warning"))


def source_of(one: Container) -> str:
    """``web-1``; of ``docker compose run`` the container's own name."""
    return one.name if one.one_off or not one.service else one.shown
