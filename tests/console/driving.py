"""Hands and eyes for tests: presses keys, waits until nothing moves any more, reads the screen as text."""

from __future__ import annotations

import asyncio

from textual.notifications import Notification, Notifications
from textual.pilot import Pilot
from textual.screen import Screen

from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.model.intent import Intent


async def until_idle(min_sleep: float = 0, max_sleep: float = 0) -> None:
    """Until no task of this loop can go on: all that is left waits for a timer, a socket or a thread.

    For Textual's own, which measures the processor's time, wrong on a busy machine, and waits 20 ms at the least.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # the loop has no public word for it
    for _ in range(20_000):
        await asyncio.sleep(0)
        if not ready:
            return
    raise AssertionError("the loop was never idle: something calls itself again and again")


class Driver:
    def __init__(self, app: WarroomConsole, pilot: Pilot[int], story: Story) -> None:
        self.app, self.pilot, self.story = app, pilot, story
        self._told = [note.message for note in app._notifications]
        add = app._notifications.add

        def noted(note: Notification) -> Notifications:
            self._told.append(note.message)
            return add(note)

        setattr(app._notifications, "add", noted)  # noqa: B010 - Textual itself forgets those that left the screen

    @property
    def screen(self) -> Screen[object]:
        return self.app.screen

    @property
    def on_top(self) -> str:
        """The name of the dialog on top, or MainScreen."""
        return type(self.screen).__name__

    async def settle(self) -> None:
        """Until the console has seen all there is, and its workers have nothing left to do. Fails if it never rests."""
        rest = 0
        for _ in range(10_000):  # a thread's answer may take its time
            await self.pilot.pause()
            rest = rest + 1 if self._still() and self._drained() else 0
            if rest == 2:
                return
            if not rest:
                await asyncio.sleep(0.002)
        raise AssertionError(f"the console never came to rest: {self._restless()}")

    def _drained(self) -> bool:
        """Nothing waits in a queue, for the next drawing, or for the timer that gathers changes of size."""
        if self.app._resize_timer is not None or self.screen._callbacks or self.screen._layout_required:
            return False
        return not any(pump.message_queue_size for pump in (self.app, *self.screen.walk_children(with_self=True)))

    def _restless(self) -> str:
        """What is still under way, for the failure's message."""
        store = self.app.client.store
        waiting = [type(pump).__name__ for pump in self.screen.walk_children() if pump.message_queue_size]
        busy = [worker.group for worker in self.app.workers if worker.is_running and worker.group != "watch"]
        return f"queues {waiting}, workers {busy}, seen {store.state.seq} of {self.story.state.seq}"

    def _still(self) -> bool:
        store = self.app.client.store
        busy = any(worker.is_running and worker.group != "watch" for worker in self.app.workers)
        seen = store.state.seq == self.story.state.seq and store.live_values() == self.story.live_values()
        return seen and not busy

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        names = {" ": "space", "-": "minus", ".": "full_stop", "\n": "enter"}
        await self.pilot.press(*(names.get(letter, letter) for letter in text))
        await self.settle()

    async def focus(self, selector: str) -> None:
        self.screen.query_one(selector).focus()
        await self.settle()

    def sent(self, kind: str) -> list[Intent]:
        return [intent for intent in self.story.intents if intent.type == kind]

    def last(self) -> Intent:
        return self.story.intents[-1]

    def text(self) -> str:
        """What stands on the screen, line by line."""
        width, height = self.app.size
        lines = self.screen._compositor.render_strips()[:height]
        return "\n".join(strip.text[:width].rstrip() for strip in lines)

    def flat(self) -> str:
        """The screen's words in one line, for sentences that were wrapped."""
        return " ".join("".join(" " if char in "│║┃╭╮╰╯" else char for char in self.text()).split())

    def told(self) -> str:
        """Every notification so far."""
        return "\n".join(self._told)
