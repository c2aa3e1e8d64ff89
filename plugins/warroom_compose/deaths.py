"""What died lately, by the engine's events: it keeps some of before, so that warroom need not have been there."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from warroom.api import Context, WarroomError
from warroom_compose.client import Engine, engine
from warroom_compose.config import Config
from warroom_compose.events import REMEMBERED, Happened, happened, query
from warroom_compose.lines import Position, objects
from warroom_compose.measures import Value
from warroom_compose.project import LABEL, Container, NoProject, find
from warroom_compose.times import instant, moment, ns_of

AGAIN_S = 1.0
NOT_YET = "the engine's events are not followed yet"
_ASKED = ("kill", "stop")
SAME_NS = 2 * 10**9
KILLED_FOR_NS = 60 * 10**9
"""How long after somebody's stop or kill an end still is what they asked for."""


class Deaths:
    """Counts of the last ``window`` seconds, by service. Unknown while the engine's events can't be followed."""

    def __init__(self, ctx: Context, window: float) -> None:
        self._ctx = ctx
        self._window_ns = int(window * 10**9)
        self._window = window
        self._position = Position()
        self._ahead_ns = 0
        self._found: deque[Happened] = deque(maxlen=10_000)
        self._ends: deque[Happened] = deque(maxlen=1000)
        self._asked: dict[str, int] = {}
        self._from_ns = 0
        self._trouble = NOT_YET

    async def watch(self) -> None:
        config: Config = self._ctx.config
        wanted = query(config.project)
        while True:
            try:
                async with engine(self._ctx) as of:
                    await self._before(of, config)
                    self._trouble = ""  # what it remembers was read to its end: from here on 0 is known to be 0
                    await self._take(await of.read("/events", filters=wanted, since=self._position.begins()))
                self._trouble = "the engine ended its events"
            except WarroomError as error:
                self._trouble = str(error)[:200]
            await self._ctx.clock.sleep(AGAIN_S)

    async def _before(self, of: Engine, config: Config) -> None:
        """What it remembers, and what the containers themselves still show: its memory is short."""
        until = await self._engines_now(of)
        since = self._position.begins()
        stream = await of.read("/events", since=since, until=until, timeout=of.timeout)
        remembered = [event async for event in objects(stream)]
        if len(remembered) >= REMEMBERED // 2:  # the second that is just going on is left out
            self._from_ns = int(remembered[0].get("timeNano") or 0)
        for event in remembered:
            told = (event.get("Actor") or {}).get("Attributes") or {}
            if event.get("Type") == "container" and told.get(f"{LABEL}project") == config.project:
                self._take_one(event)
        with contextlib.suppress(NoProject):
            for one in (await find(self._ctx, of, only=config.services.keys())).containers:
                self._shown(one)

    def _shown(self, one: Container) -> None:
        """Its last end, where no event of it is remembered."""
        if one.finished_at is None or not (one.exit_code or one.oom_killed or one.restarts):
            return
        at = ns_of(one.finished_at)
        if any(each.container == one.id and abs(each.ns - at) < SAME_NS for each in self._ends):
            return
        words = f"{one.name} had no memory left" if one.oom_killed else f"{one.name} ended"
        words += f", and was started anew {one.restarts} times so far" if one.restarts else ""
        base = Happened("die", one.id, one.service, one.name, at, words, "error", one.exit_code)
        self._found.append(base)
        if one.oom_killed:
            self._found.append(replace(base, action="oom"))

    async def _engines_now(self, of: Engine) -> str:
        """By the engine's clock, which is that of its events; the first time, the window begins there."""
        told = instant((await of.ask(lambda api: api.info())).get("SystemTime"))
        ours = self._ctx.clock.now()
        now = told or ours
        self._ahead_ns = int((now - ours).total_seconds() * 10**9)
        if self._trouble == NOT_YET:
            self._position.begin(now.timestamp() - self._window)
        return f"{now.timestamp():.9f}"

    async def _take(self, stream: AsyncIterator[bytes]) -> None:
        async for event in objects(stream):
            self._take_one(event)

    def _take_one(self, event: Any) -> None:
        for found in happened(event):
            if self._position.take("", found.ns):
                self.add(found)

    def add(self, found: Happened) -> None:
        if found.action in _ASKED:
            self._asked[found.container] = found.ns
        elif found.action == "oom":
            self._found.append(found)
        elif found.action == "die":
            self._ends.append(found)
            asked = self._asked.pop(found.container, 0)
            if found.exit_code == 0 or (asked and found.ns - asked < KILLED_FOR_NS):
                return
            self._found.append(found)

    def of(self, service: str) -> dict[str, Value]:
        """``restarts``: ends that nobody asked for and that were no success. ``oom-kills``: out of memory."""
        if self._trouble:
            unknown: Value = (None, None, self._trouble)
            return {"restarts": unknown, "oom-kills": unknown}
        since = int(self._ctx.clock.now().timestamp() * 10**9) + self._ahead_ns - self._window_ns
        lately = [one for one in self._found if one.service == service and one.ns >= since]
        return {
            "restarts": self._counted([one for one in lately if one.action == "die"], since),
            "oom-kills": self._counted([one for one in lately if one.action == "oom"], since),
        }

    def _counted(self, found: list[Happened], since: int) -> Value:
        if found:
            return float(len(found)), 1, f"the last: {max(found, key=lambda one: one.ns).words}"
        short = self._from_ns > since
        return 0.0, 1, f"none since {moment(self._from_ns):%H:%M:%S}: the engine remembers no more" if short else "none"
