"""One intent at a time, but for the emergency lane, which waits for no lookup that somebody else has begun."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from warroom.errors import Refusal


class Turn(asyncio.Lock):
    """Held by who acts. What only looks something up gives way: nothing has been recorded for it by then."""

    def __init__(self) -> None:
        super().__init__()
        self._looking: asyncio.Task[Any] | None = None
        self._aside: asyncio.Task[Any] | None = None
        self._hurry = 0

    @contextmanager
    def giving_way(self) -> Iterator[None]:
        """Around a lookup by who holds the turn. Raises Refusal when the emergency lane goes first.

        The work inside is cancelled then; it must have no effect but its result.
        """
        if self._hurry:
            raise _gave_way()
        self._looking = task = asyncio.current_task()
        try:
            yield
            if task is not None and self._aside is task:  # it was told to stop, and took no notice
                task.uncancel()
                raise _gave_way()
        except asyncio.CancelledError:
            if task is None or self._aside is not task or task.uncancel():
                raise
            raise _gave_way() from None
        finally:
            self._looking = None
            if self._aside is task:
                self._aside = None

    @asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """The turn, for the emergency lane: what is looked up now is broken off, and nothing is looked up before it."""
        self._hurry += 1
        try:
            if self._looking is not None and self._aside is None:
                self._aside = self._looking
                self._looking.cancel()
            async with self:
                yield
        finally:
            self._hurry -= 1


def _gave_way() -> Refusal:
    return Refusal("The emergency lane went first", "this was only being looked up: nothing was done", "ask again")
