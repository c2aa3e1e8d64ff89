"""Whether Prometheus can be asked now, what each query would say, and which server it is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from warroom.api import Context, Ready, WarroomError
from warroom.model.base import clock_text
from warroom.model.call import Secret
from warroom_prometheus.asking import Answer, Refused, fetched, instant, why
from warroom_prometheus.config import Config, Signal
from warroom_prometheus.promql import histograms, selectors
from warroom_prometheus.reading import read, single

AT_ONCE = 6
SELDOM = 20.0
"""Seconds between two scrapes. A condition finds a signal old after 30 s unless it says otherwise."""
WAIT = "look at its targets: /targets on the server lists what it scrapes, and why not"


class PrometheusIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        """The value of the configured label. Prometheus has no identity of its own."""
        config: Config = ctx.config
        if config.identity is None:
            raise WarroomError(
                "no fingerprint",
                "The platform's configuration names no identity",
                "Name under identity a query and a label that only this environment has, such as cluster",
            )
        answer = await instant(ctx, config.identity.query)
        values = {one.labels.get(config.identity.label, "") for one in answer.series}
        if len(values) != 1 or answer.total > len(answer.series) or not min(values):
            found = f"{answer.total} series with {len(values - {''})} values of {config.identity.label}"
            raise WarroomError("the fingerprint could not be read", f"{config.identity.query} gives {found}")
        return values.pop()


class PrometheusReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        config: Config = ctx.config
        rows = [_secret(ctx, name) for name in secret_names(config)]
        reached = await _reached(ctx)
        rows.append(reached)
        if reached.status == "not-ready":
            return rows
        at_once = asyncio.Semaphore(AT_ONCE)

        async def each(name: str, signal: Signal) -> Ready:
            async with at_once:
                return await _signal(ctx, name, signal)

        return [*rows, *await asyncio.gather(*(each(name, signal) for name, signal in config.signals.items()))]


async def _reached(ctx: Context) -> Ready:
    """It answers, its version, and how its clock stands to ours."""
    row, title = "prometheus-server", f"{ctx.platform}: Prometheus answers"
    config: Config = ctx.config
    try:
        server, _ = single(await instant(ctx, "time()"))
    except WarroomError as error:
        fix = error.hint or "check base_url, the network from here, and that the server runs"
        return Ready(row, title, "not-ready", why(error, fix=False), fix)
    version = await _version(ctx)
    away = abs((server or 0) - ctx.clock.now().timestamp())
    if away > config.skew:
        words = f"{version}, but its clock is {clock_text(away)} away from this machine's: every signal is unknown"
        return Ready(row, title, "not-ready", words, "set both clocks by NTP")
    return Ready(row, title, "ready", version)


async def _version(ctx: Context) -> str:
    """Servers that only speak the query API may not tell theirs, which hinders nothing."""
    try:
        return f"version {str((await fetched(ctx, 'status/buildinfo')).get('version'))[:40]}"
    except WarroomError:
        return "it does not say its version"


async def _signal(ctx: Context, name: str, signal: Signal) -> Ready:
    """Each of its queries is right, gives one number, and its newest sample is recent."""
    row, title = f"prometheus-signal-{name}", f"{ctx.platform}: the query {name}"
    newest: Answer | None = None
    try:
        answer = await instant(ctx, signal.query)
        if signal.newest:
            newest = await instant(ctx, signal.newest)
        counted = single(await instant(ctx, signal.count_query)) if signal.count_query else (0.0, "")
        about = await _largest_bucket(ctx, signal) + await _scraped(ctx, signal)
    except Refused as error:
        return Ready(row, title, "not-ready", why(error, fix=False), error.hint or "correct the query in the runbook")
    except WarroomError as error:
        return Ready(row, title, "unknown", why(error, fix=False), error.hint)
    found = read(ctx.config, signal, answer, newest, ctx.clock.now().timestamp())
    if found.at is None:
        return Ready(row, title, "not-ready", found.words, WAIT)
    age = clock_text(max(0.0, ctx.clock.now().timestamp() - found.at))
    if counted[0] is None:
        fix = "count_query should give one number: aggregate, with sum(…)"
        return Ready(row, title, "not-ready", f"how many there were is not known: {counted[1]}", fix)
    if found.value is None:
        fix = "where no series means 0, add: or vector(0)" if answer.total == 0 else "correct the query in the runbook"
        quiet = "NaN" in found.words or answer.total == 0
        return Ready(row, title, "unknown" if quiet else "not-ready", f"{found.words}; newest sample {age} old", fix)
    return Ready(row, title, "ready", f"{found.value:g} {signal.unit}, newest sample {age} old{about}")


async def _largest_bucket(ctx: Context, signal: Signal) -> str:
    """A quantile can't be larger than the largest bucket with an end: a limit above that is never passed."""
    told = ""
    for buckets in histograms(signal.query):
        answer = await instant(ctx, f"count by (le) ({buckets})")
        ends = [_end(one.labels.get("le", "")) for one in answer.series]
        if known := [end for end in ends if math.isfinite(end)]:
            told += f"; no quantile of {buckets[:60]} is above its largest bucket, {max(known):g}"
    return told


async def _scraped(ctx: Context, signal: Signal) -> str:
    """How seldom its series are scraped, where a condition that is not told of it would find the signal old."""
    for one in selectors(signal.newest_of or signal.query)[:1]:
        found, _ = single(await instant(ctx, f"max(count_over_time({one}[5m]) and {one} offset 5m)"))
        if found and (every := 300 / found) > SELDOM:
            return f"; scraped about every {every:.0f} s: conditions on it need a stale_after above that"
    return ""


def _end(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _secret(ctx: Context, name: str) -> Ready:
    row, title = f"prometheus-secret-{name}", f"{ctx.platform}: the secret {name}"
    try:
        ctx.secret(name)
    except WarroomError as error:
        return Ready(row, title, "not-ready", why(error, fix=False), error.hint or "set it where warroom runs")
    return Ready(row, title, "ready", "there")


def secret_names(config: Config) -> list[str]:
    """Every secret that the configuration names, once, in order."""
    auth = config.auth
    names = [name for name in (auth.bearer, auth.password) if name] if auth is not None else []
    names += [value.secret for value in config.headers.values() if isinstance(value, Secret)]
    return list(dict.fromkeys(names))
