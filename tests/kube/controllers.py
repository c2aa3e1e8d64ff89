"""Kubernetes' controllers: each looks at one object after any change that may concern it, and takes one more step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.kube.api import Api
from tests.kube.events import Events
from tests.kube.levers import Levers
from tests.kube.store import Change, Obj

Item = tuple[str, str, str]
"""(controller's word, namespace, name)."""


def controller_of(obj: Obj) -> Obj | None:
    """Its owner reference with ``controller``."""
    return next((one for one in obj["metadata"].get("ownerReferences") or [] if one.get("controller")), None)


def owner_reference(owner: Obj) -> Obj:
    meta = owner["metadata"]
    named = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
    return {**named, "controller": True, "blockOwnerDeletion": True}


def owned(objects: list[Obj], owner: Obj) -> list[Obj]:
    uid = owner["metadata"]["uid"]
    return [obj for obj in objects if (found := controller_of(obj)) and found["uid"] == uid]


class Work:
    """What controllers share: the API, the events, and a queue of what is to be looked at again."""

    def __init__(self, api: Api, levers: Levers, events: Events) -> None:
        self.api, self.levers, self.events = api, levers, events
        self.quiet = False
        """Objects are put there as if they had always been."""

        self.syncs: dict[str, Callable[[str, str], None]] = {}
        self.concerns: list[Callable[[Change], list[Item]]] = []
        self._waiting: dict[Item, None] = {}
        self._some = asyncio.Event()
        self._timers: dict[Item, asyncio.TimerHandle] = {}
        api.store.listeners.append(self._changed)

    def _changed(self, change: Change) -> None:
        if self.quiet:
            return
        for concern in self.concerns:
            for item in concern(change):
                self.later(item)

    def later(self, item: Item, seconds: float = 0.0) -> None:
        """Once more, after so long; of two the sooner counts."""
        if seconds <= 0:
            self._waiting.setdefault(item)
            self._some.set()
            return
        loop = asyncio.get_running_loop()
        old = self._timers.get(item)
        if old and not old.cancelled() and loop.time() < old.when() <= loop.time() + seconds:
            return
        if old:
            old.cancel()
        self._timers[item] = loop.call_later(seconds, self.later, item)

    def wake(self) -> None:
        self._some.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            items = [item for item in self._waiting if item[0] not in self.levers.held]
            for item in items:
                del self._waiting[item]
                self.syncs[item[0]](item[1], item[2])
                # Between two objects the server answers requests.
                await asyncio.sleep(0)

    def stop(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
