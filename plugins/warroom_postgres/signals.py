"""Signals of a database, each asked at its own pace: the vitals often, the schema rarely, the data as cost allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_postgres import statements
from warroom_postgres.asking import ask, why
from warroom_postgres.blocking import CHAINS, blocking
from warroom_postgres.config import Config
from warroom_postgres.integrity import checks
from warroom_postgres.integrity.finding import Finding, by_kind
from warroom_postgres.integrity.looking import Looking
from warroom_postgres.rules import (
    DECLARED,
    Counted,
    Duplicates,
    ForeignKeys,
    Integrity,
    Nulls,
    Orphans,
    Sequences,
    UniqueIndexes,
)
from warroom_postgres.vitals import SCHEMA, VITALS, Value, blocked, failed_migrations, listed, no_vitals, summed, vitals

LONGEST_ROUND = 45.0
"""Seconds: with the pause after it, no count grows older than a quarter of an hour. What is not counted by then is
unknown."""

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
            name: SignalOffer(one.title or name, "count", every=one.every) for name, one in _integrity(config).items()
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
    for name, one in _integrity(config).items():
        if name in wanted:
            look = _counting(ctx, name, one)
            loops.append(_for_ever(ctx, frozenset({name}), one.every, 1 / one.share - 1, look, ready, counting))
    return loops


def _integrity(config: Config) -> Mapping[str, Integrity]:
    return {**DECLARED, **config.integrity}


def _counting(ctx: Context, name: str, one: Integrity) -> Look:
    usual = name not in ctx.config.integrity

    async def look() -> dict[str, Value]:
        return {name: await look_at_integrity(ctx, one, usual=usual)}

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
    found = vitals(rows.each()[0], config.pool)
    if not found["locks-waiting"][0] and not found["sessions-waiting"][0]:
        return found
    try:
        who = blocking((await ask(ctx, CHAINS)).each())
    except WarroomError as error:
        who = f"who holds up whom can't be told: {why(error)}"
    return blocked(found, who)


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


async def look_at_integrity(ctx: Context, one: Integrity, *, usual: bool = False) -> Value:
    """``usual``: nobody configured it. What is of tables that are not there is left out then, and its words say what
    was counted; without any of its rules there is no value, unless something else is wrong."""
    look = Looking(ctx, LONGEST_ROUND, one.timeout, one.largest, brief=True)
    own = {
        name: count for name, count in one.counts.items() if isinstance(count, Nulls | Orphans | Duplicates | Counted)
    }
    named = {name: count for name, count in own.items() if not isinstance(count, Counted)}
    left_out = await checks.absent(look, named) if usual and named else {}
    ruled = await checks.rules(look, {name: count for name, count in own.items() if name not in left_out})
    by_name = {found.name: found for found in ruled}
    counted: dict[str, int | str] = {}
    for name, count in one.counts.items():
        match count:
            case ForeignKeys():
                found = await checks.foreign_keys(look, count.but)
            case UniqueIndexes():
                found = await checks.unique_indexes(look)
            case Sequences():
                found = await checks.sequences(look)
            case _:
                counted |= _number(name, by_name[name]) if name in by_name else {}
                continue
        ruled += found
        counted |= _declared(name, found)
    value = summed(counted)
    return _with_what(value, ruled, left_out, bool(own) and not by_name) if usual else value


def _with_what(value: Value, found: Sequence[Finding], left_out: Mapping[str, str], nothing: bool) -> Value:
    """What was counted stands beside the number: zero of nothing is no good news."""
    number, of, words = value
    kinds = ", ".join(by_kind(found)) or "nothing: it has none"
    without = f"not there: {', '.join(dict.fromkeys(left_out.values()))}" if left_out else ""
    if nothing and not number:
        hint = "say what must hold of the data as integrity of the platform"
        return None, None, "; ".join(("none of its rules can be counted", without, f"counted {kinds}", hint))
    wrong = words if number != 0 else ""
    return number, of, "; ".join(part for part in (wrong, f"counted {kinds}", without) if part)


def _declared(name: str, found: Sequence[Finding]) -> dict[str, int | str]:
    """Of what the database declares, however much it is, only what is wrong or unknown is told one by one."""
    told: dict[str, int | str] = {}
    for one in found:
        if one.cases != 0:
            told |= _number(one.name, one)
    return told or {name: 0}


def _number(name: str, one: Finding) -> dict[str, int | str]:
    return {name: one.words if one.cases is None else one.cases}
