"""A real PostgreSQL in a container of a Compose project, reached by nothing but ``docker compose exec``.

The image is laid out like the official one: a ``postgres`` user, ``/var/lib/postgresql/data``, whoever is in the
container is trusted. Its programs are those of this machine, so that no registry is needed; the container has no
network but its own loopback.

    with a_database_container(docker_engine, tmp_path) as there:
        there.psql("CREATE DATABASE shop")
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.docker_engine import DockerEngine, unique, wait_for
from tests.servers import PASSWORD
from warroom.drills.lab.postgres import binaries as wheel_binaries

PROGRAMS = "/usr/lib/postgresql/bin"
DATA = "/var/lib/postgresql/data"
LIBRARIES = "/lib/of-this-machine"
_SERVER = ("postgres", "initdb", "pg_ctl", "psql", "pg_dump", "pg_restore", "pg_isready")
_APPLETS = (
    *("cat", "chmod", "chown", "df", "dd", "echo", "head", "id", "kill", "ls", "mkdir", "mktemp", "mv", "nc", "ps"),
    *("rm", "sleep", "su", "test", "touch", "true", "wc", "env", "grep", "sync"),
)
_ENTRY = f"""#!/bin/sh
set -e
mkdir -p {DATA} && chown postgres:postgres {DATA} && chmod 700 {DATA}
if ! test -s {DATA}/PG_VERSION; then
    su -s /bin/sh postgres -c 'initdb -D {DATA} -U owner -A trust --no-sync --locale=C --encoding=UTF8'
    cat /etc/postgresql.more >> {DATA}/postgresql.conf
fi
exec su -s /bin/sh postgres -c 'exec postgres -D {DATA}'
"""
_SETTINGS = """
listen_addresses = '127.0.0.1'
shared_buffers = '16MB'
max_connections = 40
fsync = off
full_page_writes = off
autovacuum = off
timezone = 'UTC'
lc_messages = 'C'
"""
TRUST = "local all all trust\nhost all all 127.0.0.1/32 trust\n"
SCRAM = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
"""What pg_hba.conf says: the official image trusts whoever is in the container, unless it is told otherwise."""


@dataclass
class DatabaseContainer:
    """``project`` and the service ``db``. ``url`` is as the application has it, on a network that isn't here."""

    engine: DockerEngine
    project: str
    folder: Path

    @property
    def through(self) -> dict[str, str]:
        """As a runbook has it."""
        return {"project": self.project, "service": "db", "host": self.engine.host}

    def url(self, database: str, user: str = "owner", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@db:5432/{database}?schema=public"

    @property
    def name(self) -> str:
        return f"{self.project}-db-1"

    def compose(self, *words: str) -> str:
        argv = ["docker", "compose", "-p", self.project, "-f", str(self.folder / "docker-compose.yml"), *words]
        return self.engine.run(*argv, cwd=self.folder).stdout

    def inside(self, *argv: str, stdin: bytes = b"", check: bool = True) -> str:
        """A program in the container."""
        return self.engine.docker("exec", "-i", self.name, *argv, stdin=stdin, check=check)

    def psql(self, *statements: str, database: str = "postgres") -> str:
        """Each by itself, by the container's own psql: what they gave, unaligned."""
        words = [word for each in statements for word in ("-c", each)]
        return self.inside("psql", "-XAtq", "-U", "owner", "-d", database, "-v", "ON_ERROR_STOP=1", *words)

    def script(self, text: str, database: str) -> None:
        """Many statements."""
        self.inside("psql", "-Xq", "-U", "owner", "-d", database, "-v", "ON_ERROR_STOP=1", stdin=text.encode())

    def answers(self) -> bool:
        return "accepting" in self.inside("pg_isready", "-h", "127.0.0.1", check=False)

    def until_it_answers(self) -> None:
        wait_for(self.answers, "PostgreSQL in the container")

    @contextlib.contextmanager
    def letting_in(self, rules: str) -> Iterator[None]:
        """By these lines of pg_hba.conf, for as long as it lasts."""
        self._let_in(rules)
        try:
            yield
        finally:
            self._let_in(TRUST)

    def _let_in(self, rules: str) -> None:
        self.inside("dd", f"of={DATA}/pg_hba.conf", stdin=rules.encode())
        self.psql("SELECT pg_reload_conf()")
        # The server reads it by itself, soon: what it would do by it can be asked.
        wanted = str(len(rules.splitlines()))
        asked = f"SELECT count(*) = {wanted} AND bool_and(error IS NULL) FROM pg_hba_file_rules"
        wait_for(lambda: self.psql(asked) == "t", "the rules")

    @contextlib.contextmanager
    def without(self, *paths: str) -> Iterator[None]:
        """Programs that are not in it, for as long as it lasts."""
        for path in paths:
            self.inside("busybox", "mv", path, f"{path}.away")
        try:
            yield
        finally:
            for path in paths:
                self.inside("busybox", "mv", f"{path}.away", path)


@contextlib.contextmanager
def a_database_container(engine: DockerEngine, folder: Path) -> Iterator[DatabaseContainer]:
    project = unique("data")
    place = folder / project
    place.mkdir()
    service: dict[str, Any] = {"image": _loaded(engine), "network_mode": "none", "stop_grace_period": "5s"}
    (place / "docker-compose.yml").write_text(yaml.safe_dump({"services": {"db": service}}))
    made = DatabaseContainer(engine, project, place)
    try:
        made.compose("up", "-d", "--pull", "never")
        made.until_it_answers()
        made.psql(f"ALTER ROLE owner PASSWORD '{PASSWORD}'")
        yield made
    finally:
        engine.docker("rm", "-fv", made.name, check=False)


# ---- the image


@cache
def _loaded(engine: DockerEngine) -> str:
    """Its tag, once for this process."""
    layer = _layer()
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {
            "Env": [f"PATH={PROGRAMS}:/usr/bin:/bin", f"PGDATA={DATA}", f"LD_LIBRARY_PATH={LIBRARIES}"],
            "Entrypoint": ["/entry"],
            "StopSignal": "SIGINT",
            "Volumes": {DATA: {}},
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    tag = f"warroom-sample/postgres:{digest[:12]}"
    if not engine.docker("images", "-q", tag):
        listed = [{"Config": "config.json", "RepoTags": [tag], "Layers": [f"{digest}.tar"]}]
        files = {"config.json": json.dumps(config).encode(), f"{digest}.tar": layer}
        files["manifest.json"] = json.dumps(listed).encode()
        engine.docker("load", "--quiet", stdin=_tar(files, {}))
    return tag


def _layer() -> bytes:
    """Programs, what they are linked to, and what the server reads of its own: nothing beyond."""
    programs = wheel_binaries()
    bash, dash, busybox = (Path(_found(name)) for name in ("bash", "dash", "busybox"))
    files = {f"{PROGRAMS.lstrip('/')}/{name}": (programs / name).read_bytes() for name in _SERVER}
    files |= {"bin/bash": bash.read_bytes(), "bin/sh": dash.read_bytes(), "bin/busybox": busybox.read_bytes()}
    for library in sorted(
        {each for of in (*(programs / name for name in _SERVER), bash, dash) for each in _linked(of)}
    ):
        loader = library.name.startswith("ld-")
        files[str(library).lstrip("/") if loader else f"{LIBRARIES.lstrip('/')}/{library.name}"] = library.read_bytes()
    root = Path(PROGRAMS).parent
    for folder in ("share", "lib"):
        for path in sorted((programs.parent / folder).rglob("*")):
            if path.is_file() and path.suffix != ".a" and "pgxs" not in path.parts:
                within = path.relative_to(programs.parent)
                files[str(root / within).lstrip("/")] = path.read_bytes()
    files["entry"] = _ENTRY.encode()
    files["etc/passwd"] = b"root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n"
    files["etc/group"] = b"root:x:0:\npostgres:x:999:\n"
    files["etc/postgresql.more"] = _SETTINGS.encode()
    return _tar(files, {f"bin/{applet}": "busybox" for applet in _APPLETS})


def _linked(program: Path) -> Sequence[Path]:
    """The libraries that the loader would take for it, the loader itself among them."""
    said = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=True, timeout=30).stdout
    words = [line.rpartition("=>")[2].split() for line in said.splitlines()]
    return [Path(each[0]) for each in words if each and each[0].startswith("/")]


def _found(name: str) -> str:
    path = shutil.which(name)
    assert path, f"the image of a database needs {name}"
    return path


def _tar(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """Without times and owners: the same bytes each time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo("tmp")
        entry.mode, entry.type = 0o1777, tarfile.DIRTYPE
        tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return made.getvalue()
