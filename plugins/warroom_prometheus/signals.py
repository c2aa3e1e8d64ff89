"""The configured queries, asked again and again. A sample is given when there is news: a newer one, or a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from warroom.api import BadInput, Context, SignalOffer, TryLater, WarroomError
from warroom.model.signal import Sample
from warroom_prometheus.asking import Answer, at_once, why
from warroom_prometheus.config import Config, Signal
from warroom_prometheus.reading import Counter, Read, fitting, read, single

AT_ONCE = 6
"""Signals that are asked for at the same time."""


class PrometheusSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {
            name: SignalOffer(
                signal.title or name,
                signal.unit,
                active=False,
                every=signal.every or config.every,
                fresh_for=signal.stale_after or config.stale_after,  # scrapes come at a pace of their own
            )
            for name, signal in config.signals.items()
        }

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """One loop for each signal, so that a slow query holds up no other."""
        config: Config = ctx.config
        if unknown := sorted(wanted - set(config.signals)):
            raise BadInput(
                f"there is no query {unknown[0]}", "", f"declared are: {', '.join(config.signals) or 'none'}"
            )
        ready: asyncio.Queue[Sample | BaseException] = asyncio.Queue(maxsize=256)
        turns = asyncio.Semaphore(AT_ONCE)
        tasks = [
            asyncio.create_task(_for_ever(_Asked(ctx, name, config.signals[name], turns), ready))
            for name in sorted(wanted)
        ]
        try:
            while tasks:
                found = await ready.get()
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever(asked: _Asked, ready: asyncio.Queue[Sample | BaseException]) -> None:
    """Asks at a steady pace; a question that takes longer than the pause skips what it missed."""
    clock = asked.ctx.clock
    config: Config = asked.ctx.config
    every = asked.signal.every or config.every
    due = clock.monotonic()
    try:
        while True:
            sample = await asked.look()
            if sample is not None:
                await ready.put(sample)
            now = clock.monotonic()
            due = max(due + every, now, now + asked.wait)
            await clock.sleep(due - now)
    except Exception as error:  # noqa: BLE001 - handed to whoever reads the samples, who starts them again
        await ready.put(error)


@dataclass
class _Asked:
    """One signal. ``wait`` is how long the server asked to be left alone, in seconds."""

    ctx: Context
    name: str
    signal: Signal
    turns: asyncio.Semaphore
    wait: float = 0
    last_at: float | None = None
    counter: Counter = field(init=False)

    def __post_init__(self) -> None:
        self.counter = Counter(self.signal.counted_over)

    async def look(self) -> Sample | None:
        """None where nothing newer is known than at the last look: a stuck source then shows as getting old."""
        self.wait = 0
        try:
            async with self.turns:
                answer, newest, counts = await self._ask()
        except TryLater as error:
            self.wait = error.after_s or 0
            return self._unknown(why(error))
        except WarroomError as error:
            return self._unknown(why(error))
        found = read(self.ctx.config, self.signal, answer, newest, self.ctx.clock.now().timestamp())
        if found.at is not None and found.at == self.last_at:
            return None
        if found.at is None:
            return self._unknown(found.words)
        self.last_at = found.at
        return self._counted(found, found.at, counts)

    async def _ask(self) -> tuple[Answer, Answer | None, Answer | None]:
        """The answers to the query, to how new it is, and to how many observations there were."""
        parts = {"value": self.signal.query, "newest": self.signal.newest, "count": self.signal.count_query or ""}
        found = await at_once(self.ctx, {name: query for name, query in parts.items() if query})
        return found["value"], found.get("newest"), found.get("count")

    def _counted(self, found: Read, at: float, counts: Answer | None) -> Sample:
        if counts is None:
            return self._sample(found.value, None, at, found.words)
        counted, words = single(counts)
        counted, absurd = (None, words) if counted is None else fitting(counted, "count")
        if counts.warnings and not self.signal.accept_warnings:
            counted, absurd = None, f"a part may be missing: {counts.warnings[0]}"
        if counted is None:
            return self._sample(None, None, at, f"how many there were is not known: {absurd}")
        if counted == 0:
            self.counter.new(0, at)
            return self._sample(None, 0, at, "")
        if found.value is None:
            return self._sample(None, None, at, found.words)
        return self._sample(found.value, self.counter.new(counted, at), at, found.words)

    def _unknown(self, words: str) -> Sample:
        """The next look says again what is known, also of the same scrape: else one question that failed would leave
        the signal unknown until the next one.
        """
        self.last_at = None
        return self._sample(None, None, self.ctx.clock.now().timestamp(), words)

    def _sample(self, value: float | None, count: int | None, at: float, words: str) -> Sample:
        when = datetime.fromtimestamp(at, UTC)
        return Sample(signal=self.name, value=value, count=count, at=when, source=self.ctx.platform, words=words[:300])
