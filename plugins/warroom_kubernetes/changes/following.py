"""One object while it is waited for: asked for once, and from there as its own watch tells it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from warroom.api import Clock, WarroomError
from warroom_kubernetes.objects.revisions import Json
from warroom_kubernetes.reach.client import Query

WATCH_S = 60
"""How long one watch lasts; the next goes on where it ended."""
AGAIN_S = 0.5


class Asked(Protocol):
    """What is needed of a ``Cluster``."""

    async def get(self, path: str) -> Json: ...

    def stream(self, path: str, query: Query) -> AsyncGenerator[bytes, None]: ...


class Followed:
    """The newest that is known. What came in between is left out: only how it stands now counts.

    ``heard`` is when the cluster last said anything of it, by the clock: a watch may have died without anybody having
    said so, so that who hears nothing for some seconds asks again (``ask``).
    """

    def __init__(self, api: Asked, path: str, clock: Clock) -> None:
        self._api = api
        self._path = path
        self._clock = clock
        self._news = asyncio.Event()
        self._newest: Json | None = None
        self._version = ""
        self._watching: asyncio.Task[None] | None = None
        self.heard = clock.monotonic()

    async def ask(self) -> Json:
        """As it is now; what ``Cluster.get`` raises. The watch begins there anew."""
        await self.close()
        one = await self._api.get(self._path)
        self.heard = self._clock.monotonic()
        self._version = str((one.get("metadata") or {}).get("resourceVersion") or "")
        self._newest = None
        self._news.clear()
        self._watching = asyncio.create_task(self._watch(), name=f"watching {self._path}")
        return one

    async def news(self, seconds: float) -> Json | None:
        """The next that is told of it; None where it has to be asked for, or nothing came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()
        found, self._newest = self._newest, None
        return found

    @property
    def watches(self) -> bool:
        """Whether what changes will be told."""
        return self._watching is not None and not self._watching.done()

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    async def _watch(self) -> None:
        """Until something goes wrong with it, which whoever waits finds by asking."""
        try:
            with contextlib.suppress(WarroomError, ValueError):
                began = self._clock.monotonic()
                while await self._once():
                    if self._clock.monotonic() - began < AGAIN_S:
                        break  # a server that ends each at once would be asked without a pause
                    began = self._clock.monotonic()
            await self._clock.sleep(AGAIN_S)
        finally:
            self._news.set()

    async def _once(self) -> bool:
        """Whether it can be gone on from where this one ended."""
        folder, _, name = self._path.rpartition("/")
        query: Query = {
            "watch": True,
            "allowWatchBookmarks": True,
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": self._version,
            "timeoutSeconds": WATCH_S,
        }
        async with contextlib.aclosing(self._api.stream(folder, query)) as lines:
            async for line in lines:
                event = json.loads(line)
                if not isinstance(event, dict):
                    raise ValueError("an event was expected")
                kind, one = event.get("type"), event.get("object") or {}
                if kind in ("DELETED", "ERROR"):
                    return False
                self.heard = self._clock.monotonic()
                self._version = str((one.get("metadata") or {}).get("resourceVersion") or self._version)
                if kind in ("ADDED", "MODIFIED"):
                    self._newest = one
                    self._news.set()
        return True


@contextlib.asynccontextmanager
async def followed(api: Asked, path: str, clock: Clock) -> AsyncIterator[Followed]:
    one = Followed(api, path, clock)
    try:
        yield one
    finally:
        await one.close()
