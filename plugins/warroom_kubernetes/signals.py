"""Signals of the workloads that matter: are their pods ready, do they end, how near their limits are they, is what is
known of them live, and has anybody changed what warroom rolled back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import datetime

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_kubernetes.config import Config
from warroom_kubernetes.reach import paths
from warroom_kubernetes.reach.asking import Cluster, Forbidden, NotThere, cluster
from warroom_kubernetes.watch.collection import PACE, Pace
from warroom_kubernetes.watch.measures import UNMEASURED, Usage, Value, endpoints, of_all, of_workload, usage
from warroom_kubernetes.watch.scene import Part, Scene
from warroom_kubernetes.watch.shared import watching

METRICS_S = 10.0
"""Between two questions to the metrics server, in seconds: it measures every 15 at most."""
METRICS_FRESH_S = 180.0
TICK_S = 0.5
"""How soon after it has become stale, or after an alarm, that is told."""

_ALL = {
    "reachable": SignalOffer("the cluster's API answers", "state"),
    "watch": SignalOffer("what is watched is live", "state"),
    "ready": SignalOffer("pods ready, of the workload with the fewest", "ratio"),
    "pods-not-ready": SignalOffer("pods not ready", "count"),
    "restarts": SignalOffer("containers that ended by themselves in 10 minutes", "count"),
    "oom-kills": SignalOffer("containers out of memory in 10 minutes", "count"),
    "memory-used": SignalOffer("memory in use, of the fullest container", "ratio"),
    "cpu-used": SignalOffer("CPU in use, of the busiest container", "ratio"),
    "template-unchanged": SignalOffer("templates as warroom left them", "state"),
}
_EACH = {
    "health": SignalOffer("{} health", "state"),
    "ready": SignalOffer("{} pods ready", "ratio"),
    "pods-not-ready": SignalOffer("{} pods not ready", "count"),
    "rollout": SignalOffer("{} rolled out", "state"),
    "restarts": SignalOffer("{} containers that ended by themselves in 10 minutes", "count"),
    "oom-kills": SignalOffer("{} out of memory in 10 minutes", "count"),
    "memory-used": SignalOffer("{} memory in use", "ratio"),
    "cpu-used": SignalOffer("{} CPU in use", "ratio"),
    "cpu": SignalOffer("{} CPUs in use", "count"),
    "template-unchanged": SignalOffer("{} template as warroom left it", "state"),
}
_ENDPOINTS = SignalOffer("{} endpoints ready", "count")
MEASURED = ("memory-used", "cpu-used", "cpu")
"""What the metrics server says; their time is its own."""


def offered(config: Config) -> dict[str, SignalOffer]:
    def paced(name: str, offer: SignalOffer) -> SignalOffer:
        fresh = METRICS_FRESH_S if name in MEASURED else None
        return replace(offer, every=config.every, fresh_for=fresh, active=False)

    own = {name: paced(name, offer) for name, offer in _ALL.items()}
    for key, one in config.workloads.items():
        for name, offer in (_EACH | ({"endpoints": _ENDPOINTS} if one.service is not None else {})).items():
            own[f"{name}-{key}"] = replace(paced(name, offer), title=offer.title.format(key))
    return own


class KubernetesSignals:
    def __init__(self, pace: Pace = PACE) -> None:
        self._pace = pace

    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        """Of all workloads together, and of each under its key: ``ready-web``."""
        return offered(config)

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """All of them, again and again, and at once when what is watched gets stale or a template is changed."""
        config: Config = ctx.config
        if unknown := sorted(wanted - offered(config).keys()):
            raise BadInput(f"kubernetes has no signal {unknown[0]}", "", f"It has: {', '.join(offered(config))}.")
        async with watching(ctx, self._pace) as (scene, kept):
            metrics = Metrics(ctx)
            tasks = [asyncio.create_task(metrics.run(scene), name="measuring")] if _measures(wanted) else []
            told: tuple[object, ...] = ()
            due = ctx.clock.monotonic()
            try:
                while True:
                    now, urgent = ctx.clock.now(), _urgent(scene)
                    if ctx.clock.monotonic() >= due or urgent != told:
                        due, told = ctx.clock.monotonic() + config.every, urgent
                        for sample in values_now(ctx, scene, metrics.usage, wanted, now):
                            yield sample
                    for task in (kept, *tasks):
                        if task.done():
                            await task
                    await ctx.clock.sleep(min(TICK_S, max(0.0, due - ctx.clock.monotonic())))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


def _measures(wanted: frozenset[str]) -> bool:
    return any(name.startswith(MEASURED) for name in wanted)


def _urgent(scene: Scene) -> tuple[object, ...]:
    alarms = tuple(part.guard.alarm for part in scene.parts.values())
    return (bool(scene.stale()), alarms)


def values_now(ctx: Context, scene: Scene, measured: Usage, wanted: frozenset[str], now: datetime) -> list[Sample]:
    values = read(ctx.config, scene, measured, now)
    return [
        Sample(
            signal=name,
            value=values[name][0],
            count=values[name][1],
            at=_at(name, measured, now),
            source=ctx.platform,
            words=values[name][2][:300],
        )
        for name in sorted(wanted & values.keys())
    ]


def _at(name: str, measured: Usage, now: datetime) -> datetime:
    of_metrics = name in MEASURED or name.startswith(tuple(f"{each}-" for each in MEASURED))
    return min(measured.at, now) if of_metrics and measured.at is not None and not measured.trouble else now


def read(config: Config, scene: Scene, measured: Usage, now: datetime) -> dict[str, Value]:
    """Every value now. What may be old is not known, and says why."""
    values: dict[str, Value] = {}
    for key, declared in config.workloads.items():
        part = scene.parts.get(key)
        words = scene.trouble or scene.beat.stale() or (part.stale() if part is not None else "not watched yet")
        names = [*_EACH, *(["endpoints"] if declared.service is not None else [])]
        if part is None or words:
            own: dict[str, Value] = dict.fromkeys(names, (None, None, f"stale: {words}"))
            if part is not None and (alarm := part.guard.value(now))[0] == 0:
                own["template-unchanged"] = alarm  # what was seen was seen
        else:
            own = _of_part(part, measured, now)
        values |= {f"{name}-{key}": value for name, value in own.items()}
    values |= of_all(values, list(config.workloads))
    away, stale = scene.trouble or scene.beat.trouble, scene.stale()
    values["reachable"] = (0.0, 1, away) if away else (1.0, 1, "it answers")
    values["watch"] = (0.0, 1, f"stale: {stale}") if stale else (1.0, 1, "live")
    return values


def _of_part(part: Part, measured: Usage, now: datetime) -> dict[str, Value]:
    pods = list(part.pods.objects.values()) if part.pods is not None else []
    values = of_workload(part.name, part.declared.kind, part.seen(), pods, measured, now)
    values |= part.ends.values(now)
    values["template-unchanged"] = part.guard.value(now)
    if part.slices is not None:
        values["endpoints"] = endpoints(part.slices.objects.values())
    return values


class Metrics:
    """What metrics.k8s.io says, asked again and again. A cluster need not have it."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.usage: Usage = UNMEASURED

    async def run(self, scene: Scene) -> None:
        """For ever."""
        while True:
            pause = METRICS_S
            parts = [part for part in scene.parts.values() if part.pods is not None]
            if parts:
                try:
                    async with cluster(self._ctx) as api:
                        self.usage = await self._ask(api, parts)
                except (NotThere, Forbidden) as error:
                    words = "the cluster has no metrics.k8s.io" if isinstance(error, NotThere) else error.cause
                    self.usage = Usage({}, None, words)
                except WarroomError as error:
                    self.usage = Usage({}, None, f"{error.title}: {error.cause}" if error.cause else error.title)
            else:
                pause = TICK_S
            await self._ctx.clock.sleep(pause)

    async def _ask(self, api: Cluster, parts: list[Part]) -> Usage:
        path = paths.path(paths.METRICS, "pods", namespace=api.namespace)
        found = UNMEASURED
        for selector in sorted({part.pods.query["labelSelector"] for part in parts if part.pods is not None}):
            answer = await api.get(path, {"labelSelector": selector})
            one = usage(answer.get("items") or ())
            at = min(filter(None, (found.at, one.at)), default=None)
            found = Usage({**found.used, **one.used}, at)
        return found
