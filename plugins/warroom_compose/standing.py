"""Which engine this is, what goes on in the project just now, and whether a rollback would work in it."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta
from typing import Any

from warroom.api import Context, ProgramMissing, Ready, WarroomError
from warroom.model.units import listed, many
from warroom_compose.client import Engine, engine
from warroom_compose.config import Config
from warroom_compose.images import Image, images, reference
from warroom_compose.project import Container, NoProject, Project, find
from warroom_compose.registry import digest_of
from warroom_compose.releases import ComposeReleases
from warroom_compose.times import instant

LEAST_FREE = 2 * 2**30
"""Bytes for another image and its container, where nothing better is known."""
FRESH = timedelta(minutes=2)
"""How long after it was made a container still counts as being brought up."""
CLOCKS_S = 5.0
_READABLE = ("json-file", "local", "journald")
"""Log drivers that the engine can always read back; others only where it keeps a copy."""
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class ComposeIdentity:
    async def fingerprint(self, ctx: Context) -> str:
        """The engine's own ID, which it keeps over restarts and no other engine has, and the project's name."""
        async with engine(ctx) as of:
            info = await of.ask(lambda api: api.info())
        if not info.get("ID"):
            raise WarroomError("The Docker engine's identity can't be read", f"{of.at.name} says no ID")
        return f"docker-{info['ID']}/{ctx.config.project}"


class ComposeDeploying:
    async def deploying(self, ctx: Context) -> str:
        """By what Compose leaves to see while it works. A pull leaves nothing, so "nothing" is never quite sure."""
        try:
            async with engine(ctx) as of:
                project, info = await asyncio.gather(find(ctx, of), of.ask(lambda api: api.info()))
        except NoProject:
            return ""
        now = instant(info.get("SystemTime")) or ctx.clock.now()
        told = [words for one in project.containers if (words := _under_way(one, now))]
        told += [words for service in project.services if (words := _mixed(project, service))]
        return f"in {ctx.platform}: {listed(list(dict.fromkeys(told)), 3)}"[:300] if told else ""


def _under_way(one: Container, now: datetime) -> str:
    young = one.created_at is not None and now - one.created_at < FRESH
    if one.being_replaced:
        return f"{one.service} is being replaced"
    if one.state == "created" and young:
        return f"{one.shown} is about to start"
    if one.state == "removing":
        return f"{one.shown} is being removed"
    return f"{one.shown} is starting" if one.health == "starting" and young else ""


def _mixed(project: Project, service: str) -> str:
    kinds = {one.image_id for one in project.running(service)}
    return f"{service} runs {len(kinds)} different images" if len(kinds) > 1 else ""


class ComposeReadiness:
    async def ready(self, ctx: Context) -> Sequence[Ready]:
        try:
            async with engine(ctx) as of:
                return await _rows(ctx, of)
        except WarroomError as error:
            fix = error.hint or "start the Docker engine, or correct context or host"
            row = Ready("compose-engine", f"{ctx.platform}: the Docker engine answers", "not-ready", why(error), fix)
            return [row, await _compose(ctx)]


def why(error: WarroomError) -> str:
    return (f"{error.title}: {error.cause}" if error.cause else error.title)[:300]


async def _rows(ctx: Context, of: Engine) -> list[Ready]:
    version = await of.version()
    asked = ctx.clock.now()
    info = await of.ask(lambda api: api.info())
    told = ctx.clock.now()
    words = f"Docker {version.engine} at {of.at.name}"
    rows = [
        Ready("compose-engine", f"{ctx.platform}: the Docker engine answers", "ready", words),
        await _compose(ctx),
        _clock(ctx, instant(info.get("SystemTime")), asked, told),
        _disk(ctx, of, info),
    ]
    title = f"{ctx.platform}: the project is there"
    try:
        project = await find(ctx, of)
    except WarroomError as error:
        return [*rows, Ready("compose-project", title, "not-ready", why(error), error.hint or "start the project")]
    words = f"{project.name}: {many(len(project.containers), 'container')} of {listed(list(project.services), 8)}"
    rows += [Ready("compose-project", title, "ready", words), _files(ctx, project), _services(ctx, project)]
    checks: list[Callable[[], Coroutine[Any, Any, Ready]]] = [
        lambda: _definition(ctx, project),
        lambda: _target(ctx, of, project),
    ]
    rows += await asyncio.gather(*(check() for check in checks))
    return [*rows, _limits(ctx, project), _health(ctx, project), _logs(ctx, project), _pins(ctx, project)]


async def _compose(ctx: Context) -> Ready:
    """Version 2, the ``docker compose`` command. The older ``docker-compose`` alone won't do."""
    config: Config = ctx.config
    row, title = "compose-v2", f"{ctx.platform}: docker compose is here"
    fix = "install the Compose plugin of the docker command (docker compose), version 2"
    try:
        shown = await ctx.read.run([*config.docker, "compose", "version", "--short"], timeout=config.timeout + 10)
    except ProgramMissing as error:
        return Ready(row, title, "not-ready", why(error), "install the docker command, with its Compose plugin")
    except WarroomError as error:
        return Ready(row, title, "unknown", why(error), fix)
    match = _VERSION.search(shown.text)
    if shown.status == 0 and match is not None and int(match[1]) >= 2:
        return Ready(row, title, "ready", f"Docker Compose {shown.text.strip()[:40]}")
    try:
        old = await ctx.read.run(["docker-compose", "--version"], timeout=config.timeout + 10)
    except WarroomError:
        return Ready(row, title, "not-ready", "there is no docker compose on this machine", fix)
    if old.status == 0 and "version 1." in old.text:
        words = (
            "only docker-compose version 1 is here, which warroom does not use: it names and makes containers otherwise"
        )
        return Ready(row, title, "not-ready", words, fix)
    return Ready(row, title, "not-ready", "the docker command has no Compose plugin", fix)


def _clock(ctx: Context, there: datetime | None, asked: datetime, told: datetime) -> Ready:
    """Its answer was made between the two times of ours."""
    row, title = "compose-clock", f"{ctx.platform}: the engine's clock agrees with this machine's"
    if there is None:
        return Ready(row, title, "unknown", "it does not say what time it has")
    ahead, behind = (there - told).total_seconds(), (asked - there).total_seconds()
    if max(ahead, behind) > CLOCKS_S:
        words = f"it is {ahead:.1f} s ahead" if ahead > 0 else f"it is {behind:.1f} s behind"
        return Ready(row, title, "not-ready", words, "set the clocks: what happened first could not be told")
    return Ready(row, title, "ready", f"they are less than {CLOCKS_S:g} s apart")


def _disk(ctx: Context, of: Engine, info: dict[str, Any]) -> Ready:
    """Only where the engine's disk is this machine's: its API doesn't say what is free."""
    row, title = "compose-disk", f"{ctx.platform}: there is room for another image"
    root = str(info.get("DockerRootDir") or "")
    if not of.at.local or not root:
        return Ready(row, title, "unknown", "the engine is elsewhere, and does not say", f"df {root or '/'} there")
    try:
        free = shutil.disk_usage(root).free
    except OSError as error:
        return Ready(row, title, "unknown", f"{root}: {(error.strerror or str(error)).lower()}", f"df {root}")
    words = f"{free / 2**30:,.1f} GB free in {root}"
    if free < LEAST_FREE:
        return Ready(row, title, "not-ready", words, "docker image prune, or another disk")
    return Ready(row, title, "ready", words)


def _files(ctx: Context, project: Project) -> Ready:
    row, title = "compose-files", f"{ctx.platform}: the project's files can be read"
    fix = "set directory where the project has moved, or files and env_files"
    if not project.files:
        return Ready(
            row,
            title,
            "not-ready",
            "no file is known: its containers' labels name none, as where it came from a pipe",
            fix,
        )
    if missing := project.unreadable():
        return Ready(row, title, "not-ready", listed(list(missing), 2), fix)
    words = listed([*project.files, *project.env_files], 4)
    if project.notes:
        return Ready(row, title, "unknown", f"{words}; {listed(list(project.notes), 2)}", "say which with files")
    return Ready(row, title, "ready", words)


def _services(ctx: Context, project: Project) -> Ready:
    row, title = "compose-services", f"{ctx.platform}: the services that matter are there"
    config: Config = ctx.config
    missing = [name for name in config.services if not project.of(name)]
    if missing:
        words = f"no container of {listed(missing)}; there are {listed(list(project.services), 8)}"
        return Ready(row, title, "not-ready", words, "correct services, or start them")
    stopped = [name for name, one in config.services.items() if not one.one_shot and not project.running(name)]
    if stopped:
        return Ready(row, title, "not-ready", f"{listed(stopped)} not running", "find out why before a rollback")
    return Ready(row, title, "ready", listed(list(config.services), 8))


async def _definition(ctx: Context, project: Project) -> Ready:
    """Whether the files say today what the containers were made from: else the next ``up`` changes more than an image.

    A variable of the shell that first started it is such a difference, and so is an edited file.
    """
    row, title = "compose-definition", f"{ctx.platform}: its files still say what runs"
    fix = "compare docker compose config with what runs; set env_files or files as it was started"
    if not project.files or project.unreadable():
        return Ready(row, title, "unknown", "its files can't be read", fix)
    try:
        now = await hashes(ctx, project)
    except WarroomError as error:
        return Ready(row, title, "not-ready", why(error), fix)
    config: Config = ctx.config
    known = [one for name in config.services for one in project.of(name) if one.config_hash]
    missing = sorted({one.service for one in known} - now.keys())
    other = sorted({one.service for one in known if now.get(one.service, one.config_hash) != one.config_hash})
    if missing:
        words = f"{listed(missing)} not in the files, or in a profile that is not on"
        return Ready(row, title, "not-ready", words, "set profiles, or files")
    if other:
        words = f"{listed(other)} would be made otherwise now: a file, a variable or Compose itself has changed since"
        return Ready(row, title, "unknown", words, fix)
    return Ready(row, title, "ready", f"{many(len(now), 'service')} as when they were made")


async def hashes(ctx: Context, project: Project) -> dict[str, str]:
    """Compose's hash of each service by the files as they are now, and the pins. Raises WarroomError if it refuses."""
    shown = await ctx.read.run(project.argv("config", "--hash", "*"), timeout=ctx.config.timeout + 20)
    if shown.status != 0:
        said = shown.text.strip().splitlines()
        raise WarroomError("docker compose config refuses the project's files", said[-1][:300] if said else "")
    pairs = [line.split() for line in shown.text.splitlines()]
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2 and len(pair[1]) == 64}


async def _target(ctx: Context, of: Engine, project: Project) -> Ready:
    """An earlier image on the host, which needs no network; else a registry that answers."""
    row, title = "compose-target", f"{ctx.platform}: there is an image to go back to"
    running = {one.image_id for one in project.running(ctx.config.released)}
    there = await images(of)
    history = await ComposeReleases().history(ctx)
    known = {image.digest(image.repositories): image.id for image in there}
    earlier = [release for release in history if known.get(release.digest or "", release.digest) not in running]
    if earlier:
        return Ready(row, title, "ready", f"on the engine's host: {listed([one.name for one in earlier], 4)}")
    return await _registry(ctx, of, project, there, Ready(row, title, "unknown", ""))


async def _registry(ctx: Context, of: Engine, project: Project, there: Sequence[Image], row: Ready) -> Ready:
    """``row`` is what is filled in."""
    none = "the engine's host has no other image of it"
    containers = project.of(ctx.config.released)
    names = [ref for one in containers if (ref := reference(one.image)) is not None and ref.repository and ref.tag]
    if not names:
        return Ready(row.id, row.title, "not-ready", none, "keep earlier images, or use a registry")
    try:
        found = await digest_of(ctx, of, names[0])
    except WarroomError as error:
        return Ready(row.id, row.title, "not-ready", f"{none}; {why(error)}", "pull an earlier image beforehand")
    words = f"{none}; its registry {'answers' if found else f'does not have {names[0]}'}: name a target to be sure"
    return Ready(row.id, row.title, "unknown", words, "pull an earlier image beforehand")


def _limits(ctx: Context, project: Project) -> Ready:
    row, title = "compose-memory", f"{ctx.platform}: memory can be measured against a limit"
    config: Config = ctx.config
    without = [
        name
        for name, one in config.services.items()
        if not one.memory_limit and any(not each.memory_limit for each in project.running(name))
    ]
    if without:
        words = f"{listed(without)} without a limit: how full they are is unknown"
        return Ready(row, title, "unknown", words, "set mem_limit in the project, or memory_limit in the runbook")
    return Ready(row, title, "ready", "each running container has its limit")


def _health(ctx: Context, project: Project) -> Ready:
    row, title = "compose-health", f"{ctx.platform}: it can be told whether the services are well"
    config: Config = ctx.config
    without = [
        name
        for name, one in config.services.items()
        if not one.one_shot and not one.health_url and any(not each.checked for each in project.of(name))
    ]
    if without:
        words = f"{listed(without)} without a health check: that it runs is all that is known"
        return Ready(row, title, "unknown", words, "give it a healthcheck, or health_url in the runbook")
    return Ready(row, title, "ready", "each has a check")


def _logs(ctx: Context, project: Project) -> Ready:
    row, title = "compose-logs", f"{ctx.platform}: the logs can be read back"
    odd = sorted({f"{one.service} ({one.log_driver})" for one in project.containers if one.log_driver not in _READABLE})
    if odd:
        return Ready(row, title, "unknown", f"not surely of {listed(odd)}", "use the driver local or json-file")
    return Ready(row, title, "ready", listed(sorted({one.log_driver for one in project.containers})))


def _pins(ctx: Context, project: Project) -> Ready:
    """A pin that is left over keeps an image whatever is deployed afterwards."""
    row, title = "compose-pins", f"{ctx.platform}: no image is pinned"
    if project.pinned:
        return Ready(row, title, "unknown", f"{project.pin_file} is there", "take the pins away once all is well again")
    return Ready(row, title, "ready", f"{project.pin_file} is not there")
