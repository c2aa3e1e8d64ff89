"""A collection of the API kept up to date: listed once, watched from there, and listed again when that is too old.

It survives what ends a watch: the server's own time limit, 410 Gone, a login that has run out, an API server that
starts anew, and a connection that stands while nothing comes on it. What was last seen stays, and is called stale.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from warroom.api import Clock, WarroomError
from warroom_kubernetes.objects.fields import Json
from warroom_kubernetes.reach.errors import Gone, refusal

T = TypeVar("T")
Query = Mapping[str, str]
PAGE = 500
VERSION = "/version"
"""What anybody who is logged in may ask, and what costs the server nothing."""


class Source(Protocol):
    """What is needed of the cluster's API."""

    async def get(self, path: str, query: Query | None = None) -> dict[str, Any]: ...

    def stream(self, path: str, query: Query | None = None) -> AsyncIterator[bytes]:
        """Lines of a long reply, as they come. ``Gone`` and others are raised before the first."""
        ...


@dataclass(frozen=True)
class Pace:
    """Seconds. A server ends a watch after ``watch_s``, with a bookmark shortly before, so that something is heard
    that often; ``grace_s`` later it is given up from here. ``stale_s`` after the last that was heard what is known is
    stale. Where nothing is heard for ``beat_s`` it is asked whether the server answers at all, ``answer_s`` is how long
    that may take; ``again_s`` the first pause after a failure and ``longest_s`` the last.
    """

    watch_s: int = 4
    grace_s: float = 3
    stale_s: float = 5
    beat_s: float = 2.2
    answer_s: float = 2
    again_s: float = 0.25
    longest_s: float = 5


PACE = Pace()


@dataclass(frozen=True)
class Change(Generic[T]):
    """``old`` None: it came; ``new`` None: it went. ``listed``: told by a list, so that there may have been more."""

    old: T | None
    new: T | None
    listed: bool = False


class Ended(WarroomError):
    """The server ended a watch with an error of its own."""


@dataclass
class Watch(Generic[T]):
    """``keep`` makes what is kept of an object, or None for one that is of no interest. ``on`` hears of each change,
    in order; it hears nothing twice, even where a list tells it again.
    """

    what: str
    path: str
    keep: Callable[[Json], T | None]
    clock: Clock
    query: Query = field(default_factory=dict)
    on: Callable[[Change[T]], None] | None = None
    pace: Pace = PACE
    objects: dict[str, T] = field(default_factory=dict)
    """By UID."""
    complete: bool = False
    """Whether it was ever listed to its end."""
    trouble: str = ""
    lists: int = 0
    heard: float | None = None
    """When the server last said anything of it, by the clock."""
    _version: str = ""
    _grace: float = 0

    def stale(self) -> str:
        """Why what is known may be old; empty while it is live."""
        if self.trouble:
            return f"{self.what}: {self.trouble}"
        if not self.complete or self.heard is None:
            return f"{self.what}: not read yet"
        silent = self.clock.monotonic() - self.heard
        return f"{self.what}: nothing heard for {silent:.0f} s" if silent > self.pace.stale_s else ""

    async def run(self, api: Source) -> None:
        """For ever."""
        pause = self.pace.again_s
        while True:
            began = self.clock.monotonic()
            try:
                if not self._version:
                    await self._list(api)
                await self._follow(api)
                pause = self.pace.again_s
                if self.clock.monotonic() - began > self.pace.watch_s / 2:
                    continue
            except Gone:
                self._version = ""  # what came since can't be told any more: all of it is listed again
            except (WarroomError, TimeoutError, OSError) as error:
                self._fails(error)
            await self.clock.sleep(pause)
            pause = min(self.pace.longest_s, pause * 2)

    def _fails(self, error: BaseException) -> None:
        if isinstance(error, WarroomError):
            self.trouble = f"{error.title}: {error.cause}" if error.cause else error.title
        else:
            self.trouble = "nothing came for too long" if isinstance(error, TimeoutError) else str(error)
        self._grace = min(self.pace.longest_s * 2, (self._grace or self.pace.grace_s) * 2)

    def _hears(self) -> None:
        self.heard = self.clock.monotonic()
        self.trouble = ""

    async def _list(self, api: Source) -> None:
        """All pages, then what differs from what was known. One that fails half way changes nothing."""
        found: dict[str, T] = {}
        query = {**self.query, "limit": str(PAGE)}
        while True:
            page = await api.get(self.path, query)
            head = page.get("metadata") or {}
            for told in page.get("items") or ():
                kept = self.keep(told)
                if kept is not None:
                    found[_uid(told)] = kept
            if not head.get("continue"):
                break
            query["continue"] = str(head["continue"])
        self.lists += 1
        self._hears()
        before, self.objects = self.objects, found
        self.complete = True
        for uid in before.keys() - found.keys():
            self._say(Change(before[uid], None, listed=True))
        for uid, one in found.items():
            old = before.get(uid)
            if old != one:
                self._say(Change(old, one, listed=True))
        self._version = str(head.get("resourceVersion") or "")
        if not self._version:
            raise Ended(f"The list of {self.what} has no version", "the API's own metadata.resourceVersion is missing")

    async def _follow(self, api: Source) -> None:
        """Until the server ends it, which it is asked to do soon: then what was heard last is not long ago."""
        query = {
            **self.query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(self.pace.watch_s),
        }
        limit = self.pace.watch_s + (self._grace or self.pace.grace_s)
        async with asyncio.timeout(limit):
            stream = api.stream(self.path, query)
            try:
                async for line in stream:
                    if line.strip():
                        self._hears()
                        self._take(_event(line, self.what))
            finally:
                if isinstance(stream, AsyncGenerator):
                    await stream.aclose()
        self._hears()
        self._grace = 0

    def _take(self, event: Mapping[str, Any]) -> None:
        kind, told = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            error = refusal(f"to go on with {self.what}", int(told.get("code") or 500), told)
            if error.status == 410 or told.get("reason") in ("Expired", "Gone"):
                raise Gone(error.title, error.cause, status=410, reason="Expired")
            raise error
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            self._put(kind, told)
        version = (told.get("metadata") or {}).get("resourceVersion")
        if version:
            self._version = str(version)

    def _put(self, kind: Literal["ADDED", "MODIFIED", "DELETED"], told: Json) -> None:
        uid = _uid(told)
        old = self.objects.get(uid)
        new = None if kind == "DELETED" else self.keep(told)
        if new is None:
            self.objects.pop(uid, None)
        else:
            self.objects[uid] = new
        if old != new:
            self._say(Change(old, new))

    def _say(self, change: Change[T]) -> None:
        if self.on is not None:
            self.on(change)


def _uid(told: Json) -> str:
    head = told.get("metadata") or {}
    return str(head.get("uid") or f"{head.get('namespace', '')}/{head.get('name', '')}")


def _event(line: bytes, what: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Ended(f"What the cluster sent of {what} is no JSON", str(error)[:200]) from error
    if not isinstance(found, dict):
        raise Ended(f"What the cluster sent of {what} is no event", "an object with type and object was expected")
    return found


@dataclass
class Beat:
    """Whether the server answers at all, asked on a connection of its own where nothing has come for ``beat_s``: a
    watch on which nothing comes can't tell a quiet namespace from a server that is away. ``heard``: when anything last
    came on a watch, which answers that as well."""

    clock: Clock
    pace: Pace = PACE
    heard: Callable[[], float | None] = lambda: None
    _trouble: str = "not asked yet"
    _asked: float = float("-inf")
    _answered: float | None = None

    @property
    def trouble(self) -> str:
        """What the last question came to; empty where it was answered, or something was heard since."""
        heard = self.heard()
        return "" if heard is not None and heard > self._asked else self._trouble

    def _last(self) -> float | None:
        return max((at for at in (self._answered, self.heard()) if at is not None), default=None)

    def stale(self) -> str:
        if trouble := self.trouble:
            return f"the cluster's API: {trouble}"
        silent = self.clock.monotonic() - (self._last() or 0)
        return f"the cluster's API: no answer for {silent:.0f} s" if silent > self.pace.stale_s else ""

    async def run(self, api: Source) -> None:
        """For ever."""
        while True:
            last, now = self._last(), self.clock.monotonic()
            if not self.trouble and last is not None and (left := last + self.pace.beat_s - now) > 0:
                await self.clock.sleep(left)
                continue
            self._asked = now
            try:
                async with asyncio.timeout(self.pace.answer_s):
                    await api.get(VERSION)
                self._answered, self._trouble = self.clock.monotonic(), ""
            except TimeoutError:
                self._trouble = f"no answer within {self.pace.answer_s:g} s"
            except WarroomError as error:
                self._trouble = f"{error.title}: {error.cause}" if error.cause else error.title
            except OSError as error:
                self._trouble = str(error)
            await self.clock.sleep(min(self.pace.beat_s, self.pace.again_s * 4) if self._trouble else self.pace.beat_s)
