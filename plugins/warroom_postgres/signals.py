"""Signals of a database, each asked at its own pace: the vitals often, the schema rarely, the data as cost allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_postgres import statements
from warroom_postgres.asking import ask, why
from warroom_postgres.config import Config, Count, Integrity
from warroom_postgres.vitals import SCHEMA, VITALS, Value, failed_migrations, listed, no_vitals, summed, vitals

LEAST_REST = 19
"""How much longer than a round of counting the pause after it is, at least."""

_OFFERS = {
    "reachable": SignalOffer("database answers", "state"),
    "connections-used": SignalOffer("database connections in use", "ratio"),
    "pool-used": SignalOffer("database pool in use", "ratio"),
    "sessions-active": SignalOffer("sessions at work", "count"),
    "sessions-idle": SignalOffer("idle sessions", "count"),
    "sessions-idle-in-transaction": SignalOffer("sessions idle in a transaction", "count"),
    "sessions-waiting": SignalOffer("sessions waiting for a lock", "count"),
    "longest-transaction": SignalOffer("longest transaction", "s"),
    "locks-waiting": SignalOffer("locks waited for", "count"),
    "database-size": SignalOffer("database size", "bytes"),
    "migrations-failed": SignalOffer("failed migrations", "count"),
    "constraints-invalid": SignalOffer("constraints that are not valid", "count"),
    "indexes-invalid": SignalOffer("indexes that are not valid", "count"),
}
Look = Callable[[], Awaitable[dict[str, Value]]]


class PostgresSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        own = {
            name: replace(offer, every=config.schema_every if name in SCHEMA else config.every)
            for name, offer in _OFFERS.items()
        }
        return own | {
            name: SignalOffer(one.title or name, "count", every=one.every) for name, one in config.integrity.items()
        }

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """One loop for the vitals, one for the schema, one for each integrity signal: none holds up another."""
        config: Config = ctx.config
        offered = self.offers(config)
        if unknown := sorted(wanted - offered.keys()):
            raise BadInput(f"a database has no signal {unknown[0]}", "", f"It has: {', '.join(offered)}.")
        ready: asyncio.Queue[list[Sample] | BaseException] = asyncio.Queue(maxsize=256)
        tasks = [asyncio.create_task(loop) for loop in _loops(ctx, wanted, ready)]
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


Ready = asyncio.Queue[list[Sample] | BaseException]


def _loops(ctx: Context, wanted: frozenset[str], ready: Ready) -> list[Coroutine[Any, Any, None]]:
    config: Config = ctx.config
    loops = []
    counting = asyncio.Lock()  # one count at a time: the data is read at leisure, and leaves the door to the vitals
    if some := wanted & VITALS:
        loops.append(_for_ever(ctx, some, config.every, 0, lambda: look_at_vitals(ctx), ready))
    if some := wanted & SCHEMA:
        schema = frozenset(some)
        loops.append(_for_ever(ctx, some, config.schema_every, 0, lambda: look_at_schema(ctx, schema), ready))
    for name, one in config.integrity.items():
        if name in wanted:
            look = _counting(ctx, name, one)
            loops.append(_for_ever(ctx, frozenset({name}), one.every, LEAST_REST, look, ready, counting))
    return loops


def _counting(ctx: Context, name: str, one: Integrity) -> Look:
    async def look() -> dict[str, Value]:
        return {name: await look_at_integrity(ctx, one)}

    return look


async def _for_ever(
    ctx: Context,
    wanted: frozenset[str],
    every: float,
    rest: float,
    look: Look,
    ready: Ready,
    turn: asyncio.Lock | None = None,
) -> None:
    """Looks ``every`` so often, in seconds, with a pause of at least ``rest`` times as long as the look took."""
    clock = ctx.clock
    try:
        while True:
            due = clock.monotonic() + every
            async with turn or contextlib.nullcontext():
                began = clock.monotonic()
                values = await look()
                took = clock.monotonic() - began
            at = clock.now()
            await ready.put(
                [
                    Sample(signal=name, value=value, count=count, at=at, source=ctx.platform, words=words[:300])
                    for name, (value, count, words) in sorted(values.items())
                    if name in wanted
                ]
            )
            await clock.sleep(max(due - clock.monotonic(), rest * took, 0))
    except Exception as error:  # noqa: BLE001 - handed to whoever reads the samples, who starts them again
        await ready.put(error)


async def look_at_vitals(ctx: Context) -> dict[str, Value]:
    config: Config = ctx.config
    application = config.pool.application if config.pool else None
    try:
        rows = await ask(ctx, statements.VITALS, parameters=(application, application))
    except WarroomError as error:
        return no_vitals(error)
    return vitals(rows.each()[0], config.pool)


async def look_at_schema(ctx: Context, wanted: frozenset[str]) -> dict[str, Value]:
    config: Config = ctx.config
    values: dict[str, Value] = {}
    for name in sorted(wanted):
        try:
            match name:
                case "migrations-failed":
                    names = {"table": config.migrations}
                    values[name] = failed_migrations((await ask(ctx, statements.MIGRATIONS, names=names)).each())
                case "constraints-invalid":
                    values[name] = listed((await ask(ctx, statements.CONSTRAINTS)).each())
                case "indexes-invalid":
                    values[name] = listed((await ask(ctx, statements.INDEXES)).each())
                case _:
                    values[name] = (float((await ask(ctx, statements.SIZE)).rows[0][0]), 1, "")
        except WarroomError as error:
            values[name] = (None, None, why(error))
    return values


async def look_at_integrity(ctx: Context, one: Integrity) -> Value:
    found: dict[str, int | str] = {}
    for name, count in one.counts.items():
        try:
            found[name] = await _counted(ctx, count, one.timeout)
        except WarroomError as error:
            found[name] = why(error)
    return summed(found)


async def _counted(ctx: Context, count: Count, timeout: float) -> int | str:
    """How many cases, or why what came back is no number of cases."""
    statement, names, parameters = statements.counting(count)
    rows = await ask(ctx, statement, names=names, parameters=parameters, timeout=timeout, at_most=2)
    if len(rows.rows) != 1 or not rows.columns:
        return "the query gives not one row with a number"
    number = rows.rows[0][0]
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        return "the query's first column is no number of cases"
    return number
