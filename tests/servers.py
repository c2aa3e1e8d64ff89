"""Real database and cache servers for tests: started once for a test process, on 127.0.0.1, ended with it.

PostgreSQL comes from the drill lab's wheel (18) and from the machine's packages; each test gets a database of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psycopg
import redis as redis_client
from psycopg import sql
from redis.exceptions import RedisError

from tests.ports import free_port
from warroom.drills.lab.postgres import binaries as wheel_binaries
from warroom.drills.lab.redis_server import program as redis_program

PASSWORD = "Canary-of-the-database-41b7"
"""Long and odd, so that it is found wherever it leaks."""
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "16MB",
    "max_connections": "20",
    "fsync": "off",
    "full_page_writes": "off",
    "dynamic_shared_memory_type": "mmap",
    "timezone": "UTC",
    "lc_messages": "C",
    "autovacuum": "off",
}


def system_binaries() -> Path | None:
    """The newest PostgreSQL among the machine's packages: its bin folder."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(found, key=lambda path: int(path.parent.name), default=None)


def _until(answers: Callable[[], bool], what: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(2000):
        if process.poll() is not None:
            raise AssertionError(f"{what} ended with {process.returncode} instead of answering")
        if answers():
            return
        time.sleep(0.03)
    raise AssertionError(f"{what} did not answer in a minute")


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root; in a namespace of its own root is someone else to it."""
    uid, gid = (1000, 1000) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    return ["unshare", "--user", "--ipc", f"--map-user={uid}", f"--map-group={gid}", "--"]


class PostgresServer:
    """``major`` is the server's version. The superuser ``owner`` has ``PASSWORD``."""

    def __init__(self, programs: Path, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.programs = programs
        self.folder = folder
        self.settings = {**_SETTINGS, **(settings or {})}
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._made = False

    def start(self) -> None:
        if not self._made:
            self._make()
        argv = [*self._within(), *_unprivileged(), str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        argv += ["-p", str(self.port), "-k", ""]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _until(self._answers, "PostgreSQL", self._process)

    def _within(self) -> list[str]:
        """Words that start its program in surroundings of its own."""
        return []

    def _make(self) -> None:
        (self.folder / "password").write_text(PASSWORD)
        words = ["-D", str(self.folder / "data"), "-U", "owner", "-A", "scram-sha-256", "--no-sync", "--locale=C"]
        words += ["--encoding=UTF8", f"--pwfile={self.folder / 'password'}"]
        subprocess.run(
            [*_unprivileged(), str(self.programs / "initdb"), *words], check=True, capture_output=True, timeout=60
        )
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())
        self._made = True

    def made(self) -> None:
        """Its data are there already, with their settings."""
        self._made = True

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> None:
        if self._process is not None:
            self._process.send_signal(with_signal)
            self._process.wait(60)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def url(self, database: str, user: str = "owner", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A new database's address, as its owner."""
        name = f"t_{secrets.token_hex(6)}"
        self.execute("postgres", sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        try:
            yield self.url(name)
        finally:
            if self._process is None:
                self.start()
            self.execute("postgres", sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, database: str, *statements: sql.Composed) -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)


class RedisServer:
    def __init__(self, folder: Path, *settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.settings: Sequence[str] = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        argv = [str(redis_program()), "--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD]
        argv += ["--save", "", "--appendonly", "no", "--dir", str(self.folder), *self.settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        _until(self._answers, "Redis", self._process)

    def _answers(self) -> bool:
        with contextlib.suppress(RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis_client.Redis:
        return redis_client.Redis.from_url(self.url, socket_timeout=5)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
_PREFIX = "warroom-test-"
_LEFT = 3600.0


def in_memory() -> Path | None:
    """Where files lie in memory, if a run's servers have room there, else None: they lie on the disk then.

    Making and dropping a database makes and removes a thousand files. What a disk's file system spent on that was half
    of all processor time of the servers that give each test a database of its own.
    """
    if not MEMORY.is_mount() or not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < ROOM:
        return None
    return MEMORY


@contextlib.contextmanager
def folder(within: Path | None = None) -> Iterator[Path]:
    """A short-named one that the server's own user may use."""
    if within is not None:
        sweep(within)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
    try:
        with _held(path):
            yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def sweep(within: Path) -> None:
    """Removes what killed runs left there more than an hour ago: in memory it would stay until the machine restarts."""
    for left in within.glob(f"{_PREFIX}*"):
        # Held by a run that goes on, somebody else's, or gone already: then it is none of ours.
        with contextlib.suppress(OSError):
            seen = left.lstat()
            if seen.st_uid == os.geteuid() and time.time() - seen.st_mtime > _LEFT:
                with _held(left):
                    shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Nobody else holds it meanwhile; the kernel lets go of it however this process ends. Raises OSError."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(opened)


class SmallPostgres(PostgresServer):
    """Its databases are on a disk of their own, of ``SIZE`` bytes: gone with it, so it can be started once only."""

    SIZE = 64 * 1024**2
    _MOUNT = 'cp -a "$1" "$1.kept" && mount -t tmpfs -o "size=$2" tmpfs "$1" && cp -a "$1.kept/." "$1"'

    def _within(self) -> list[str]:
        steps = f'{self._MOUNT} && shift 2 && exec "$@"'
        return ["unshare", "-rm", "sh", "-c", steps, "sh", str(self.folder / "data" / "base"), str(self.SIZE)]

    @property
    def disk(self) -> Path:
        """As this process gets there."""
        return Path(f"/proc/{self.pid}/root{os.path.realpath(self.folder)}/data/base")

    @contextlib.contextmanager
    def nearly_full(self, free: int) -> Iterator[None]:
        """So many bytes of its disk are left meanwhile."""
        ballast = self.disk / "ballast"
        with ballast.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, shutil.disk_usage(self.disk).free - free)
        try:
            yield
        finally:
            ballast.unlink()


@contextlib.contextmanager
def running_postgres(
    programs: Path | None = None,
    kind: type[PostgresServer] = PostgresServer,
    within: Path | None = None,
    **settings: str,
) -> Iterator[PostgresServer]:
    with folder(within) as place:
        server = kind(programs or wheel_binaries(), place, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def running_standby(primary: PostgresServer) -> Iterator[PostgresServer]:
    """A second server that follows the first, as pg_basebackup makes it."""
    with folder() as place:
        standby = PostgresServer(primary.programs, place)
        words = ["--pgdata", str(place / "data"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        address = primary.url("postgres").replace("/postgres", "/")
        subprocess.run(
            [*_unprivileged(), str(primary.programs / "pg_basebackup"), *words, "--dbname", address],
            check=True,
            capture_output=True,
            timeout=60,
        )
        standby.made()
        try:
            standby.start()
            yield standby
        finally:
            standby.stop()


@contextlib.contextmanager
def running_redis(*settings: str) -> Iterator[RedisServer]:
    with folder() as place:
        server = RedisServer(place, *settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def certificate(place: Path, name: str) -> tuple[Path, Path]:
    """A certificate for a host's name, signed by itself, and its key."""
    paths = place / f"{name}.crt", place / f"{name}.key"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    argv += ["-addext", f"subjectAltName=DNS:{name}", "-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    return paths


@contextlib.contextmanager
def running_pgbouncer(server: PostgresServer) -> Iterator[int]:
    """The port of a PgBouncer before it, which lends out a server connection for one transaction at a time."""
    with folder() as place:
        port = free_port()
        (place / "users").write_text(f'"owner" "{PASSWORD}"\n')
        (place / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\npool_mode = transaction\n"
            f"auth_type = scram-sha-256\nauth_file = {place / 'users'}\ndefault_pool_size = 2\nmax_client_conn = 10\n"
        )
        argv = [*_unprivileged(), str(pgbouncer()), str(place / "ini")]
        with (place / "log").open("ab") as log:
            process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

        def answers() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        try:
            _until(answers, "PgBouncer", process)
            yield port
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def pgbouncer() -> str:
    """Debian keeps it where not everybody's PATH looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin") or "pgbouncer"
