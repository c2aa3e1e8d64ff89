"""An engine led from a backup to the live name and back, as a person would: each step its own plan, looked at and run.

The database is small, and every row of it says which of the two it is: ``now`` or ``then``.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.faults.engine_child import ME
from tests.world import until, world_runbook
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.live import GuardsPage, GuardsQuery
from warroom.model.runbook import Runbook
from warroom.plugins import LoadedPlatform
from warroom.session import Accepted, Reply
from warroom_postgres import plugin
from warroom_postgres.config import Config
from warroom_postgres.restoring.compare import Compare
from warroom_postgres.restoring.restore import Restore
from warroom_postgres.swapping.discard import Discard
from warroom_postgres.swapping.swap import Swap

OPERATIONS = (Restore(), Compare(), Swap(), Discard())


def walk_runbook(backup: str, database: str = "none") -> Runbook:
    """``database`` is the one beside the live one that is compared, or dropped."""
    steps: dict[str, dict[str, dict[str, Any]]] = {
        "restore": {"restore": {"backup": backup, "jobs": 1}},
        "compare": {"compare": {"database": database}},
        "swap": {"swap": {"database": database}},
        "discard": {"discard": {"database": database}},
    }
    procedures = {
        name: {
            "title": name,
            "use_when": "always",
            "kind": "database",
            "needs": ["db"],
            "steps": {op: {"title": op, "op": f"db.{op}", "with": args} for op, args in each.items()},
        }
        for name, each in steps.items()
    }
    source = {"platform": "db", "signal": "reachable"}
    return world_runbook(
        platforms={"db": {"plugin": "postgres"}},
        signals={"errors": {"title": "It answers", "unit": "state", "source": source}},
        triggers={},
        verification={},
        procedures=procedures,
        escalation=[],
    )


def load_postgres(tools: Path, folder: Path) -> Any:
    config = Config.model_validate(
        {
            "url": f"file:{folder / 'url'}",
            "tools": str(tools),
            "backups": {"folders": [str(folder)]},
            "dump": {"take": False},
            "every": 600,
            "schema_every": 600,
        }
    )
    made = replace(plugin, operations=OPERATIONS)

    def load(runbook: Runbook) -> dict[str, LoadedPlatform]:
        return {"db": LoadedPlatform(plugin=made, config=config, problem=None)}

    return load


class Walk:
    """What a person does with an engine, one thing after the other."""

    def __init__(self, engine: Engine, backup: str) -> None:
        self.engine = engine
        self.backup = backup

    @property
    def plan(self) -> Any:
        return self.engine.core.state.plan

    async def ask(self, intent: it.Intent) -> Reply:
        return await self.engine.session(ME).submit(uuid.uuid4().hex, intent)

    async def ok(self, intent: it.Intent) -> None:
        reply = await self.ask(intent)
        assert isinstance(reply, Accepted), reply

    async def prepared(self, phase: str, database: str = "none") -> Reply:
        """A plan for it. ``undo`` takes the last run back; the others are procedures."""
        if self.engine.core.state.incident is None:
            await self.ok(it.OpenIncident(title="it burns"))
        self.engine.core.runbook = walk_runbook(self.backup, database)
        return await self.ask(it.Undo() if phase == "undo" else it.ProposePlan(procedure=phase))

    def made(self) -> str:
        """The database that the last run has left beside the live one; empty where it left none."""
        found: dict[str, str] = {}
        for step in self.plan.steps.values():
            found |= step.outputs
        return found.get("kept") or found.get("database", "")

    async def begin(self) -> Reply:
        page = await self.engine.session(ME).query(GuardsQuery())
        assert isinstance(page, GuardsPage)
        waive = tuple(guard.id for guard in page.guards if not guard.hard)
        return await self.ask(it.RunPlan(hash=self.plan.hash, waive=waive, reason="a test"))

    async def ended(self) -> str:
        """How the run did end that was begun."""
        await until(lambda: self.plan.ended_at is not None and not self.engine.running)
        return str(self.plan.status)

    async def follow(self, step: str) -> None:
        """The way on that the words of ``check`` name, to its end."""
        state = self.plan.steps[step]
        undoes = next(one.undoes for one in self.plan.plan.steps if one.id == step)
        ways = {"done": "done", "not-begun": "again", "partly": "undo"}
        choice: Any = ways[state.look.verdict] if not undoes or state.look.verdict != "partly" else "again"
        chosen = it.ResolveStep(hash=self.plan.hash, step=step, attempt=state.attempt, choice=choice, reason="I looked")
        await self.ok(chosen)
        begun = await self.begin()
        assert isinstance(begun, Accepted), begun
        assert await self.ended() == "done", self.plan

    async def told(self, step: str, verdict: str) -> None:
        """Waits until that is what is said of it."""
        await until(lambda: self.plan.steps[step].look.verdict != "cannot-tell")
        assert self.plan.steps[step].look.verdict == verdict, self.plan.steps[step]

    async def ready(self, phase: str, database: str = "none") -> None:
        reply = await self.prepared(phase, database)
        assert isinstance(reply, Accepted), reply

    async def through(self, phase: str, database: str = "none") -> None:
        """All of it, to a good end."""
        await self.ready(phase, database)
        begun = await self.begin()
        assert isinstance(begun, Accepted), begun
        assert await self.ended() == "done", self.plan


@asynccontextmanager
async def walking(tools: Path, folder: Path, backup: str, state: Path) -> AsyncIterator[Walk]:
    """An engine on what an earlier one may have left in ``state``."""
    load = load_postgres(tools, folder)
    async with Engine(walk_runbook(backup), StateFolder(state), load=load) as engine:
        yield Walk(engine, backup)
