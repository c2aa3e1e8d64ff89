"""One running copy of the app: its checkout, its socket, its process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import aiohttp

from warroom import process
from warroom.errors import ProgramFailed, TimedOut

HEALTHY_WITHIN = 60.0
"""Seconds that a new release has to become healthy."""


class ReleaseProcess:
    """``upstream`` is a client whose every connection goes to this copy's socket."""

    def __init__(self, checkout: Path, socket: Path, child: process.Child, upstream: aiohttp.ClientSession) -> None:
        self.checkout = checkout
        self.socket = socket
        self.child = child
        self.upstream = upstream
        self.in_flight = 0
        self.identity: dict[str, str] = {}
        """What the running process says it is: version, commit, digest."""
        self._waiting = asyncio.ensure_future(child.wait())

    @classmethod
    async def start(cls, checkout: Path, socket: Path, log: Path, settings: dict[str, str]) -> ReleaseProcess:
        socket.unlink(missing_ok=True)  # noqa: ASYNC240 - one quick call
        env = process.environment(PYTHONDONTWRITEBYTECODE="1", PYTHONSAFEPATH=None, **settings)
        argv = [sys.executable, "-m", "ai_saas", "--socket", str(socket)]
        child = await process.start(argv, cwd=checkout, env=env, log=log)
        upstream = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket), limit=128),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=30),
        )
        return cls(checkout, socket, child, upstream)

    @property
    def running(self) -> bool:
        return not self._waiting.done()

    @property
    def ended(self) -> asyncio.Future[int]:
        return self._waiting

    async def ask(self, path: str) -> tuple[int, dict[str, Any]]:
        """GET one of the app's own pages, past the front. Raises aiohttp.ClientError, OSError, TimeoutError."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with self.upstream.get(f"http://app{path}", timeout=timeout) as response:
            return response.status, await response.json()

    async def until_healthy(self) -> None:
        """Wait until it says that it is healthy, then ask what it is. Raises ProgramFailed or TimedOut."""
        try:
            async with asyncio.timeout(HEALTHY_WITHIN):
                while self.running:
                    try:
                        status, _ = await self.ask("/api/health")
                        if status == 200:
                            self.identity = (await self.ask("/api/version"))[1]
                            return
                    except (aiohttp.ClientError, OSError, ValueError):
                        pass  # not listening yet
                    await asyncio.sleep(0.03)
        except TimeoutError:
            raise TimedOut(f"The release was not healthy in {HEALTHY_WITHIN:g} s", "see app.log") from None
        raise ProgramFailed("The release ended while it was starting", "see app.log")

    async def stop(self) -> None:
        """Let requests under way finish, then end it."""
        for _ in range(100):
            if self.in_flight == 0 or not self.running:
                break
            await asyncio.sleep(0.03)
        await self.upstream.close()
        await self.child.stop(grace=6.0)
        self._waiting.cancel()
        self.socket.unlink(missing_ok=True)
