"""Programs found again by a pid and start time that were written down."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from pathlib import Path

from warroom.process import guardian
from warroom.process.group import POLL_SECONDS, STOP_GRACE


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


def start_time(pid: int) -> str:
    """A token that, with the pid, names one process for ever: another one given the same number, even after a
    reboot, has another token. Compare it, don't read it. "" when there is no such process.
    """
    if ticks := guardian.start_ticks(pid):
        return f"{_boot()}/{ticks}"
    if os.path.exists("/proc/self/stat"):
        return ""
    shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, timeout=10, check=False)
    return shown.stdout.decode("utf-8", "replace").strip()


def alive(pid: int, start_time: str) -> bool:
    """True while the very process that had this pid and start time runs. A zombie doesn't run."""
    if not start_time or globals()["start_time"](pid) != start_time:
        return False
    fields = guardian.stat_fields(pid)
    return not fields or fields[0] not in "ZX"


async def stop_other(pid: int, start_time: str, grace: float = STOP_GRACE) -> bool:
    """End a process that was found again by its pid and start time, with its group when it leads one; also what is
    left of its group when it has itself gone. SIGTERM, ``grace`` seconds, SIGKILL. True when anything was running.
    """
    lives = alive(pid, start_time)
    gone_here = not guardian.stat_fields(pid) and start_time.partition("/")[0] == _boot() != ""
    if lives and os.getpgid(pid) != pid:
        return await _stop_one(pid, start_time, grace)
    if pid <= 1 or pid == os.getpgrp() or not (lives or gone_here) or guardian.group_is_empty(pid):
        return False
    try:
        guardian.signal_group(pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while not guardian.group_is_empty(pid):
                    await asyncio.sleep(POLL_SECONDS)
    finally:
        guardian.signal_group(pid, signal.SIGKILL)
    return True


async def _stop_one(pid: int, started: str, grace: float) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while alive(pid, started):
                    await asyncio.sleep(POLL_SECONDS)
        if alive(pid, started):
            os.kill(pid, signal.SIGKILL)
    return True
