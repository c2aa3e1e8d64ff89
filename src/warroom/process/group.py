"""A program with its process group: starting, waiting, ending."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from warroom.errors import ProgramFailed, WarroomError
from warroom.process import guardian
from warroom.process.command import cannot_start
from warroom.process.guard import GUARD

STOP_GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""

POLL_SECONDS = 0.02
# Long enough for the kernel to take a killed program away; one stuck in the kernel must not hold the event loop.
_REAP_SECONDS = 5.0
_CAN_WATCH = hasattr(os, "pidfd_open")


def spawn(
    words: list[str],
    *,
    cwd: str | Path | None,
    env: Mapping[str, str] | None,
    stdin: int,
    stdout: int,
    stderr: int,
    guarded: bool,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    whole = dict(os.environ if env is None else env)
    whole.pop(guardian.MARK_VARIABLE, None)
    mark = ""
    with contextlib.ExitStack() as stack:
        fds = list(pass_fds)
        if guarded:
            pipe = _a_pipe(stack)
            fds.append(pipe)
            mark = whole[guardian.MARK_VARIABLE] = GUARD.announce(os.fstat(pipe).st_ino)
        try:
            popen = subprocess.Popen(
                words,
                cwd=cwd,
                env=whole,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                pass_fds=fds,
            )
        except (OSError, ValueError) as error:
            if guarded:
                GUARD.failed(mark)
            if isinstance(error, OSError):
                raise cannot_start(words, cwd, error) from error
            raise WarroomError(f"{words[0]} was not started", str(error)) from error
        if guarded:
            GUARD.started(mark, popen.pid)
    return popen


def _a_pipe(stack: contextlib.ExitStack) -> int:
    """The reading end of a pipe that nobody writes to: what holds it open came from here."""
    reading, writing = os.pipe()
    os.close(writing)
    stack.callback(os.close, reading)
    return reading


async def ended(popen: subprocess.Popen[bytes]) -> None:
    """Wait until the program has ended, without reaping it where the system allows: until it is reaped its number,
    which is its group's too, can't be given to another process.
    """
    if popen.returncode is not None:
        return
    try:
        descriptor = os.pidfd_open(popen.pid)
    except (AttributeError, OSError):  # not Linux, or an old one
        while popen.poll() is None:
            await asyncio.sleep(POLL_SECONDS)
        return
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def reap(popen: subprocess.Popen[bytes]) -> int:
    try:
        returncode = popen.wait(_REAP_SECONDS)
    except subprocess.TimeoutExpired:
        raise ProgramFailed("A program can't be ended", f"process {popen.pid} does not go away, even killed") from None
    GUARD.forget(popen.pid)
    return returncode


async def end_group(popen: subprocess.Popen[bytes], started: str, grace: float, first: int) -> int:
    """End the program and all of its group: a signal, ``grace`` seconds, SIGKILL. Cancelled, it kills at once."""

    def ours() -> bool:
        return popen.returncode is None or guardian.still_the_same(popen.pid, started)

    try:
        if ours():
            guardian.signal_group(popen.pid, first)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    while not guardian.group_is_empty(popen.pid):
                        await asyncio.sleep(POLL_SECONDS)
                        if not _CAN_WATCH:
                            popen.poll()
    finally:
        if ours():
            guardian.signal_group(popen.pid, signal.SIGKILL)
        returncode = reap(popen)
    return returncode
