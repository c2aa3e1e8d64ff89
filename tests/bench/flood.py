"""The console and its engine on a terminal, with a source that floods: ``python -m tests.bench.flood FOLDER RATE S``.

It is quiet until SIGUSR1. Then ``RATE`` lines a second come for S seconds (0: as many as the source can make), among
them lines of a megabyte and bytes that are no UTF-8. FOLDER/figures.json then says what became of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

from tests.engines import OP1, World, a_running
from tests.loglines import lines
from tests.world import PLUGIN
from warroom.api import Context
from warroom.cli.loop import Ended, run, settle
from warroom.console.app import WarroomConsole
from warroom.console.appearance import appearance, environment
from warroom.model.signal import LogLine

SOURCES = ("web-1", "web-2", "db", "worker")
CHUNK = 500
"""Lines that the source has at a time, as from one read of a pipe."""
HUGE_EVERY = 50_000
HUGE = "x" * 1_000_000
TORN = b"INFO caf\xe9 \xff\xfe torn".decode("utf-8", "surrogateescape")
LAG_S = 0.02


class Flood:
    def __init__(self, rate: int, seconds: float) -> None:
        self.rate, self.seconds = rate, seconds
        self.begin, self.ended = asyncio.Event(), asyncio.Event()
        self.made = 0
        self.took = 0.0
        self._texts = [*lines(2000, 7), TORN]

    async def follow(self, ctx: Context) -> AsyncIterator[LogLine]:
        await self.begin.wait()
        began = time.monotonic()
        while (passed := time.monotonic() - began) < self.seconds:
            if self.rate and self.made >= passed * self.rate:
                await asyncio.sleep(CHUNK / self.rate / 2)
                continue
            for _ in range(CHUNK):
                yield self._line()
            await asyncio.sleep(0)  # the next read
        self.took = time.monotonic() - began
        self.ended.set()
        await asyncio.Event().wait()

    def _line(self) -> LogLine:
        self.made += 1
        text = HUGE if self.made % HUGE_EVERY == HUGE_EVERY // 2 else self._texts[self.made % len(self._texts)]
        return LogLine(source=SOURCES[self.made % len(SOURCES)], text=text)


def now_mb() -> float:
    """What the process holds now; where the system does not say, the most that it has held."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


class Watch:
    """How late the loop is, and how much memory is held, while it looks."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self.most_mb = 0.0

    async def look(self) -> None:
        while True:
            due = time.monotonic() + LAG_S
            await asyncio.sleep(LAG_S)
            self.late.append(time.monotonic() - due)
            if len(self.late) % 25 == 0:
                self.most_mb = max(self.most_mb, now_mb())


async def measured(world: World, flood: Flood, file: Path) -> None:
    await flood.begin.wait()
    before, watch = now_mb(), Watch()
    processor = time.process_time()
    looking = asyncio.create_task(watch.look())
    await flood.ended.wait()
    written = await asyncio.to_thread(world.engine.sensing.spool.heads)
    behind = flood.made - sum(head.lines for head in written.values())
    while sum(head.lines for head in written.values()) < flood.made:
        await asyncio.sleep(0.05)
        written = await asyncio.to_thread(world.engine.sensing.spool.heads)
    looking.cancel()
    late = sorted(watch.late)
    figures = {
        "made": flood.made,
        "kept": sum(head.lines for head in written.values()),
        "dropped": sum(head.dropped for head in written.values()),
        "behind_at_the_end": behind,
        "lines_per_s": flood.made / flood.took,
        "loop_late_p95_ms": late[int(len(late) * 0.95)] * 1e3,
        "cores": (time.process_time() - processor) / flood.took,
        "memory_before_mb": before,
        "memory_most_mb": max(watch.most_mb, now_mb()),
        "memory_after_mb": now_mb(),
    }
    part = file.with_suffix(".part")
    part.write_text(json.dumps(figures))
    part.rename(file)


async def main(folder: Path, rate: int, seconds: float) -> int:
    flood = Flood(rate, seconds)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, flood.begin.set)
    async with a_running(folder, plugin=replace(PLUGIN, logs=flood)) as world:
        figures = asyncio.create_task(measured(world, flood, folder / "figures.json"))
        settle()
        try:
            return await WarroomConsole(world.engine.session(OP1), look=appearance(environment())).run_async() or 0
        finally:
            figures.cancel()
            await asyncio.wait({figures})


if __name__ == "__main__":
    try:
        sys.exit(run(main, Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
    except Ended as ended:
        sys.exit(ended.status)
