"""The loop that the console and its engine run on."""

from __future__ import annotations

import asyncio
import threading

from warroom.cli.loop import run


def test_look_ups_that_hang_hold_up_nothing_else() -> None:
    """Forty names whose server is down: the log is still read."""
    free = threading.Event()

    async def work() -> str:
        hanging = [asyncio.ensure_future(asyncio.to_thread(free.wait, 30)) for _ in range(40)]
        await asyncio.sleep(0)  # they are begun
        try:
            async with asyncio.timeout(10):
                return await asyncio.to_thread(lambda: "read")
        finally:
            free.set()
            await asyncio.wait(hanging)

    assert run(work) == "read"
