"""A read door to databases and caches as the product has it, and what can be seen of it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from warroom.actions.commands import CommandLog
from warroom.actions.doors import HttpClient, Reading
from warroom.actions.stores import Stores
from warroom.api import Context, Signals
from warroom.engine.core import SystemClock
from warroom.errors import BadInput
from warroom.model.signal import Sample
from warroom.redact import Redactor


@dataclass
class Door:
    """``secrets`` are the values by name; ``shown`` is all that the door keeps of what went through it."""

    secrets: dict[str, str] = field(default_factory=dict)
    log: CommandLog = field(default_factory=CommandLog)
    redactor: Redactor = field(default_factory=Redactor)
    stores: Stores = field(default_factory=Stores)

    def __post_init__(self) -> None:
        self.clock = SystemClock()
        self.read = Reading(HttpClient(), self.log, self.clock, self.redactor, stores=self.stores, secret=self.secret)

    def secret(self, name: str) -> str:
        if name.startswith("made:"):
            self.secrets.setdefault(name, secrets.token_urlsafe(32))
        if name not in self.secrets:
            raise BadInput(f"the secret {name} is not set", f"no environment variable {name}", "export it")
        self.redactor.register(self.secrets[name], name)
        return self.secrets[name]

    @property
    def shown(self) -> list[str]:
        return [line.text for line in self.log.newest(2000)]

    def context(self, platform: str, model: type[BaseModel], **config: Any) -> Context:
        """``config`` as a runbook file writes it."""
        made = model.model_validate(config)
        return Context(platform=platform, config=made, read=self.read, clock=self.clock, secret=self.secret)


@asynccontextmanager
async def a_door(**secrets: str) -> AsyncIterator[Door]:
    door = Door(dict(secrets))
    try:
        yield door
    finally:
        await door.stores.close()


async def first_samples(signals: Signals, ctx: Context, *names: str, patience: float = 60) -> dict[str, Sample]:
    """The first sample of each of these signals."""
    found: dict[str, Sample] = {}
    async with asyncio.timeout(patience), contextlib.aclosing(_closing(signals, ctx, names)) as stream:
        async for sample in stream:
            found.setdefault(sample.signal, sample)
            if len(found) == len(names):
                break
    return found


async def until_sample(
    signals: Signals, ctx: Context, name: str, fits: Callable[[Sample], bool], patience: float = 60
) -> Sample:
    """The first sample of this signal that fits, from one stream. Fails, with the last one, if none does in time."""
    last: Sample | None = None
    try:
        async with asyncio.timeout(patience), contextlib.aclosing(_closing(signals, ctx, (name,))) as stream:
            async for sample in stream:
                last = sample
                if fits(sample):
                    return sample
    except TimeoutError:
        pass
    raise AssertionError(f"no sample of {name} fits; the last was {last}")


async def _closing(signals: Signals, ctx: Context, names: Iterable[str]) -> AsyncGenerator[Sample, None]:
    stream = signals.samples(ctx, frozenset(names))
    assert isinstance(stream, AsyncGenerator)
    async with contextlib.aclosing(stream):
        async for sample in stream:
            yield sample
