"""One object followed while it is waited for: what its watch says, and what it asks for when that says no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

from warroom.engine.core import SystemClock
from warroom.errors import Unreachable
from warroom_kubernetes.changes.following import followed
from warroom_kubernetes.reach.client import Query

LONG = 60.0
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"


def deployment(version: int) -> dict[str, Any]:
    return {"metadata": {"name": "web", "resourceVersion": str(version)}}


class Server:
    """Each watch takes the next script: events, then its end, an error, or silence."""

    def __init__(self, *scripts: list[Any]) -> None:
        self.scripts = list(scripts)
        self.gets = 0
        self.watches: list[Query] = []

    async def get(self, path: str) -> dict[str, Any]:
        assert path == PATH
        self.gets += 1
        return deployment(1)

    async def stream(self, path: str, query: Query) -> AsyncGenerator[bytes, None]:
        assert path == PATH.rpartition("/")[0]
        self.watches.append(query)
        for one in self.scripts.pop(0) if self.scripts else ["silence"]:
            if isinstance(one, Exception):
                raise one
            if one == "silence":
                await asyncio.Event().wait()
            yield json.dumps(one).encode()


def told(kind: str, version: int) -> dict[str, Any]:
    return {"type": kind, "object": deployment(version)}


async def test_it_is_asked_for_once_and_told_from_there() -> None:
    server = Server([told("MODIFIED", 2), told("MODIFIED", 3), "silence"])
    async with followed(server, PATH, SystemClock()) as thing:
        assert await thing.ask() == deployment(1)
        assert await thing.news(LONG) == deployment(3)  # what came in between is left out
        assert await thing.news(0.01) is None
        assert thing.watches
    assert server.gets == 1
    assert server.watches[0]["resourceVersion"] == "1"
    assert server.watches[0]["fieldSelector"] == "metadata.name=web"


async def test_what_ends_a_watch_is_found_by_asking() -> None:
    gone = {"type": "ERROR", "object": {"code": 410}}
    for end in ([told("DELETED", 2)], [gone], [Unreachable("away", "")], ["no event"]):
        server = Server(list(end))
        async with followed(server, PATH, SystemClock()) as thing:
            await thing.ask()
            async with asyncio.timeout(LONG):
                assert await thing.news(10 * LONG) is None
            assert not thing.watches
            await thing.ask()
        assert server.gets == 2


async def test_a_server_that_ends_each_watch_at_once_is_not_asked_without_a_pause() -> None:
    server = Server(*([told("BOOKMARK", number)] for number in range(2, 500)))
    async with followed(server, PATH, SystemClock()) as thing:
        await thing.ask()
        assert await thing.news(LONG) is None
    assert len(server.watches) == 1


async def test_a_watch_that_the_server_ends_in_its_time_goes_on_where_it_was() -> None:
    class Later(SystemClock):
        """Each look at it is ten seconds after the one before."""

        now_s = 0.0

        def monotonic(self) -> float:
            self.now_s += 10
            return self.now_s

    server = Server([told("MODIFIED", 7)], [told("MODIFIED", 8), "silence"])
    async with followed(server, PATH, Later()) as thing:
        await thing.ask()
        async with asyncio.timeout(LONG):
            while await thing.news(LONG) != deployment(8):
                pass
    assert [one["resourceVersion"] for one in server.watches] == ["1", "7"]
    assert server.gets == 1
