"""What is watched of the workloads that matter: they, their pods, their endpoints, and who changes their templates.

The server filters: each workload is watched by its name, its pods by its selector, its endpoints by its Service.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from warroom.api import Context, WarroomError
from warroom_kubernetes.config import Config, Workload
from warroom_kubernetes.objects.fields import Json, template_of
from warroom_kubernetes.objects.templates import hide
from warroom_kubernetes.reach import paths
from warroom_kubernetes.reach.asking import Cluster, ahead, cluster
from warroom_kubernetes.watch import live
from warroom_kubernetes.watch.collection import PACE, Beat, Change, Pace, Source, Watch
from warroom_kubernetes.watch.ends import End, Ends
from warroom_kubernetes.watch.guard import Guard, left_of, meant_of
from warroom_kubernetes.watch.live import PodSeen, WorkloadSeen, belongs
from warroom_kubernetes.watch.measures import SliceSeen, slice_seen

AGAIN_S = 2.0
FIRST = asyncio.FIRST_COMPLETED


class Listener(Protocol):
    """Hears of each change, in order."""

    def on_pod(self, part: Part, change: Change[PodSeen]) -> None: ...

    def on_end(self, part: Part, end: End) -> None: ...


@dataclass(eq=False)
class Part:
    """One workload. ``pods`` is None until it is known how they are asked for. ``turn`` counts what has changed of it
    and of its pods."""

    key: str
    declared: Workload
    name: str
    itself: Watch[WorkloadSeen]
    guard: Guard
    ends: Ends = field(default_factory=Ends)
    pods: Watch[PodSeen] | None = None
    slices: Watch[SliceSeen] | None = None
    selected: asyncio.Event = field(default_factory=asyncio.Event)
    turn: int = 0

    @property
    def shown(self) -> str:
        return f"{self.declared.kind} {self.name}"

    def seen(self) -> WorkloadSeen | None:
        return next(iter(self.itself.objects.values()), None)

    def stale(self) -> str:
        """Why something of it may be old; empty while all is live."""
        words = self.itself.stale()
        if not words and self.seen() is not None:
            words = self.pods.stale() if self.pods is not None else f"the pods of {self.name}: not read yet"
        return words or (self.slices.stale() if self.slices is not None else "")


class Scene:
    def __init__(self, ctx: Context, *, pace: Pace = PACE) -> None:
        self._ctx = ctx
        self._pace = pace
        self._listeners: list[Listener] = []
        self.parts: dict[str, Part] = {}
        self.beat = Beat(ctx.clock, pace, self._heard)
        self.namespace = ""
        self.trouble = "not asked yet"

    def listen(self, listener: Listener) -> None:
        """From now on, and at once of the pods that are there already, as of a list."""
        self._listeners.append(listener)
        for part in self.parts.values():
            for one in list(part.pods.objects.values()) if part.pods is not None else ():
                listener.on_pod(part, Change(None, one, listed=True))

    def leave(self, listener: Listener) -> None:
        self._listeners.remove(listener)

    def _heard(self) -> float | None:
        """When the server last said anything on any of the watches."""
        watches = [one for part in self.parts.values() for one in (part.itself, part.pods, part.slices)]
        return max((one.heard for one in watches if one is not None and one.heard is not None), default=None)

    def stale(self) -> str:
        """Why what is watched may be old; empty while all of it is live."""
        if words := self.trouble or self.beat.stale():
            return words
        for part in self.parts.values():
            if words := part.stale():
                return words
        return ""

    async def run(self) -> None:
        """For ever. A kubeconfig that can't be used is read again; a cluster that is away is asked again."""
        while True:
            try:
                async with cluster(self._ctx) as api:
                    self.namespace, self.trouble = api.namespace, ""
                    await self.watch(api, api.namespace)
            except WarroomError as error:
                self.trouble = f"{error.title}: {error.cause}" if error.cause else error.title
            await self._ctx.clock.sleep(AGAIN_S)

    async def watch(self, api: Cluster, namespace: str) -> None:
        """For ever."""
        config: Config = self._ctx.config
        self.namespace, self.trouble = namespace, ""
        if not self.parts:
            self.parts = {key: self._part(key, one, namespace) for key, one in config.workloads.items()}
        for part in self.parts.values():
            part.itself.path = await api.where(paths.RESOURCES[part.declared.kind], namespace=namespace)
            if part.slices is not None:
                part.slices.path = await api.where("endpointslices", namespace=namespace)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.beat.run(api), name="beat")
            for part in self.parts.values():
                group.create_task(part.itself.run(api), name=part.shown)
                group.create_task(self._pods(api, part), name=f"pods of {part.shown}")
                if part.slices is not None:
                    group.create_task(part.slices.run(api), name=part.slices.what)

    def _part(self, key: str, declared: Workload, namespace: str) -> Part:
        config: Config = self._ctx.config
        name = config.object_name(key)
        path = _newest(paths.RESOURCES[declared.kind], namespace)
        shown = f"{declared.kind} {name}"

        def kept(told: Json) -> WorkloadSeen:
            hide(self._ctx, template_of(told))
            return live.workload(declared.kind, told)

        query = {"fieldSelector": f"metadata.name={name}"}
        itself = Watch(shown, path, kept, self._ctx.clock, query, pace=self._pace)
        part = Part(key, declared, name, itself, self._guard(shown, key))
        itself.on = lambda change: self._changed(part, change)
        if declared.service is not None:
            query = {"labelSelector": f"kubernetes.io/service-name={declared.service}"}
            path = _newest("endpointslices", namespace)
            what = f"the endpoints of {declared.service}"
            part.slices = Watch(what, path, slice_seen, self._ctx.clock, query, pace=self._pace)
        return part

    def _guard(self, shown: str, key: str) -> Guard:
        acted = self._ctx.acted
        return Guard(shown, lambda: left_of(acted(), key), lambda: meant_of(acted(), key), lambda: ahead(self._ctx))

    def _changed(self, part: Part, change: Change[WorkloadSeen]) -> None:
        part.turn += 1
        part.guard.take(change, self._ctx.clock.now())
        old, new = change.old, change.new
        if new is not None and (old is None or old.selector != new.selector or part.pods is None):
            part.selected.set()

    async def _pods(self, api: Source, part: Part) -> None:
        """For ever, by the selector that the workload has now: one that is made again may have another."""
        running: asyncio.Task[None] | None = None
        try:
            while True:
                seen = part.seen()
                if seen is not None and (part.pods is None or part.pods.query["labelSelector"] != seen.selector):
                    if running is not None:
                        running.cancel()
                        await asyncio.gather(running, return_exceptions=True)
                    part.pods = self._pods_watch(part, seen.selector)
                    running = None
                if running is None and part.pods is not None:
                    running = asyncio.create_task(part.pods.run(api), name=part.pods.what)
                part.selected.clear()
                again = asyncio.create_task(part.selected.wait())
                try:
                    await asyncio.wait({again, running} if running is not None else {again}, return_when=FIRST)
                finally:
                    again.cancel()
                if running is not None and running.done():
                    await running  # a watch goes on for ever: what ended it is a mistake, and is heard of
        finally:
            if running is not None:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def _pods_watch(self, part: Part, selector: str) -> Watch[PodSeen]:
        def kept(told: Json) -> PodSeen | None:
            one = live.pod(told)
            return one if belongs(one, part.declared.kind, part.name) else None

        path = paths.path("v1", "pods", namespace=self.namespace)
        watch = Watch(
            f"the pods of {part.name}", path, kept, self._ctx.clock, {"labelSelector": selector}, pace=self._pace
        )
        watch.on = lambda change: self._pod(part, change)
        return watch

    def _pod(self, part: Part, change: Change[PodSeen]) -> None:
        part.turn += 1
        new = part.ends.take(change, self._ctx.clock.now())
        for listener in self._listeners:
            for end in new if change.old is not None or not change.listed else ():
                listener.on_end(part, end)
            listener.on_pod(part, change)


def _newest(resource: str, namespace: str) -> str:
    """Before the cluster has said which version it serves."""
    return paths.path(paths.VERSIONS[resource][0], resource, namespace=namespace)
