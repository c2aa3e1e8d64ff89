"""Signals measured from the lab's real traffic, as its users saw it, and from what the app says of itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from warroom.api import BadInput, Context, SignalOffer, WarroomError
from warroom.model.signal import Sample
from warroom_lab.config import Config
from warroom_lab.control import ask

SIGN_IN = "POST /api/auth/signin"
WEBHOOK = "POST /api/payments/webhook"
INTEGRITY_EVERY = 5.0

OFFERS = {
    "http-error-ratio": SignalOffer("5xx ratio", "ratio"),
    "http-p95": SignalOffer("p95 response time", "ms"),
    "requests-per-minute": SignalOffer("requests", "per-minute"),
    "signin-error-ratio": SignalOffer("sign-ins that met a 5xx", "ratio"),
    "payment-webhooks": SignalOffer("payment webhooks", "state"),
    "ai-provider": SignalOffer("AI provider", "state"),
    "email-service": SignalOffer("e-mail service", "state"),
    "memory-used": SignalOffer("memory in use", "ratio"),
    "db-pool-used": SignalOffer("database pool in use", "ratio"),
    "health-web": SignalOffer("web health", "state"),
    "health-db": SignalOffer("database health", "state"),
    "health-redis": SignalOffer("Redis health", "state"),
    "migrations-failed": SignalOffer("failed migrations", "count"),
    "integrity-errors": SignalOffer("rows that break an invariant", "count"),
    "foreign-key-violations": SignalOffer("rows that break a foreign key", "count"),
    "payments-without-tier": SignalOffer("payments without their tier", "count"),
    "payments-duplicate": SignalOffer("payments taken twice", "count"),
}
_CALLED = {"ai-provider": "ai", "email-service": "mail"}
_INTEGRITY = {
    "migrations-failed": "migrations_failed",
    "integrity-errors": "integrity_errors",
    "foreign-key-violations": "foreign_key_violations",
    "payments-without-tier": "payments_without_tier",
    "payments-duplicate": "payments_duplicate",
}
Value = tuple[float | None, int | None, str]
"""A sample's value, its count, and its words."""


class LabSignals:
    def offers(self, config: Config) -> Mapping[str, SignalOffer]:
        return {
            name: replace(offer, every=max(config.every, INTEGRITY_EVERY) if name in _INTEGRITY else config.every)
            for name, offer in OFFERS.items()
        }

    async def samples(self, ctx: Context, wanted: frozenset[str]) -> AsyncGenerator[Sample, None]:
        """A sample of each, again and again. What can't be known has no value; the first look only sets the start."""
        if unknown := sorted(wanted - OFFERS.keys()):
            raise BadInput(f"the lab has no signal {unknown[0]}", "", f"It has: {', '.join(OFFERS)}.")
        config: Config = ctx.config
        before: Looked | None = None
        integrity_due = ctx.clock.monotonic()
        while True:
            began = ctx.clock.monotonic()
            values, before = await _look(ctx, before)
            if wanted & _INTEGRITY.keys() and began >= integrity_due:
                values |= await _integrity(ctx)
                integrity_due = began + INTEGRITY_EVERY
            at = ctx.clock.now()
            for name in sorted(wanted & values.keys()):
                value, count, words = values[name]
                yield Sample(signal=name, value=value, count=count, at=at, source=ctx.platform, words=words)
            await ctx.clock.sleep(max(0.0, config.every - (ctx.clock.monotonic() - began)))


@dataclass(frozen=True)
class Counted:
    """The lab's cumulative counters at one moment (``at`` on the monotonic clock, in seconds)."""

    at: float
    answers: Mapping[tuple[str, int], int]
    latency: tuple[int, ...]
    bounds_ms: tuple[float, ...]

    @classmethod
    def read(cls, at: float, traffic: Mapping[str, Any]) -> Counted:
        answers = {(each["route"], each["status"]): int(each["count"]) for each in traffic["answers"]}
        latency = traffic["latency"]
        return cls(at, answers, tuple(latency["counts"]), tuple(latency["bounds_ms"]))

    def since(self, before: Counted) -> Counted | None:
        """What was counted between the two; None when the counters began anew in between."""
        answers = {key: count - before.answers.get(key, 0) for key, count in self.answers.items()}
        latency = tuple(now - then for now, then in zip(self.latency, before.latency, strict=True))
        if before.answers.keys() - self.answers.keys() or min((*answers.values(), *latency), default=0) < 0:
            return None
        return Counted(self.at - before.at, answers, latency, self.bounds_ms)


Calls = Mapping[str, Mapping[str, int]]
"""How many calls of each other service the app has made since it began, by how they ended: ``ok`` or ``failed``."""


@dataclass(frozen=True)
class Looked:
    """What one look leaves for the next. ``calls`` is None where the app did not answer."""

    traffic: Counted
    calls: Calls | None


def called(before: Calls, now: Calls) -> dict[str, Value]:
    """Whether most calls of each service went well in between; nothing when the app began anew in between."""
    values: dict[str, Value] = {}
    for name, service in _CALLED.items():
        then, ended = before.get(service, {}), now.get(service, {})
        ok, failed = (ended.get(how, 0) - then.get(how, 0) for how in ("ok", "failed"))
        if min(ok, failed) < 0:
            continue
        total = ok + failed
        values[name] = (float(failed / total < 0.5) if total else None, total, f"{failed} of {total} calls failed")
    return values


def _failed(status: int) -> bool:
    """5xx, or no answer at all."""
    return status >= 500 or status == 0


def error_ratio(spent: Counted, route: str | None = None) -> Value:
    """The share of requests that met a 5xx or no answer; no value without requests."""
    counts = [(status, count) for (at, status), count in spent.answers.items() if route in (None, at)]
    total = sum(count for _, count in counts)
    bad = sum(count for status, count in counts if _failed(status))
    return (bad / total if total else None), total, f"{bad} of {total}"


def p95(spent: Counted) -> Value:
    """The 95th percentile in ms, read between a bucket's bounds in proportion; no value without requests."""
    total = sum(spent.latency)
    rank, below = 0.95 * total, 0
    for place, count in enumerate(spent.latency):
        if count and below + count >= rank:
            low = spent.bounds_ms[place - 1] if place else 0.0
            high = spent.bounds_ms[place] if place < len(spent.bounds_ms) else low
            return low + (high - low) * (rank - below) / count, total, f"of {total} requests"
        below += count
    return None, 0, "no requests"


async def _look(ctx: Context, before: Looked | None) -> tuple[dict[str, Value], Looked | None]:
    try:
        found = await ask(ctx, "/counters")
    except WarroomError as error:
        nothing: Value = (None, None, str(error)[:200])
        return dict.fromkeys(OFFERS.keys() - _INTEGRITY.keys(), nothing), before
    values = {**_app(found["app"]), **_health(found["health"])}
    if found["memory"] is not None:
        values["memory-used"] = _memory(found["memory"]["resident_bytes"], found["memory"]["limit_bytes"])
    now = Looked(Counted.read(ctx.clock.monotonic(), found["traffic"]), found["app"]["calls"] if found["app"] else None)
    spent = now.traffic.since(before.traffic) if before is not None else None
    if spent is not None:
        values |= _traffic(spent)
    if before is not None and before.calls is not None and now.calls is not None:
        values |= called(before.calls, now.calls)
    return values, now


def _traffic(spent: Counted) -> dict[str, Value]:
    total = sum(spent.answers.values())
    failed, webhooks, words = error_ratio(spent, WEBHOOK)
    processing = None if failed is None else float(failed < 0.5)
    return {
        "http-error-ratio": error_ratio(spent),
        "signin-error-ratio": error_ratio(spent, SIGN_IN),
        "http-p95": p95(spent),
        "requests-per-minute": (60 * total / spent.at if spent.at else None, total, f"{total} in {spent.at:.1f} s"),
        "payment-webhooks": (processing, webhooks, f"{words} failed"),
    }


def _memory(resident: int, limit: int) -> Value:
    """A share that may pass 1 for the moment in which the process is ended for it is shown as 1. Of bytes: it has no
    count, which would be one of requests."""
    words = f"{resident / 2**20:.0f} of {limit / 2**20:.0f} MB"
    return (min(1.0, resident / limit), None, words) if limit else (None, None, f"{words}: it has no limit")


def _app(said: Mapping[str, Any] | None) -> dict[str, Value]:
    if said is None:
        silent: Value = (None, None, "the app does not answer")
        return dict.fromkeys(("memory-used", "db-pool-used", *_CALLED), silent)
    memory, pool = said["memory"], said["pool"]
    return {
        "memory-used": _memory(memory["residentBytes"], memory["limitBytes"]),
        "db-pool-used": (pool["used"] / pool["size"], None, f"{pool['used']} of {pool['size']} connections"),
    }


def _health(said: Mapping[str, Any] | None) -> dict[str, Value]:
    """What can't be reached does not serve: the web is not well. What it would have said of the others is unknown."""
    if said is None:
        unknown: Value = (None, None, "the app does not answer")
        return {"health-web": (0.0, 1, "the app does not answer"), "health-db": unknown, "health-redis": unknown}
    return {
        "health-web": (float(said["status"] == "ok"), 1, str(said["status"])),
        "health-db": (float(said["database"] == "connected"), 1, str(said["database"])),
        "health-redis": (float(said["redis"] == "connected"), 1, str(said["redis"])),
    }


async def _integrity(ctx: Context) -> dict[str, Value]:
    try:
        found = await ask(ctx, "/integrity")
    except WarroomError as error:
        return {name: (None, None, str(error)[:200]) for name in _INTEGRITY}
    return {name: (float(found[key]), 1, f"{found[key]}") for name, key in _INTEGRITY.items()}
