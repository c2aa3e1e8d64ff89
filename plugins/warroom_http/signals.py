"""Signals that a runbook declares on a service's HTTP interface, asked again and again."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from weakref import WeakKeyDictionary

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.call import CallResult
from warroom.model.signal import Sample
from warroom_http.active import tried
from warroom_http.asking import ask
from warroom_http.config import Config
from warroom_http.declared import ActiveSignal, AnySignal, FlowSignal, Health, Measured, Number, Page
from warroom_http.flows import Walked, walk
from warroom_http.measures import Window
from warroom_http.pages import Value, proven, read, unknown


class HttpSignals:
    def __init__(self) -> None:
        self._last: WeakKeyDictionary[object, dict[str, float]] = WeakKeyDictionary()
        self._well: WeakKeyDictionary[object, set[str]] = WeakKeyDictionary()

    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {name: _offer(config, name, signal) for name, signal in config.signals.items()}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """One loop per path and pause and one per flow, so that a slow one holds up no other."""
        config: Config = ctx.config
        if unknown := sorted(wanted - set(config.signals)):
            raise BadInput(f"there is no HTTP signal {unknown[0]}", "", f"declared are: {', '.join(config.signals)}")
        ready: asyncio.Queue[list[Sample] | BaseException] = asyncio.Queue(maxsize=256)
        declared = {name: config.signals[name] for name in sorted(wanted)}
        well = self._well.setdefault(ctx.read, set())
        tasks = [
            asyncio.create_task(_for_ever(ctx, every, look, ready))
            for every, look in _looks(ctx, declared, self._tries(ctx), well)
        ]
        try:
            while tasks:
                found = await ready.get()
                if isinstance(found, BaseException):
                    raise found
                for sample in found:
                    yield sample
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _tries(self, ctx: Context) -> dict[str, float]:
        """When each active probe of this platform was last tried, on its own monotonic clock."""
        return self._last.setdefault(ctx.read, {})


def _offer(config: Config, name: str, signal: AnySignal) -> SignalOffer:
    """A page is only looked at; a flow may do anything, so what it is used for decides whether it needs leave."""
    if isinstance(signal, FlowSignal):
        every = config.flows[signal.flow].every or config.every
        return SignalOffer(signal.title or name, _unit(signal), active=None, every=every)
    if isinstance(signal, ActiveSignal):
        return SignalOffer(signal.title or name, "state", active=True, every=config.pause(signal))
    return SignalOffer(signal.title or name, _unit(signal), active=False, every=signal.every or config.every)


def _unit(signal: AnySignal) -> Literal["ratio", "ms", "s", "bytes", "count", "per-minute", "state"]:
    match signal:
        case Number():
            return signal.unit
        case Measured():
            return "ratio" if signal.kind == "error-ratio" else "ms"
    return "state"


Look = Callable[[], Awaitable[list[Sample]]]


async def _for_ever(ctx: Context, every: float, look: Look, ready: asyncio.Queue[list[Sample] | BaseException]) -> None:
    """Looks at a steady pace; a look that takes longer than the pause skips what it missed."""
    due = ctx.clock.monotonic()
    try:
        while True:
            await ready.put(await look())
            now = ctx.clock.monotonic()
            due = max(due + every, now)
            await ctx.clock.sleep(due - now)
    except Exception as error:  # noqa: BLE001 - handed to whoever reads the samples, who starts them again
        await ready.put(error)


def _looks(
    ctx: Context, signals: Mapping[str, AnySignal], tries: dict[str, float], well: set[str]
) -> list[tuple[float, Look]]:
    """The askings that these signals need, each once however many signals read it, with their pauses in seconds."""
    config: Config = ctx.config
    pages: dict[tuple[str, float], dict[str, Page]] = {}
    flows: dict[str, dict[str, FlowSignal]] = {}
    looks: list[tuple[float, Look]] = []
    for name, signal in signals.items():
        if isinstance(signal, ActiveSignal):
            looks.append((config.pause(signal), _Tried(ctx, name, signal, tries).look))
        elif isinstance(signal, FlowSignal):
            flows.setdefault(signal.flow, {})[name] = signal
        else:
            pages.setdefault((signal.path, signal.every or config.every), {})[name] = signal
    for (path, every), wanted in pages.items():
        looks.append((every, _Page(ctx, path, wanted, well).look))
    for flow, of_flow in flows.items():
        looks.append((config.flows[flow].every or config.every, _Flow(ctx, flow, of_flow, well).look))
    return looks


@dataclass
class _Page:
    """One path, and the signals that are read from its reply."""

    ctx: Context
    path: str
    signals: Mapping[str, Page]
    well: set[str]
    windows: dict[str, Window] = field(default_factory=dict)

    async def look(self) -> list[Sample]:
        clock = self.ctx.clock
        began = clock.monotonic()
        reply: CallResult | WarroomError
        try:
            reply = await ask(self.ctx, self.path)
        except WarroomError as error:
            reply = error
        ended, now = clock.monotonic(), clock.now()
        samples = []
        for name, signal in self.signals.items():
            window = self.windows.setdefault(name, Window(getattr(signal, "window", 1)))
            value = read(self.ctx.config, signal, window, reply, now, ended, ended - began)
            status = reply.status or 0 if isinstance(reply, CallResult) and isinstance(signal, Health) else 0
            samples.append(_sample(self.ctx, name, proven(self.well, name, value, status, self.path)))
        return samples


@dataclass
class _Flow:
    ctx: Context
    flow: str
    signals: Mapping[str, FlowSignal]
    well: set[str]

    async def look(self) -> list[Sample]:
        config: Config = self.ctx.config
        steps = config.flows[self.flow].steps
        walked = await walk(self.ctx, steps)
        stopped = next((w for w in walked if w.works is False), walked[-1])
        path = steps[stopped.step].path
        return [
            _sample(self.ctx, name, proven(self.well, name, flowed(signal, walked), stopped.status, path))
            for name, signal in self.signals.items()
        ]


@dataclass
class _Tried:
    """One active probe, never tried more often than it may be, however often its signals are started again."""

    ctx: Context
    name: str
    signal: ActiveSignal
    last: dict[str, float]

    async def look(self) -> list[Sample]:
        config: Config = self.ctx.config
        clock = self.ctx.clock
        left = self.last.get(self.name, -math.inf) + config.pause(self.signal) - clock.monotonic()
        if left > 0:
            await clock.sleep(left)
        self.last[self.name] = clock.monotonic()
        return [_sample(self.ctx, self.name, await tried(self.ctx, self.signal))]


def _sample(ctx: Context, name: str, value: Value) -> Sample:
    at = value.at or ctx.clock.now()
    return Sample(
        signal=name, value=value.number, count=value.count, at=at, source=ctx.platform, words=value.words[:300]
    )


def flowed(signal: FlowSignal, walked: list[Walked]) -> Value:
    """The named step, or without one the whole flow: what stopped it, else its last step."""
    if signal.step is not None:
        one = next(w for w in walked if w.step == signal.step)
    else:
        one = next((w for w in walked if w.works is not True), walked[-1])
    return unknown(one.words) if one.works is None else Value(float(one.works), 1, one.words)
