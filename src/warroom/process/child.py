"""Programs that stay."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from warroom.errors import WarroomError
from warroom.process import guardian
from warroom.process.command import checked_argv
from warroom.process.found import start_time
from warroom.process.group import STOP_GRACE, end_group, ended, reap, spawn
from warroom.process.pipes import DRAIN_SECONDS, OnLine, Sink, pump


class Child:
    """A program that stays. ``start_time`` together with ``pid`` names it for `alive`, also from another process."""

    def __init__(self, argv: Sequence[str], popen: subprocess.Popen[bytes], reading: asyncio.Task[None] | None):
        self.argv = tuple(argv)
        self.pid = popen.pid
        self.start_time = start_time(popen.pid)
        self._ticks = guardian.start_ticks(popen.pid)
        self._popen = popen
        self._reading = reading

    @property
    def returncode(self) -> int | None:
        """The exit status, minus a signal's number; None while it runs or nobody has waited for it."""
        return self._popen.returncode

    async def wait(self) -> int:
        """Wait for its end and return its exit status. Raises what ``on_line`` raised."""
        await ended(self._popen)
        if self._reading is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._reading
        return reap(self._popen)

    def send(self, signum: int) -> None:
        """Send to the program alone, not to its group; nothing happens when it has ended."""
        self._popen.send_signal(signum)

    async def stop(self, grace: float = STOP_GRACE, first: int = signal.SIGTERM) -> int:
        """End it and all of its group: ``first``, ``grace`` seconds, SIGKILL. Returns its exit status."""
        try:
            return await end_group(self._popen, self._ticks, grace, first)
        finally:
            if self._reading is not None:
                self._reading.cancel()


async def start(
    argv: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    on_line: OnLine | None = None,
    pass_fds: Sequence[int] = (),
    dies_with_parent: bool = True,
) -> Child:
    """Start a program that stays.

    Both its streams are appended to ``log`` (made 0600, never through a symbolic link), or given to ``on_line`` line
    by line, or dropped. A program that is to outlive this process wants a log: without a reader its writes fail.
    """
    words = checked_argv(argv)
    if log is not None and on_line is not None:
        raise ValueError("a log or on_line, not both")
    output = subprocess.DEVNULL if on_line is None else subprocess.PIPE
    with contextlib.ExitStack() as stack:
        if log is not None:
            output = stack.enter_context(_appending(log)).fileno()
        popen = spawn(
            words,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            guarded=dies_with_parent,
            pass_fds=pass_fds,
        )
    reading = None
    if popen.stdout and popen.stderr:
        reading = asyncio.create_task(_read(popen.stdout, popen.stderr, on_line))
    return Child(words, popen, reading)


async def _read(out: IO[bytes], err: IO[bytes], on_line: OnLine | None) -> None:
    await asyncio.gather(pump(out, Sink("stdout", 0, on_line)), pump(err, Sink("stderr", 0, on_line)))


def _appending(log: Path) -> IO[bytes]:
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise WarroomError(f"The log {log} can't be written", (error.strerror or str(error)).lower()) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise WarroomError(f"The log {log} can't be written", "it is not a plain file")
    return os.fdopen(descriptor, "wb", buffering=0)
