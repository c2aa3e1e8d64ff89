"""What is watched of the workloads that matter: they, their pods, their endpoints, and who changes their templates.

The server filters: each workload is watched by its name, its pods by its selector, its endpoints by its Service.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from warroom.api import Context, WarroomError
from warroom_kubernetes import live, paths
from warroom_kubernetes.asking import Cluster, cluster
from warroom_kubernetes.config import Config, Workload
from warroom_kubernetes.ends import End, Ends
from warroom_kubernetes.guarding import Guard
from warroom_kubernetes.live import PodSeen, WorkloadSeen, belongs
from warroom_kubernetes.measures import slice_seen
from warroom_kubernetes.objects import Json, template_of
from warroom_kubernetes.templates import hide
from warroom_kubernetes.watching import PACE, Beat, Change, Pace, Source, Watch

AGAIN_S = 2.0
FIRST = asyncio.FIRST_COMPLETED


@dataclass
class Part:
    """One workload. ``pods`` is None until it is known how they are asked for."""

    key: str
    declared: Workload
    name: str
    itself: Watch[WorkloadSeen]
    guard: Guard
    ends: Ends = field(default_factory=Ends)
    pods: Watch[PodSeen] | None = None
    slices: Watch[dict[str, int]] | None = None
    selected: asyncio.Event = field(default_factory=asyncio.Event)

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
    """``on_pod`` and ``on_end`` hear of each change, in order."""

    def __init__(
        self,
        ctx: Context,
        *,
        pace: Pace = PACE,
        on_pod: Callable[[Part, Change[PodSeen]], None] | None = None,
        on_end: Callable[[Part, End], None] | None = None,
        more: Callable[[str], list[Watch[Any]]] = lambda _: [],
    ) -> None:
        self._ctx = ctx
        self._pace = pace
        self._on_pod = on_pod
        self._on_end = on_end
        self._more = more
        self.parts: dict[str, Part] = {}
        self.others: list[Watch[Any]] = []
        self.beat = Beat(ctx.clock, pace)
        self.namespace = ""
        self.trouble = "not asked yet"

    def stale(self) -> str:
        """Why what is watched may be old; empty while all of it is live."""
        if words := self.trouble or self.beat.stale():
            return words
        for part in self.parts.values():
            if words := part.stale():
                return words
        return next(filter(None, (one.stale() for one in self.others)), "")

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
            self.others = self._more(namespace)
        for part in self.parts.values():
            part.itself.path = await api.where(paths.RESOURCES[part.declared.kind], namespace=namespace)
            if part.slices is not None:
                part.slices.path = await api.where("endpointslices", namespace=namespace)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.beat.run(api), name="beat")
            for other in self.others:
                group.create_task(other.run(api), name=other.what)
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
        part = Part(key, declared, name, itself, Guard(shown))
        itself.on = lambda change: self._changed(part, change)
        if declared.service is not None:
            query = {"labelSelector": f"kubernetes.io/service-name={declared.service}"}
            path = _newest("endpointslices", namespace)
            what = f"the endpoints of {declared.service}"
            part.slices = Watch(what, path, slice_seen, self._ctx.clock, query, pace=self._pace)
        return part

    def _changed(self, part: Part, change: Change[WorkloadSeen]) -> None:
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
        for end in part.ends.take(change, self._ctx.clock.now()):
            if self._on_end is not None and not (change.old is None and change.listed):
                self._on_end(part, end)
        if self._on_pod is not None:
            self._on_pod(part, change)


def _newest(resource: str, namespace: str) -> str:
    """Before the cluster has said which version it serves."""
    return paths.path(paths.VERSIONS[resource][0], resource, namespace=namespace)
