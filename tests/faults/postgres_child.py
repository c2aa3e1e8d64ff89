"""An engine in a process of its own that leads a database along a way, until it is killed or something goes wrong.

It tells its parent: ``("paused", POINT)`` when it stands still for ever, ``("began", PROCEDURE)`` as a run begins, and
at its end ``("ended", status, detail)`` of the last run, or why it was refused. A point is ``before:`` or ``after:``
what is recorded, its step, and for a Call its number: ``after:call-made:restore:2``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.faults.postgres_walk import Walk, load_postgres, walk_runbook
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model.event import Body
from warroom.session import Accepted, Refused


@dataclass(frozen=True)
class Way:
    """What the child goes: ``phases`` one after the other, on ``database`` where the first is about one that is there.

    ``folder`` has the address and the backup, ``tools`` are the server's own programs.
    """

    state: Path
    folder: Path
    tools: Path
    backup: str
    phases: tuple[str, ...]
    database: str = "none"
    point: str = ""


def is_point(point: str, where: str, body: Body) -> bool:
    each = [where, body.type, str(getattr(body, "step", "")), str(getattr(body, "index", ""))]
    wanted = point.split(":")
    return bool(point) and each[: len(wanted)] == wanted


def held(engine: Engine, point: str, say: Connection) -> None:
    """Every part of the engine records through here."""
    record = engine.core.record

    async def stop(where: str, bodies: Sequence[Body]) -> None:
        if any(is_point(point, where, body) for body in bodies):
            say.send(("paused", point))
            await asyncio.Event().wait()

    async def recorded(*bodies: Body, **more: Any) -> int:
        await stop("before", bodies)
        seq = await record(*bodies, **more)
        await stop("after", bodies)
        return seq

    engine.core.record = recorded  # type: ignore[method-assign]  # the tests' own way in


async def gone(way: Way, say: Connection) -> None:
    load = load_postgres(way.tools, way.folder)
    async with Engine(walk_runbook(way.backup), StateFolder(way.state), load=load) as engine:
        held(engine, way.point, say)
        walk, database = Walk(engine, way.backup), way.database
        for phase in way.phases:
            reply = await walk.prepared(phase, database)
            begun = await walk.begin() if isinstance(reply, Accepted) else reply
            if isinstance(begun, Refused):
                say.send(("ended", "refused", begun.reason))
                return
            say.send(("began", phase))
            status = await walk.ended()
            if status != "done" or phase == way.phases[-1]:
                say.send(("ended", status, walk.plan.detail))
                return
            database = walk.made() or database


def go(way: Way, say: Connection) -> None:
    asyncio.run(gone(way, say))
