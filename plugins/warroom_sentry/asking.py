"""Requests to Sentry's API: one page or all of them, its refusals in words, and its limits obeyed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode
from weakref import WeakKeyDictionary

from pydantic import JsonValue

from warroom.api import BadInput, Context, DoorRefused, TryLater, WarroomError
from warroom.model.call import CallResult
from warroom_sentry.config import Config

Params = Sequence[tuple[str, str]]
MOST_PAGES = 5
PAGE = 100
LONGEST_WAIT = 3600.0
USUAL_WAIT = 60.0
_LINK = re.compile(r'<[^<>]*>((?:\s*;\s*[a-z]+="[^"]*")*)')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_CURSOR = re.compile(r"[A-Za-z0-9:._=-]{1,200}")


class NotAllowed(WarroomError):
    """The token may not read this. ``scope`` is the one that it needs."""

    def __init__(self, what: str, scope: str, detail: str) -> None:
        super().__init__(
            f"the token may not read {what}",
            f"HTTP 403{f': {detail}' if detail else ''}",
            f"give it the scope {scope}: an organization's own token reads releases only",
        )
        self.scope = scope


@dataclass
class Limit:
    """How long Sentry wants to be left alone: ``until`` is on the monotonic clock."""

    until: float = 0.0

    def left(self, now: float) -> float:
        return max(0.0, self.until - now)


_LIMITS: WeakKeyDictionary[object, Limit] = WeakKeyDictionary()
"""By the platform's own read door: signals, readiness, checks and evidence obey the same limit."""


@dataclass(frozen=True)
class Asker:
    """Asks for one platform."""

    ctx: Context

    @property
    def limit(self) -> Limit:
        return _LIMITS.setdefault(self.ctx.read, Limit())

    @property
    def config(self) -> Config:
        config: Config = self.ctx.config
        return config

    async def one(self, path: str, params: Params = (), *, what: str, scope: str) -> CallResult:
        """One reply under ``/api/0/``, with JSON in it.

        Raises ``TryLater`` without asking while Sentry wants to be left alone, and when it says so; ``NotAllowed``
        where the token lacks ``scope``; another ``WarroomError`` otherwise.
        """
        now = self.ctx.clock.monotonic()
        if left := self.limit.left(now):
            raise TryLater("Sentry asks to be left alone", f"for {left:.0f} s more", after_s=left)
        url = f"{self.config.base_url}/api/0/{path}" + (f"?{urlencode(params)}" if params else "")
        token = self.ctx.secret(self.config.token)
        if not token.isprintable():
            raise BadInput("the token can't be sent", "it has line breaks or control characters", "correct it")
        headers = {"Authorization": f"Bearer {token}"}
        reply = await self.ctx.read.http("GET", url, timeout=self.config.timeout, headers=headers)
        self._obey(reply)
        return _checked(reply, what, scope)

    async def pages(
        self, path: str, params: Params = (), *, what: str, scope: str, most: int = MOST_PAGES
    ) -> tuple[list[dict[str, Any]], bool]:
        """(the items of up to ``most`` pages, whether these are all). The cursor is followed, never the address."""
        items: list[dict[str, Any]] = []
        cursor = ""
        for _ in range(most):
            asked = [*params, ("cursor", cursor)] if cursor else list(params)
            reply = await self.one(path, asked, what=what, scope=scope)
            if not isinstance(reply.data, list):
                raise WarroomError(f"Sentry's {what} can't be read", "a list was expected")
            items += [item for item in reply.data if isinstance(item, dict)]
            before, cursor = cursor, _next(reply.headers.get("link", ""))
            if not cursor:
                return items, True
            if cursor == before:
                raise WarroomError(f"Sentry's {what} can't be read", "its pages lead in circles")
        return items, False

    async def project_id(self) -> str:
        """The configured project's number, which searches want."""
        config = self.config
        path = f"projects/{quote(config.organization)}/{quote(config.project)}/"
        reply = await self.one(path, what="the project", scope="project:read")
        found = reply.data.get("id") if isinstance(reply.data, dict) else None
        if not isinstance(found, str) or not found.isdigit():
            raise WarroomError("Sentry's project can't be read", "it has no number")
        return found

    def _obey(self, reply: CallResult) -> None:
        """Waits as ``Retry-After`` says, else until the window's end by Sentry's own clock, else a minute."""
        remaining = reply.headers.get("x-sentry-rate-limit-remaining", "")
        if reply.status != 429 and remaining != "0":
            return
        wait = reply.retry_after_s
        reset = reply.headers.get("x-sentry-rate-limit-reset", "")
        if wait is None and reset.isascii() and reset.isdigit():
            server = said_at(reply) or self.ctx.clock.now()
            wait = max(1.0, float(reset[:12]) - server.timestamp())
        wait = min(USUAL_WAIT if wait is None else wait, LONGEST_WAIT)
        self.limit.until = max(self.limit.until, self.ctx.clock.monotonic() + wait)


def said_at(reply: CallResult) -> datetime | None:
    """When Sentry answered, by its own clock."""
    try:
        at = parsedate_to_datetime(reply.headers.get("date", ""))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _checked(reply: CallResult, what: str, scope: str) -> CallResult:
    detail = _detail(reply.data)
    if reply.status == 429:
        raise TryLater("Sentry asks to be left alone", detail or "HTTP 429", after_s=reply.retry_after_s)
    if reply.status == 401:
        raise BadInput("Sentry does not know the token", detail or "HTTP 401", "make a new one, and name it as token")
    if reply.status == 403:
        raise NotAllowed(what, scope, detail)
    if reply.status == 404:
        hint = "check organization and project, and that the token belongs to them"
        raise BadInput(f"Sentry has no such {what.removeprefix('the ')}", detail or "HTTP 404", hint)
    if 300 <= reply.status < 400:
        hint = "give the address it leads to as base_url: an organization may live in a region of its own"
        raise DoorRefused("a redirect was not followed", f"HTTP {reply.status} leads to {_line(reply.location)}", hint)
    if reply.status != 200:
        raise WarroomError(f"Sentry does not give {what}", f"HTTP {reply.status}{f': {detail}' if detail else ''}")
    if not reply.whole:
        raise WarroomError(f"Sentry's {what} can't be read", "the reply is larger than 8 MB")
    if reply.data is None:
        kind = reply.headers.get("content-type", "").split(";")[0][:60] or "no content type"
        hint = "base_url should be where /api/0/ answers, without /api/0"
        raise WarroomError("what answers is not Sentry's API", f"HTTP 200 with {kind}, JSON was expected", hint)
    return reply


def _detail(data: JsonValue) -> str:
    """Sentry's own word for it: a text, or an object with a message."""
    said = data.get("detail") if isinstance(data, dict) else None
    if isinstance(said, dict):
        said = said.get("message")
    return _line(said) if isinstance(said, str) else ""


def _next(link: str) -> str:
    """The cursor of the next page; empty when there is none: Sentry always names one, and says if it has results."""
    for attributes in _LINK.findall(link):
        said = dict(_ATTRIBUTE.findall(attributes))
        if said.get("rel") == "next" and said.get("results") == "true":
            cursor = said.get("cursor", "")
            if not _CURSOR.fullmatch(cursor):
                raise WarroomError("Sentry's pages can't be followed", "the next one's cursor is none")
            return str(cursor)
    return ""


def _line(value: object) -> str:
    return " ".join(str(value).split())[:200]


def why(error: WarroomError, *, fix: bool = True) -> str:
    """The error on one line, cut, ending in what to do about it (``fix``): for a sample's words."""
    said = ": ".join(part.rstrip(".") for part in (error.title, error.cause) if part)[:220]
    return f"{said}; {error.hint}"[:300] if error.hint and fix else said
