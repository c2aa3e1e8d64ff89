"""The journal's disk held, full and broken under a running engine: nothing is done without a durable intent."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engines import OP1, World, a_running
from tests.world import effects, until
from warroom import process
from warroom.engine.core import Options
from warroom.journal.codec import decode
from warroom.journal.verify import verify
from warroom.journal.writer import Disk
from warroom.model import event as ev
from warroom.model import intent as it
from warroom.model.live import PlatformReading
from warroom.session import Accepted, Events, Live, Refused, Snapshot


class TestDisk(Disk):
    """Calls ``at`` with the types of what is about to be committed, on the writer's thread."""

    __test__ = False

    def __init__(self) -> None:
        self.at: Callable[[set[str]], None] = lambda types: None
        self._seen = 0

    def commit(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT seq, bytes FROM entry WHERE seq > ?", (self._seen,)).fetchall()
        self.at({decode(data, seq).body.type for seq, data in rows})
        super().commit(connection)
        self._seen = max((seq for seq, _ in rows), default=self._seen)


class Held:
    """A commit of ``kind`` waits until ``go``."""

    def __init__(self, disk: TestDisk, kind: str) -> None:
        self.waits, self.go = threading.Event(), threading.Event()
        self._kind = kind
        disk.at = self

    def __call__(self, types: set[str]) -> None:
        if self._kind in types:
            self.waits.set()
            assert self.go.wait(60)


class Refusing:
    """Commits of ``kinds`` fail: because the disk is full, or in a way that nobody understands."""

    def __init__(self, disk: TestDisk, *kinds: str, code: int = sqlite3.SQLITE_IOERR) -> None:
        self._kinds = set(kinds)
        self._code = code
        disk.at = self

    def __call__(self, types: set[str]) -> None:
        if not self._kinds or self._kinds & types:
            error = sqlite3.OperationalError("injected")
            error.sqlite_errorcode = self._code
            raise error


class Screen:
    """What a console would know."""

    def __init__(self, world: World) -> None:
        self.shown: list[Any] = []
        self.writable = True
        self.rows: dict[str, PlatformReading] = {}
        self._task = asyncio.create_task(self._watch(world))

    async def _watch(self, world: World) -> None:
        async for frame in world.session(OP1).watch():
            if isinstance(frame, Snapshot):
                self.writable = frame.writable
            if isinstance(frame, Events):
                self.shown += [event.body for event in frame.events]
            if isinstance(frame, Live):
                self.rows |= {v.id: v for v in frame.values.values() if isinstance(v, PlatformReading)}

    def saw(self, kind: type[Any]) -> bool:
        return any(isinstance(body, kind) for body in self.shown)

    async def gone(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def long_enough_for_an_effect() -> None:
    """A program that is begun now has come to its end when this returns."""
    await process.run([sys.executable, "-c", "import json, pathlib, time"], timeout=60)


async def test_while_intended_is_not_durable_nothing_is_done_and_nothing_is_shown(tmp_path: Path) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        plan_hash = await world.planned()
        screen = Screen(world)
        held = Held(disk, "step-intended")
        assert isinstance(await world.run(plan_hash), Accepted)
        await asyncio.to_thread(held.waits.wait)
        await until(lambda: screen.saw(ev.RunStarted))
        await long_enough_for_an_effect()
        assert effects(world.folder) == []
        assert not screen.saw(ev.StepIntended)
        assert world.state.plan.steps["deploy"].status == "planned"
        held.go.set()
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v2"]
        await until(lambda: screen.saw(ev.StepIntended))
        await screen.gone()


async def test_an_effect_without_room_for_its_intent_is_not_begun_and_the_run_ends(tmp_path: Path) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        plan_hash = await world.planned()
        screen = Screen(world)
        Refusing(disk, "step-intended", code=sqlite3.SQLITE_FULL)
        assert isinstance(await world.run(plan_hash), Accepted)
        await until(lambda: world.state.plan.ended_at is not None and not world.engine.running)
        assert world.state.plan.status == "failed"
        assert "full" in world.state.plan.detail
        assert effects(world.folder) == []
        await until(lambda: "journal" in screen.rows)  # red for a moment: the run's end did find room
        assert screen.writable
        disk.at = lambda types: None
        await world.ok(it.AddNote(text="there is room again"))
        assert isinstance(await world.run(plan_hash), Accepted)
        await until(lambda: world.state.plan.status == "done")
        assert effects(world.folder) == ["v2"]
        await screen.gone()


@pytest.mark.parametrize(
    ("kind", "done", "seen"),
    [
        ("step-intended", [], "planned"),
        ("call-made", ["v2"], "unknown"),
        ("step-ended", ["v2"], "unknown"),
        ("run-ended", ["v2"], "done"),
    ],
)
async def test_a_journal_that_breaks_stops_everything_and_every_console_learns_of_it(
    kind: str, done: list[str], seen: str, tmp_path: Path
) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        plan_hash = await world.planned()
        screen = Screen(world)
        await until(lambda: "world" in screen.rows)
        Refusing(disk, kind)
        await world.run(plan_hash)
        await until(lambda: not screen.writable)
        await until(lambda: "journal" in screen.rows)
        assert screen.rows["journal"].status == "broken"
        await until(lambda: not world.engine.running)
        assert effects(world.folder) == done
        assert "read-only" in await world.refused(it.AddNote(text="one"))
        await screen.gone()
        folder = world.core.journal.folder
    assert verify(folder).ok
    async with a_running(tmp_path) as world:
        step = world.state.plan.steps["deploy"]
        assert step.status == seen
        assert world.state.plan.status == "unknown"
        assert effects(world.folder) == done
        if seen == "unknown":
            assert step.look.verdict == "done"
            assert isinstance(await world.run(plan_hash), Refused)


async def test_what_was_still_written_makes_no_broken_journal_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asked for the last entry that was written may hear of it after who asked for the first that was not."""
    disk, written, go = TestDisk(), asyncio.Event(), asyncio.Event()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        await world.planned()
        journal = world.core.journal
        append = journal.append

        async def hears_late(*entry: Any) -> Any:
            events = await append(*entry)
            if any(isinstance(each, ev.NoteAdded) for each in entry):  # the engine may be writing of its own
                written.set()
                await go.wait()
            return events

        monkeypatch.setattr(journal, "append", hears_late)
        late = asyncio.create_task(world.ok(it.AddNote(text="one")))
        await written.wait()
        monkeypatch.setattr(journal, "append", append)
        Refusing(disk)
        await world.refused(it.AddNote(text="two"))
        go.set()
        await late
        assert journal.read_only
        row = world.core.hub.live["platform/warroom journal"]
        assert isinstance(row, PlatformReading)
        assert row.status == "broken"


async def test_a_run_can_be_aborted_when_nothing_can_be_recorded(tmp_path: Path) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, seconds=60, options=Options(disk=disk)) as world:
        plan_hash = await world.planned()
        await world.run(plan_hash)
        await until(lambda: effects(world.folder))
        Refusing(disk)
        await world.refused(it.AddNote(text="one"))
        assert world.core.journal.read_only
        await world.ok(it.AbortRun(hash=plan_hash))
        await until(lambda: not world.engine.running)


async def test_looking_goes_on_while_nothing_can_be_recorded(tmp_path: Path) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        screen = Screen(world)
        await until(lambda: "trigger/high-error-rate" in world.core.hub.live)
        Refusing(disk)
        world.errors(0.4)
        await until(lambda: world.core.hub.live["trigger/high-error-rate"].status == "firing")
        await until(lambda: not screen.writable)
        world.errors(0.0)
        await until(lambda: world.core.hub.live["trigger/high-error-rate"].status == "ok")
        await screen.gone()


async def test_an_incident_that_cannot_be_opened_is_said_and_opened_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warroom.engine.sensing.OPEN_AGAIN", 0.1)
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        Refusing(disk, "incident-opened", code=sqlite3.SQLITE_FULL)
        screen = Screen(world)
        await until(lambda: "trigger/high-error-rate" in world.core.hub.live)
        world.errors(0.4)
        await until(lambda: "opening an incident" in screen.rows)
        assert "full" in screen.rows["opening an incident"].words
        assert world.state.incident is None
        disk.at = lambda types: None
        await until(lambda: world.state.incident is not None)
        await until(lambda: screen.rows["opening an incident"].status == "ok")
        await screen.gone()


async def test_evidence_that_cannot_be_begun_can_be_asked_for_again(tmp_path: Path) -> None:
    disk = TestDisk()
    async with a_running(tmp_path, options=Options(disk=disk)) as world:
        await world.ok(it.OpenIncident(title="it burns"))
        Refusing(disk, "evidence-started", code=sqlite3.SQLITE_FULL)
        assert "full" in await world.refused(it.CaptureEvidence())
        disk.at = lambda types: None
        await world.ok(it.CaptureEvidence())
        await until(lambda: world.state.evidence.status == "sealed")
