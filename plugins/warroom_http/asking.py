"""One request to the configured service, and only to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urljoin, urlsplit

from pydantic import JsonValue

from warroom.api import Context, DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.address import refused_host
from warroom.model.call import CallResult, Secret
from warroom_http.config import Config, Headers

MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def ask(
    ctx: Context,
    path: str,
    *,
    method: Literal["GET", "HEAD", "POST"] = "GET",
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, JsonValue] | None = None,
    cookies: Mapping[str, str] | None = None,
    expected: frozenset[int] = frozenset(),
) -> CallResult:
    """The reply to one request under ``base_url``.

    A GET's redirect within the same scheme, host and port is followed, at most three times, unless its status is in
    ``expected``. Raises ``DoorRefused`` for a redirect elsewhere, ``Unreachable`` or ``TimedOut`` without a reply.
    """
    config: Config = ctx.config
    url = config.base_url + path
    sent = {**resolved(ctx, config.headers), **(headers or {})}
    for _ in range(MOST_REDIRECTS + 1):
        reply = await ctx.read.http(method, url, timeout=config.timeout, headers=sent, body=body, cookies=cookies)
        if reply.status not in REDIRECTS or reply.status in expected or method == "POST" or not reply.location:
            return reply
        url = _followed(config.base_url, url, reply.location)
    raise DoorRefused(f"{path} redirects in circles", f"more than {MOST_REDIRECTS} redirects")


def resolved(ctx: Context, headers: Headers) -> dict[str, str]:
    """The headers with their secrets' values: for the door's eyes only."""
    return {
        name: value.prefix + ctx.secret(value.secret) if isinstance(value, Secret) else value
        for name, value in headers.items()
    }


def _followed(base: str, url: str, location: str) -> str:
    """Where a redirect leads, if that is the same service. Credentials never travel to another one."""
    try:
        target = urljoin(url, location)
        there, here = _origin(target), _origin(base)
    except ValueError:
        raise DoorRefused("a redirect was not followed", "its address can't be read") from None
    if "@" in urlsplit(target).netloc or there != here:
        why = refused_host(there[1]) or "it is another address than the configured one"
        raise DoorRefused("a redirect was not followed", f"it leads to {there[0]}://{there[1]}: {why}"[:300])
    return target


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def no_reply(error: WarroomError) -> bool:
    """True where the service did not answer; False where warroom itself could not or would not ask."""
    return isinstance(error, Unreachable | TimedOut)


def why(error: WarroomError) -> str:
    """The error on one line, cut: for a sample's or a check's words."""
    return ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:200]
