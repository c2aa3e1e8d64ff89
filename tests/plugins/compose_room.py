"""The Compose plugin on a sample project, planned and run by the product's own planner and runner.

async with a_room(project, tmp_path) as room:
    plan = await room.plan("pull", "prove", "pin", "up", digest=digest, version="v1")
    assert await room.run(plan) == "done"
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.plugins.compose_projects import Project
from tests.plugins.compose_reading import Doors, config_of, doors_of
from warroom.actions.changing import Changing
from warroom.actions.commands import CommandLog
from warroom.actions.planner import Situation, make_plan
from warroom.actions.platform import ActivePlatform
from warroom.actions.runner import Outcome, Ports, Runner, look
from warroom.api import Context
from warroom.model.call import Call
from warroom.model.event import PlanVoided, RunEnded, StepEnded, StepIntended
from warroom.model.plan import Look, Plan
from warroom.model.runbook import Runbook
from warroom.model.state import StepState
from warroom.testing.builders import a_runbook
from warroom_compose import plugin

PROCEDURE_B = ("pull", "prove", "pin", "up")
"""Each of them is told the target."""


@dataclass
class Room:
    """``recorded`` is what the runner wrote into the journal, in order."""

    project: Project
    doors: Doors
    platform: ActivePlatform
    recorded: list[Any] = field(default_factory=list)

    @property
    def context(self) -> Context:
        return self.doors.context

    @property
    def log(self) -> CommandLog:
        return self.doors.log

    def runbook(self, operations: Sequence[str], services: Sequence[str], **target: Any) -> Runbook:
        steps: dict[str, Any] = {}
        for operation in operations:
            given: dict[str, Any] = {"services": list(services)}
            if operation in PROCEDURE_B:
                given |= {name: value for name, value in target.items() if name != "wait"}
            if operation == "up" and "wait" in target:
                given["wait"] = target["wait"]
            steps[operation] = {"title": operation, "op": f"compose.{operation}", "with": given}
        procedure = {"title": "Roll back", "use_when": "a test says so", "steps": steps, "needs": ["compose"]}
        return a_runbook(procedures={"roll-back": procedure})

    async def plan(self, *operations: str, services: Sequence[str] = ("web",), **target: Any) -> Plan:
        """``target``: ``digest``, ``version``, ``wait`` as the operations take them. Raises WarroomError."""
        runbook = self.runbook(operations or PROCEDURE_B, services, **target)
        situation = Situation("inc-1", runbook, None, None, {"compose": await self._fingerprint("compose") or ""})
        return await make_plan(situation, "roll-back", {"compose": self.platform})

    async def run(self, plan: Plan) -> Outcome:
        async def record(*bodies: Any) -> int:
            self.recorded.extend(bodies)
            return len(self.recorded)

        ports = Ports(
            record=record,
            progress=lambda _: None,
            changing=self._changing,
            platforms={"compose": self.platform},
            read_fingerprint=self._fingerprint,
            clock=self.context.clock,
            cleaner=self.doors.redactor,
        )
        return await Runner(plan, plan.hash, {step.id: StepState() for step in plan.steps}, ports).run()

    def _changing(self, platform: ActivePlatform, calls: tuple[Call, ...]) -> Changing:
        return self.doors.changing(calls)

    async def _fingerprint(self, _: str) -> str | None:
        identity = plugin.identity
        return await identity.fingerprint(self.context) if identity is not None else None

    # ---- what became of it

    async def look(self, plan: Plan, step: str) -> Look:
        (found,) = [each for each in plan.steps if each.id == step]
        return await look(found, {"compose": self.platform}, self.doors.redactor)

    def ended(self, step: str) -> StepEnded:
        """The newest end of that step."""
        return next(body for body in reversed(self.recorded) if isinstance(body, StepEnded) and body.step == step)

    def steps(self) -> dict[str, str]:
        """How each step of all runs ended, in order; the newest where one ran again."""
        return {body.step: body.status for body in self.recorded if isinstance(body, StepEnded)}

    def begun(self) -> list[str]:
        return [body.step for body in self.recorded if isinstance(body, StepIntended)]

    def voided(self) -> str:
        return next((body.reason for body in self.recorded if isinstance(body, PlanVoided)), "")

    def detail(self) -> str:
        return next(body.detail for body in reversed(self.recorded) if isinstance(body, RunEnded))

    def changes(self) -> list[str]:
        """The command lines that went through the change door, as people would paste them."""
        return [line.text for line in self.log.newest(2000) if line.door == "change"]


@asynccontextmanager
async def a_room(project: Project, tmp_path: Path, **config: Any) -> AsyncIterator[Room]:
    """``config`` as in ``config_of``; of the services web alone, unless it names others."""
    told = config_of(
        project,
        **{
            "services": {"web": {"version_url": f"{project.url}/api/version"}},
            "pins": str(tmp_path / "pins"),
            **config,
        },
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_"))}
    with patch.dict(os.environ, kept, clear=True):
        async with doors_of(told, environment="drill") as doors:
            yield Room(project, doors, ActivePlatform("compose", plugin, doors.context))
