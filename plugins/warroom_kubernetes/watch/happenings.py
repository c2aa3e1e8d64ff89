"""Events of the workloads that matter, watched. The server filters as far as it can: by a field's value, or by another.

What is said of a workload by its own name comes whole. Of what a workload has made (its pods, ReplicaSets and Jobs)
the names aren't known to a filter: of these, warnings alone are asked for, of the whole namespace, and others' are left
out here. What else is said of pods is that they were placed, pulled and begun, which their own status tells too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from warroom.api import Context, WarroomError
from warroom_kubernetes.objects.fields import Json
from warroom_kubernetes.reach import paths
from warroom_kubernetes.reach.asking import cluster
from warroom_kubernetes.watch.collection import Change, Pace, Watch
from warroom_kubernetes.watch.events import EventSeen, concerns, event

AGAIN_S = 2.0
MANY = 8
"""Workloads whose own events are asked for by name."""
SLOWER = 6
"""How many times longer a watch of events lasts: what is known of the workloads does not hang on it."""


def selectors(names: Collection[str], kinds: Collection[str]) -> dict[str, str]:
    """What is asked for, and how, so that nothing comes twice. Of many workloads all of their kind: a watch for each
    would be many, and so many names more than some proxies take in a line."""
    field, those = ("name", names) if len(names) <= MANY else ("kind", kinds)
    found = {f"events of {one}": f"involvedObject.{field}={one}" for one in sorted(those)}
    return found | {
        "warnings": ",".join(["type!=Normal", *(f"involvedObject.{field}!={one}" for one in sorted(those))])
    }


class Happenings:
    """``on`` hears of each change, in order."""

    def __init__(
        self, ctx: Context, names: Collection[str], on: Callable[[Change[EventSeen]], None], pace: Pace
    ) -> None:
        self._ctx = ctx
        self._names = frozenset(names)
        pace = replace(pace, watch_s=pace.watch_s * SLOWER, stale_s=pace.stale_s * SLOWER)
        kinds = {one.kind for one in ctx.config.workloads.values()}
        self._watches = [
            Watch(what, "", self._kept, ctx.clock, {"fieldSelector": fields}, on, pace)
            for what, fields in selectors(self._names, kinds).items()
        ]

    def _kept(self, told: Json) -> EventSeen | None:
        one = event(told)
        return one if concerns(one, self._names) else None

    def stale(self) -> str:
        return next(filter(None, (one.stale() for one in self._watches)), "")

    async def run(self) -> None:
        """For ever. A cluster that is away is asked again; that it is, the workloads' own watches say."""
        while True:
            try:
                async with cluster(self._ctx) as api, asyncio.TaskGroup() as group:
                    for one in self._watches:
                        one.path = paths.path("v1", "events", namespace=api.namespace)
                        group.create_task(one.run(api), name=one.what)
            except WarroomError:
                await self._ctx.clock.sleep(AGAIN_S)
