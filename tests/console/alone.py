"""The console on a terminal, on a scripted session: ``python -m tests.console.alone PLOT [--slow] [--kind KIND]``.

What the terminal can show is read from the environment, as the command does. Time is real. Signals are taken as the
command takes them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from tests.console.facts import readings
from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.cli.loop import Ended, run
from warroom.console import leaving
from warroom.console.app import WarroomConsole
from warroom.console.appearance import appearance, environment
from warroom.model.signal import LogHead


class Alone(Story):
    def __init__(self, kind: str) -> None:
        super().__init__(a_runbook(kind), now=datetime.now(UTC))

    def now(self) -> datetime:
        return datetime.now(UTC)


async def _beat(story: Alone) -> None:
    """An engine that has nothing new to say, and says so."""
    while True:
        story.live()
        await asyncio.sleep(1)


async def _busy(story: Alone) -> None:
    """20 log lines and a new error rate each second, as in an incident."""
    step = 0
    while True:
        step += 1
        story.log_lines += 5
        rate = 0.1 + step % 40 / 1000
        story.live(
            **readings(error=rate, p95=3000 + step, spark=(0.01, 0.05, rate), status="firing"),
            heads=LogHead(source="web", lines=story.log_lines, errors=step, lately=step, over="in 5 m"),
        )
        await asyncio.sleep(0.25)


def calm(story: Alone) -> Callable[[Alone], object]:
    story.calm()
    return _beat


def firing(story: Alone) -> Callable[[Alone], object]:
    story.calm()
    story.fires()
    story.opened("High error rate")
    return _beat


def busy(story: Alone) -> Callable[[Alone], object]:
    firing(story)
    return _busy


def silent(story: Alone) -> Callable[[Alone], object]:
    story.calm()
    return lambda _: asyncio.sleep(3600)


PLOTS = {"calm": calm, "firing": firing, "busy": busy, "silent": silent}


async def main(plot: str, kind: str, slow: bool) -> int:
    story = Alone(kind)
    going = asyncio.ensure_future(PLOTS[plot](story)(story))  # type: ignore[call-overload]  # each plot is a coroutine
    look = appearance(environment(), theme=os.environ.get("WARROOM_THEME", ""), slow_line=slow)
    try:
        return await WarroomConsole(story, look=look).run_async() or 0
    finally:
        going.cancel()


if __name__ == "__main__":
    words = sys.argv[1:]
    kind = words[words.index("--kind") + 1] if "--kind" in words else "drill"
    try:
        status = run(main, words[0], kind, "--slow" in words)
    except Ended as ended:
        status = ended.status
    leaving.end(status)
    sys.exit(status)
