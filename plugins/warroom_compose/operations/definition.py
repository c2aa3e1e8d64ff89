"""What the project's files say of its services, as Compose itself renders them; without the pins."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from warroom.api import Context, ProgramFailed, WarroomError
from warroom.model.base import canonical, sha256
from warroom.model.call import CallResult
from warroom_compose.config import Config
from warroom_compose.project import Project

_UNSET = re.compile(r'The \\?"([A-Za-z_][A-Za-z0-9_]*)\\?" variable is not set')
_TIMEOUT = 25.0
FRESH_S = 3.0
"""How long what was rendered is taken for the same, where none of the project's files has changed: the steps of a plan
are looked at one after the other, and each would wait for Compose again."""


_KEPT: WeakKeyDictionary[Any, dict[Any, tuple[float, CallResult]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Definition:
    """``check``: its own health check, none ("disabled"), or what its image has. ``after``: the services it needs.

    ``one_shot``: others wait until it has ended. ``image`` is empty for one that is only built. ``digest`` is of all of
    it as rendered, its environment too, so that it differs once a file or a variable has changed.
    """

    image: str = ""
    replicas: int = 1
    check: str = "image"
    after: tuple[str, ...] = ()
    one_shot: bool = False
    digest: str = ""


@dataclass(frozen=True)
class Definitions:
    services: Mapping[str, Definition]
    unset: tuple[str, ...] = ()
    """Variables that the files use and that have no value here: Compose takes them for empty."""


async def definitions(ctx: Context, project: Project, services: Sequence[str]) -> Definitions:
    """Raises WarroomError where Compose can't render them, or doesn't know one of them."""
    if unreadable := project.unreadable():
        raise WarroomError(
            "The project's files can't be read here",
            "; ".join(unreadable)[:400],
            "Say in the runbook where they are now: directory, files and env_files.",
        )
    done = await _rendered(ctx, project, services)
    if done.status != 0:
        await refuse_v1(ctx)
        raise ProgramFailed(
            f"Compose can't render the project {project.name}", _last(done.text), "Mend its files, or name others."
        )
    try:
        told, end = json.JSONDecoder().raw_decode(done.text)
        rendered = {str(name): dict(body) for name, body in (told.get("services") or {}).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise WarroomError("What Compose renders can't be read", f"{error}"[:200]) from None
    missing = [service for service in services if service not in rendered]
    if missing:
        raise WarroomError(
            f"The project's files have no service {missing[0]}", f"they have: {', '.join(rendered)}"[:300]
        )
    awaited = {
        name
        for body in rendered.values()
        for name, how in _needs(body).items()
        if how == "service_completed_successfully"
    }
    config: Config = ctx.config
    shots = awaited | {name for name, service in config.services.items() if service.one_shot}
    unset = tuple(dict.fromkeys(_UNSET.findall(done.text[end:])))
    return Definitions({name: _definition(body, name in shots) for name, body in rendered.items()}, unset)


async def _rendered(ctx: Context, project: Project, services: Sequence[str]) -> CallResult:
    argv = project.argv("config", "--format", "json", *services, pins=False)
    key = (argv, tuple(project.definition().items()))
    kept = _KEPT.setdefault(ctx.read, {})
    now = ctx.clock.monotonic()
    if key in kept and now - kept[key][0] < FRESH_S:
        return kept[key][1]
    done = await ctx.read.run(argv, timeout=_TIMEOUT)
    for old in [each for each, (at, _) in kept.items() if now - at >= FRESH_S]:
        del kept[old]
    if done.status == 0:
        kept[key] = (now, done)
    return done


async def refuse_v1(ctx: Context) -> None:
    """Raises ProgramFailed where there is no Compose v2: the old ``docker-compose`` is another program."""
    config: Config = ctx.config
    done = await ctx.read.run([*config.docker, "compose", "version", "--short"], timeout=_TIMEOUT)
    major = done.text.strip().removeprefix("v").partition(".")[0]
    if done.status != 0 or not major.isdecimal() or int(major) < 2:
        raise ProgramFailed(
            "There is no Compose v2 on this machine",
            f"docker compose version: {_last(done.text)}",
            "Install Docker's compose plugin. docker-compose, which is version 1, is not spoken.",
        )


def _definition(body: Mapping[str, Any], one_shot: bool) -> Definition:
    check = body.get("healthcheck") or {}
    test = check.get("test") or []
    disabled = bool(check.get("disable")) or test[:1] == ["NONE"]
    replicas = (body.get("deploy") or {}).get("replicas", body.get("scale"))
    return Definition(
        image=str(body.get("image") or ""),
        replicas=1 if replicas is None else int(replicas),
        check="disabled" if disabled else "own" if test else "image",
        after=tuple(_needs(body)),
        one_shot=one_shot,
        digest=sha256(canonical(body)),
    )


def _needs(body: Mapping[str, Any]) -> dict[str, str]:
    needed = body.get("depends_on") or {}
    return {str(name): str((how or {}).get("condition", "")) for name, how in needed.items()}


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def in_order(services: Sequence[str], definitions: Mapping[str, Definition]) -> tuple[tuple[str, ...], ...]:
    """The services in groups: what another one needs, also through others, comes in an earlier group."""
    reached: dict[str, set[str]] = {}

    def needs(service: str, path: frozenset[str]) -> set[str]:
        if service not in reached:
            found: set[str] = set()
            for name in definitions[service].after if service in definitions else ():
                if name not in path:
                    found |= {name} | needs(name, path | {name})
            reached[service] = found
        return reached[service]

    left, groups = list(services), []
    while left:
        free = [s for s in left if not needs(s, frozenset({s})) & (set(left) - {s})] or left
        groups.append(tuple(free))
        left = [service for service in left if service not in free]
    return tuple(groups)
