"""One Scene for all that watch the same workloads of a cluster at the same time: signals, logs and releases ask for the
same, and the cluster is asked once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from warroom.api import Context
from warroom_kubernetes.watch.collection import PACE, Pace
from warroom_kubernetes.watch.scene import Scene

_Key = tuple[str, str, Pace]


@dataclass
class _Use:
    scene: Scene
    task: asyncio.Task[None]
    users: int = 0


_shared: WeakKeyDictionary[Any, dict[_Key, _Use]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def watching(ctx: Context, pace: Pace = PACE) -> AsyncIterator[tuple[Scene, asyncio.Task[None]]]:
    """The scene, and the task that keeps it, which never ends by itself: whoever waits, waits for that as well, so
    that a mistake in it is heard of. It is ended with its last user, whichever began it."""
    uses = _shared.setdefault(ctx.read, {})
    key = (ctx.platform, ctx.config.model_dump_json(), pace)
    use = uses.get(key)
    if use is None or use.task.done():
        scene = Scene(ctx, pace=pace)
        use = uses[key] = _Use(scene, asyncio.create_task(scene.run(), name=f"watching {ctx.platform}"))
    use.users += 1
    try:
        yield use.scene, use.task
    finally:
        use.users -= 1
        if not use.users:
            if uses.get(key) is use:
                del uses[key]
            use.task.cancel()
            await asyncio.gather(use.task, return_exceptions=True)


def known(ctx: Context, pace: Pace = PACE) -> Scene | None:
    """That which is watched just now; None where nobody does."""
    use = _shared.get(ctx.read, {}).get((ctx.platform, ctx.config.model_dump_json(), pace))
    return use.scene if use is not None and not use.task.done() else None
