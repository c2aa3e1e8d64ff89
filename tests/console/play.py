"""The console on the story, in real time, to look at: ``python -m tests.console.play [drill|staging|production]``.

Nothing here is measured and nothing real is changed: a script answers in the engine's place.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from tests.console.runbook import a_runbook
from tests.console.story import Story
from warroom.console.app import WarroomConsole
from warroom.model import intent as it


class Played(Story):
    """Goes on by itself a little after each intent."""

    def __init__(self, kind: str, *, fails: bool = False) -> None:
        super().__init__(a_runbook(kind), now=datetime.now(UTC))
        self._fails = fails
        self._tasks: set[asyncio.Task[None]] = set()
        for intent, delay, work in (
            (it.CaptureEvidence, 2.0, self.sealed),
            (it.RunPlan, 8.0, self.runs_through),
            (it.Verify, 3.0, self.verdict),
        ):
            self._then(intent, delay, work)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def pass_time(self, seconds: float) -> None:
        """Real time passes by itself."""
        self._now = self.now()

    def verdict(self) -> None:
        if not self._fails:
            self.recovers()
        self.verified("fail" if self._fails else "pass")
        self.later(60, self.watched)

    def _then(self, intent: type[it.Intent], delay: float, work: Callable[[], None]) -> None:
        first = self.on[intent]

        def handle(asked: it.Intent) -> object:
            self.pass_time(0)
            self.later(delay, work)
            return first(asked)

        self.on[intent] = handle  # type: ignore[assignment]  # the reply is passed on as it is

    def later(self, delay: float, work: Callable[[], None]) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay)
            self.pass_time(0)
            work()

        task = asyncio.get_running_loop().create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def main(kind: str, fails: bool) -> None:
    story = Played(kind, fails=fails)
    story.calm()
    story.later(3, story.fires)
    await WarroomConsole(story).run_async()


if __name__ == "__main__":
    asyncio.run(main(next((a for a in sys.argv[1:] if a != "--fails"), "drill"), "--fails" in sys.argv))
