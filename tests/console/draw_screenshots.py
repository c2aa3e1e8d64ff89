"""Draws ``screenshots/*.svg`` from the console on a real drill: ``python -m tests.console.draw_screenshots [FOLDER]``.

The lab's processes, the fault, the rollback and every number in the pictures are real; the keys are pressed by this
script instead of a person. Takes two to three minutes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from warroom.console.app import WarroomConsole
from warroom.console.picture import plain_svg
from warroom.drills.drill import attended
from warroom.engine.engine import Engine
from warroom.model.event import Actor
from warroom.model.state import State

REPOSITORY = Path(__file__).resolve().parents[2]
LARGE, SMALL = (160, 45), (80, 24)
PATIENCE_S = 240.0


class Drawer:
    def __init__(self, app: WarroomConsole, pilot: Pilot[int], folder: Path) -> None:
        self.app, self.pilot, self.folder = app, pilot, folder

    async def until(self, what: str, seen: Callable[[State], bool], rest_s: float = 1) -> None:
        """Waits for the real thing to happen. Raises ``TimeoutError`` when it does not."""
        async with asyncio.timeout(PATIENCE_S):
            while not seen(self.app.client.store.state):
                await asyncio.sleep(0.05)
        print(f"  {what}", flush=True)
        await asyncio.sleep(rest_s)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await asyncio.sleep(0.8)

    async def draw(self, name: str, size: tuple[int, int] = LARGE, rest_s: float = 0.8) -> None:
        if size != LARGE:
            await self.pilot.resize_terminal(*size)
        await asyncio.sleep(rest_s)
        self.app.clear_notifications()
        await self.pilot.pause()
        (self.folder / f"{name}.svg").write_text(
            plain_svg(self.app.export_screenshot(title="warroom")), encoding="utf-8"
        )
        print(f"drew {name}", flush=True)
        if size != LARGE:
            await self.pilot.resize_terminal(*LARGE)
            await asyncio.sleep(0.8)


async def walk(drawer: Drawer) -> None:
    """The drill from the keyboard, with a picture at each state worth showing."""
    app = drawer.app
    async with asyncio.timeout(PATIENCE_S):
        while len(app.client.store.components()) < 3:
            await asyncio.sleep(0.2)
    await asyncio.sleep(5)
    await drawer.draw("calm")
    await drawer.until("an incident is open", lambda state: state.incident is not None)
    await drawer.draw("firing")
    await drawer.draw("firing-80x24", SMALL)
    await drawer.press("d", "enter", "c")
    await drawer.until("evidence is sealed", lambda state: bool(state.sealed))
    await drawer.press("m", "ctrl+s", "g")
    await asyncio.sleep(3)
    await drawer.draw("target")
    await drawer.press("enter")
    await drawer.until("a target is chosen", lambda state: state.target is not None)
    await drawer.press("p", "enter")
    await drawer.until("a plan is proposed", lambda state: state.plan is not None)
    await drawer.draw("plan")
    await drawer.press("escape", "R")
    await asyncio.sleep(2)
    if app.screen.query_one("#reason").display:
        await drawer.press(*"drill")
        app.screen.query_one("#run").focus()
    await drawer.pilot.press("enter")
    await drawer.until("the plan runs", lambda state: state.plan is not None and state.plan.began_at is not None, 0)
    await drawer.draw("running", rest_s=0)
    await drawer.until("the plan has run", lambda state: state.plan is not None and state.plan.status == "done")
    await drawer.press("v")
    await drawer.until(
        "recovery is verified", lambda state: state.verification is not None and state.verification.verdict == "pass"
    )
    await drawer.draw("verified")
    await drawer.draw("verified-80x24", SMALL)


async def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)

    async def sit(engine: Engine) -> int:
        app = WarroomConsole(engine.session(Actor(name="op1")))
        async with app.run_test(size=LARGE, notifications=True) as pilot:
            await walk(Drawer(app, pilot, folder))
        return 0

    with tempfile.TemporaryDirectory(prefix="warroom-") as state:
        await attended("bad-release", Path(state), sit, lambda words: print(words, flush=True))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "screenshots"))
