"""The Compose project as its containers' labels tell of it: never guessed from a folder's name."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from warroom.api import Context, WarroomError
from warroom_compose.client import Engine, NotThere, engine
from warroom_compose.config import Config
from warroom_compose.files import contents
from warroom_compose.times import instant

LABEL = "com.docker.compose."
_RENAMED = re.compile(r"^[0-9a-f]{12}_")
"""What Compose puts before a container's name while it makes the next one in its place."""
_NUMBER = re.compile(r"[0-9]{1,6}")

Health = Literal["healthy", "unhealthy", "starting", "none"]


class NoProject(WarroomError):
    """No container of the project is on the engine."""


@dataclass(frozen=True)
class Container:
    """One container. ``image_id`` is what really runs in it, ``image`` the reference it was made from.

    ``health`` is "none" where nothing checks it. ``memory_limit`` is in bytes, 0 for none; ``cpus`` are cores, 0 for
    all. ``restarts`` are those by its restart policy, since it was made. What an engine's list doesn't tell
    (from ``started_at`` on) is empty unless the container was inspected.
    """

    id: str
    name: str
    service: str
    number: int
    image: str
    image_id: str
    state: str
    created_at: datetime | None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    health: Health = "none"
    checked: bool = False
    exit_code: int = 0
    oom_killed: bool = False
    restarts: int = 0
    memory_limit: int = 0
    cpus: float = 0
    tty: bool = False
    log_driver: str = ""
    one_off: bool = False
    labels: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def being_replaced(self) -> bool:
        return bool(_RENAMED.match(self.name))

    @property
    def config_hash(self) -> str:
        """Compose's hash of the definition that it was made from; empty where it wrote none."""
        return self.labels.get(f"{LABEL}config-hash", "")

    @property
    def shown(self) -> str:
        """``web-1``: the service and the number, whatever the container's own name."""
        return f"{self.service}-{self.number}"


@dataclass(frozen=True)
class Project:
    """``directory``, ``files`` and ``env_files`` are the project's own, as warroom's command lines name them.

    ``files`` never holds ``pin_file``, which is the last of them on a command line while it is there (``pinned``).
    ``services`` are all that have a container, by name, each with its containers, by number; none of ``docker compose
    run``. ``notes`` say what does not fit together.
    """

    name: str
    engine_id: str
    docker: tuple[str, ...]
    directory: str
    files: tuple[str, ...]
    env_files: tuple[str, ...]
    profiles: tuple[str, ...]
    services: Mapping[str, tuple[Container, ...]]
    pin_file: Path
    compose_versions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def pinned(self) -> bool:
        """Whether the override is there now."""
        return self.pin_file.is_file()

    def argv(self, *words: str, pins: bool | None = None) -> tuple[str, ...]:
        """``docker compose`` as this project is run: its folder, its files in their order, its env files and profiles.

        ``pins``: with the override that pins images as the last file; None takes it where it is there now. A preview
        says which, so that its lines do not depend on when they are made.
        """
        line = [*self.docker, "compose", "--project-name", self.name]
        if self.directory:
            line += ["--project-directory", self.directory]
        for file in self.files:
            line += ["--file", file]
        if self.pinned if pins is None else pins:
            line += ["--file", str(self.pin_file)]
        for env_file in self.env_files:
            line += ["--env-file", env_file]
        for profile in self.profiles:
            line += ["--profile", profile]
        return (*line, *words)

    def of(self, *services: str) -> tuple[Container, ...]:
        return tuple(one for service in services for one in self.services.get(service, ()))

    def running(self, service: str) -> tuple[Container, ...]:
        return tuple(one for one in self.of(service) if one.running)

    @property
    def containers(self) -> tuple[Container, ...]:
        return tuple(one for those in self.services.values() for one in those)

    def unreadable(self) -> tuple[str, ...]:
        """Those of its files that can't be read here, each with why."""
        found = []
        for file in (*self.files, *self.env_files):
            try:
                contents(file)
            except OSError as error:
                found.append(f"{file}: {(error.strerror or str(error)).lower()}")
        return tuple(found)

    def definition(self) -> dict[str, str]:
        """The SHA-256 of each file that the project is made of, by path; of ``.env`` too. Empty for one that is not
        there: a plan that pins this is void once any of them has changed."""
        return {file: _sha256(Path(file)) for file in (*self.files, *self.env())}

    def env(self) -> tuple[str, ...]:
        """Compose reads ``.env`` of the project's folder unless it is told of another."""
        return self.env_files or ((f"{self.directory}/.env",) if self.directory else ())


def _sha256(path: Path) -> str:
    try:
        return "sha256:" + hashlib.sha256(contents(path)).hexdigest()
    except OSError:
        return ""


def labelled(project: str) -> dict[str, list[str]]:
    """The filter of all that is the project's, for the engine's lists and events."""
    return {"label": [f"{LABEL}project={project}"]}


async def find(ctx: Context, of: Engine | None = None, *, only: Collection[str] | None = None) -> Project:
    """The project now. Of services that are not in ``only`` the containers are not inspected: for what is asked often.

    Raises ``NoProject`` where the engine has no container of it, and WarroomError where the engine can't be asked.
    """
    if of is None:
        async with engine(ctx) as opened:
            return await find(ctx, opened, only=only)
    config: Config = ctx.config
    wanted = labelled(config.project)
    listed, info = await asyncio.gather(
        of.ask(lambda api: api.containers(all=True, filters=wanted)), of.ask(lambda api: api.info())
    )
    if not listed:
        raise NoProject(
            f"There is no container of the project {config.project}",
            f"the Docker engine at {of.at.name} has none with its label",
            "docker compose ls --all shows the projects there; correct project, or the engine",
        )
    containers = [_listed(one) for one in listed]
    found = await asyncio.gather(*(_inspected(ctx, of, one, only) for one in containers))
    return _project(config, str(info.get("ID", "")), [one for one in found if one is not None])


async def _inspected(ctx: Context, of: Engine, one: Container, only: Collection[str] | None) -> Container | None:
    """None where it went away meanwhile."""
    if only is not None and one.service not in only:
        return one
    try:
        told = await of.ask(lambda api: api.inspect_container(one.id))
    except NotThere:
        return None
    hide(ctx, told)
    return inspected(told)


def hide(ctx: Context, *containers: Mapping[str, Any]) -> None:
    """What ``/containers/ID/json`` gives of them: what their environment keeps secret, their logs may say aloud."""
    for one in containers:
        pairs = (str(each).partition("=") for each in (one.get("Config") or {}).get("Env") or [])
        ctx.hide({name: value for name, _, value in pairs})


def _listed(one: Mapping[str, Any]) -> Container:
    labels = {str(name): str(value) for name, value in (one.get("Labels") or {}).items()}
    names = one.get("Names") or [""]
    return _container(
        one, labels, str(names[0]), str(one.get("State", "")), datetime.fromtimestamp(one["Created"], UTC)
    )


def _container(
    one: Mapping[str, Any], labels: dict[str, str], name: str, state: str, made: datetime | None
) -> Container:
    number = labels.get(f"{LABEL}container-number", "1")
    return Container(
        id=str(one["Id"]),
        name=name.lstrip("/"),
        service=labels.get(f"{LABEL}service", ""),
        number=int(number) if _NUMBER.fullmatch(number) else 1,
        image=str(one.get("Image", "")),
        image_id=str(one.get("ImageID", "")),
        state=state,
        created_at=made,
        one_off=labels.get(f"{LABEL}oneoff", "False") == "True",
        labels=labels,
    )


def inspected(one: Mapping[str, Any]) -> Container:
    """From what ``/containers/ID/json`` gives."""
    made, state, host = one["Config"], one["State"], one.get("HostConfig") or {}
    labels = {str(name): str(value) for name, value in (made.get("Labels") or {}).items()}
    facts = {"Id": one["Id"], "Image": made.get("Image", ""), "ImageID": one.get("Image", "")}
    base = _container(facts, labels, str(one["Name"]), str(state["Status"]), instant(one.get("Created")))
    health = str((state.get("Health") or {}).get("Status") or "none")
    return Container(
        **{
            **base.__dict__,
            "started_at": instant(state.get("StartedAt")),
            "finished_at": instant(state.get("FinishedAt")),
            "health": health if health in ("healthy", "unhealthy", "starting") else "none",
            "checked": has_check(made),
            "exit_code": int(state.get("ExitCode") or 0),
            "oom_killed": bool(state.get("OOMKilled")),
            "restarts": int(one.get("RestartCount") or 0),
            "memory_limit": int(host.get("Memory") or 0),
            "cpus": _cpus(host),
            "tty": bool(made.get("Tty")),
            "log_driver": str((host.get("LogConfig") or {}).get("Type") or ""),
        }
    )


def has_check(made: Mapping[str, Any]) -> bool:
    """Of the ``Config`` of a container or an image."""
    test = (made.get("Healthcheck") or {}).get("Test") or []
    return bool(test) and test[0] != "NONE"


def _cpus(host: Mapping[str, Any]) -> float:
    if nano := int(host.get("NanoCpus") or 0):
        return nano / 1e9
    quota, period = int(host.get("CpuQuota") or 0), int(host.get("CpuPeriod") or 100_000)
    return quota / period if quota > 0 and period > 0 else 0


def _project(config: Config, engine_id: str, containers: Sequence[Container]) -> Project:
    lasting = [one for one in containers if not one.one_off]
    by_service: dict[str, list[Container]] = {}
    for one in sorted(lasting, key=lambda one: (one.service, one.number, one.name)):
        by_service.setdefault(one.service, []).append(one)
    pin_file = config.pin_file(engine_id)
    sources = _sources(config, lasting or containers)
    directory, files, env_files, notes = _places(config, sources, pin_file)
    return Project(
        name=config.project,
        engine_id=engine_id,
        docker=config.docker,
        directory=directory,
        files=files,
        env_files=env_files,
        profiles=config.profiles,
        services={name: tuple(those) for name, those in by_service.items()},
        pin_file=pin_file,
        compose_versions=tuple(sorted({v for one in lasting if (v := one.labels.get(f"{LABEL}version", ""))})),
        notes=notes,
    )


def _sources(config: Config, containers: Sequence[Container]) -> list[Container]:
    """The released service's containers first, then the others that matter, then any; of each those that run,
    the newest first: one that was only created, or failed, does not say where the others came from."""
    order = [config.released, *config.services]

    def place(one: Container) -> tuple[int, bool, float]:
        rank = order.index(one.service) if one.service in order else len(order)
        return rank, not one.running, -(one.created_at.timestamp() if one.created_at else 0)

    return sorted(containers, key=place)


Places = tuple[str, tuple[str, ...], tuple[str, ...]]


def _places(
    config: Config, sources: Sequence[Container], pin_file: Path
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    places = [_places_of(one, pin_file) for one in sources]
    directory, files, env_files = places[0]
    notes = [
        f"{one.shown} was made from other files than {sources[0].shown}"
        for one, told in zip(sources, places, strict=True)
        if told != places[0] and one.service in config.services
    ]
    if config.directory is not None and config.directory != directory:
        files, env_files = (_moved(those, directory, config.directory) for those in (files, env_files))
        directory = config.directory
    if not (config.files or files):
        notes.append("its labels name no file, as where it came from a pipe: set files")
    return directory, config.files or files, config.env_files or env_files, tuple(notes)


def _places_of(one: Container, pin_file: Path) -> Places:
    """What Compose's first version made has its files relative to the folder; ``-`` is what came from a pipe."""
    directory = one.labels.get(f"{LABEL}project.working_dir", "")
    directory = directory if directory.startswith("/") else ""

    def listed(name: str) -> tuple[str, ...]:
        parts = [part.strip() for part in one.labels.get(f"{LABEL}project.{name}", "").split(",")]
        whole = [str(Path(directory) / part) for part in parts if part not in ("", "-")]
        return tuple(file for file in whole if file.startswith("/") and file != str(pin_file))

    return directory, listed("config_files"), listed("environment_file")


def _moved(files: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    """The same files below the folder where the project is now; what lay elsewhere is there still."""
    return tuple(
        str(Path(new) / Path(file).relative_to(old)) if old and Path(file).is_relative_to(old) else file
        for file in files
    )
