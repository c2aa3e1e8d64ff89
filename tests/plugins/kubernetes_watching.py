"""Samples and log lines of the Kubernetes plugin, gathered beside a test that changes the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.kube.workloads import Namespace
from tests.plugins.kubernetes_reading import LONG, reading
from warroom.api import Context
from warroom.model.signal import LogLine, Sample
from warroom_kubernetes.logs import KubernetesLogs
from warroom_kubernetes.signals import KubernetesSignals, offered
from warroom_kubernetes.watch.collection import PACE, Pace

T = TypeVar("T")


@dataclass
class Gathered:
    ctx: Context
    samples: dict[str, Sample] = field(default_factory=dict)
    """The newest of each signal."""
    lines: list[LogLine] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def value(self, signal: str) -> float | None:
        return self.samples[signal].value if signal in self.samples else None

    def words(self, signal: str) -> str:
        return self.samples[signal].words if signal in self.samples else ""

    def texts(self, source: str = "") -> list[str]:
        return [line.text for line in self.lines if line.source.startswith(source)]

    async def until(self, true: Callable[[], bool], what: str = "") -> None:
        for _ in range(int(LONG / 0.02)):
            for task in self._tasks:
                if task.done():
                    task.result()
            if true():
                return
            await asyncio.sleep(0.02)
        told = {name: (one.value, one.words) for name, one in self.samples.items()}
        raise AssertionError(f"not within {LONG:g} s: {what}; {told}; {[line.text for line in self.lines[-20:]]}")


async def outside(work: Callable[..., T], *args: Any, **more: Any) -> T:
    """What a test does to the cluster, beside the event loop that is watching it."""
    return await asyncio.to_thread(work, *args, **more)


@asynccontextmanager
async def gathering(
    namespace: Namespace, *, signals: bool = True, logs: bool = False, pace: Pace = PACE, **config: Any
) -> AsyncIterator[Gathered]:
    async with reading(namespace, **{"every": 0.2, **config}) as ctx:
        gathered = Gathered(ctx)

        async def samples() -> None:
            async with aclosing(KubernetesSignals(pace).samples(ctx, frozenset(offered(ctx.config)))) as given:
                async for sample in given:
                    gathered.samples[sample.signal] = sample

        async def lines() -> None:
            async with aclosing(KubernetesLogs(pace).follow(ctx)) as given:
                async for line in given:
                    gathered.lines.append(line)

        works = [*([samples()] if signals else []), *([lines()] if logs else [])]
        gathered._tasks = [asyncio.create_task(work) for work in works]
        try:
            yield gathered
        finally:
            for task in gathered._tasks:
                task.cancel()
            await asyncio.gather(*gathered._tasks, return_exceptions=True)
