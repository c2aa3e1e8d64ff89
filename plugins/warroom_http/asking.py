"""One request to the configured service, and only to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urljoin, urlsplit

from pydantic import JsonValue

from warroom.api import CannotLook, Context, DoorRefused, TimedOut, Unreachable, WarroomError
from warroom.model.address import refused_host
from warroom.model.call import CallResult, Secret
from warroom_http.config import Config
from warroom_http.steps import Headers, harmless

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
    stranger: bool = False,
) -> CallResult:
    """The reply to one request under ``base_url``.

    No redirect is followed: a health page that sends on to a sign-in would look well. Raises ``DoorRefused`` for one
    that answers a GET and is not ``expected``, ``Unreachable`` or ``TimedOut`` without a reply. A ``stranger`` sends
    none of the configuration's headers that hold a secret or let somebody in.
    """
    config: Config = ctx.config
    known = {name: value for name, value in config.headers.items() if not stranger or harmless(name, value)}
    sent = {**resolved(ctx, known), **(headers or {})}
    url = config.base_url + path
    reply = await ctx.read.http(method, url, timeout=config.timeout, headers=sent, body=body, cookies=cookies)
    if reply.status in REDIRECTS and reply.status not in expected and method != "POST":
        where, hint = _leads(config.base_url, url, reply.location)
        raise DoorRefused("a redirect was not followed", f"HTTP {reply.status} leads to {where}", hint)
    return reply


def _leads(base: str, url: str, location: str) -> tuple[str, str]:
    """Where a redirect leads, without what may be a secret in it; and what to write in the runbook to go there."""
    try:
        to = urlsplit(urljoin(url, location.strip()))
        own, host, port = urlsplit(base), to.hostname or "", to.port
    except ValueError:
        return "no address that may be asked", "see what the service sends"
    if not location.strip() or to.scheme not in ("http", "https") or not host or refused_host(host):
        return "no address that may be asked", "see what the service sends"
    at = f"{to.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    path = " ".join(to.path.split())[:150] or "/"
    prefix = own.path.rstrip("/")
    here = (to.scheme, host, port) == (own.scheme, own.hostname, own.port)
    if here and (path == prefix or path.startswith(f"{prefix}/")):
        path = path.removeprefix(prefix) or "/"
        return path, f"if that is the page that is meant, write its path: {path}"
    if path == urlsplit(url).path:
        return f"{at}{path}", f"if that is the service, write base_url: {at}{prefix}"
    return f"{at}{path}", f"if that is the page that is meant, write base_url: {at} and the path {path}"


def resolved(ctx: Context, headers: Headers) -> dict[str, str]:
    """The headers with their secrets' values: for the door's eyes only."""
    return {
        name: value.prefix + ctx.secret(value.secret) if isinstance(value, Secret) else value
        for name, value in headers.items()
    }


def no_reply(error: WarroomError) -> bool:
    """True where the service did not answer; False where warroom itself could not or would not ask."""
    return isinstance(error, Unreachable | TimedOut) and not isinstance(error, CannotLook)


def why(error: WarroomError, *, fix: bool = True) -> str:
    """The error on one line, cut, ending in what to do about it (``fix``): for a sample's or a check's words."""
    said = ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:250]
    return f"{said}; {error.hint}"[:300] if error.hint and fix else said
