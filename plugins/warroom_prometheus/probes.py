"""A question at verification: is a query within its limit, now or all through the last minutes?"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue, model_validator

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Duration, Fact, span_text
from warroom_prometheus.asking import instant, over, why
from warroom_prometheus.config import Config, PromQL
from warroom_prometheus.promql import newest
from warroom_prometheus.reading import single

STEP = 15.0
ENOUGH = 0.8
"""The share of a range's points that must be there for the range to be judged."""


class QueryArgs(Fact):
    """The one number of ``query`` must be strictly below or above a limit, or equal to a value: now, or at each of the
    points of the last ``over``."""

    query: PromQL
    below: float | None = None
    above: float | None = None
    equals: float | None = None
    over: Annotated[Duration, Field(le=86400)] = 0

    @model_validator(mode="after")
    def _one_limit(self) -> QueryArgs:
        if sum(limit is not None for limit in (self.below, self.above, self.equals)) != 1:
            raise ValueError("one of below, above and equals was expected")
        return self

    def met(self, value: float) -> bool:
        if self.below is not None:
            return value < self.below
        return value > self.above if self.above is not None else value == self.equals

    @property
    def wanted(self) -> str:
        if self.below is not None:
            return f"below {self.below:g}"
        return f"above {self.above:g}" if self.above is not None else f"{self.equals:g}"


class QueryProbe:
    """Inconclusive where the number is not known, old, or too seldom known."""

    name = "query"
    args: type[BaseModel] = QueryArgs

    async def probe(self, ctx: Context, args: QueryArgs) -> Probed:
        try:
            return await (_through(ctx, args) if args.over else _now(ctx, args))
        except WarroomError as error:
            return Probed("inconclusive", why(error))


async def _now(ctx: Context, args: QueryArgs) -> Probed:
    answer = await instant(ctx, args.query)
    value, words = single(answer)
    if value is None:
        return Probed("inconclusive", words)
    if problem := await _old(ctx, args.query, answer.at):
        return Probed("inconclusive", problem)
    words = f"it is {value:g}, {args.wanted} was expected"
    return Probed("pass" if args.met(value) else "fail", words, {"value": value})


async def _old(ctx: Context, query: str, evaluated: float | None) -> str:
    """Why the newest sample is too old to judge by; empty when it is not, or when no series is read."""
    config: Config = ctx.config
    asked = newest(query)
    if not asked or evaluated is None:
        return ""
    at, _ = single(await instant(ctx, asked))
    if at is None:
        return "none of its series has a sample in the last 5 minutes"
    age = evaluated - at
    return f"its newest sample is {span_text(age)} old" if age > config.stale_after else ""


async def _through(ctx: Context, args: QueryArgs) -> Probed:
    now = ctx.clock.now().timestamp()
    series, warnings = await over(ctx, args.query, now - args.over, now, STEP)
    if warnings:
        return Probed("inconclusive", f"a part may be missing: {warnings[0]}")
    if len(series) != 1:
        return Probed("inconclusive", f"the query gives {len(series)} series over {span_text(args.over)}, not one")
    values = _values(series[0])
    points = int(args.over / STEP) + 1
    numbers: dict[str, JsonValue] = {"points": len(values), "expected": points}
    if len(values) < ENOUGH * points:
        return Probed("inconclusive", f"only {len(values)} of {points} points are known", numbers)
    bad = [value for value in values if not args.met(value)]
    span = span_text(args.over)
    if bad:
        words = f"{len(bad)} of {len(values)} points over {span} are not {args.wanted}; the first is {bad[0]:g}"
        return Probed("fail", words, numbers)
    return Probed("pass", f"{args.wanted} at all {len(values)} points over {span}", numbers)


def _values(series: JsonValue) -> list[float]:
    """The finite numbers of a range's series; what is none is left out."""
    pairs = series.get("values") if isinstance(series, dict) else None
    found: list[float] = []
    for pair in pairs if isinstance(pairs, list) else []:
        text = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
        try:
            value = float(text) if isinstance(text, str) else math.nan
        except ValueError:
            continue
        if math.isfinite(value):
            found.append(value)
    return found
