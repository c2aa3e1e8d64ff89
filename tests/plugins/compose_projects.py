"""Sample compose projects on a real engine, each with a name, a folder and a repository of its own.

    with a_project(docker_engine, tmp_path) as project:     # web, db and redis, all of v1
        project.publish("v2", "broken")                     # a newer build of web in the registry, also on the host
        project.release("v2")                               # .env says v2 now
        project.up()

Files are written as teams write them: an image by tag out of ``.env``, a published port on loopback, the canary's
folder mounted from beside the compose file.
"""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.docker_engine import DockerEngine, EngineProblem, unique, wait_for
from tests.plugins.compose_images import PORT, Image, Mode, load, push
from tests.ports import free_port

LABEL = "com.docker.compose"


@dataclass
class Project:
    """``repository`` is web's, without a tag. ``files`` in their order, ``env_files`` and ``profiles`` as it is up."""

    engine: DockerEngine
    name: str
    folder: Path
    repository: str
    port: int
    files: list[Path] = field(default_factory=list)
    env_files: list[Path] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)

    # ---- images

    def publish(self, version: str, mode: Mode = "good", **more: Any) -> str:
        """Makes ``repository:version`` on the host and in the registry: the digest."""
        tag = self.build(version, mode, **more)
        return push(self.engine, tag)

    def build(self, version: str, mode: Mode = "good", **more: Any) -> str:
        """On the host alone: the tag. ``more`` as ``Image`` has it.

        No other project has the very image: its names there would be names of this one's releases.
        """
        tag = f"{self.repository}:{version}"
        load(
            self.engine,
            {tag: Image(version, mode, **{**more, "labels": {"only": self.name, **more.get("labels", {})}})},
        )
        return tag

    # ---- files

    def write(self) -> None:
        """Writes the first file from ``services``."""
        text = yaml.safe_dump({"services": self.services}, sort_keys=False)
        self.files[0].write_text(text)

    def release(self, version: str) -> None:
        (self.folder / ".env").write_text(f"TAG={version}\nREPOSITORY={self.repository}\nWEB_PORT={self.port}\n")

    def add_file(self, name: str, services: Mapping[str, Any]) -> Path:
        """A further ``-f`` file."""
        path = self.folder / name
        path.write_text(yaml.safe_dump({"services": dict(services)}, sort_keys=False))
        self.files.append(path)
        return path

    # ---- running

    def argv(self, *words: str) -> list[str]:
        argv = ["docker", "compose", "-p", self.name, "--project-directory", str(self.folder)]
        argv += [word for path in self.files for word in ("-f", str(path))]
        argv += [word for path in self.env_files for word in ("--env-file", str(path))]
        argv += [word for profile in self.profiles for word in ("--profile", profile)]
        return [*argv, *words]

    def compose(self, *words: str, check: bool = True) -> str:
        return self.engine.run(*self.argv(*words), check=check, cwd=self.folder).stdout.rstrip("\n")

    def up(self, *words: str, wait: bool = True) -> None:
        """``wait`` does not go with services that exit by themselves."""
        self.compose(
            "up", "-d", "--pull", "never", "-t", "1", *(["--wait", "--wait-timeout", "60"] if wait else []), *words
        )

    def containers(self, service: str = "", everything: bool = True) -> list[str]:
        """Their IDs, by number."""
        words = ["ps", "-q", "--no-trunc", "--filter", f"label={LABEL}.project={self.name}"]
        words += ["-a"] if everything else []
        words += ["--filter", f"label={LABEL}.service={service}"] if service else []
        found = self.engine.docker(*words).split()
        return sorted(
            found, key=lambda each: int(self.engine.inspect(each)["Config"]["Labels"][f"{LABEL}.container-number"])
        )

    def container(self, service: str = "web") -> dict[str, Any]:
        """As ``docker inspect`` has it; the only one of the service."""
        (only,) = self.containers(service)
        return self.engine.inspect(only)

    def image_id(self, service: str = "web") -> str:
        return str(self.container(service)["Image"])

    def digest(self, service: str = "web") -> str:
        """Of the running container's image in this project's repository; "" for one that no registry knows."""
        digests = self.engine.inspect(self.image_id(service))["RepoDigests"]
        return next((each.partition("@")[2] for each in digests if each.startswith(f"{self.repository}@")), "")

    # ---- from outside

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str = "/api/version") -> tuple[int, dict[str, str]]:
        """The status and the document; (0, {}) where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError:
            return 0, {}

    def version(self) -> str:
        return self.ask()[1].get("version", "")

    def until_version(self, version: str) -> None:
        wait_for(lambda: self.version() == version, f"{version} at {self.url}")

    def starts(self) -> list[str]:
        """The version of each start of web so far: what its entrypoint itself wrote."""
        started = self.folder / "canary" / "started"
        return [line.split()[0] for line in started.read_text().splitlines()] if started.exists() else []

    def remove(self) -> None:
        """Everything of the project; quicker than ``down``, and whatever state it is in.

        Its images stay until the engine ends: another test's project may have the very same ones.
        """
        by_name = f"label={LABEL}.project={self.name}"
        if containers := self.engine.docker("ps", "-aq", "--filter", by_name).split():
            self.engine.docker("rm", "-fv", *containers)
        if networks := self.engine.docker("network", "ls", "-q", "--filter", by_name).split():
            self.engine.docker("network", "rm", *networks)


def web_service(**more: Any) -> dict[str, Any]:
    service: dict[str, Any] = {
        "image": "${REPOSITORY}:${TAG}",
        "ports": [f"127.0.0.1:${{WEB_PORT}}:{PORT}"],
        "volumes": ["./canary:/canary"],
        "stop_grace_period": "2s",
    }
    return {**service, **more}


def idle_service(name: str, **more: Any) -> dict[str, Any]:
    return {"image": f"warroom-sample/{name}:1", "stop_grace_period": "1s", **more}


def worker_service(**more: Any) -> dict[str, Any]:
    """The same image as web, in the same release, after web."""
    return {"image": "${REPOSITORY}:${TAG}", "stop_grace_period": "1s", "depends_on": ["web"], **more}


def migrate_service(**more: Any) -> dict[str, Any]:
    """Exits 0 at once."""
    return {"image": "warroom-sample/migrate:1", **more}


BESIDE = {
    "warroom-sample/db:1": Image("1", "idle", "db", "none"),
    "warroom-sample/redis:1": Image("1", "idle", "redis", "none"),
    "warroom-sample/migrate:1": Image("1", "once", "migrate", "none"),
}
"""What stands beside web: built on the host, in no registry, the same for all projects."""


def shop(**web: Any) -> dict[str, dict[str, Any]]:
    """web, db and redis, as the runbook lists them. ``web`` changes web's own lines."""
    return {
        "web": web_service(**{"depends_on": ["db", "redis"], **web}),
        "db": idle_service("db"),
        "redis": idle_service("redis"),
    }


@contextlib.contextmanager
def a_project(
    engine: DockerEngine,
    folder: Path,
    services: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    version: str = "v1",
    mode: Mode = "good",
    local: bool = False,
    profiles: Sequence[str] = (),
    started: bool = True,
    **image: Any,
) -> Iterator[Project]:
    """Up when the block begins (``started``), gone when it ends. ``local``: web's images are in no registry.

    A one-shot among ``services`` is up without waiting. ``image``: more of web's ``Image``.
    """
    name = unique("shop")
    if not local and not engine.registry:
        raise EngineProblem('the project wants a registry: the test needs "docker-registry"')
    place = folder / name
    (place / "canary").mkdir(parents=True)
    project = Project(
        engine,
        name,
        place,
        f"{name}/web" if local else f"{engine.registry}/{name}/web",
        free_port(),
        [place / "docker-compose.yml"],
        profiles=list(profiles),
        services={each: dict(lines) for each, lines in (services or shop()).items()},
    )
    project.write()
    project.release(version)
    _load_beside(engine)
    try:
        if local:
            project.build(version, mode, **image)
        else:
            project.publish(version, mode, **image)
        if started:
            one_shot = any("/migrate:" in str(lines.get("image")) for lines in project.services.values())
            project.up(wait=mode in ("good", "slow", "chatty") and not one_shot)
        yield project
    finally:
        project.remove()


_LOADED: set[Path] = set()


def _load_beside(engine: DockerEngine) -> None:
    """Once for each engine in this process; another worker's doing the same changes nothing."""
    if engine.folder not in _LOADED:
        load(engine, BESIDE)
        _LOADED.add(engine.folder)
