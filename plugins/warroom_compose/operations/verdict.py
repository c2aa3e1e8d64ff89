"""What became of a cut-over: which image runs, how it is with it, and how long nothing was there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from warroom.api import Context, Facts, WarroomError
from warroom.model.plan import Look
from warroom_compose.config import Config
from warroom_compose.images import TAG, short
from warroom_compose.operations.downtime import Gap, Moment, gap, measured, summed
from warroom_compose.operations.pulling import every
from warroom_compose.operations.scene import Scene, before, scene, unseen
from warroom_compose.operations.seeing import image, moments, plight, standing
from warroom_compose.project import Container, inspected
from warroom_compose.said import said_by
from warroom_compose.times import ns_of

SETTLED_S = 3.0
"""How long a container that nobody checks must have run before "it runs" says anything."""
_ASK_S = 4.0


@dataclass(frozen=True)
class Seen:
    """Of one service. ``new``: it runs the target; ``old``: what it ran before; both where these are the same."""

    service: str
    new: bool
    old: bool
    well: bool
    words: str


async def seen_of(ctx: Context, facts: Facts, version: str) -> Look:
    """``done``: every service runs the very image, is well, and says that version where it says one. Only read."""
    try:
        async with scene(ctx) as here:
            found = [await _service(ctx, here, facts, target, version) for target in every(facts)]
            if all(each.new and each.well for each in found):
                down = await _downtime(here, facts)
                seen = "; ".join([*(each.words for each in found), summed(down)])
                return Look(verdict="done", seen=seen, outputs=measured(down))
    except WarroomError as error:
        return unseen(error)
    words = "; ".join(each.words for each in found)
    if all(each.old and not each.new for each in found):
        return Look(verdict="not-begun", seen=words)
    untouched = all(each.old for each in found) and _same_containers(here, facts)
    return Look(verdict="not-begun" if untouched else "partly", seen=words)


async def _service(ctx: Context, here: Scene, facts: Facts, target: Mapping[str, Any], version: str) -> Seen:
    name, wanted = str(target["service"]), str(target["image"])
    if not wanted:  # it was not on the host yet when the plan was made
        local = await image(here.engine, str(target["ref"]))
        wanted = local.id if local is not None else ""
    containers = here.project.of(name)
    if not containers:
        return Seen(name, False, False, False, f"{name} has no container")
    images = sorted({one.image_id for one in containers})
    new, old = images == [wanted], images == list(target["before"])
    runs = f"{name} runs {short(str(target['ref'])) if new else ', '.join(map(short, images))}"
    ill = [one for one in containers if not one.running or one.health not in ("none", "healthy")]
    if ill:
        stands = ", ".join(f"{one.shown} is {standing(one)}" for one in containers)
        if not new:
            return Seen(name, new, old, False, f"{runs}; {stands}")
        told = [await plight(here.engine, one) for one in ill[:2]]
        return Seen(name, new, old, False, f"FAIL: {runs}, as asked, but {'; '.join(told)}")
    if not new:
        asked = f", not {short(str(target['ref']))}"
        return Seen(name, new, old, True, f"{runs}{'' if old else asked}")
    if len(containers) < int(target["replicas"]):
        return Seen(name, new, old, False, f"{runs} in {len(containers)} of {target['replicas']} containers")
    return await _by_itself(ctx, here, Seen(name, new, old, True, runs), containers, target, version)


async def _by_itself(
    ctx: Context, here: Scene, seen: Seen, containers: Sequence[Container], target: Mapping[str, Any], version: str
) -> Seen:
    """What the engine can't tell: whether one without a health check lasts and answers, and which version answers."""
    config: Config = ctx.config
    service = config.services.get(seen.service)
    health = "healthy" if target["checked"] else ""
    well = True
    if not target["checked"]:
        well, health = await _lasts(ctx, here, containers)
        if service is not None and service.health_url is not None and well:
            well, health = await _answers(ctx, service.health_url)
    said = ""
    if well and service is not None and service.version_url is not None:
        well, said = await says(ctx, service.version_url, target, version)
    fail = "" if well else "FAIL: "
    return Seen(
        seen.service, seen.new, seen.old, well, ", ".join(w for w in (f"{fail}{seen.words}", health, said) if w)
    )


async def _lasts(ctx: Context, here: Scene, containers: Sequence[Container]) -> tuple[bool, str]:
    """It has run for a while without being started again; waited for, since nobody else looks."""
    young = max(ns_of(one.started_at) for one in containers)
    left = SETTLED_S - (here.stand.now - young) / 1e9
    if left > 0:
        await ctx.clock.sleep(min(left, SETTLED_S))
        fresh = await asyncio.gather(*(_state(here, one) for one in containers))
        for one, (status, started) in zip(containers, fresh, strict=True):
            if status != "running" or started != one.started_at:
                return False, f"and it does not last: {await plight(here.engine, one)}"
    return True, f"and has run for {SETTLED_S:g} s (it has no health check)"


async def _state(here: Scene, one: Container) -> tuple[str, object]:
    told = inspected(await here.engine.ask(lambda api: api.inspect_container(one.id)))
    return told.state, told.started_at


async def _answers(ctx: Context, url: str) -> tuple[bool, str]:
    try:
        reply = await ctx.read.http("GET", url, timeout=_ASK_S)
    except WarroomError as error:
        return False, f"its health address does not answer: {error}"
    return 200 <= reply.status < 300, f"its health address answers {reply.status}"


async def says(ctx: Context, url: str, target: Mapping[str, Any], version: str) -> tuple[bool, str]:
    """By its own word. What nobody knows of the image, such as a version where it is only called ``latest``, can't be
    compared."""
    said = await said_by(ctx, url, _ASK_S)
    if said is None or not (said.version or said.commit):
        return False, said.words if said is not None else ""
    named = {name for name in (version, str(target["version"])) if TAG.fullmatch(name) and name != "latest"}
    commit = str(target["commit"])
    if said.version and named:
        same = any(same_version(said.version, name) for name in named)
        return same, said.words if same else f"{said.words}, not {' or '.join(sorted(named))}"
    if said.commit and commit:
        same = commit.startswith(said.commit) or said.commit.startswith(commit)
        return same, said.words if same else f"{said.words}, not {commit[:12]}"
    return True, said.words


def same_version(one: str, other: str) -> bool:
    """``v1.2`` and ``1.2`` name one."""
    return one.removeprefix("v") == other.removeprefix("v")


def _same_containers(here: Scene, facts: Facts) -> bool:
    services = [str(target["service"]) for target in every(facts)]
    return all(sorted(one.id for one in here.project.of(s)) == sorted(before(facts, s)) for s in services)


async def _downtime(here: Scene, facts: Facts) -> list[Gap]:
    now = facts["now"]
    since = int(now) if isinstance(now, int | float) else 0
    project = here.project
    seen: list[Moment] = await moments(here.engine, project.name, since, here.stand.now)
    found = []
    for target in every(facts):
        name = str(target["service"])
        old = before(facts, name)
        new = [one for one in project.of(name) if one.id not in old]
        if not new:
            found.append(Gap(name, 0.0))
            continue
        made = [ns_of(one.created_at) for one in new]
        stopped = int(target["stopped_at"]) or None
        found.append(
            gap(
                name, seen, old, checked=bool(target["checked"]), stopped_at=stopped, created_at=min(made, default=None)
            )
        )
    return found
