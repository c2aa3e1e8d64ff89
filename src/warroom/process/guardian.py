"""Ends what warroom started when warroom itself is gone, even by kill -9.

`warroom.process.guard` runs this file as a small process of its own (standard library only, no site-packages) and holds
the writing end of its standard input. Whatever ends the parent closes that pipe; the guardian then ends every
process group it was told about. This is used instead of ``PR_SET_PDEATHSIG`` because that one

- fires when the *thread* that forked ends, not the process,
- reaches the child but none of the child's own children,
- needs code between fork and exec, which can deadlock in a program with threads, and
- exists on Linux only.

What it reads, one line each:

    ? MARK PIPE        about to start a process that has WARROOM_SPAWN=MARK in its environment and the pipe PIPE open
    + MARK PID STARTED it runs, and leads the process group PID
    ! MARK             it did not start
    - PID              it has ended, or may live on

A parent killed between ``?`` and ``+`` leaves a process whose number nobody wrote down. On Linux it is found by its
mark or by its pipe: Redis and PostgreSQL write their titles over their environment, ssh closes what it did not open.
Elsewhere that gap, well under a millisecond, stays open.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator

MARK_VARIABLE = "WARROOM_SPAWN"
GRACE_SECONDS = 2.0
_POLL_SECONDS = 0.02
_HAS_PROC = os.path.exists("/proc/self/stat")


def stat_fields(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the third (the state) on; empty when there is no such process.

    The second field, the name, may hold spaces and brackets, so everything up to the last bracket is cut off.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
    except OSError:
        return []


def start_ticks(pid: int) -> str:
    """When the process began, in clock ticks since boot, as digits; "" when that can't be told."""
    fields = stat_fields(pid)
    return fields[19] if len(fields) > 19 else ""


def _pids() -> Iterator[int]:
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                yield int(name)


def group_is_empty(group: int) -> bool:
    """True when no process of the group runs any more. Zombies don't run."""
    if not _HAS_PROC:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
            return True
        return False
    for pid in _pids():
        fields = stat_fields(pid)
        if len(fields) > 2 and fields[2] == str(group) and fields[0] not in "ZX":
            return False
    return True


def still_the_same(pid: int, started: str) -> bool:
    """False when the number has been given to another process since; True also when nobody has it."""
    now = start_ticks(pid)
    return not (now and started and now != started)


def signal_group(group: int, signum: int) -> None:
    """Send to every process of the group; nothing happens when there is none left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def _groups_marked(marks: dict[str, str]) -> set[int]:
    """Groups of processes with one of these marks in their environment, or its pipe open."""
    variables = {f"{MARK_VARIABLE}={mark}".encode() for mark in marks}
    pipes = {f"pipe:[{pipe}]" for pipe in marks.values()}
    found = set()
    for pid in _pids() if marks else ():
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as file:
                marked = not variables.isdisjoint(file.read().split(b"\0"))
            if marked or not pipes.isdisjoint(_open_files(pid)):
                found.add(os.getpgid(pid))
    return found - {os.getpgrp()}


def _open_files(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    for number in os.listdir(folder):
        with contextlib.suppress(OSError):
            yield os.readlink(f"{folder}/{number}")


def _end_groups(groups: set[int]) -> None:
    for group in groups:
        signal_group(group, signal.SIGTERM)
    limit = time.monotonic() + GRACE_SECONDS
    left = set(groups)
    while left and time.monotonic() < limit:
        time.sleep(_POLL_SECONDS)
        left = {group for group in left if not group_is_empty(group)}
    for group in left:
        signal_group(group, signal.SIGKILL)


class Watch:
    """What is to be ended, folded from the lines read."""

    def __init__(self) -> None:
        self.running: dict[int, str] = {}
        self.starting: dict[str, str] = {}

    def read(self, line: str) -> None:
        match line.split():
            case ["?", mark, pipe]:
                self.starting[mark] = pipe
            case ["+", mark, pid, *started]:
                self.starting.pop(mark, None)
                self.running[int(pid)] = started[0] if started else ""
            case ["!", mark]:
                self.starting.pop(mark, None)
            case ["-", pid]:
                self.running.pop(int(pid), None)

    def groups(self) -> set[int]:
        """The groups to end now. A number that by now belongs to another process is left alone."""
        known = {pid for pid, started in self.running.items() if still_the_same(pid, started)}
        return known | (_groups_marked(self.starting) if _HAS_PROC else set())


def main() -> int:
    # Ctrl+C, a lost terminal and a service manager's TERM reach the parent too; the guardian outlives it.
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_IGN)
    watch = Watch()
    for line in sys.stdin:
        watch.read(line)
    _end_groups(watch.groups())
    return 0


if __name__ == "__main__":
    sys.exit(main())
