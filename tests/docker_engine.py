"""A real Docker engine for tests: one for all of a run's workers, ended with the last of them, and private ones.

    @pytest.mark.needs("dockerd", "compose")
    def test_it(docker_engine: DockerEngine) -> None: ...

``docker_engine`` (a fixture of ``tests/conftest.py``) is shared: give what you make there names of your own
(``unique``), and remove it. A test that stops the engine, fills its disk or takes its registry away has one of its
own: ``with private_engine() as engine``; that takes about two seconds.

``python3 -m tests.docker_engine`` says why no engine can be had here, or nothing and exits 0; it uses the standard
library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.docker_supervisor import PATH, PREFIX, Options, locked
from tests.ports import free_port

SUPERVISOR = Path(__file__).with_name("docker_supervisor.py")
PROGRAMS = ("docker", "dockerd", "containerd", "runc", "iptables", "ip", "unshare", "busybox")
STARTED_WITHIN = 120.0


class EngineProblem(AssertionError):
    """The engine could not be had, or did not do what a test's own preparation asked of it."""


def wait_for(happened: Callable[[], bool], what: str, seconds: float = STARTED_WITHIN) -> None:
    """Generous: a bound for what is broken, not for what is slow."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise EngineProblem(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def unique(word: str = "t") -> str:
    """A name that no other test uses: a project, a repository, a container."""
    return f"{word}-{secrets.token_hex(4)}"


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class DockerEngine:
    """``host`` is what DOCKER_HOST would be; ``registry`` is HOST:PORT on loopback, "" where none is installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._users: IO[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "docker.sock"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def registry(self) -> str:
        port = Options.of(self.folder).registry_port
        return f"127.0.0.1:{port}" if port else ""

    @property
    def env(self) -> dict[str, str]:
        """What a program needs of the environment to reach this engine, and no other."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "COMPOSE_"))}
        return {**kept, "DOCKER_HOST": self.host}

    # ---- using it

    def run(
        self, *argv: str, check: bool = True, cwd: Path | None = None, stdin: bytes = b"", env: Mapping[str, str] = {}
    ) -> subprocess.CompletedProcess[str]:
        """A program against this engine; a test's own preparation, so whatever fails says what was said."""
        done = subprocess.run(
            argv, input=stdin, capture_output=True, timeout=120, check=False, cwd=cwd, env={**self.env, **env}
        )
        text = subprocess.CompletedProcess(argv, done.returncode, done.stdout.decode(), done.stderr.decode())
        if check and done.returncode:
            raise EngineProblem(f"{' '.join(argv)}: exit {done.returncode}\n{text.stdout}{text.stderr}")
        return text

    def docker(self, *words: str, check: bool = True, stdin: bytes = b"") -> str:
        """What it wrote, without the last line's end."""
        return self.run("docker", *words, check=check, stdin=stdin).stdout.rstrip("\n")

    def inspect(self, what: str) -> dict[str, Any]:
        """A container, an image, a network: the first of that name."""
        found: list[dict[str, Any]] = json.loads(self.docker("inspect", what))
        return found[0]

    def api(self, method: str, path: str) -> int:
        """One request to its API: the status. Quicker than a program for what is done hundreds of times."""
        connection = _UnixConnection(self.socket)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return self.api("GET", "/_ping") == 200
        except (OSError, http.client.HTTPException):
            return False

    # ---- its life

    def join(self, registry: bool = True, data_size: str = "") -> None:
        """Uses it, and starts it where nobody does yet. ``data_size`` as tmpfs has it: a small disk."""
        try:
            self._users = self._as_user()
            with (self.folder / "start").open("ab") as one_at_a_time:
                fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
                if not self.answers():
                    port = free_port() if registry and shutil.which("docker-registry", path=PATH) else 0
                    Options(port, data_size).write(self.folder)
                    self._start()
        except BaseException:
            self.leave()
            raise

    def _as_user(self) -> IO[bytes]:
        """The folder may be on its way out with the last user before us: then it is made anew."""
        while True:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            seen = self.folder.lstat()
            if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid():
                raise EngineProblem(f"{self.folder} is not ours")
            with contextlib.suppress(FileNotFoundError):
                held = locked(self.folder / "users", fcntl.LOCK_SH)
                if held and (self.folder / "users").stat().st_ino == os.fstat(held.fileno()).st_ino:
                    return held

    def _start(self) -> None:
        argv = [sys.executable, "-I", str(SUPERVISOR), "supervise", str(self.folder)]
        environment = {"PATH": PATH, "LC_ALL": "C"}
        with (self.folder / "log").open("ab") as log:
            supervisor = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=environment
            )
        try:
            wait_for(lambda: supervisor.poll() is not None or self._ready(), "dockerd")
        except EngineProblem:
            supervisor.terminate()
            supervisor.wait(60)
            raise
        if supervisor.poll() is not None:
            raise EngineProblem(f"dockerd did not start: {self.last_words()}")
        # It outlives this process where others use the engine, and ends by itself.
        _SUPERVISORS.append(supervisor)

    def _ready(self) -> bool:
        return self.answers() and (not self.registry or self.registry_answers())

    def registry_answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection(self.registry, timeout=5)
            connection.request("GET", "/v2/")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def last_words(self) -> str:
        logs = [path for path in (self.folder / "dockerd.log", self.folder / "log") if path.exists()]
        return "\n".join(text[-800:] for path in logs if (text := path.read_text(errors="replace")))

    def leave(self) -> None:
        """The last one's leaving ends it."""
        if self._users is not None:
            self._users.close()
            self._users = None

    # ---- faults; only for an engine of one's own

    def pid(self, name: str) -> int:
        """Of ``dockerd``, ``containerd`` or ``registry``, as this machine counts; 0 when it does not run."""
        inner = int((self.folder / "inner.pid").read_text())
        for first in _children(inner):
            for pid in _children(first):
                if Path(f"/proc/{pid}/comm").read_text().strip() == _COMM.get(name, name):
                    return pid
        return 0

    def down(self, name: str, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """Ends one of its programs, which stays away until ``up``. SIGKILL is the fault, SIGTERM the orderly end."""
        (self.folder / f"{name}.down").touch()
        if pid := self.pid(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, with_signal)
            wait_for(lambda: not Path(f"/proc/{pid}").exists(), f"the end of {name}")

    def up(self, name: str) -> None:
        (self.folder / f"{name}.down").unlink(missing_ok=True)
        wait_for(self.registry_answers if name == "registry" else self.answers, name)

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """Not a byte is left on the engine's disk, which must be a small one (``data_size``)."""
        assert Options.of(self.folder).data_size, "this would fill the machine's own disk"
        # Through the engine's own eyes: nobody else sees that disk.
        filler = Path(f"/proc/{self.pid('dockerd')}/root{self.folder}/data/filler")
        try:
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(65536))
            yield
        finally:
            filler.unlink()


_COMM = {"registry": "docker-registry"}
_SUPERVISORS: list[subprocess.Popen[bytes]] = []


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


# ---- which one


def _folder(name: str) -> Path:
    return Path(tempfile.gettempdir()) / f"{PREFIX}{name}"


@cache
def shared_engine() -> DockerEngine:
    """The run's own, joined. It is left when this process ends, however it ends."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"{os.getpid()}-{time.monotonic_ns()}"
    engine = DockerEngine(_folder(hashlib.sha256(run.encode()).hexdigest()[:10]))
    engine.join()
    return engine


@contextlib.contextmanager
def private_engine(*, registry: bool = True, data_size: str = "") -> Iterator[DockerEngine]:
    engine = DockerEngine(_folder(secrets.token_hex(5)))
    engine.join(registry, data_size)
    try:
        yield engine
    finally:
        engine.leave()


# ---- what can be had here: "" or why not, for tests/conftest.py


def no_dockerd() -> str:
    """Starts the run's engine: nothing less shows that this system lets it work."""
    if os.geteuid() != 0:
        return "only root can start dockerd"
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=PATH)]:
        return f"not installed: {', '.join(missing)}"
    if b"/ld-linux" in Path(str(shutil.which("busybox", path=PATH))).read_bytes()[:8192]:
        return "busybox leans on libraries, and the sample images have none: busybox-static"
    try:
        shared_engine()
    except (EngineProblem, OSError) as error:
        return " ".join(str(error).split())[-500:]
    return ""


def no_compose() -> str:
    """The docker CLI's plugin, which is what Compose is since its second version."""
    try:
        done = subprocess.run(["docker", "compose", "version", "--short"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"docker compose can't be run: {error}"
    major = done.stdout.decode().strip().removeprefix("v").partition(".")[0]
    return "" if done.returncode == 0 and major.isdecimal() and int(major) >= 2 else "no Compose v2 (docker compose)"


if __name__ == "__main__":
    sys.exit(no_dockerd() or None)
