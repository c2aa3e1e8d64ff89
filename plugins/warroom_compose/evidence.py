"""Evidence before anything is changed: all logs with their times, what runs and how, what happened, which images.

What containers have in their environment is told to ``ctx.hide`` first, so that its secrets stand in no file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from warroom.api import Context, Folder, WarroomError
from warroom_compose.client import Engine, NotThere, engine
from warroom_compose.config import Config
from warroom_compose.events import happened, query
from warroom_compose.files import contents
from warroom_compose.lines import entries, objects
from warroom_compose.logs import source_of
from warroom_compose.project import find, hide, inspected, labelled
from warroom_compose.times import instant, moment

AT_ONCE = 8
MOST_LINES = 1_000_000
"""Of one container's log, the newest; where there were more, the file's end says so."""
EVENTS_S = 24 * 3600
_BLOCK = 2**18


async def _all(of: Engine, project: str) -> list[dict[str, Any]]:
    """What the engine knows of each container, stopped ones and those of ``docker compose run`` too."""
    wanted = labelled(project)
    listed = await of.ask(lambda api: api.containers(all=True, filters=wanted))
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(container: str) -> dict[str, Any] | None:
        async with gate:
            try:
                return dict(await of.ask(lambda api: api.inspect_container(container)))
            except NotThere:
                return None

    found = await asyncio.gather(*(ask(str(one["Id"])) for one in listed))
    return [one for one in found if one is not None]


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode()


class LogCollector:
    """Each container's whole log, both streams in their order, every line with its time."""

    name = "compose-logs"
    kinds: tuple[str, ...] = ("logs",)
    timeout_s = 120.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        """One that can't be read says so in its own file; with none at all it raises."""
        async with engine(ctx) as of:
            containers = await _all(of, ctx.config.project)
            if not containers:
                raise WarroomError("There are no logs", f"the engine has no container of {ctx.config.project}")
            hide(ctx, *containers)
            gate = asyncio.Semaphore(AT_ONCE)

            async def one(told: dict[str, Any]) -> WarroomError | None:
                async with gate:
                    return await _log(of, told, folder)

            errors = await asyncio.gather(*(one(told) for told in containers))
        if all(errors):
            raise next(error for error in errors if error is not None)


async def _log(of: Engine, told: dict[str, Any], folder: Folder) -> WarroomError | None:
    found = inspected(told)
    name = f"{source_of(found)}-{found.id[:12]}.log".replace("/", "_")
    async with folder.file(name, kind="logs") as part:
        try:
            stream = await of.read(
                f"/containers/{found.id}/logs", stdout=True, stderr=True, timestamps=True, tail=MOST_LINES, timeout=30
            )
            await _written(part, stream, found.tty)
        except WarroomError as error:
            with part.open("a", encoding="utf-8") as file:
                file.write(f"warroom: this log can't be read to its end: {error}\n")
            return error
    return None


async def _written(part: Path, stream: AsyncIterator[bytes], tty: bool) -> None:
    block: list[str] = []
    size = lines = 0
    with part.open("w", encoding="utf-8") as file:
        async for entry in entries(stream, tty=tty):
            block.append(
                f"{moment(entry.ns).isoformat()} {entry.stream} {entry.text}\n".replace("\0", "\N{SYMBOL FOR NULL}")
            )
            size, lines = size + len(block[-1]), lines + 1
            if size >= _BLOCK:
                file.writelines(block)
                size = 0
                block.clear()
                await asyncio.sleep(0)
        if lines >= MOST_LINES:
            block.append(f"warroom: these are its newest {lines} lines; older ones are not here\n")
        file.writelines(block)


class StateCollector:
    """What runs and how, which images there are, and what happened to the containers in the last day."""

    name = "compose-state"
    kinds: tuple[str, ...] = ("containers", "versions", "events")
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        async with engine(ctx) as of:
            containers = await _all(of, ctx.config.project)
            hide(ctx, *containers)
            info, version, there, events = await asyncio.gather(
                of.ask(lambda api: api.info()),
                of.ask(lambda api: api.version()),
                of.ask(lambda api: api.images()),
                _events(ctx, of),
            )
        shown = {key: info.get(key) for key in _INFO}
        await folder.write("containers.json", _json(containers), kind="containers")
        versions = {"engine": shown, "version": version, "images": there}
        await folder.write("versions.json", _json(versions), kind="versions")
        await folder.write("events.json", _json(events), kind="events")


_INFO = (
    *("ID", "Name", "ServerVersion", "OperatingSystem", "KernelVersion", "Architecture", "NCPU", "MemTotal"),
    *("SystemTime", "Driver", "LoggingDriver", "CgroupVersion", "DockerRootDir", "Containers", "ContainersRunning"),
    *("Images", "Warnings"),
)
"""Not all of it: proxies there may hold passwords."""


async def _events(ctx: Context, of: Engine) -> dict[str, Any]:
    """The engine keeps the newest 256 of all its containers together, and forgets them when it is started anew. A
    health check is three of them: what happened an hour ago stands in warroom's own log of the source ``docker``."""
    now = instant((await of.ask(lambda api: api.info())).get("SystemTime")) or ctx.clock.now()
    until = now.timestamp()
    stream = await of.read(
        "/events", filters=query(ctx.config.project), since=f"{until - EVENTS_S:.9f}", until=f"{until:.9f}", timeout=20
    )
    found = [one async for event in objects(stream) for one in happened(event)]
    rows = [{"at": moment(one.ns).isoformat(), **asdict(one)} for one in found]
    return {
        "until": now.isoformat(),
        "note": "the engine keeps only its newest 256 events, health checks among them",
        "events": rows,
    }


class DefinitionCollector:
    """The project's files as they are, and what Compose makes of them, pins and variables filled in."""

    name = "compose-definition"
    kinds: tuple[str, ...] = ("config",)
    timeout_s = 60.0

    async def collect(self, ctx: Context, folder: Folder) -> None:
        config: Config = ctx.config
        async with engine(ctx) as of:
            project = await find(ctx, of)
            hide(ctx, *await _all(of, config.project))
        _hide_files(ctx, project.env())
        async with folder.file("compose.rendered.yaml", kind="config") as part:
            argv = project.argv("config", "--output", str(part))
            shown = await ctx.read.run(argv, timeout=config.timeout + 20)
            if shown.status != 0 or not part.exists():
                part.write_text(f"# docker compose config refused these files:\n# {shown.text[:4000]}\n")
            else:
                _hide_rendered(ctx, part)
        # After that, since what is secret in a service without a container is known by then.
        places = {"directory": project.directory, "files": project.definition(), "command": project.argv("config")}
        await folder.write("definition.json", _json(places), kind="config")
        for number, file in enumerate(project.files, 1):
            await folder.write(f"{number}-{Path(file).name}", _bytes_of(Path(file)), kind="config")


def _bytes_of(file: Path) -> bytes:
    try:
        return contents(file)
    except OSError as error:
        return f"# {file} can't be read: {(error.strerror or str(error)).lower()}\n".encode()


def _hide_files(ctx: Context, files: tuple[str, ...]) -> None:
    """Env files themselves are not taken: nearly all in them is secret. What they set is told to the redactor."""
    for file in files:
        try:
            text = contents(file).decode("utf-8", "replace")
        except OSError:
            continue
        pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
        ctx.hide({name.strip().removeprefix("export "): value.strip().strip("\"'") for name, _, value in pairs})


def _hide_rendered(ctx: Context, part: Path) -> None:
    """A service that has no container yet has its secrets here only."""
    import yaml

    try:
        told = yaml.safe_load(part.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError:
        return
    services = told.get("services") if isinstance(told, dict) else None
    for one in (services or {}).values():
        found = one.get("environment") if isinstance(one, dict) else None
        if isinstance(found, dict):
            ctx.hide({str(name): str(value) for name, value in found.items() if value is not None})
