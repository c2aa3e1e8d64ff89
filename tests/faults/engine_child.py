"""An engine in a process of its own, that walks through an incident until it is ended.

python -m tests.faults.engine_child STATE WORLD SECONDS [POINT]

What it prints, one line each: ``shown INCIDENT SEQ [ID]`` for what a watcher was shown and for a reply that a client
got, ``guardian PID``, and ``paused POINT`` when it has come to the point where it is to stand still for ever.
SECONDS is how long a deployment takes. A point is

    before:TYPE[:NAME]     asked to record such an event, nothing has happened yet
    commit:TYPE[:NAME]     it is written, and not committed
    head:TYPE[:NAME]       it is committed, and not acknowledged
    after:TYPE[:NAME]      it is acknowledged, and what follows from it has not begun

NAME is the event's step, collector or check. ``effect:STEP`` never comes: the step is to be killed while it runs.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from tests.world import load_world, until, world_runbook
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.journal.codec import decode
from warroom.journal.folder import StateFolder
from warroom.journal.writer import Disk
from warroom.model import intent as it
from warroom.model.event import Actor, Body
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.model.runbook import Runbook
from warroom.process.guard import GUARD
from warroom.session import Accepted, Events, Snapshot

ME = Actor(name="op1", uid=1000)
SCREEN = Actor(name="screen", kind="autopilot")
"""Nobody who could draw a picture for the evidence, which would be waited for."""


def two_steps(watch: float = 0.5) -> Runbook:
    """First v1, then the target: what has been done is to be seen in what runs."""
    first = {"title": "Deploy v1", "op": "world.deploy", "with": {"release": "v1"}}
    second = {"title": "Deploy the target", "op": "world.deploy", "with": {"release": "${target.version}"}}
    steps = {"first": first, "second": {**second, "role": "application"}}
    procedure = {"title": "Two steps", "use_when": "always", "needs": ["world"], "steps": steps}
    return world_runbook(procedures={"two": procedure}, escalation=[], watch=watch)


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


def is_point(point: str, where: str, body: Body) -> bool:
    wanted, _, name = point.removeprefix(f"{where}:").partition(":")
    result = getattr(body, "result", None)
    names = {getattr(body, "step", None), getattr(body, "collector", None), getattr(result, "id", None)}
    return point.startswith(f"{where}:") and body.type == wanted and (not name or name in names)


class HeldDisk(Disk):
    """Stands still before the commit of the point's event, or before the head is told of it."""

    def __init__(self, point: str) -> None:
        self._point = point
        self._committed = False

    def commit(self, connection: sqlite3.Connection) -> None:
        held = self._is_in(connection)
        if held and self._point.startswith("commit:"):
            self._stand_still()
        super().commit(connection)
        self._committed = held

    def sync(self, descriptor: int) -> None:
        if self._committed and self._point.startswith("head:"):
            self._stand_still()
        super().sync(descriptor)

    def _is_in(self, connection: sqlite3.Connection) -> bool:
        where = self._point.partition(":")[0]
        rows = connection.execute("SELECT seq, bytes FROM entry ORDER BY seq DESC LIMIT 20").fetchall()
        return any(is_point(self._point, where, decode(data, seq).body) for seq, data in rows)

    def _stand_still(self) -> None:
        say(f"paused {self._point}")
        while True:
            time.sleep(60)


def held_record(engine: Engine, point: str) -> None:
    """Every part of the engine records through here; at the point it stands still."""
    record = engine.core.record

    async def recorded(*bodies: Body, **more: Any) -> int:
        await stop("before", bodies)
        seq = await record(*bodies, **more)
        await stop("after", bodies)
        return seq

    async def stop(where: str, bodies: tuple[Body, ...]) -> None:
        if any(is_point(point, where, body) for body in bodies):
            say(f"paused {point}")
            await asyncio.Event().wait()

    engine.core.record = recorded  # type: ignore[method-assign]  # the tests' own way in


async def watching(engine: Engine) -> None:
    incident, guardian = "", 0
    async for frame in engine.session(SCREEN).watch():
        if isinstance(frame, Snapshot) and frame.state.incident is not None:
            incident = frame.state.incident.id
            say(f"shown {incident} {frame.state.seq}")
        for event in frame.events if isinstance(frame, Events) else ():
            say(f"shown {incident} {event.seq} {event.id}")
        if guardian != GUARD.pid:
            guardian = GUARD.pid
            say(f"guardian {guardian}")


async def ask(engine: Engine, intent: it.Intent) -> None:
    reply = await engine.session(ME).submit(uuid.uuid4().hex, intent)
    assert isinstance(reply, Accepted), reply
    assert engine.core.state.incident is not None
    say(f"shown {engine.core.state.incident.id} {reply.seq}")


async def walk(engine: Engine, world: Path) -> None:
    """One incident, from its opening to its report."""

    def state() -> Any:
        return engine.core.state

    (world / "current").write_text("v3")
    await until(lambda: engine.core.running is not None and engine.core.running.version == "v3")
    await ask(engine, it.OpenIncident(title="it burns"))
    await ask(engine, it.CaptureEvidence())
    await ask(engine, it.ChooseTarget(text="v2"))
    await until(lambda: state().evidence.status == "sealed")
    await ask(engine, it.ProposePlan(procedure="two"))
    page = await engine.session(ME).query(GuardsQuery())
    assert isinstance(page, GuardsPage)
    waive = tuple(guard.id for guard in page.guards if not guard.hard)
    await ask(engine, it.RunPlan(hash=state().plan.hash, waive=waive, reason="a test"))
    await until(lambda: state().plan.status == "done", seconds=60)
    await ask(engine, it.Verify())
    await until(lambda: state().verification.verdict is not None)
    assert state().verification.verdict == "pass", state().verification
    await until(lambda: state().watch is not None and state().watch.quiet is not None)
    await ask(engine, it.CloseIncident(outcome="recovered", reason="a test"))


async def main(state: Path, world: Path, seconds: float, point: str) -> None:
    options = Options(disk=HeldDisk(point) if point.startswith(("commit:", "head:")) else None)
    loaded = load_world(world, seconds)
    async with Engine(two_steps(), StateFolder(state), options=options, load=loaded) as engine:
        held_record(engine, point)
        shown = asyncio.create_task(watching(engine))
        while not shown.done():
            await walk(engine, world)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4] if sys.argv[4:] else ""))
