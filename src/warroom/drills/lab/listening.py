"""Listening on loopback: on the port of last time where that is free, so that addresses outlive a restart."""

from __future__ import annotations

from aiohttp import web


async def listen(runner: web.BaseRunner, port: int) -> int:
    """The port it now listens on: ``port``, or a random one where that is 0 or taken."""
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError:
        if port == 0:
            raise
        await web.TCPSite(runner, "127.0.0.1", 0).start()
    found: int = runner.addresses[0][1]
    return found
