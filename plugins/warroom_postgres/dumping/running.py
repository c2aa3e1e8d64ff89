"""Running pg_dump and pg_restore: the flags, what they say on the way, and how they end."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from warroom.api import Context, ProgramFailed
from warroom_postgres.dumping.contents import Contents
from warroom_postgres.reach.place import Place
from warroom_postgres.reach.tools import Tools

PARALLEL_FROM = 512 * 1024**2
"""Bytes of tables from which several connections are worth what they cost the server. (Below, a dump takes seconds.)"""
PARALLEL_SHARE = 0.95
"""Where one table has more of the bytes than this, the others are done long before it, and it is read by one alone."""
_TABLE = re.compile(r'dumping contents of table "(.*)"')
Say = Callable[[str], None]


def how(contents: Contents, most: int, processors: int | None = None) -> tuple[Literal["custom", "directory"], int]:
    """The format, and how many connections read: only the directory format is written by several."""
    jobs = min(most, processors if processors is not None else os.cpu_count() or 1, max(1, len(contents.tables)))
    pays = jobs > 1 and contents.bytes >= PARALLEL_FROM and contents.largest <= PARALLEL_SHARE * contents.bytes
    return ("directory", jobs) if pays else ("custom", 1)


async def dumped(
    ctx: Context,
    where: Place,
    tools: Tools,
    snapshot: str,
    to: Path,
    *,
    jobs: int,
    tables: int,
    lock_wait: float,
    timeout: float,
    say: Say,
) -> None:
    """A dump of that snapshot in ``to``: a file that is there already, or with several ``jobs`` a folder that is not.

    Raises ProgramFailed with pg_dump's own last word.
    """
    argv = [tools.path("pg_dump"), f"--snapshot={snapshot}", "--verbose", "--compress=1"]
    argv += [f"--lock-wait-timeout={max(1, round(lock_wait * 1000))}"]
    within = where.through is not None
    if jobs > 1:
        argv += ["--format=directory", f"--jobs={jobs}", f"--file={to}"]
    else:
        argv += ["--format=custom", *([] if within else [f"--file={to}"])]
    program = where.program(tuple(argv), watched=True)
    done = await ctx.read.run(
        program.argv,
        timeout=timeout,
        env=program.env,
        stdin=program.stdin[0] if program.stdin else None,
        stdin_held=within,
        stdout_file=to if within else None,
        on_line=_progress(tables, say),
    )
    if done.status != 0:
        locked = "Query was: LOCK TABLE" in done.text
        why = f"somebody holds a table locked for more than {lock_wait:g} s: " if locked else ""
        behind = "conflict with recovery" in done.text
        hint = "name the primary's address as direct, or give the standby hot_standby_feedback" if behind else ""
        raise ProgramFailed("pg_dump failed", why + _last(done.text, done.status), hint)


def _progress(tables: int, say: Say) -> Callable[[str, str], None]:
    seen = 0

    def line(stream: str, text: str) -> None:
        nonlocal seen
        if found := _TABLE.search(text):
            seen += 1
            say(f"dumping {found[1]}, {seen} of {tables}")

    return line


async def read_through(ctx: Context, where: Place, tools: Tools, dump: Path, *, timeout: float) -> None:
    """Listed, and read to its end. Listing alone says nothing of the data: it ends well on half an archive.

    Raises ProgramFailed.
    """
    for option in ("--list", "--file=/dev/null"):
        argv: tuple[str, ...] = (tools.path("pg_restore"), option)
        if where.through is not None:
            argv = where.through.exec({"LC_ALL": "C"}, *argv)
            done = await ctx.read.run(argv, timeout=timeout, stdin_file=dump)
        else:
            done = await ctx.read.run((*argv, str(dump)), timeout=timeout, env={"LC_ALL": "C"})
        if done.status != 0:
            raise ProgramFailed("The dump can't be read back", _last(done.text, done.status))


def _last(text: str, status: int) -> str:
    """What it ended with: an error, or the last line that is no progress."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(?:error|fatal|FATAL|ERROR|detail|could not)\b", line)]
    return " / ".join((errors or lines)[-3:])[:400] or f"exit status {status}"
