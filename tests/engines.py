"""The engine running on the tests' small world, for as long as a block lasts."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.world import PLUGIN, Config, a_world, world_runbook
from warroom.api import Clock, Plugin
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model import intent as it
from warroom.model.event import Actor
from warroom.model.live import GuardsQuery
from warroom.model.runbook import Runbook
from warroom.plugins import LoadedPlatform
from warroom.session import Accepted, Refused, Reply

OP1, OP2 = Actor(name="op1", uid=1001), Actor(name="op2", uid=1002)


class World:
    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    @property
    def state(self) -> Any:
        return self.engine.core.state

    async def ask(self, intent: it.Intent, actor: Actor = OP1) -> Reply:
        return await self.engine.session(actor).submit(uuid.uuid4().hex, intent)

    async def ok(self, intent: it.Intent, actor: Actor = OP1) -> str:
        reply = await self.ask(intent, actor)
        assert isinstance(reply, Accepted), reply
        return reply.words

    async def refused(self, intent: it.Intent, actor: Actor = OP1) -> str:
        reply = await self.ask(intent, actor)
        assert isinstance(reply, Refused), reply
        return reply.reason

    def errors(self, ratio: float) -> None:
        """From now on this share of requests fails, while v3 runs."""
        part = self.folder / "errors.part"
        part.write_text(f"v3 {ratio}")
        part.rename(self.folder / "errors")

    async def planned(self, target: str = "v2") -> str:
        """An incident with an agreed plan; its hash."""
        await self.ok(it.OpenIncident(title="it burns"))
        await self.ok(it.ChooseTarget(text=target))
        await self.ok(it.ProposePlan(procedure="swap"))
        plan = self.state.plan
        return str(plan.hash)

    async def run(self, plan_hash: str, **more: Any) -> Reply:
        page: Any = await self.engine.session(OP1).query(GuardsQuery())
        soft = tuple(guard.id for guard in page.guards if not guard.hard)
        return await self.ask(it.RunPlan(hash=plan_hash, waive=soft, reason="a test", **more))


@asynccontextmanager
async def a_running(
    tmp_path: Path,
    kind: str = "drill",
    seconds: float = 0.05,
    *,
    options: Options | None = None,
    plugin: Plugin = PLUGIN,
    clock: Clock | None = None,
    **overrides: Any,
) -> AsyncIterator[World]:
    """``overrides`` are the runbook's sections. Afterwards nothing that the engine began may go on."""
    folder = tmp_path / "world"
    if not folder.exists():
        a_world(folder)
    config = Config(folder=folder, seconds=seconds)

    def load(runbook: Runbook) -> dict[str, LoadedPlatform]:
        return {"world": LoadedPlatform(plugin=plugin, config=config, problem=None)}

    before = asyncio.all_tasks()
    async with Engine(
        world_runbook(kind, **overrides), StateFolder(tmp_path / "state"), clock=clock, options=options, load=load
    ) as e:
        yield World(e, folder)
    gc.collect()
    assert asyncio.all_tasks() - before == set()
