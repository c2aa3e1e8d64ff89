"""Services stopped, started and restarted as they are, and more or fewer of their containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from warroom.api import BadInput, Context, Facts, WarroomError
from warroom.model.base import Duration
from warroom.model.call import Call, CallResult
from warroom.model.plan import Look, Preview, Risk
from warroom_compose import calls, pins
from warroom_compose.config import Config, ServiceName
from warroom_compose.images import short
from warroom_compose.operations.args import Services, ServicesArgs
from warroom_compose.operations.definition import definitions, refuse_v1
from warroom_compose.operations.scene import (
    Scene,
    before,
    mapping,
    name_of,
    pinned,
    scene,
    there,
    unseen,
    words,
)
from warroom_compose.operations.seeing import image, plight, standing
from warroom_compose.project import Container
from warroom_compose.times import ns_of

EXPECTED_S = 5.0
STOPPED = (0, 128 + 9, 128 + 15)
"""How a container exits that was asked to, or was killed for not doing so: nobody can tell it from one not started."""


class StopArgs(ServicesArgs):
    """``grace``: between asking and killing; left out, what the project's files say (10 s where they say nothing)."""

    grace: Annotated[Duration, Field(ge=0, le=600)] | None = None


class StartArgs(ServicesArgs):
    """``after_stop``: a step before it, in the same plan, stops them all; so taking it back stops them again."""

    after_stop: bool = False


async def facts_of(ctx: Context, services: Services) -> dict[str, Any]:
    async with scene(ctx) as here:
        there(here.project, services)
        await refuse_v1(ctx)
        facts = here.facts(services)
        running = [service for service in services if here.project.running(service)]
        started = {one.id: ns_of(one.started_at) for one in here.project.of(*services)}
        counts = {service: len(here.project.of(service)) for service in services}
    return {**facts, "running": running, "started": started, "counts": counts}


def _stands(containers: Sequence[Container]) -> str:
    return ", ".join(f"{one.shown} is {standing(one)}" for one in containers) or "there is no container"


class Stop:
    name = "stop"
    title = "Stop services"
    risk: Risk = "disruptive"
    args: type[BaseModel] = StopArgs

    async def facts(self, ctx: Context, args: StopArgs) -> Facts:
        return await facts_of(ctx, args.services)

    def preview(self, config: Config, args: StopArgs, facts: Facts) -> Preview:
        compose, running = words(facts["usual"]), words(facts["running"])
        stop = calls.stop(compose, args.services, args.grace)
        return Preview(
            calls=(stop,),
            inverse=(calls.plain(words(facts["bare"]), "start", *running),) if running else None,
            no_inverse="" if running else "none of them runs",
            idle=not running,
            pinned=pinned(facts, definition=False),
            restores="",
            stops=tuple(running),
            notes=("their containers stay, with what they wrote: only `up` makes new ones",),
            expected_s=EXPECTED_S,
            timeout_s=(args.grace or 0) + calls.SLACK * 2 + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: StopArgs, facts: Facts) -> Look:
        try:
            async with scene(ctx) as here:
                found = here.project.of(*args.services)
        except WarroomError as error:
            return unseen(error)
        up = [one for one in found if one.state not in ("exited", "created", "dead")]
        if not up:
            return Look(verdict="done", seen=_stands(found))
        ended = {one.service for one in found} - {one.service for one in up}
        begun = ended & set(words(facts["running"]))
        return Look(verdict="partly" if begun else "not-begun", seen=_stands(found))


class Start:
    """As they are, from the images they were made from."""

    name = "start"
    title = "Start services again"
    risk: Risk = "disruptive"
    args: type[BaseModel] = StartArgs

    async def facts(self, ctx: Context, args: StartArgs) -> Facts:
        return await facts_of(ctx, args.services)

    def preview(self, config: Config, args: StartArgs, facts: Facts) -> Preview:
        compose = words(facts["usual"])
        running = () if args.after_stop else words(facts["running"])
        stopped = [service for service in args.services if service not in running]
        return Preview(
            calls=(calls.plain(compose, "start", *args.services),),
            inverse=(calls.stop(words(facts["bare"]), stopped),) if stopped else None,
            no_inverse="" if stopped else "all of them run already",
            idle=not stopped,
            pinned=pinned(facts),
            restores="",
            starts=tuple(stopped),
            notes=("services that they need are started as well",),
            expected_s=EXPECTED_S,
            timeout_s=calls.SLACK * 2 + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: StartArgs, facts: Facts) -> Look:
        try:
            async with scene(ctx) as here:
                return await _running(here, args.services, facts)
        except WarroomError as error:
            return unseen(error)


async def _running(here: Scene, services: Sequence[str], facts: Facts) -> Look:
    found = here.project.of(*services)
    down = [one for one in found if not one.running]
    if found and not down:
        return Look(verdict="done", seen=_stands(found))
    fresh = [one for one in down if ns_of(one.started_at) != mapping(facts["started"]).get(one.id)]
    if fresh:
        stopped = down == list(found) and all(one.exit_code in STOPPED and not one.oom_killed for one in down)
        return Look(verdict="not-begun" if stopped else "partly", seen=await plight(here.engine, fresh[0]))
    up = [one for one in found if one.service not in words(facts["running"]) and one.running]
    return Look(verdict="partly" if up else "not-begun", seen=_stands(found))


class Restart:
    name = "restart"
    title = "Restart services"
    risk: Risk = "disruptive"
    args: type[BaseModel] = StopArgs

    async def facts(self, ctx: Context, args: StopArgs) -> Facts:
        return await facts_of(ctx, args.services)

    def preview(self, config: Config, args: StopArgs, facts: Facts) -> Preview:
        grace = () if args.grace is None else ("-t", str(round(args.grace)))
        line = ("restart", "--no-deps", *grace, *args.services)
        timeout = (args.grace or 0) + calls.SLACK * 2
        return Preview(
            calls=(calls.plain(words(facts["usual"]), *line, timeout_s=timeout),),
            no_inverse="a restart has nothing to take back",
            pinned=pinned(facts, definition=False),
            notes=("the same containers, the same images: what the project's files say now does not count",),
            expected_s=EXPECTED_S,
            timeout_s=timeout + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: StopArgs, facts: Facts) -> Look:
        try:
            async with scene(ctx) as here:
                found = here.project.of(*args.services)
                began = mapping(facts["started"])
                fresh = [one for one in found if ns_of(one.started_at) != began.get(one.id)]
                if not fresh:
                    return Look(verdict="not-begun", seen=f"{_stands(found)}; none was started again")
                ill = [one for one in found if not one.running]
                if ill:
                    return Look(verdict="partly", seen=await plight(here.engine, ill[0]))
        except WarroomError as error:
            return unseen(error)
        seen = f"{_stands(found)}; {len(fresh)} of {len(found)} started again"
        return Look(verdict="done" if len(fresh) == len(found) else "partly", seen=seen)


async def _another_image(ctx: Context, here: Scene, name: str) -> str:
    """Why a new container would not run what the others do, in words; empty where it would."""
    defined = (await definitions(ctx, here.project, (name,))).services[name]
    path = str(here.project.pin_file)
    text = pins.text_of(here.project.pin_file) if here.pinned((name,)) else None
    named = (pins.parsed(text, path) if text else {}).get(name) or defined.image or f"{here.project.name}-{name}"
    local = await image(here.engine, named)
    if local is None:
        return f"{named}, from which a new one would be made, is not on the host"
    running = {one.image_id for one in here.project.of(name)}
    if running <= {local.id}:
        return ""
    runs = ", ".join(map(short, sorted(running)))
    return f"a new one would be made from {named}, which is {short(local.id)}; {runs} runs"


class ScaleArgs(ServicesArgs):
    """``services`` is the one that is scaled, ``to`` how many containers of it there shall be."""

    services: Annotated[tuple[ServiceName, ...], Field(min_length=1, max_length=1)]
    to: int = Field(ge=0, le=100)
    wait: Annotated[Duration, Field(ge=1, le=1800)] = 60


class Scale:
    """More or fewer containers; those that are there stay as they are."""

    name = "scale"
    title = "Scale a service"
    risk: Risk = "disruptive"
    args: type[BaseModel] = ScaleArgs

    async def facts(self, ctx: Context, args: ScaleArgs) -> Facts:
        name = args.services[0]
        async with scene(ctx) as here:
            facts = here.facts(args.services)
            found = here.project.of(name)
            other = await _another_image(ctx, here, name)
        if other and args.to > len(found):
            raise BadInput(f"More of {name} would not be the same", other, "pin the image that runs, then scale")
        return {**facts, "count": len(found), "other": other}

    def preview(self, config: Config, args: ScaleArgs, facts: Facts) -> Preview:
        name, was = args.services[0], int(str(facts["count"]))

        def to(count: int) -> Call:
            compose = words(facts["usual"])
            return calls.up(compose, (name,), wait_s=args.wait, waits=False, replicas={name: count}, recreate=False)

        return Preview(
            calls=(to(args.to),),
            inverse=None if was == args.to or (facts["other"] and was > args.to) else (to(was),),
            no_inverse=f"there are {was} already" if was == args.to else str(facts["other"]),
            idle=was == args.to,
            pinned=pinned(facts),
            changes=(name_of(name),),
            destroys=("logs",) if args.to < was else (),
            notes=(f"{name}: from {was} to {args.to}; an `up` without --scale goes back to what its files say",),
            expected_s=EXPECTED_S,
            timeout_s=args.wait + calls.SLACK + 30,
        )

    def outputs(self, results: Sequence[CallResult]) -> Mapping[str, str]:
        return {}

    async def check(self, ctx: Context, args: ScaleArgs, facts: Facts) -> Look:
        name, was = args.services[0], int(str(facts["count"]))
        try:
            async with scene(ctx) as here:
                found = here.project.of(name)
                ill = [one for one in found if not one.running or one.health == "unhealthy"]
                if len(found) == args.to and ill and any(one.id not in before(facts, name) for one in ill):
                    return Look(verdict="partly", seen=await plight(here.engine, ill[0]))
        except WarroomError as error:
            return unseen(error)
        seen = f"{name} has {len(found)}: {_stands(found)}" if found else f"{name} has no container"
        if len(found) == args.to:
            return Look(verdict="done", seen=seen)
        return Look(verdict="not-begun" if len(found) == was else "partly", seen=seen)
