"""Playing a drill: the lab, the scenario, the engine, and a console or the autopilot on them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warroom.actions.evidence import write_private
from warroom.drills.autopilot import Autopilot
from warroom.drills.lab import LabHandle, running_lab
from warroom.drills.scenarios import Scenario, scenario
from warroom.engine.core import Options
from warroom.engine.engine import Engine
from warroom.journal.folder import StateFolder
from warroom.model.event import Actor
from warroom.model.runbook import Runbook
from warroom.model.state import State
from warroom.runbook import load

LAB_FILE = "@LAB_FILE@"
BASE_URL = "@BASE_URL@"
PASSWORD = "@PASSWORD@"
LONGEST = 900.0
TEST_PASSWORD = "Test123!"
"""The lab's test account, as the lab seeds it. It opens nothing but the lab."""
AUTOPILOT = Actor(name="autopilot", kind="autopilot")


@dataclass
class Drill:
    """A drill that is set up. ``fault_at`` is None until the fault has begun."""

    scenario: Scenario
    lab: LabHandle
    engine: Engine
    runbook: Runbook
    fault_at: datetime | None = None
    problems: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        try:
            self.fault_at = datetime.now(UTC)
            self.fault_at = await self.scenario.begin(self.lab)
        except Exception as error:
            self.problems.append(f"the scenario could not be played: {error}")
            raise


def drill_runbook(chosen: Scenario, lab: LabHandle, folder: Path) -> Runbook:
    """The scenario's runbook with this lab's addresses, written beside the journals so that it can be read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    password = folder / "test-account"
    write_private(password, TEST_PASSWORD.encode())
    filled = {LAB_FILE: str(lab.state_dir / "lab.json"), BASE_URL: lab.base_url, PASSWORD: f"file:{password}"}
    text = chosen.runbook.read_text(encoding="utf-8")
    for mark, value in filled.items():
        text = text.replace(mark, json.dumps(value))
    path = folder / "drill.yaml"
    write_private(path, text.encode())
    return load(path).runbook


@asynccontextmanager
async def playing(name: str, root: Path | None, *, fault_in_target: bool = False) -> AsyncIterator[Drill]:
    """A drill for as long as the block lasts: the lab up with traffic, the engine watching, the fault on its way."""
    chosen = scenario(name)
    folder = StateFolder(root or StateFolder().path / "drills")
    folder.ensure()
    with folder.lock():
        pass  # refuse a second drill here before a lab is started for it
    async with running_lab(folder.path / "lab", fault_in_target=fault_in_target) as lab:
        runbook = drill_runbook(chosen, lab, folder.path)
        drill: Drill | None = None
        options = Options(scenario=name, fault_at=lambda: drill.fault_at if drill else None)
        async with Engine(runbook, folder, options=options) as engine:
            drill = Drill(chosen, lab, engine, runbook)
            fault = asyncio.create_task(drill.begin(), name="scenario")
            try:
                yield drill
            finally:
                fault.cancel()
                await asyncio.gather(fault, return_exceptions=True)


async def attended(
    name: str,
    root: Path | None,
    sit: Callable[[Engine], Awaitable[int]],
    *,
    autopilot: bool = False,
    fault_in_target: bool = False,
) -> int:
    """Plays a drill with a person at a console (``sit``); with the autopilot, they only watch it fly."""
    async with playing(name, root, fault_in_target=fault_in_target) as drill:
        flight: asyncio.Task[State] | None = None
        if autopilot:
            pilot = Autopilot(drill.engine.session(AUTOPILOT), lambda line: None)
            flight = asyncio.create_task(pilot.fly(), name="autopilot")
        try:
            return await sit(drill.engine)
        finally:
            if flight is not None:
                flight.cancel()
                await asyncio.gather(flight, return_exceptions=True)


async def headless(
    name: str, root: Path | None, say: Callable[[str], None], *, fault_in_target: bool = False
) -> dict[str, Any]:
    """Plays a drill on autopilot to its end. Returns the drill's one JSON object."""
    async with playing(name, root, fault_in_target=fault_in_target) as drill:
        pilot = Autopilot(drill.engine.session(AUTOPILOT), say)
        try:
            async with asyncio.timeout(LONGEST):
                await pilot.fly()
        except TimeoutError:
            pilot.stopped_because = f"not over within {LONGEST:g} s"
        if pilot.stopped_because:
            say(pilot.stopped_because)
        return await _result(drill, pilot)


async def _result(drill: Drill, pilot: Autopilot) -> dict[str, Any]:
    from warroom.report import timings

    core = drill.engine.core
    state = core.state
    events = await asyncio.to_thread(core.journal.events) if core.journal else []
    folder = core.journal.folder if core.journal else None
    return {
        "scenario": drill.scenario.id,
        "incident": state.incident.id if state.incident else None,
        "from": _from(state),
        "to": state.target.release.name if state.target else None,
        "rolled_back": "procedure-executed" in state.proofs,
        "verified": state.verification.verdict if state.verification else None,
        "timings": timings(events, drill.fault_at) if drill.fault_at else {},
        "journal": str(folder / "journal.db") if folder else None,
        "evidence": state.evidence.path if state.evidence and state.evidence.path else None,
        "report": state.report or await _report(drill, state),
        "stopped_because": pilot.stopped_because or None,
    }


async def _report(drill: Drill, state: State) -> str | None:
    """A drill that ended otherwise than recovered has its report too."""
    from warroom.model.intent import WriteReport

    if state.incident is None:
        return None
    await drill.engine.session(AUTOPILOT).submit("report", WriteReport())
    return drill.engine.core.state.report


def _from(state: State) -> str | None:
    """The release that was rolled away from: what ran when the target was chosen."""
    if state.target is not None and state.target.diff is not None:
        return state.target.diff.newer
    return state.changes[0].was if state.changes else (state.running.name if state.running else None)
