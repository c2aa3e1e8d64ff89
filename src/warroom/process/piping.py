"""Two programs, the first of which writes what the second reads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from warroom.process.pipes import OnLine
from warroom.process.running import Finished, run


async def piped(
    first: Sequence[str],
    second: Sequence[str],
    *,
    stdin: int,
    timeout: float,
    before: bytes = b"",
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    on_line: OnLine | None = None,
) -> Finished:
    """``first`` reads the descriptor ``stdin``, and ``second`` what it writes; ``cwd``, ``env`` and ``pass_fds`` are
    the second's, and it reads ``before`` first. What the second did is returned; where only the first failed, what that
    did.

    The second sees the end of its input only once the first has ended well: where it has not, it is ended before.
    Raises what `run` raises.
    """
    reading, writing = os.pipe()
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, reading)
        held = stack.enter_context(contextlib.ExitStack())
        held.callback(os.close, writing)
        read = run(second, stdin=reading, timeout=timeout, cwd=cwd, env=env, pass_fds=pass_fds, on_line=on_line)
        taking = asyncio.ensure_future(read)
        feeding = asyncio.ensure_future(_fed(first, before, stdin=stdin, to=writing, timeout=timeout, on_line=on_line))
        try:
            await asyncio.wait({feeding, taking}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and (fed := feeding.result()).returncode:
                # It may be that the second had ended already, and that this is why.
                return taking.result() if taking.done() and taking.result().returncode else fed
            held.close()
            taken = await taking
            stack.close()  # what still writes is told that nobody reads
            fed = await _unless(feeding, taken.returncode != 0) or taken
            return fed if fed.returncode and not taken.returncode else taken
        finally:
            await _cancelled(taking)
            await _cancelled(feeding)


async def _fed(
    first: Sequence[str], before: bytes, *, stdin: int, to: int, timeout: float, on_line: OnLine | None
) -> Finished:
    """``before`` is written by a program too: it may be more than the pipe takes, and nobody may be left to read it."""
    with contextlib.ExitStack() as stack:
        out = os.dup(to)  # whoever called may close theirs, once the second has ended
        stack.callback(os.close, out)
        if before:
            lines = stack.enter_context(_in_memory(before))
            written = await run(("cat",), stdin=lines, stdout=out, timeout=timeout)
            if written.returncode:
                return written
        return await run(first, stdin=stdin, stdout=out, timeout=timeout, on_line=on_line)


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """A descriptor of a file without a name: there may be a password in it."""
    with contextlib.ExitStack() as stack:
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("warroom", os.MFD_CLOEXEC)
            stack.callback(os.close, fd)
        else:
            fd = stack.enter_context(tempfile.TemporaryFile()).fileno()
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd


async def _unless(feeding: asyncio.Future[Finished], failed: bool) -> Finished | None:
    """How it ended. Where the second failed nothing of it matters any more."""
    return None if failed else await feeding


async def _cancelled(task: asyncio.Future[Finished]) -> None:
    """Ended, with its program, and its error seen by somebody."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()
