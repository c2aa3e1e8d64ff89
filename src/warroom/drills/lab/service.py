"""The lab: everything wired together, started and ended in order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psycopg

from warroom import process
from warroom.drills.lab import begun, seed
from warroom.drills.lab.backups import Backups
from warroom.drills.lab.builder import build
from warroom.drills.lab.changing import Changes, own_settings
from warroom.drills.lab.control import Control
from warroom.drills.lab.deployer import Deployer
from warroom.drills.lab.front import Front
from warroom.drills.lab.kept import kept
from warroom.drills.lab.layout import prepare, read_json, remove_tree, shared_folder, write_json, write_text
from warroom.drills.lab.ledger import Ledger, clear_up, sweep
from warroom.drills.lab.logs import SOURCES, OwnLog
from warroom.drills.lab.migrations import applied
from warroom.drills.lab.neighbour import Neighbour
from warroom.drills.lab.operations import Operations, now
from warroom.drills.lab.postgres import COPIES, DATABASE, PORT, USER, Postgres, confine
from warroom.drills.lab.redis_server import RedisServer
from warroom.drills.lab.repository import Repository
from warroom.drills.lab.traffic import Traffic
from warroom.errors import BadInput, WarroomError

FORMAT = 1
NIGHT = "4"
"""Seconds from one round of the app's nightly work to the next: in a lab, nights are short."""


@dataclass(frozen=True)
class Options:
    state: Path
    fault: str = "locale"
    revert_fault: bool = False
    fault_in_target: bool = False
    fresh: bool = False
    """Make everything anew, whatever the folder holds; only the lab's identity stays."""
    postgres_as: str = "auto"

    def what_is_built(self) -> dict[str, object]:
        told = {"fault": self.fault} if self.fault != "locale" else {}
        return {"format": FORMAT, **told, "revert_fault": self.revert_fault, "fault_in_target": self.fault_in_target}


class Lab:
    """`start` brings it up as far as traffic; `stop` takes it down in the opposite order, however far it came."""

    repository: Repository
    operations: Operations
    changes: Changes

    def __init__(self, options: Options) -> None:
        self._options = options
        self._ends = contextlib.AsyncExitStack()
        self._started_at = now()

    async def start(self) -> None:
        self._take(self._options.state)
        left = await clear_up(self._options.state)
        sweep({shared_folder(), COPIES})
        self.layout = prepare(self._options.state)
        ledger = self._begin_ledger()
        self._postgres = Postgres(self.layout, ledger, await confine(self.layout, ledger, self._options.postgres_as))
        self._begun = begun.store(self._postgres.server)
        # A server under an unprivileged number keeps its data elsewhere, and that went with the lab that made it.
        built = self._what_stands(fresh=self._options.fresh or not self._postgres.data_is_there)
        self.note = OwnLog(self.layout.log("lab"))
        self._ends.callback(self.note.close)
        if left:
            self.note("ended what an earlier lab had left running", processes=left)
        secret = self._secrets()
        self.fingerprint: str = secret["fingerprint"]
        self._redis = RedisServer(self.layout, ledger)
        self._ai = Neighbour("ai", "ai_provider.py", self.layout, ledger)
        self._mail = Neighbour("mail", "mail_server.py", self.layout, ledger)
        beside = (self._redis, self._ai, self._mail)
        for server in (*beside, self._postgres):
            self._ends.push_async_callback(server.stop)
        async with asyncio.TaskGroup() as group:
            for server in beside:
                group.create_task(server.start())
            group.create_task(self._postgres.start() if built else self._make_database())
            building = group.create_task(self._open_repository(built))
        self.repository = building.result()
        self.operations = Operations(self.layout.operations)
        self._front = Front()
        ports = read_json(self.layout.state / "ports.json") or {}
        await self._front.start(ports.get("front", 0))
        self._ends.push_async_callback(self._front.stop)
        self._deployer = Deployer(
            self.layout, ledger, self.repository, self._front, self.note, lambda: self._app_settings(secret)
        )
        self._ends.push_async_callback(self._deployer.stop)
        self.changes = Changes(self.layout, self._deployer, self._front, self._redis, self._servers, self.note)
        self.backups = Backups(self.layout.backups, self._postgres)
        await (self._bring_back() if built else self._first_releases())
        self._traffic = Traffic(self._front.base_url, seed.accounts(), secret["payment_secret"])
        self._traffic.start()
        if not built and self._options.fault == "retention":
            await self._last_night()
        self._ends.push_async_callback(self._traffic.stop)
        self._control = Control(self)
        await self._control.start(ports.get("control", 0))
        self._ends.push_async_callback(self._control.stop)
        self._ends.push_async_callback(self.operations.close)
        self._announce()
        self._ends.callback(self._withdraw)
        self.note("ready", base_url=self._front.base_url, postgres=self._postgres.mode)

    async def stop(self) -> None:
        await self._ends.aclose()

    @property
    def _servers(self) -> dict[str, Postgres | RedisServer | Neighbour]:
        return {"postgres": self._postgres, "redis": self._redis, "ai": self._ai, "mail": self._mail}

    # ---- starting, piece by piece --------------------------------------------------------------------------

    def _take(self, state: Path) -> None:
        """One lab in a state folder at a time."""
        try:
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise BadInput("The lab's state folder can't be used", f"{state}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise BadInput(
                "Another lab is running in this state folder", str(state), "End it, or name another folder."
            ) from None
        self._ends.callback(os.close, lock)

    def _begin_ledger(self) -> Ledger:
        ledger = Ledger(self.layout.state)
        self._ends.callback(ledger.close)
        if self.layout.run.parent != self.layout.state:
            ledger.folder(self.layout.run)
        self._withdraw()
        return ledger

    def _what_stands(self, *, fresh: bool) -> bool:
        """True when the folder holds a lab that was once ready; False when all has to be made, and then it's empty."""
        found = read_json(self.layout.state / "built.json")
        if found is not None and not fresh:
            if found == self._options.what_is_built():
                return True
            raise BadInput(
                "This state folder holds a lab of another kind",
                f"it was made with {found}, and {self._options.what_is_built()} is asked for",
                "Name another folder, or make it anew.",
            )
        for name in ("built.json", "deployments.json", "front.json", "settings.json", "halted.json"):
            (self.layout.state / name).unlink(missing_ok=True)
        remove_tree(self.layout.repository)
        for folder in (self.layout.checkouts, self.layout.operations, self.layout.logs, self.layout.backups):
            remove_tree(folder)
            folder.mkdir(mode=0o700)
        return False

    def _secrets(self) -> dict[str, str]:
        path = self.layout.state / "identity.json"
        found: dict[str, str] | None = read_json(path)
        if found is None:
            found = {name: secrets.token_hex(24) for name in ("app_secret", "payment_secret")}
            found["fingerprint"] = f"lab-{secrets.token_hex(8)}"
            write_json(path, found)
        return found

    async def _open_repository(self, built: bool) -> Repository:
        if built:
            return Repository(self.layout.repository)
        remove_tree(self.layout.repository)
        options = self._options
        return await build(
            self.layout.repository,
            fault=options.fault,
            revert_fault=options.revert_fault,
            fault_in_target=options.fault_in_target,
        )

    async def _make_database(self) -> None:
        """The server with the app's database: as an earlier lab has left it for this one, else a new and empty one."""
        record, why_not = await asyncio.to_thread(self._begun.take, self._postgres.data)
        if record is None:
            self.note("the database is made anew", reason=why_not)
            await self._postgres.make()
        else:
            self.note("the database is a copy of the one that was kept", made=record["at"])
            write_json(self.layout.state / "deployments.json", [record])
            await self._postgres.adopt()

    async def _first_releases(self) -> None:
        """The history every drill begins with: beta.1, then the rows, then beta.2. The first two were long ago, where
        an earlier lab has kept what they left.
        """
        if not self._deployer.history:
            await self._deploy_first("v1.0.0-beta.1")
            await seed.seed(self._postgres.url())
            await self._keep()
        await self._deploy_first("v1.0.0-beta.2")
        write_json(self.layout.state / "built.json", self._options.what_is_built())

    async def _keep(self) -> None:
        """For the next lab, while nobody uses it: the app and the server stand still."""
        first = self._deployer.running
        await self._deployer.stop()
        if first is not None:
            await self.repository.drop_checkout(first.checkout)
        await self._postgres.stop()
        keeping = asyncio.ensure_future(
            asyncio.to_thread(self._begun.put, self._postgres.data, self._deployer.history[0])
        )
        try:
            await asyncio.shield(keeping)
        except (OSError, WarroomError) as error:
            self.note("nothing is kept for the next lab", reason=str(error))
        finally:
            # A lab that is ended takes the folder away only when it has been read.
            await asyncio.gather(keeping, return_exceptions=True)
        await self._postgres.start()

    async def _last_night(self) -> None:
        """Where data will be at stake, backups lie there already. They hold what users had written until then."""
        while not all(self._traffic.written.values()):  # noqa: ASYNC110 - nothing tells of this but looking
            await asyncio.sleep(0.05)
        await self.backups.packed()
        await self.backups.archive()

    async def _deploy_first(self, ref: str) -> None:
        commit = await self.repository.resolve(ref)
        await self._deployer.deploy(commit, "the lab", "", lambda step: None)

    async def _bring_back(self) -> None:
        self._front.writes_stopped = bool((read_json(self.layout.state / "front.json") or {}).get("writes_stopped"))
        if not self._deployer.halted:
            await self._deployer.restart(lambda step: None)

    def _app_settings(self, secret: dict[str, str]) -> dict[str, str]:
        return {
            "DATABASE_URL": self._postgres.url(),
            "REDIS_URL": self._redis.url,
            "AI_SOCKET": str(self._ai.socket),
            "MAIL_SOCKET": str(self._mail.socket),
            "APP_SECRET": secret["app_secret"],
            "PAYMENT_SECRET": secret["payment_secret"],
            **({"RETENTION_EVERY": NIGHT} if self._options.fault == "retention" else {}),
            **own_settings(self.layout),
        }

    def _announce(self) -> None:
        write_json(self.layout.state / "ports.json", {"front": self._front.port, "control": self._control.port})
        for path, secret in zip(
            self.layout.secrets, (self._control.token, self._postgres.url(), self._redis.url), strict=True
        ):
            write_text(path, secret)
        write_json(
            self.layout.announcement,
            {
                "format": FORMAT,
                "pid": os.getpid(),
                "start_time": process.start_time(os.getpid()),
                "control_url": self._control.url,
                "token": self._control.token,
                "base_url": self._front.base_url,
                "fingerprint": self.fingerprint,
            },
        )

    def _withdraw(self) -> None:
        for path in (self.layout.announcement, *self.layout.secrets):
            path.unlink(missing_ok=True)

    # ---- what the control endpoint asks for ----------------------------------------------------------------

    async def state(self) -> dict[str, Any]:
        running = self._deployer.running
        children = {"app": running.child if running else None}
        children |= {name: server.child for name, server in self._servers.items()}
        return {
            "fingerprint": self.fingerprint,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "base_url": self._front.base_url,
            "release": await self._ask("/api/version"),
            "deployed": self._deployer.current,
            "migrations": await self._migrations(),
            "app_stopped": self._deployer.halted,
            "writes_stopped": self._front.writes_stopped,
            "settings": own_settings(self.layout),
            "under_way": self.operations.under_way,
            "postgres": {
                "host": str(self._postgres.sockets),
                "port": PORT,
                "dbname": DATABASE,
                "user": USER,
                "backups": str(self.layout.backups),
                "binaries": str(self._postgres.binaries),
                "run_as": self._postgres.mode,
            },
            "redis_url": self._redis.url,
            "logs": {source: self.log_path(source) for source in SOURCES},
            "processes": {name: _described(child) for name, child in children.items()},
        }

    async def _migrations(self) -> list[str] | None:
        """What the database has had, oldest first; None when it can't be asked."""
        try:
            return await applied(self._postgres.url())
        except psycopg.Error:
            return None

    async def counters(self) -> dict[str, Any]:
        """Traffic as its users saw it, cumulative; what the app says of itself, None where it doesn't answer; what its
        process holds, whether it answers or not."""
        app, health = await asyncio.gather(self._ask("/api/metrics/system"), self._ask("/api/health"))
        return {
            "at": now(),
            "traffic": self._traffic.counters.snapshot(),
            "front": {str(status): count for status, count in sorted(self._front.answers.items())},
            "app": app,
            "health": health,
            "memory": self._deployer.memory(),
            "deployed": self._deployer.current,
        }

    async def _ask(self, path: str) -> dict[str, Any] | None:
        """The running app's answer; None when there is none."""
        running = self._deployer.running
        if running is None or not running.running:
            return None
        try:
            return (await running.ask(path))[1]
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return None

    async def counts(self) -> dict[str, int]:
        try:
            return await seed.counts(self._postgres.url())
        except psycopg.Error as error:
            raise WarroomError("The rows can't be counted", str(error).strip()) from error

    async def integrity(self) -> dict[str, int]:
        try:
            return await seed.broken_invariants(self._postgres.url())
        except psycopg.Error as error:
            raise WarroomError("The database can't be asked", str(error).strip()) from error

    def deployments(self) -> list[dict[str, Any]]:
        return self._deployer.history

    def log_path(self, source: str) -> str:
        return str(self.layout.log(source))

    async def back_up(self) -> list[str]:
        """The nightly job of the host, now; the names of what it wrote."""
        return [(await self.backups.archive()).name]

    async def rows(self) -> dict[str, dict[str, int]]:
        told = {table: frozenset(marks) for table, marks in self._traffic.written.items()}
        try:
            return await kept(self._postgres.url(), told)
        except psycopg.Error as error:
            raise WarroomError("The rows can't be looked at", str(error).strip()) from error


def _described(child: process.Child | None) -> dict[str, Any] | None:
    if child is None:
        return None
    running = process.alive(child.pid, child.start_time)
    return {"pid": child.pid, "start_time": child.start_time, "running": running}
