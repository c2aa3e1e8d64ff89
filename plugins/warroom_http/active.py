"""Active probes: each tries what the service has to refuse, with a test account or none. 1 when it refuses.

A refusal is one of the statuses that the runbook names; being let in is any 2xx. Everything else (no reply, 5xx, a
redirect, a path that is not there) shows neither and is unknown: it never says that the service is protected, and never
that it is not.
"""

from __future__ import annotations

import base64
import json

from warroom.api import Context, WarroomError
from warroom.model.call import CallResult
from warroom_http.asking import why
from warroom_http.config import Config
from warroom_http.declared import ActiveSignal, AuthEnforced, CsrfProtection, RateLimiting
from warroom_http.flows import Kept, allowed, send, walk
from warroom_http.pages import Value, unknown

FOREIGN = "https://warroom-probe.invalid"
LONGEST = 60.0
"""Seconds. Attempts that take longer all together meet no limit for that reason alone."""


async def tried(ctx: Context, signal: ActiveSignal) -> Value:
    """One try. In production nothing is sent unless the configuration gives leave."""
    config: Config = ctx.config
    if ctx.environment == "production" and not config.active.in_production:
        return unknown("off in production: active: {in_production: true, every: 5m} turns it on")
    match signal:
        case CsrfProtection():
            return await _csrf(ctx, signal)
        case RateLimiting():
            return await _limit(ctx, signal)
    return await _enforced(ctx, signal)


async def _csrf(ctx: Context, signal: CsrfProtection) -> Value:
    kept = Kept()
    if problem := await _prepared(ctx, signal.flow, kept):
        return unknown(problem)
    headers = {"Origin": FOREIGN, "Referer": f"{FOREIGN}/"}
    reply = await _sent(ctx, signal, kept, headers)
    if isinstance(reply, str):
        return unknown(reply)
    if reply.status in allowed(signal.refused):
        return Value(1, 1, f"refused a foreign page's request without its token: HTTP {reply.status}")
    if 200 <= reply.status < 300:
        return Value(0, 1, f"accepted a foreign page's request without its token: HTTP {reply.status}")
    return unknown(_neither(reply))


async def _limit(ctx: Context, signal: RateLimiting) -> Value:
    began = ctx.clock.monotonic()
    for attempt in range(1, signal.attempts + 1):
        reply = await _sent(ctx, signal, Kept(), {})
        if isinstance(reply, str):
            return unknown(f"attempt {attempt}: {reply}")
        if reply.status in allowed(signal.refused):
            return Value(1, 1, f"refused attempt {attempt}: HTTP {reply.status}")
        if reply.status >= 500 or 300 <= reply.status < 400 or reply.status == 404:
            return unknown(f"attempt {attempt}: {_neither(reply)}")
        if ctx.clock.monotonic() - began > LONGEST:
            return unknown(f"only {attempt} attempts in {LONGEST:g} s: too slow to meet a limit")
    took = ctx.clock.monotonic() - began
    return Value(0, 1, f"refused none of {signal.attempts} attempts in {took:.1f} s")


async def _enforced(ctx: Context, signal: AuthEnforced) -> Value:
    kept = Kept()
    if problem := await _prepared(ctx, signal.flow, kept):
        return unknown(problem)
    kept.jar.clear()
    told = ""
    for who, headers in _strangers().items():
        reply = await _sent(ctx, signal, kept, headers, stranger=True)
        if isinstance(reply, str):
            told = told or f"{who}: {reply}"
        elif 200 <= reply.status < 300:
            return Value(0, 1, f"let in {who}: HTTP {reply.status}")
        elif reply.status not in allowed(signal.refused):
            told = told or f"{who}: {_neither(reply)}"
    return unknown(told) if told else Value(1, 1, f"refused {', '.join(_strangers())}")


def _strangers() -> dict[str, dict[str, str]]:
    """Who asks, and with which headers."""
    return {
        "nobody": {},
        "a forged token": {"Authorization": "Bearer warroom-probe.forged.token"},
        "an unsigned token": {"Authorization": f"Bearer {_part(alg='none', typ='JWT')}.{_part(sub='warroom-probe')}."},
    }


def _part(**claims: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()


async def _prepared(ctx: Context, flow: str | None, kept: Kept) -> str:
    """Walks the flow first. Why nothing can be tried; empty when all of it works."""
    config: Config = ctx.config
    if flow is None:
        return ""
    stopped = next((w for w in await walk(ctx, config.flows[flow].steps, kept) if w.works is not True), None)
    return f"not tried, since its flow does not work: {stopped.words}" if stopped is not None else ""


async def _sent(
    ctx: Context, signal: ActiveSignal, kept: Kept, headers: dict[str, str], *, stranger: bool = False
) -> CallResult | str:
    """The reply, or why there is none. A redirect is a reply where the runbook names it as a refusal."""
    step = signal.request.model_copy(update={"status": signal.refused})
    try:
        return await send(ctx, step, kept, headers=headers, stranger=stranger)
    except WarroomError as error:
        return why(error)


def _neither(reply: CallResult) -> str:
    return f"HTTP {reply.status}, which is neither a refusal nor let in"
