"""Signals of a Redis server: one INFO gives them all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_redis.config import Config
from warroom_redis.info import Counters, Value, info, memory, per_minute, role, serves, whole, why

OFFERS = {
    "reachable": SignalOffer("Redis answers", "state"),
    "memory-used": SignalOffer("Redis memory in use", "ratio"),
    "memory-bytes": SignalOffer("Redis memory", "bytes"),
    "evictions": SignalOffer("keys evicted", "per-minute"),
    "clients": SignalOffer("connected clients", "count"),
    "clients-blocked": SignalOffer("clients that wait for a key", "count"),
    "clients-rejected": SignalOffer("connections rejected", "per-minute"),
    "role": SignalOffer("Redis has its role", "state"),
}


class RedisSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {name: replace(offer, every=config.every) for name, offer in OFFERS.items()}

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """A sample of each, again and again. What can't be known has no value; rates begin with the second look."""
        if unknown := sorted(wanted - OFFERS.keys()):
            raise BadInput(f"Redis has no signal {unknown[0]}", "", f"It has: {', '.join(OFFERS)}.")
        config: Config = ctx.config
        before: Counters | None = None
        while True:
            began = ctx.clock.monotonic()
            values, before = await look(ctx, before)
            at = ctx.clock.now()
            for name in sorted(wanted & values.keys()):
                value, count, words = values[name]
                yield Sample(signal=name, value=value, count=count, at=at, source=ctx.platform, words=words[:300])
            await ctx.clock.sleep(max(0.0, config.every - (ctx.clock.monotonic() - began)))


async def look(ctx: Context, before: Counters | None) -> tuple[dict[str, Value], Counters | None]:
    """Values now, and the counters to compare the next ones with."""
    config: Config = ctx.config
    try:
        said = await info(ctx)
    except WarroomError as error:
        return _nothing(error), before
    now = Counters.read(ctx.clock.monotonic(), said)
    values: dict[str, Value | None] = {
        "reachable": (1, 1, "it answers"),
        "memory-used": memory(said),
        "memory-bytes": whole(said, "used_memory"),
        "clients": whole(said, "connected_clients"),
        "clients-blocked": whole(said, "blocked_clients"),
        "role": role(said, config.role),
        "evictions": per_minute(now.evicted, before.evicted if before else None, before, now, "evicted"),
        "clients-rejected": per_minute(now.rejected, before.rejected if before else None, before, now, "rejected"),
    }
    return {name: value for name, value in values.items() if value is not None}, now


def _nothing(error: WarroomError) -> dict[str, Value]:
    words = why(error)
    values: dict[str, Value] = dict.fromkeys(OFFERS, (None, None, words))
    served = serves(error)
    if served is not None:
        values["reachable"] = (float(served), 1, words)
    return values
