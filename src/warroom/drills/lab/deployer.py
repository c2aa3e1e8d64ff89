"""Puts a commit into service: checkout, migrations, a new process, health, the switch, the end of the old one."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from warroom.drills.lab.front import Front
from warroom.drills.lab.layout import Layout, read_json, write_json
from warroom.drills.lab.ledger import Ledger
from warroom.drills.lab.migrations import Note, apply_pending
from warroom.drills.lab.operations import Step, now
from warroom.drills.lab.release_process import ReleaseProcess
from warroom.drills.lab.repository import Repository
from warroom.errors import WarroomError

MEMORY_LIMIT = 256 * 1024 * 1024


class Deployer:
    """``deployments.json`` in the state folder is the history: each deployment, whether it came into service or not."""

    def __init__(
        self,
        layout: Layout,
        ledger: Ledger,
        repository: Repository,
        front: Front,
        note: Note,
        settings: Callable[[], dict[str, str]],
    ) -> None:
        self._layout = layout
        self._ledger = ledger
        self._repository = repository
        self._front = front
        self._note = note
        self._settings = settings
        self._history_file = layout.state / "deployments.json"
        self._halted_file = layout.state / "halted.json"
        self.history: list[dict[str, Any]] = read_json(self._history_file) or []
        self.running: ReleaseProcess | None = None
        self._watching: set[asyncio.Task[None]] = set()
        self._count = len(self.history)

    async def deploy(self, commit: str, by: str, operation: str, step: Step) -> dict[str, Any]:
        """Put the commit into service; its record. Raises WarroomError, and then the old one still runs."""
        number = len(self.history) + 1
        folder = self._layout.checkouts / f"{number}-{commit[:12]}"
        record: dict[str, Any] = {"number": number, "commit": commit, "by": by, "operation": operation, "began": now()}
        self._note("deployment begins", number=number, commit=commit, by=by)
        old = self.running
        try:
            step("checkout")
            await self._repository.drop_checkout(folder)  # what a lab killed in the middle may have left
            await self._repository.check_out(commit, folder)
            step("migrate")
            migrations = await self._repository.migrations(commit)
            record["migrations"] = await apply_pending(self._settings()["DATABASE_URL"], migrations, self._note)
            step("start")
            new = await self._start(folder)
            step("switch")
            self._switch(new)
        except WarroomError as error:
            self._record({**record, "at": now(), "outcome": "failed", "error": str(error)})
            self._note("deployment failed", number=number, commit=commit, error=str(error))
            await self._repository.drop_checkout(folder)
            raise
        record |= {"version": new.identity["version"], "digest": new.identity["digest"]}
        record |= {"commit": new.identity["commit"], "at": now(), "outcome": "deployed"}
        self._record(record)
        self._note("deployment done", number=number, commit=commit, version=record["version"])
        if old is not None:
            step("stop old")
            await self._retire(old)
            await self._repository.drop_checkout(old.checkout)
        return record

    async def restart(self, step: Step) -> dict[str, Any]:
        """The same release again, in a new process; also what brings one back that has died."""
        old, current = self.running, self.current
        if current is None:
            raise WarroomError("There is nothing to restart", "no release has been deployed")
        folder = self._layout.checkouts / f"{current['number']}-{current['commit'][:12]}"
        step("start")
        new = await self._start(folder)
        step("switch")
        self._switch(new)
        if old is not None:
            step("stop old")
            await self._retire(old)
        self._note("restarted", version=new.identity["version"], commit=new.identity["commit"])
        return dict(new.identity)

    async def halt(self, step: Step) -> dict[str, Any]:
        """End what runs, and start nothing in its place, until somebody starts or deploys something."""
        step("switch")
        write_json(self._halted_file, {"since": now()})
        self._front.point_at(None)
        old, self.running = self.running, None
        if old is not None:
            step("stop old")
            await self._retire(old)
        self._note("app stopped")
        return {}

    @property
    def halted(self) -> bool:
        """Somebody has stopped the app; a lab that is started again leaves it so."""
        return self._halted_file.exists()

    @property
    def current(self) -> dict[str, Any] | None:
        """The last deployment that came into service."""
        return next((record for record in reversed(self.history) if record["outcome"] == "deployed"), None)

    async def stop(self) -> None:
        self._front.point_at(None)
        if self.running is not None:
            await self._retire(self.running)
            self.running = None
        for task in self._watching:
            task.cancel()

    async def _start(self, folder: Path) -> ReleaseProcess:
        self._count += 1
        name = f"app-{self._count}"
        socket = self._layout.run / f"{name}.sock"
        settings = {**self._settings(), "MEMORY_LIMIT_BYTES": str(MEMORY_LIMIT)}
        new = await ReleaseProcess.start(folder, socket, self._layout.log("app"), settings)
        self._ledger.started(socket.name, new.child)
        try:
            await new.until_healthy()
        except (WarroomError, aiohttp.ClientError, asyncio.CancelledError):
            await self._retire(new)
            raise
        task = asyncio.create_task(self._watch(new))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)
        return new

    def _switch(self, new: ReleaseProcess) -> None:
        self.running = new
        self._front.point_at(new)
        self._halted_file.unlink(missing_ok=True)

    async def _retire(self, old: ReleaseProcess) -> None:
        await old.stop()
        self._ledger.ended(old.socket.name)

    def _record(self, record: dict[str, Any]) -> None:
        self.history.append(record)
        write_json(self._history_file, self.history)

    def memory(self) -> dict[str, int] | None:
        """What the running app's process holds, seen from outside, and its limit, in bytes; None where that can't be
        seen."""
        running = self.running
        resident = _resident(running.child.pid) if running is not None and running.running else 0
        return {"resident_bytes": resident, "limit_bytes": MEMORY_LIMIT} if resident else None

    async def _watch(self, release: ReleaseProcess) -> None:
        """Enforce the memory limit, as a container's does, and note an end that nobody asked for."""
        while not release.ended.done():
            resident = _resident(release.child.pid)
            if resident > MEMORY_LIMIT:
                self._note("memory limit passed, process killed", pid=release.child.pid, resident=resident)
                await release.child.stop(grace=0)
            await asyncio.wait([release.ended], timeout=1.0)
        if self.running is release and not release.ended.cancelled():
            self._note("app ended by itself", pid=release.child.pid, status=release.ended.result())


def _resident(pid: int) -> int:
    """Bytes of memory the process holds; 0 where the system doesn't say."""
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
