"""What died lately, by the engine's events: it keeps some of before, so that warroom need not have been there."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from warroom.api import Context, WarroomError
from warroom_compose.client import Engine, engine
from warroom_compose.config import Config
from warroom_compose.events import Happened, happened, query
from warroom_compose.lines import Position, objects
from warroom_compose.measures import Value
from warroom_compose.project import instant

AGAIN_S = 1.0
NOT_YET = "the engine's events are not followed yet"
_ASKED = ("kill", "stop")
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
        self._asked: dict[str, int] = {}
        self._trouble = NOT_YET

    async def watch(self) -> None:
        config: Config = self._ctx.config
        while True:
            try:
                async with engine(self._ctx) as of:
                    wanted = query(config.project)
                    until = await self._engines_now(of)
                    before = await of.read(
                        "/events", filters=wanted, since=self._position.begins(), until=until, timeout=of.timeout
                    )
                    await self._take(before)
                    self._trouble = ""  # what it remembers was read to its end: from here on 0 is known to be 0
                    await self._take(await of.read("/events", filters=wanted, since=self._position.begins()))
                self._trouble = "the engine ended its events"
            except WarroomError as error:
                self._trouble = str(error)[:200]
            await self._ctx.clock.sleep(AGAIN_S)

    async def _engines_now(self, of: Engine) -> str:
        """By the engine's clock, which is that of its events; the first time, the window begins there."""
        told = instant((await of.get("/info")).get("SystemTime"))
        ours = self._ctx.clock.now()
        now = told or ours
        self._ahead_ns = int((now - ours).total_seconds() * 10**9)
        if self._trouble == NOT_YET:
            self._position.begin(now.timestamp() - self._window)
        return f"{now.timestamp():.9f}"

    async def _take(self, stream: AsyncIterator[bytes]) -> None:
        async for event in objects(stream):
            for found in happened(event):
                if self._position.take("", found.ns):
                    self.add(found)

    def add(self, found: Happened) -> None:
        if found.action in _ASKED:
            self._asked[found.container] = found.ns
        elif found.action == "oom":
            self._found.append(found)
        elif found.action == "die":
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
            "restarts": _counted([one for one in lately if one.action == "die"]),
            "oom-kills": _counted([one for one in lately if one.action == "oom"]),
        }


def _counted(found: list[Happened]) -> Value:
    return float(len(found)), 1, f"the last: {found[-1].words}" if found else "none"
