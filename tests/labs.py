"""What tests of the drill lab share: looking at real processes, and measuring real traffic."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from warroom.drills.lab import LabHandle


@dataclass(frozen=True)
class Share:
    """Of what users saw between two looks: how many requests, how many answered 5xx or not at all."""

    requests: int
    errors: int

    @property
    def ratio(self) -> float:
        return self.errors / self.requests


def _totals(counters: dict[str, Any]) -> tuple[int, int]:
    answers = counters["traffic"]["answers"]
    bad = sum(answer["count"] for answer in answers if answer["status"] >= 500 or answer["status"] == 0)
    return sum(answer["count"] for answer in answers), bad


async def measured(lab: LabHandle, requests: int = 100) -> Share:
    """Watch until users have made so many more requests."""
    begun, bad_begun = _totals(await lab.counters())
    async with asyncio.timeout(60):
        while True:
            now, bad = _totals(await lab.counters())
            if now - begun >= requests:
                return Share(now - begun, bad - bad_begun)
            await asyncio.sleep(0.1)


async def get(url: str) -> tuple[int, object]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.json()


def parents() -> dict[int, int]:
    """Every process and its parent."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                if fields[0] not in (b"Z", b"X"):
                    found[int(name)] = int(fields[1])
    return found


def family(pid: int) -> set[int]:
    """A process and all that descends from it."""
    known = parents()
    found = {pid} & known.keys()
    while more := {child for child, parent in known.items() if parent in found} - found:
        found |= more
    return found


def mentioning(folder: Path) -> set[int]:
    """Processes whose words, working folder or environment name the folder; this test's own left out."""
    wanted = os.fsencode(folder)
    own = {os.getpid(), os.getppid()}
    found = set()
    for pid in parents().keys() - own:
        with contextlib.suppress(OSError):
            seen = Path(f"/proc/{pid}/cmdline").read_bytes() + os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
            if wanted in seen + Path(f"/proc/{pid}/environ").read_bytes():
                found.add(pid)
    return found


async def until(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for something to become true; fail when it does not."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds:g} s: {what}") from None
