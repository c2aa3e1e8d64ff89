"""Small images of one program in several states, made without a builder and without a network.

An image is busybox, two scripts and its settings. It is handed to ``docker load`` as a file of our own making, so that
the same ``Image`` has the same ID on every machine. All that the program does is real: it listens, writes its lines,
takes memory until it is killed, exits.

The program serves on port 8080, as JSON: ``/api/health`` (200 or 503) and ``/api/version`` (``{"version": "v1"}``).
``/canary/started`` gets a line ``VERSION HOST`` whenever the program begins, where a folder ``/canary`` is mounted.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tests.docker_engine import DockerEngine

Mode = Literal["good", "broken", "crash", "slow", "once", "chatty", "eater", "flaps", "idle"]
"""good: healthy at once · broken: serves, never healthy · crash: exits 3 at once · slow: healthy after APP_AFTER s ·
once: exits 0 · chatty: good, and writes 20 lines a second to both streams · eater: good until APP_AFTER s, then takes
memory until it is killed · flaps: healthy and not, in turns of APP_AFTER s · idle: waits, serves nothing.
"""
Health = Literal["fast", "none", "slow"]
PORT = 8080
SECRET = "Canary-of-the-container-77c1"
"""In every image's environment as APP_SECRET: whoever shows an environment shows this."""
_SECOND = 1_000_000_000
_EPOCH = datetime(2024, 3, 1, 9, 0, tzinfo=UTC)

RUN = r"""#!/bin/sh
# One program; APP_MODE says how it behaves.
if [ -d /canary ]; then echo "$APP_VERSION $(hostname)" >>/canary/started; fi
echo "$APP_NAME $APP_VERSION: starting as $APP_MODE"
echo "$APP_NAME $APP_VERSION: a warning on stderr" >&2
ok() { touch /tmp/ok; }
serve() { nc -ll -p 8080 -e /app/answer & }
eat() { x=$(yes "$APP_VERSION" | head -c 400000000); echo "${#x}"; }
case $APP_MODE in
crash) echo "fatal: the schema is newer than this release" >&2; exit 3 ;;
once) echo "all migrations applied"; exit 0 ;;
esac
trap 'echo "$APP_NAME $APP_VERSION: SIGTERM, leaving"; exit 0' TERM INT
case $APP_MODE in
idle) ok ;;
broken) serve ;;
slow) serve; sleep "$APP_AFTER" & wait $!; ok ;;
flaps) ok; serve; while :; do sleep "$APP_AFTER" & wait $!; rm /tmp/ok; sleep "$APP_AFTER" & wait $!; ok; done ;;
eater) ok; serve; sleep "$APP_AFTER" & wait $!; eat ;;
chatty)
    ok; serve; n=0
    while :; do
        n=$((n + 1)); echo "out $n $APP_VERSION"; echo "err $n $APP_VERSION" >&2; sleep 0.1 & wait $!
    done ;;
*) ok; serve ;;
esac
echo "$APP_NAME $APP_VERSION: ready"
sleep 100000000 & wait $!
"""

ANSWER = r"""#!/bin/sh
# One request on stdin, its answer on stdout.
read -r method path rest
while read -r line && [ "${#line}" -gt 1 ]; do :; done
status="200 OK"
case $path in
/api/health*)
    if [ -e /tmp/ok ]; then body='{"status": "ok"}'
    else status="503 Service Unavailable"; body='{"status": "error"}'; fi ;;
/api/version*) body="{\"version\": \"$APP_VERSION\", \"host\": \"$(hostname)\"}" ;;
*) status="404 Not Found"; body='{"error": "not found"}' ;;
esac
echo "$method $path $status" >/proc/1/fd/1
printf 'HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\nConnection: close\r\n\r\n%s' \
    "$status" "${#body}" "$body"
"""

CHECK = "wget -q -O /dev/null http://127.0.0.1:8080/api/health"
APPLETS = (
    *("sh", "nc", "sleep", "touch", "rm", "hostname", "yes", "head", "wget", "cat", "echo", "env", "id", "ls", "kill"),
    *("true", "false", "test", "date", "grep", "tail", "dd", "printf", "ps", "mkdir", "sync", "stat", "df"),
)


@dataclass(frozen=True)
class Image:
    """``healthcheck`` fast: every second, given up after two; slow: every five; none: the image has none.

    No faster: each check makes three events, and an engine remembers its last 256 alone.
    """

    version: str
    mode: Mode = "good"
    name: str = "web"
    healthcheck: Health = "fast"
    after: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    ballast: int = 0
    """Bytes that do not compress, so that a pull or a load takes its time."""

    @property
    def created(self) -> datetime:
        """v1 is a day older than v2, and so on."""
        digits = "".join(letter for letter in self.version if letter.isdigit())[:4]
        return _EPOCH + timedelta(days=int(digits or 0))

    @property
    def configuration(self) -> bytes:
        """The document whose SHA-256 is the image's ID."""
        environment = {
            "PATH": "/bin",
            "APP_NAME": self.name,
            "APP_VERSION": self.version,
            "APP_MODE": self.mode,
            "APP_AFTER": f"{self.after:g}",
            "APP_SECRET": SECRET,
        }
        config: dict[str, object] = {
            "Env": [f"{name}={value}" for name, value in environment.items()],
            "Entrypoint": ["/app/run"],
            "ExposedPorts": {f"{PORT}/tcp": {}},
            "Labels": {"org.opencontainers.image.version": self.version, **self.labels},
            "WorkingDir": "/",
        }
        if self.healthcheck != "none":
            interval = _SECOND if self.healthcheck == "fast" else 5 * _SECOND
            test = ["CMD", "test", "-e", "/tmp/ok"] if self.mode == "idle" else ["CMD-SHELL", CHECK]
            config["Healthcheck"] = {"Test": test, "Interval": interval, "Timeout": 5 * _SECOND, "Retries": 2}
        created = self.created.isoformat().replace("+00:00", "Z")
        layers = [hashlib.sha256(layer).hexdigest() for layer in self.layers]
        document = {
            "architecture": _architecture(),
            "os": "linux",
            "created": created,
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}" for layer in layers]},
            "history": [{"created": created, "created_by": "tests"} for _ in layers],
        }
        return json.dumps(document, sort_keys=True).encode()

    @property
    def id(self) -> str:
        return f"sha256:{hashlib.sha256(self.configuration).hexdigest()}"

    @property
    def layers(self) -> list[bytes]:
        own = {"etc/release": f"{self.name} {self.version} {self.mode}\n".encode()}
        if self.ballast:
            own["ballast"] = _noise(self.version, self.ballast)
        return [base_layer(), _layer(own, {})]


def load(engine: DockerEngine, images: Mapping[str, Image]) -> None:
    """``images`` by their tags (``REPOSITORY:TAG``); an existing tag moves, as after a new build."""
    names: dict[str, bytes] = {}
    manifest = []
    for tag, image in images.items():
        config = f"{image.id.removeprefix('sha256:')}.json"
        paths = [f"{hashlib.sha256(layer).hexdigest()}.tar" for layer in image.layers]
        names |= {config: image.configuration, **dict(zip(paths, image.layers, strict=True))}
        manifest.append({"Config": config, "RepoTags": [tag], "Layers": paths})
    names["manifest.json"] = json.dumps(manifest).encode()
    engine.docker("load", "--quiet", stdin=_tar(names, {}))


def push(engine: DockerEngine, tag: str) -> str:
    """The digest (``sha256:…``) that the registry has it under. ``tag`` begins with ``engine.registry``."""
    engine.docker("push", "--quiet", tag)
    digests: list[str] = engine.inspect(tag)["RepoDigests"]
    repository = tag.rpartition(":")[0]
    return next(digest for digest in digests if digest.startswith(f"{repository}@")).partition("@")[2]


def publish(engine: DockerEngine, images: Mapping[str, Image]) -> dict[str, str]:
    """Loads and pushes: the digest of each tag."""
    load(engine, images)
    return {tag: push(engine, tag) for tag in images}


# ---- files


_BASE: list[bytes] = []


def base_layer() -> bytes:
    """The same for all images: the engine and the registry keep it once."""
    if not _BASE:
        busybox = shutil.which("busybox")
        assert busybox, "the sample images need busybox-static"
        files = {"bin/busybox": Path(busybox).read_bytes(), "app/run": RUN.encode(), "app/answer": ANSWER.encode()}
        _BASE.append(_layer(files, {f"bin/{applet}": "busybox" for applet in APPLETS}))
    return _BASE[0]


def _layer(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    return _tar({"tmp/": b"", **files}, links)


def _tar(files: Mapping[str, bytes], links: Mapping[str, str]) -> bytes:
    """Without times and owners: the same bytes each time."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.rstrip("/"))
            entry.mode = 0o1777 if name == "tmp/" else 0o755
            entry.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, target in links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return made.getvalue()


def _noise(seed: str, size: int) -> bytes:
    return hashlib.shake_256(seed.encode()).digest(size)


def _architecture() -> str:
    machine = platform.machine()
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
