"""Questions asked at verification: do the services run, and from the image that was meant?"""

from __future__ import annotations

from pydantic import BaseModel, Field, JsonValue

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Fact
from warroom_compose.client import engine
from warroom_compose.config import Config, ServiceName
from warroom_compose.images import short
from warroom_compose.operations.args import Digest, Services
from warroom_compose.operations.seeing import image, plight, standing
from warroom_compose.operations.verdict import same_version
from warroom_compose.project import Container, find
from warroom_compose.said import said_by


class RunningArgs(Fact):
    """``services``: those that must run; left out, all that the platform's configuration names and that last."""

    services: tuple[ServiceName, ...] = Field(default=(), max_length=100)


class ServicesRunning:
    """The runbook's own list: each has a container, all of its containers run, and none is called unhealthy."""

    name = "services-running"
    args: type[BaseModel] = RunningArgs

    async def probe(self, ctx: Context, args: RunningArgs) -> Probed:
        config: Config = ctx.config
        wanted = args.services or tuple(name for name, service in config.services.items() if not service.one_shot)
        try:
            async with engine(ctx) as opened:
                project = await find(ctx, opened)
                found = {name: project.of(name) for name in wanted}
                ill = [one for those in found.values() for one in those if not _well(one)]
                told = [await plight(opened, one) for one in ill[:3]]
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        absent = [f"{name} has no container" for name, those in found.items() if not those]
        waiting = [one for one in ill if one.running and one.health == "starting"]
        numbers: dict[str, JsonValue] = {
            name: len([one for one in those if one.running]) for name, those in found.items()
        }
        if absent or len(ill) > len(waiting):
            return Probed("fail", "; ".join([*absent, *told]), numbers)
        if waiting:
            return Probed("inconclusive", "; ".join(told), numbers)
        words = ", ".join(f"{one.shown} is {standing(one)}" for those in found.values() for one in those)
        return Probed("pass", words, numbers)


def _well(one: Container) -> bool:
    return one.running and one.health in ("none", "healthy")


class DigestArgs(Fact):
    """``digest``: a registry's, or an image's ID. ``version``: what the app must call itself, where it is asked."""

    services: Services
    digest: Digest
    version: str = Field(default="", max_length=200)


class RunningDigest:
    """The image of every running container is the one that was meant, and the app says so too, where it is asked."""

    name = "running-digest"
    args: type[BaseModel] = DigestArgs

    async def probe(self, ctx: Context, args: DigestArgs) -> Probed:
        config: Config = ctx.config
        words: list[str] = []
        good = True
        try:
            async with engine(ctx) as opened:
                project = await find(ctx, opened)
                for name in args.services:
                    images = {one.image_id for one in project.running(name)}
                    if not images:
                        return Probed("fail", f"{name} does not run")
                    for image_id in sorted(images):
                        local = await image(opened, image_id)
                        known = [image_id, *(d.rpartition("@")[2] for d in (local.digests if local else ()))]
                        same = args.digest in known
                        good = good and same
                        words.append(f"{name} runs {short(known[-1])}{'' if same else f', not {short(args.digest)}'}")
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        for name in args.services:
            service = config.services.get(name)
            said = await said_by(ctx, service.version_url if service else None, 4)
            if said is not None and args.version:
                same = bool(said.version) and same_version(said.version, args.version)
                good = good and same
                words.append(said.words if same else f"{said.words}, not {args.version}")
        return Probed("pass" if good else "fail", "; ".join(words))


PROBES = (ServicesRunning(), RunningDigest())
