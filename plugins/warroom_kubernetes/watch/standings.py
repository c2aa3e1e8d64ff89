"""A workload as it stands, by what is watched of it: for what is asked again and again.

The object itself is asked for each time, so that a watch which has died unheard can't be believed. What lies around it
is read again only once something has changed, and its pods, of which there may be thousands, are those of the watch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from warroom.api import Context
from warroom_kubernetes.reach.asking import Cluster
from warroom_kubernetes.watch import live
from warroom_kubernetes.watch.scene import Part, Scene
from warroom_kubernetes.watch.shared import known
from warroom_kubernetes.workload.reading import Standing, around_it, itself

FIRST_S = 2.0
"""How long the first list of a watch that has just begun is waited for, instead of listing the same beside it."""
LOOK_S = 0.05


@dataclass(frozen=True)
class _Kept:
    turn: int
    version: str
    at: Standing


_kept: WeakKeyDictionary[Part, _Kept] = WeakKeyDictionary()


async def standing_now(ctx: Context, api: Cluster, key: str) -> Standing:
    """As ``workload.reading.standing``, for less where somebody watches it."""
    one = await itself(ctx, api, key)
    part = await _live(ctx, key)
    if part is None:
        return await around_it(ctx, api, one)
    before, turn = _kept.get(part), part.turn
    if before is not None and (before.turn, before.version) == (turn, one.version):
        return before.at
    at = await around_it(ctx, api, one, lambda: _pods(part))
    _kept[part] = _Kept(turn, one.version, at)
    return at


async def _pods(part: Part) -> list[dict[str, Any]]:
    return [live.as_served(each) for each in part.pods.objects.values()] if part.pods is not None else []


async def _live(ctx: Context, key: str) -> Part | None:
    """What is watched of it, where all of that is live."""
    scene = known(ctx)
    if scene is None:
        return None
    until = ctx.clock.monotonic() + FIRST_S
    while (words := _stale(scene, key)) and not _begun(scene, key) and ctx.clock.monotonic() < until:
        await ctx.clock.sleep(LOOK_S)
    return None if words else scene.parts[key]


def _begun(scene: Scene, key: str) -> bool:
    part = scene.parts.get(key)
    return part is not None and part.pods is not None and part.pods.complete


def _stale(scene: Scene, key: str) -> str:
    part = scene.parts.get(key)
    return scene.trouble or scene.beat.stale() or (part.stale() if part is not None else "not watched yet")
