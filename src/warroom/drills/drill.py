"""Playing a drill: the lab, the scenario, the engine, and a console or the autopilot on them.

Every drill is a fresh one: a lab made anew, and an incident of its own. What an earlier drill left open is closed as
unresolved, because the lab that it was about is gone.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from warroom import process
from warroom.drills.autopilot import AUTOPILOT, Autopilot
from warroom.drills.lab import LabHandle, running_lab
from warroom.drills.lab.layout import remove_tree
from warroom.drills.result import result, verified
from warroom.drills.scenarios import LAB, Scenario, scenario
from warroom.engine.core import ENGINE, Options
from warroom.engine.engine import Engine
from warroom.errors import WarroomError
from warroom.files import write_private
from warroom.journal.folder import StateFolder
from warroom.journal.store import Journal
from warroom.model.event import IncidentClosed
from warroom.model.intent import CloseIncident, WriteReport
from warroom.model.runbook import Runbook
from warroom.runbook import load

log = logging.getLogger("warroom.drills")
LAB_FILE = "@LAB_FILE@"
BASE_URL = "@BASE_URL@"
PASSWORD = "@PASSWORD@"
DATABASE_URL = "@DATABASE_URL@"
REDIS_URL = "@REDIS_URL@"
LAB_DUMPS = "@LAB_DUMPS@"
DATABASE_DUMPS = "@DATABASE_DUMPS@"
BACKUPS = "@BACKUPS@"
TOOLS = "@TOOLS@"
LONGEST = 600.0
QUIET = 6.0
"""Seconds of ordinary traffic before the fault begins, so that a person sees what well looks like."""
QUIET_UNSEEN = 3.0
"""The same where nobody looks: every window has its samples by then."""
TEST_PASSWORD = "Test123!"
"""The lab's test account, as the lab seeds it. It opens nothing but the lab."""
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(kw_only=True)
class Drill:
    """A drill that is set up. ``fault_at`` is None until users can meet the fault.

    ``begin`` brings the fault about and returns since when they could; ``later`` goes on after it. ``where`` says what
    of it can be looked at.
    """

    name: str
    engine: Engine
    runbook: Runbook
    quiet: float
    begin: Callable[[], Awaitable[datetime]]
    where: str
    later: Callable[[], Awaitable[None]] | None = None
    fault_at: datetime | None = None

    async def while_it_lasts(self, work: Coroutine[Any, Any, T]) -> T:
        """``work`` to its end, with the fault beginning beside it.

        Raises WarroomError, and ends the work, when there is nothing to practise on: the fault could not be brought
        about, or the lab ended.
        """
        working = asyncio.create_task(work, name="drill")
        beside = [asyncio.create_task(self._begin(), name="scenario"), asyncio.create_task(self._ends())]
        try:
            waiting: set[asyncio.Task[Any]] = {working, *beside}
            while not working.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {working}:
                    task.result()
            return working.result()
        finally:
            for task in (working, *beside):
                task.cancel()
            await asyncio.gather(working, *beside, return_exceptions=True)

    async def _begin(self) -> None:
        await asyncio.sleep(self.quiet)
        try:
            self.fault_at = await self.begin()
            if self.later is not None:
                await self.later()
        except (WarroomError, TimeoutError) as error:
            raise WarroomError("The fault could not be brought about", f"{self.name}: {error}", self.where) from error

    async def rows(self) -> Mapping[str, Mapping[str, int]] | None:
        """What has become of the rows that are known of, by table; None where nobody counts them."""
        return None

    async def rows_told(self) -> str:
        """The same in a sentence for the report; empty where nobody counts them."""
        rows = await self.rows()
        if rows is None:
            return ""
        told = [f"{table} {each['kept']:,} kept, {each['lost']:,} lost" for table, each in rows.items()]
        return (
            f"Rows, as the drill counts those it began with and those that users were told are saved: {'; '.join(told)}"
        )

    async def _ends(self) -> None:
        """Raises WarroomError once there is nothing to practise on any more."""
        await asyncio.Event().wait()


@dataclass(kw_only=True)
class LabDrill(Drill):
    lab: LabHandle

    async def rows(self) -> Mapping[str, Mapping[str, int]] | None:
        try:
            return await self.lab.ask("GET", "/rows")
        except WarroomError as error:
            log.error("the rows can't be counted: %s", error)
            return None

    async def _ends(self) -> None:
        began = process.start_time(self.lab.pid)
        while process.alive(self.lab.pid, began):  # noqa: ASYNC110 - nothing tells of this but looking
            await asyncio.sleep(1)
        raise WarroomError("The lab ended by itself", f"process {self.lab.pid}", self.where)


def drill_runbook(chosen: Scenario, lab: LabHandle, folder: Path) -> Runbook:
    """The scenario's runbook with this lab's addresses, written beside the journals so that it can be read."""
    from warroom.drills.lab.postgres import binaries

    password = folder / "test-account"
    write_private(password, TEST_PASSWORD.encode())
    backups = {"folders": [str(lab.state_dir / "backups")], "names": ["ai_saas_*"]}
    filled: dict[str, object] = {
        LAB_DUMPS: not chosen.backups,
        DATABASE_DUMPS: chosen.backups,
        BACKUPS: backups if chosen.backups else None,
        TOOLS: str(binaries()),
        LAB_FILE: str(lab.state_dir / "lab.json"),
        BASE_URL: lab.base_url,
        PASSWORD: f"file:{password}",
        DATABASE_URL: f"file:{lab.state_dir / 'database-url'}",
        REDIS_URL: f"file:{lab.state_dir / 'redis-url'}",
    }
    text = "\n".join(path.read_text(encoding="utf-8") for path in (LAB, chosen.runbook))
    for mark, value in filled.items():
        text = text.replace(mark, json.dumps(value))
    path = folder / "drill.yaml"
    write_private(path, text.encode())
    return load(path).runbook


@asynccontextmanager
async def playing(
    name: str,
    root: Path,
    *,
    say: Say = lambda line: None,
    quiet: float = QUIET,
    fault_in_target: bool = False,
    revert_fault: bool = False,
) -> AsyncIterator[LabDrill]:
    """A drill for as long as the block lasts: the lab up with traffic, the engine watching.

    ``root`` is the state folder of drills. Raises JournalBusy, before a lab is started, when another goes on in it.
    """
    chosen = scenario(name)
    folder = StateFolder(root, prefix="DRILL")
    with folder.lock() as lock:
        await clear(folder)
        _place_for_a_lab(folder.path / "lab")
        say("starting the lab: PostgreSQL, Redis, the app and its users")
        options = {"fresh": True, "fault_in_target": fault_in_target, "revert_fault": revert_fault}
        lab_of = partial(running_lab, folder.path / "lab", fault=chosen.fault, **options)
        left: Path | None = None
        failed = False
        try:
            async with lab_of() as lab:
                say(f"the lab serves {lab.base_url}")
                runbook = drill_runbook(chosen, lab, folder.path)
                drill: LabDrill | None = None
                about = Options(scenario=name, fault_at=lambda: drill.fault_at if drill else None, resume=False)
                async with Engine(runbook, folder, options=about, lock=lock) as engine:
                    drill = LabDrill(
                        name=chosen.id,
                        engine=engine,
                        runbook=runbook,
                        quiet=quiet,
                        begin=partial(chosen.begin, lab),
                        later=partial(chosen.later, lab) if chosen.later is not None else None,
                        where=f"its logs are in {lab.state_dir / 'logs'}",
                        lab=lab,
                    )
                    try:
                        yield drill
                    finally:
                        left = left_open(engine)
        except Exception:
            failed = True  # somebody may want to read the lab's logs
            raise
        finally:
            if left is not None:
                await leave(left, "the drill was left before it was over")
            if not failed:
                await asyncio.to_thread(remove_tree, folder.path / "lab")


async def clear(folder: StateFolder) -> None:
    """What an earlier drill left: its incident is closed, and what it measured is no evidence here."""
    for summary in folder.incidents():
        if summary.closed is None and not summary.damaged and not summary.newer:
            await leave(folder.folder(summary.id), "its drill ended before it did, and what it was on is gone")
    remove_tree(folder.path / "live")


def _place_for_a_lab(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WarroomError(
            "The lab has no folder", f"{path}: {error.strerror}", "remove what is in its place"
        ) from error


def left_open(engine: Engine) -> Path | None:
    """The folder of an incident that nobody has closed."""
    incident, journal = engine.core.state.incident, engine.core.journal
    open_still = incident is not None and incident.closed is None
    return journal.folder if journal is not None and open_still and not journal.read_only else None


async def leave(folder: Path, why: str) -> None:
    """No drill's incident stays open after its drill."""
    journal = Journal.open(folder)
    try:
        await journal.append(ENGINE, IncidentClosed(outcome="unresolved", reason=why))
    finally:
        await journal.close()


async def attended(
    name: str,
    root: Path,
    sit: Callable[[Engine], Awaitable[int]],
    say: Say,
    *,
    autopilot: bool = False,
    fault_in_target: bool = False,
) -> int:
    """Plays a drill with a person at a console (``sit``); with the autopilot, they only watch it fly."""
    async with playing(name, root, say=say, fault_in_target=fault_in_target) as drill:
        return await drill.while_it_lasts(sitting(drill, sit, autopilot))


async def sitting(drill: Drill, sit: Callable[[Engine], Awaitable[int]], autopilot: bool) -> int:
    if not autopilot:
        return await sit(drill.engine)
    pilot = Autopilot(drill.engine.session(AUTOPILOT), lambda line: None, drill.rows_told)
    flight = asyncio.create_task(pilot.fly(), name="autopilot")
    try:
        return await sit(drill.engine)
    finally:
        flight.cancel()
        (ended,) = await asyncio.gather(flight, return_exceptions=True)
        if isinstance(ended, Exception):
            log.error("the autopilot failed", exc_info=ended)


async def headless(name: str, root: Path, say: Say, *, fault_in_target: bool = False) -> dict[str, Any]:
    """Plays a drill on autopilot to its end. Returns the drill's one JSON object (``result``)."""
    async with playing(name, root, say=say, quiet=QUIET_UNSEEN, fault_in_target=fault_in_target) as drill:
        return await drill.while_it_lasts(flying(drill, say))


async def flying(drill: Drill, say: Say) -> dict[str, Any]:
    pilot = Autopilot(drill.engine.session(AUTOPILOT), say, drill.rows_told)
    try:
        async with asyncio.timeout(LONGEST):
            await pilot.fly()
    except TimeoutError:
        pilot.stopped_because = f"not over within {LONGEST:g} s"
    if pilot.stopped_because:
        say(f"the autopilot stops here: {pilot.stopped_because}")
        for way in pilot.ways():
            say(f"a way on: {way}")
        await _give_up(drill, say)
    core = drill.engine.core
    events = await asyncio.to_thread(core.journal.events) if core.journal else []
    folder = core.journal.folder if core.journal else None
    return result(drill.name, core.state, events, drill.fault_at, folder, await drill.rows())


async def _give_up(drill: Drill, say: Say) -> None:
    """A drill that ends otherwise than recovered is closed and has its report too."""
    words = {"fail": "verification failed", "inconclusive": "recovery is not proven", "pass": "it was not finished"}
    why = f"{words[verified(drill.engine.core.state)]}; the autopilot leaves what comes next to a person"
    if drill.engine.core.state.incident is None:
        return
    session = drill.engine.session(AUTOPILOT)
    reply = await session.submit("give-up", CloseIncident(outcome="unresolved", reason=why))
    if reply.reply == "refused":
        say(f"refused: {reply.reason}")
        await session.submit("report", WriteReport())
