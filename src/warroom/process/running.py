"""Programs that end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warroom.errors import TimedOut
from warroom.process import guardian
from warroom.process.command import checked_argv
from warroom.process.group import STOP_GRACE, end_group, ended, reap, spawn
from warroom.process.pipes import DRAIN_SECONDS, OnLine, Sink, feed, pump

OUTPUT_LIMIT = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program did. ``returncode`` is minus the signal's number when a signal ended it.

    ``stdout`` and ``stderr`` are the first ``output_limit`` bytes of each; ``truncated`` says that more came.
    ``duration`` is in seconds.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    truncated: bool
    duration: float


async def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | int | None = None,
    stdout: int | None = None,
    pass_fds: Sequence[int] = (),
    output_limit: int = OUTPUT_LIMIT,
    on_line: OnLine | None = None,
    grace: float = STOP_GRACE,
    dies_with_parent: bool = True,
) -> Finished:
    """Run a program to its end and return what it did, whatever its exit status.

    ``timeout`` and ``grace`` are in seconds. ``env`` is the whole environment (see `environment`), None means this
    process's own. ``stdin`` is written and closed; None means an empty one. ``stdin`` or ``stdout`` as a number is a
    descriptor that the program itself reads or writes; ``pass_fds`` are others that it keeps. ``on_line`` is given
    every line as it comes, also past ``output_limit`` (bytes kept of each stream); what it raises ends the program and
    is raised here.

    Past the timeout, or when the caller is cancelled, the program and all of its group get SIGTERM and, ``grace``
    seconds later, SIGKILL, before this returns. Programs it left in the background on an ordinary end stay.

    Raises ProgramMissing, TimedOut, or a WarroomError when the argv is no list of words or can't be started.
    """
    words = checked_argv(argv)
    began = time.monotonic()
    popen = spawn(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL if stdin is None else stdin if isinstance(stdin, int) else subprocess.PIPE,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        guarded=dies_with_parent,
        pass_fds=pass_fds,
    )
    started = guardian.start_ticks(popen.pid)
    out, err = Sink("stdout", output_limit, on_line), Sink("stderr", output_limit, on_line)
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            whole = await _converse(popen, stdin if isinstance(stdin, bytes) else None, out, err)
    except BaseException as error:
        await end_group(popen, started, grace, signal.SIGTERM)
        if isinstance(error, TimeoutError) and deadline.expired():
            name = os.path.basename(words[0])
            raise TimedOut(f"{name} did not end in {timeout:g} s", "it was ended, with all it had started") from None
        raise
    return Finished(
        argv=tuple(words),
        returncode=reap(popen),
        stdout=bytes(out.kept),
        stderr=bytes(err.kept),
        truncated=out.truncated or err.truncated or not whole,
        duration=time.monotonic() - began,
    )


async def _converse(popen: subprocess.Popen[bytes], stdin: bytes | None, out: Sink, err: Sink) -> bool:
    """Feed and read until the program has ended; False when one it left behind still held its output open."""
    talk = asyncio.create_task(_talk(popen, stdin, out, err))
    end = asyncio.create_task(ended(popen))
    both = {talk, end}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if talk.done():
            await talk
        await end
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await talk
        except TimeoutError:
            return False
        return True
    finally:
        talk.cancel()
        end.cancel()
        await asyncio.wait(both)


async def _talk(popen: subprocess.Popen[bytes], stdin: bytes | None, out: Sink, err: Sink) -> None:
    """For a task of its own: a bare ``gather`` that is cancelled complains that nobody asked what it raised."""
    parts = [pump(file, sink) for file, sink in ((popen.stdout, out), (popen.stderr, err)) if file]
    if popen.stdin and stdin is not None:
        parts.append(feed(popen.stdin, stdin))
    await asyncio.gather(*parts)
