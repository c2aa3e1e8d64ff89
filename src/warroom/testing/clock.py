"""A clock that only moves when a test says so."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


class VirtualClock:
    """A ``warroom.api.Clock``. ``advance`` moves both clocks and wakes sleepers in order.

    ``jump`` moves the wall clock only.
    """

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    @property
    def sleepers(self) -> int:
        """How many tasks are asleep on this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._count, future))
        await future

    def jump(self, seconds: float) -> None:
        """The wall clock is set forward or back; monotonic time and sleepers do not notice."""
        self._wall += timedelta(seconds=seconds)

    def tick(self, seconds: float) -> None:
        """Moves both clocks at once and wakes whoever is due, without letting them run. For code that is not async."""
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)
        self._wake()

    async def advance(self, seconds: float) -> None:
        """Moves on by ``seconds``, stopping at each sleeper that is due so that it runs at its own time."""
        end = self._monotonic + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            self.tick(max(0.0, self._sleepers[0][0] - self._monotonic))
            await self.settle()
        self.tick(end - self._monotonic)
        await self.settle()

    async def settle(self, turns: int = 25) -> None:
        """Lets every ready task run: ``turns`` passes of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0)

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
