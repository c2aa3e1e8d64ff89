"""What the containers of the workloads write, followed from pod to pod through a rollout, with the cluster's events.

A container's source is ``POD/CONTAINER``; what is told of them all is the source ``kubernetes``. Times are the
kubelet's. A line is known by its time in nanoseconds and its text, so that a connection which begins anew neither
loses nor doubles one; what a container that has ended wrote last is read from the log of the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from warroom.api import Context, TimedOut, WarroomError
from warroom.model.signal import Level, LogLine
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach import paths
from warroom_kubernetes.reach.asking import ApiRefused, Cluster, NotThere, ahead, cluster
from warroom_kubernetes.watch.collection import PACE, Change, Pace
from warroom_kubernetes.watch.ends import End
from warroom_kubernetes.watch.events import EventSeen
from warroom_kubernetes.watch.happenings import Happenings
from warroom_kubernetes.watch.live import ContainerSeen, PodSeen, held_up
from warroom_kubernetes.watch.scene import Part, Scene
from warroom_kubernetes.watch.shared import watching
from warroom_kubernetes.watch.stamps import NS, moment, since_time, stamped

SOURCE = "kubernetes"
FIRST_LINES = 1000
"""Of each container, how many of its newest lines are read when its following begins."""
PREVIOUS_LINES = 200
FIRST_EVENTS = timedelta(minutes=10)
AGAIN_S = 1.0
AT_ONCE = 200
"""Containers that are followed at the same time; of more, that they are not is said."""
WAITING = 2048
"""Lines that may wait to be taken: after that the cluster waits."""
OVERLAP_NS = 2 * NS
"""How far back a new connection looks: the streams of a container are written by two hands, a little apart."""
QUIET_S = 60.0
"""After so long without a line it is asked for anew, from the last one on: a connection may be dead unnoticed."""
TICK_S = 0.5
NOT_YET = 400
"""The API's status for the log of a container that has not begun, or of the one before where it is not kept."""


@dataclass
class Position:
    """How far a log was read. Kept are the lines of the last moments, to know them when they come again."""

    newest: int = 0
    _lately: Counter[tuple[int, int]] = field(default_factory=Counter)
    _again: Counter[tuple[int, int]] = field(default_factory=Counter)
    _from: int = 0

    def begins(self) -> int:
        """Reading begins anew: from which whole second on, in nanoseconds since 1970; 0 for all there is."""
        self._from = max(0, self.newest - OVERLAP_NS) // NS * NS
        self._again = Counter({key: n for key, n in self._lately.items() if key[0] >= self._from})
        return self._from

    def take(self, ns: int, text: bytes) -> bool:
        """Whether this line is new."""
        key = (ns, hash(text))
        if self._again[key] > 0:
            self._again[key] -= 1
            return False
        if ns < self._from:
            return False
        self._lately[key] += 1
        if ns > self.newest:
            if ns // NS > self.newest // NS:
                edge = (ns - OVERLAP_NS) // NS * NS
                self._lately = Counter({key: n for key, n in self._lately.items() if key[0] >= edge})
            self.newest = ns
        return True


class KubernetesLogs:
    def __init__(self, pace: Pace = PACE) -> None:
        self._pace = pace

    async def follow(self, ctx: Context) -> AsyncGenerator[LogLine, None]:
        """All pods of the workloads, whatever becomes of them. A cluster that is away is asked again."""
        async with watching(ctx, self._pace) as (scene, kept):
            following = Following(ctx, scene, self._pace)
            tasks = [asyncio.create_task(work, name=name) for name, work in following.works().items()]
            scene.listen(following)
            try:
                while True:
                    while not following.lines.empty():
                        yield following.lines.get_nowait()
                    line = asyncio.create_task(following.lines.get())
                    await asyncio.wait({line, kept, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                    if line.done():
                        yield line.result()
                        continue
                    line.cancel()
                    for task in (kept, *tasks):
                        if task.done():
                            await task
            finally:
                scene.leave(following)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await following.end()


@dataclass
class _One:
    """A container of a pod that is followed, through all that it is started. ``news`` is set when it changes."""

    pod: str
    seen: ContainerSeen
    source: str
    position: Position = field(default_factory=Position)
    gone: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Following:
    def __init__(self, ctx: Context, scene: Scene, pace: Pace = PACE) -> None:
        self._ctx = ctx
        config: Config = ctx.config
        names = [config.object_name(key) for key in config.workloads]
        self.lines: asyncio.Queue[LogLine] = asyncio.Queue(maxsize=WAITING)
        self._said: asyncio.Queue[LogLine] = asyncio.Queue(maxsize=WAITING)
        self._unsaid = 0
        self._scene = scene
        self._happenings = Happenings(ctx, names, self._event, pace)
        self._followed: dict[tuple[str, str], _One] = {}
        self._began = ctx.clock.now()
        self._left_out = 0

    def works(self) -> dict[str, Any]:
        return {"events": self._happenings.run(), "telling": self._tell(), "guarding": self._guard()}

    async def end(self) -> None:
        tasks = [one.task for one in self._followed.values() if one.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- what is told of them all

    async def _tell(self) -> None:
        """What watches say may not wait for whoever reads: it is handed on from here."""
        while True:
            await self.lines.put(await self._said.get())
            if self._unsaid and self._said.empty():
                left, self._unsaid = self._unsaid, 0
                self._say(f"warroom: {left} lines of what happened are not shown: nobody read them in time", "warning")

    async def _guard(self) -> None:
        """Alarms of a changed template, and that what is watched has got stale, or is live again."""
        stale = ""
        while True:
            for part in self._scene.parts.values():
                while part.guard.words:
                    at, words = part.guard.words.popleft()
                    self._say(words, "error", at)
            now = self._scene.stale() or self._happenings.stale()
            if (
                now
                and not stale
                and self._scene.parts
                and all(part.itself.complete for part in self._scene.parts.values())
            ):
                self._say(f"warroom: what is watched is stale: {now}", "warning")
                stale = now
            elif not now and stale:
                self._say("warroom: what is watched is live again", "info")
                stale = ""
            await self._ctx.clock.sleep(TICK_S)

    def _say(self, words: str, level: Level, at: datetime | None = None) -> None:
        at = at or self._ctx.clock.now()
        try:
            self._said.put_nowait(LogLine(source=SOURCE, text=words, at=at, level=level))
        except asyncio.QueueFull:
            self._unsaid += 1

    def _event(self, change: Change[EventSeen]) -> None:
        one = change.new
        if one is None or (one.at is not None and one.at - ahead(self._ctx) < self._began - FIRST_EVENTS):
            return
        self._say(one.words, one.level, one.at)

    def on_end(self, part: Part, end: End) -> None:
        self._say(end.words, "error", end.at)

    # ---- the containers

    def on_pod(self, part: Part, change: Change[PodSeen]) -> None:
        old, new = change.old, change.new
        one = new or old
        if one is None:
            return
        if not change.listed:
            self._told_of(old, new)
        for container in one.containers:
            known = self._followed.get((one.uid, container.name))
            if known is None and new is not None and container.state in ("running", "terminated"):
                self._begin(one, container)
            elif known is not None:
                known.seen, known.gone = container, new is None
                known.news.set()

    def _told_of(self, old: PodSeen | None, new: PodSeen | None) -> None:
        """Pods that come, get ready, stop being so, and go."""
        if new is None:
            self._say(f"{old.name} is gone" if old is not None else "", "info")
        elif old is None:
            self._say(f"{new.name} was made", "info")
        elif new.deleting and not old.deleting:
            self._say(f"{new.name} is being ended", "info")
        elif new.ready and not old.ready:
            self._say(f"{new.name} is ready", "info")
        elif old.ready and not new.ready and new.counts:
            self._say(f"{new.name} is not ready any more: {held_up(new)}", "warning")

    def _begin(self, pod: PodSeen, container: ContainerSeen) -> None:
        if len(self._followed) >= AT_ONCE:
            self._left_out += 1
            if self._left_out == 1:
                self._say(f"warroom: {AT_ONCE} containers are followed; the logs of more are not read", "warning")
            return
        one = _One(pod.name, container, f"{pod.name}/{container.name}")
        key = (pod.uid, container.name)
        self._followed[key] = one
        one.task = asyncio.create_task(self._follow(key, one), name=f"logs of {one.source}")

    async def _follow(self, key: tuple[str, str], one: _One) -> None:
        """One container until its pod is gone, each time that it is started."""
        read = noted = ""
        while True:
            one.news.clear()
            now, pause = one.seen, AGAIN_S / 4
            try:
                async with cluster(self._ctx) as api:
                    if now.restarts and now.id != read:
                        await self._lines(api, one, previous=True)
                    await self._lines(api, one, previous=False)
                    read = now.id
            except NotThere:
                break
            except ApiRefused as error:
                pause = AGAIN_S
                words = f"its log can't be read: {error.cause or error.title}"
                if error.status != NOT_YET and words != noted:
                    await self._note(one, words)
                    noted = words
            except WarroomError:
                await self._ctx.clock.sleep(AGAIN_S)  # the signals and the readiness rows say that it is away
                continue
            if one.gone:
                break
            if one.seen.state == "running" and one.seen.id == now.id:
                await self._ctx.clock.sleep(pause)
            else:
                await one.news.wait()
        self._followed.pop(key, None)

    async def _lines(self, api: Cluster, one: _One, *, previous: bool) -> None:
        begins = one.position.begins()
        query = {"container": one.seen.name, "timestamps": "true"}
        query |= {"previous": "true"} if previous else {"follow": "true"}
        if begins:
            query["sinceTime"] = since_time(begins)
        else:
            query["tailLines"] = str(PREVIOUS_LINES if previous else FIRST_LINES)
        path = paths.path("v1", "pods", namespace=self._scene.namespace, name=one.pod, sub="log")
        try:
            stream = api.stream(path, query, silence=None if previous else QUIET_S)
            async with contextlib.aclosing(_generator(stream)) as lines:
                async for line in lines:
                    await self._line(one, line)
        except TimedOut:
            if previous:
                raise
        except ApiRefused as error:
            if not previous or isinstance(error, NotThere) or error.status != NOT_YET:
                raise

    async def _line(self, one: _One, line: bytes) -> None:
        told = stamped(line.rstrip(b"\r"))
        if told is None:
            told = (one.position.newest, line)
        ns, text = told
        if one.position.take(ns, text):
            at = moment(ns) if ns else None
            await self.lines.put(LogLine(source=one.source, text=text.decode("utf-8", "replace"), at=at))

    async def _note(self, one: _One, words: str) -> None:
        at = self._ctx.clock.now()
        await self.lines.put(LogLine(source=one.source, text=f"warroom: {words}", at=at, level="warning"))


async def _generator(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for line in stream:
        yield line
