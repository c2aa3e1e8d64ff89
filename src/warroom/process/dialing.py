"""A program as a connection: what is written to it and read from it goes over one socket."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence

from warroom.process import guardian
from warroom.process.command import checked_argv
from warroom.process.group import end_group, spawn
from warroom.process.pipes import Sink, pump

SAID_LIMIT = 4096
"""Bytes kept of what it says on its standard error."""
GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL: its connection is closed by then, so that it has nothing left to do."""


class Dialed:
    """``socket`` is the program's standard input and output. ``close`` ends both."""

    def __init__(self, connection: socket.socket, popen: subprocess.Popen[bytes]) -> None:
        self.socket = connection
        self._popen = popen
        self._started = guardian.start_ticks(popen.pid)
        self._sink = Sink("stderr", SAID_LIMIT, None)
        assert popen.stderr is not None
        self._reading = asyncio.create_task(pump(popen.stderr, self._sink))

    def said(self) -> str:
        """What it has said on its standard error so far, raw."""
        return bytes(self._sink.kept).decode("utf-8", "replace").strip()

    async def close(self) -> None:
        """End the program and all of its group. A second time does nothing."""
        self.socket.close()
        try:
            if self._popen.returncode is None:
                await end_group(self._popen, self._started, GRACE, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):  # something that it left behind may hold its standard error
                async with asyncio.timeout(GRACE):
                    await asyncio.shield(self._reading)  # its last words, which may say why it ended
        finally:
            self._reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading


def dial(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Dialed:
    """Start a program that carries a connection, such as ``ssh HOST docker system dial-stdio``.

    A program that ends by itself closes the connection. Raises what `run` raises for what can't be started.
    """
    words = checked_argv(argv)
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            end = theirs.fileno()
            popen = spawn(words, cwd=None, env=env, stdin=end, stdout=end, stderr=subprocess.PIPE, guarded=True)
        except BaseException:
            ours.close()
            raise
    return Dialed(ours, popen)
