"""An end to waiting for clients that do not end by themselves when they are cancelled."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_GRACE = 0.25


async def within(seconds: float, work: Coroutine[Any, Any, T], *, ending: float = 0.0) -> T:
    """What ``work`` gives. Raises TimeoutError after ``seconds``.

    psycopg answers a first cancellation by asking the server to stop, and waits for that; a server that hangs is not
    waited for: it is cancelled again. ``ending``: seconds that it may go on asking with nobody waiting for it, as a far
    server needs more than a moment to be told, and would else work on at what nobody wants any more.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            await _ended(task, ending)


async def _ended(task: asyncio.Future[Any], ending: float) -> None:
    task.cancel()
    try:
        await asyncio.wait({task}, timeout=_GRACE)
    finally:
        if not task.done():
            again = asyncio.get_running_loop().call_later(ending, task.cancel)
            task.add_done_callback(lambda _: again.cancel())
            task.add_done_callback(_heard)
        else:
            _heard(task)


def _heard(task: asyncio.Future[Any]) -> None:
    """Takes note of how it ended: nobody else will.

    What its frames still hold is let go at once. A connection that was just being opened has no owner yet, and would
    wait at the server's door, half let in, until memory is swept.
    """
    error: BaseException | None
    try:
        error = task.exception()
    except asyncio.CancelledError as cancelled:
        error = cancelled
    if error is not None:
        traceback.clear_frames(error.__traceback__)
