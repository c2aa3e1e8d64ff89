"""Signals that a runbook declares on a service's HTTP interface, asked again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from warroom.api import BadInput, Context, SignalOffer, TimedOut, WarroomError
from warroom.model.call import CallResult
from warroom.model.signal import Sample
from warroom_http.asking import ask, no_reply, why
from warroom_http.config import AnySignal, Config, FlowSignal, Health, Measured, Number
from warroom_http.documents import MISSING, Missing, number, pick, same, short
from warroom_http.flows import Walked, walk
from warroom_http.measures import Met, Window

NOT_LET_IN = frozenset({401, 403, 407, 429})
"""Statuses that say more of the asker than of the service: unknown, not failing."""

Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""


class HttpSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {name: _offer(config, name, signal) for name, signal in config.signals.items()}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """One loop per path and pause and one per flow, so that a slow one holds up no other."""
        config: Config = ctx.config
        if unknown := sorted(wanted - set(config.signals)):
            raise BadInput(f"there is no HTTP signal {unknown[0]}", "", f"declared are: {', '.join(config.signals)}")
        ready: asyncio.Queue[list[Sample] | BaseException] = asyncio.Queue(maxsize=256)
        tasks = [
            asyncio.create_task(_for_ever(ctx, every, look, ready))
            for every, look in _looks(ctx, {name: config.signals[name] for name in sorted(wanted)})
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


def _offer(config: Config, name: str, signal: AnySignal) -> SignalOffer:
    """A page is only looked at; a flow may do anything, so what it is used for decides whether it needs leave."""
    if isinstance(signal, FlowSignal):
        every = config.flows[signal.flow].every or config.every
        return SignalOffer(signal.title or name, _unit(signal), active=None, every=every)
    return SignalOffer(signal.title or name, _unit(signal), active=False, every=signal.every or config.every)


def _unit(signal: AnySignal) -> Literal["ratio", "ms", "s", "bytes", "count", "per-minute", "state"]:
    match signal:
        case Number():
            return signal.unit
        case Measured(kind="p95"):
            return "ms"
        case Measured():
            return "ratio"
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


def _looks(ctx: Context, signals: Mapping[str, AnySignal]) -> list[tuple[float, Look]]:
    """The askings that these signals need, each once however many signals read it, with their pauses in seconds."""
    config: Config = ctx.config
    pages: dict[tuple[str, float], dict[str, Health | Number | Measured]] = {}
    flows: dict[str, dict[str, FlowSignal]] = {}
    for name, signal in signals.items():
        if isinstance(signal, FlowSignal):
            flows.setdefault(signal.flow, {})[name] = signal
        else:
            pages.setdefault((signal.path, signal.every or config.every), {})[name] = signal
    looks: list[tuple[float, Look]] = []
    for (path, every), wanted in pages.items():
        looks.append((every, _Page(ctx, path, wanted).look))
    for flow, of_flow in flows.items():
        looks.append((config.flows[flow].every or config.every, _Flow(ctx, flow, of_flow).look))
    return looks


@dataclass
class _Page:
    """One path, and the signals that are read from its reply."""

    ctx: Context
    path: str
    signals: Mapping[str, Health | Number | Measured]
    windows: dict[str, Window] = field(default_factory=dict)

    async def look(self) -> list[Sample]:
        began = self.ctx.clock.monotonic()
        reply: CallResult | WarroomError
        try:
            reply = await ask(self.ctx, self.path)
        except WarroomError as error:
            reply = error
        ended = self.ctx.clock.monotonic()
        return [
            _sample(self.ctx, name, self._value(name, signal, reply, ended, ended - began))
            for name, signal in self.signals.items()
        ]

    def _value(
        self, name: str, signal: Health | Number | Measured, reply: CallResult | WarroomError, ended: float, took: float
    ) -> Value:
        match signal:
            case Health():
                return health(signal, reply)
            case Number():
                return counted(signal, reply)
            case Measured():
                window = self.windows.setdefault(name, Window(signal.window))
                return measured(signal, window, reply, ended, took)


@dataclass
class _Flow:
    ctx: Context
    flow: str
    signals: Mapping[str, FlowSignal]

    async def look(self) -> list[Sample]:
        config: Config = self.ctx.config
        walked = await walk(self.ctx, config.flows[self.flow].steps)
        return [_sample(self.ctx, name, flowed(signal, walked)) for name, signal in self.signals.items()]


def _sample(ctx: Context, name: str, value: Value) -> Sample:
    number_, count, words = value
    at = ctx.clock.now()
    return Sample(signal=name, value=number_, count=count, at=at, source=ctx.platform, words=words[:300])


def health(signal: Health, reply: CallResult | WarroomError) -> Value:
    """1, 0 or unknown. What the reply itself says of the field goes before its status: a health page answers 503 for
    one broken part, and names the others as well."""
    if isinstance(reply, WarroomError):
        return (0, 1, f"no reply: {why(reply)}") if no_reply(reply) else (None, None, why(reply))
    found = MISSING if signal.field is None else pick(reply.data, signal.field)
    if not isinstance(found, Missing):
        well = same(signal.equals, found)
        return float(well), 1, f"{signal.field} is {short(found)} (HTTP {reply.status})"
    if 200 <= reply.status < 300:
        if signal.field is None:
            return 1, 1, f"HTTP {reply.status}"
        return None, None, f"HTTP {reply.status}, but the reply has no {signal.field}"
    if reply.status < 400 or reply.status in NOT_LET_IN:
        return None, None, f"HTTP {reply.status}: warroom could not look"
    return 0, 1, f"HTTP {reply.status}"


def counted(signal: Number, reply: CallResult | WarroomError) -> Value:
    if isinstance(reply, WarroomError):
        return None, None, f"no reply: {why(reply)}" if no_reply(reply) else why(reply)
    if not 200 <= reply.status < 300:
        return None, None, f"HTTP {reply.status}"
    value, words = number(reply.data, signal.field)
    if value is None:
        return None, None, words
    if signal.over is not None:
        whole, words = number(reply.data, signal.over)
        if not whole:
            return None, None, words or f"{signal.over} is 0"
        value /= whole
    count, words = (None, "") if signal.count is None else number(reply.data, signal.count)
    if signal.count is not None and count is None:
        return None, None, words
    return value * signal.scale, None if count is None else int(count), ""


def measured(signal: Measured, window: Window, reply: CallResult | WarroomError, ended: float, took: float) -> Value:
    """Adds this request to the window and reads it. What warroom itself would not ask measures nothing."""
    if isinstance(reply, CallResult):
        met = Met(ended, reply.seconds or took, reply.status >= 500)
    elif no_reply(reply):
        met = Met(ended, took if isinstance(reply, TimedOut) else None, failed=True)
    else:
        return None, None, why(reply)
    window.add(met)
    value, count = window.read(signal.kind)
    words = f"{count} requests of warroom's own in {signal.window:g} s"
    new = int(signal.kind == "error-ratio" or met.seconds is not None)  # the others were counted by samples before
    return value, None if value is None else new, words if value is not None else f"{words}, none of them answered"


def flowed(signal: FlowSignal, walked: list[Walked]) -> Value:
    """The named step, or without one the whole flow: what stopped it, else its last step."""
    if signal.step is not None:
        one = next(w for w in walked if w.step == signal.step)
    else:
        one = next((w for w in walked if w.works is not True), walked[-1])
    return (None, None, one.words) if one.works is None else (float(one.works), 1, one.words)
