"""Playing a drill on a cluster: as on the lab, with a console or the autopilot."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warroom.drills.cluster import drill_settings, ground, marked
from warroom.drills.drill import QUIET, QUIET_UNSEEN, Drill, Say, clear, flying, leave, left_open, sitting
from warroom.drills.scenarios import FOLDER
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.files import write_private
from warroom.journal.folder import StateFolder
from warroom.runbook import load

NAME = "on-kubernetes"
RUNBOOK = FOLDER / f"{NAME}.yaml"


@dataclass(frozen=True)
class On:
    """Where it is played: ``file`` is the runbook that marks the cluster, ``image`` the release that is well."""

    file: Path
    image: str
    kubeconfig: Path | None = None


@asynccontextmanager
async def playing(on: On, root: Path, *, say: Say = lambda line: None, quiet: float = QUIET) -> AsyncIterator[Drill]:
    """A drill for as long as the block lasts, in a namespace that is gone afterwards.

    Raises WarroomError, with nothing changed, where the cluster is not marked for drills, or is another one.
    """
    marks, whole = marked(load(on.file).runbook, on.file, on.kubeconfig)
    folder = StateFolder(root, prefix="DRILL")
    left: Path | None = None
    with folder.lock() as lock:
        await clear(folder)
        try:
            say(f"looking whether this is the cluster that {on.file} marks")
            async with ground(marks, whole, on.image) as place:
                say(f"{on.image} is up in the {place.where}")
                path = folder.path / "drill.yaml"
                text = RUNBOOK.read_text(encoding="utf-8")
                for token, value in drill_settings(marks, place).items():
                    text = text.replace(token, value)
                write_private(path, text.encode())
                runbook = load(path).runbook
                drill: Drill | None = None
                about = Options(scenario=NAME, fault_at=lambda: drill.fault_at if drill else None, resume=False)
                async with Engine(runbook, folder, options=about, lock=lock) as engine:
                    drill = Drill(
                        name=NAME, engine=engine, runbook=runbook, quiet=quiet, begin=place.begin, where=place.where
                    )
                    try:
                        yield drill
                    finally:
                        left = left_open(engine)
        finally:
            if left is not None:
                await leave(left, "the drill was left before it was over")


async def attended(
    on: On, root: Path, sit: Callable[[Engine], Awaitable[int]], say: Say, *, autopilot: bool = False
) -> int:
    async with playing(on, root, say=say) as drill:
        return await drill.while_it_lasts(sitting(drill, sit, autopilot))


async def headless(on: On, root: Path, say: Say) -> dict[str, Any]:
    async with playing(on, root, say=say, quiet=QUIET_UNSEEN) as drill:
        return await drill.while_it_lasts(flying(drill, say))
