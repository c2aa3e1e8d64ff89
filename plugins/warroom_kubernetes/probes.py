"""Questions asked at verification: is it rolled out, does it run what was meant, who is reached, did anybody change
it?"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Fact
from warroom.model.units import listed
from warroom.model.verification import Verdict
from warroom_kubernetes.asking import cluster
from warroom_kubernetes.config import Config, Name
from warroom_kubernetes.finish import (
    Wanted,
    around,
    container_of,
    digests,
    reached_pods,
    same_version,
    settled,
    slices,
    unreached,
)
from warroom_kubernetes.managers import writers
from warroom_kubernetes.reading import Standing, standing
from warroom_kubernetes.revisions import PREFIX
from warroom_kubernetes.said import said_by
from warroom_kubernetes.stuck import summed, troubles

Release = Annotated[str, Field(pattern=r"^(sha256:[0-9a-f]{64}|template:[A-Za-z0-9.-]{1,253})?$")]


class RolledOutArgs(Fact):
    """``workloads``: left out, all that the platform's configuration names and that last. ``zero``: those that are
    scaled to zero are well."""

    workloads: tuple[Name, ...] = Field(default=(), max_length=100)
    zero: bool = False


class RolledOut:
    """Each is done by kubectl's conditions, its old ReplicaSets are at zero, its Service leads to new pods alone."""

    name = "rolled-out"
    args: type[BaseModel] = RolledOutArgs

    async def probe(self, ctx: Context, args: RolledOutArgs) -> Probed:
        config: Config = ctx.config
        keys = args.workloads or tuple(key for key, one in config.workloads.items() if one.kind != "CronJob")
        words: list[str] = []
        numbers: dict[str, JsonValue] = {}
        worst: Verdict = "pass"
        try:
            async with cluster(ctx) as api:
                for key in keys:
                    at = await standing(ctx, api, key)
                    wanted = Wanted(key=key, uid=at.uid, kind=at.kind, zero=args.zero)
                    seen = await around(api, at.declared, at.thing, at.namespace)
                    how = settled(at.thing, seen, wanted)
                    ill = summed(troubles(at.thing, list(seen.pods), (), ctx.clock.now()))
                    words.append("; ".join(filter(None, [how.words, ill if how.status != "done" else ""])))
                    numbers[key] = how.available
                    worst = "fail" if how.status == "failed" else worst
                    worst = "inconclusive" if how.status == "waiting" and worst == "pass" else worst
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        return Probed(worst, "; ".join(words), numbers)


class DigestArgs(Fact):
    """``digest``: an image's, or a template's name (``template:HASH``). ``version``: what the app must call itself,
    where it is asked."""

    workload: Name
    digest: Release
    version: str = Field(default="", max_length=300)


class RunningDigest:
    """What every pod runs is what was meant, and the app says so too, where it is asked."""

    name = "running-digest"
    args: type[BaseModel] = DigestArgs

    async def probe(self, ctx: Context, args: DigestArgs) -> Probed:
        try:
            async with cluster(ctx) as api:
                at = await standing(ctx, api, args.workload)
                good, words = _template(at, args.digest) if args.digest.startswith(PREFIX) else _image(ctx, at, args)
                told = await said_by(ctx, api, at.declared) if args.version else None
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        if told is not None:
            same = bool(told.version) and same_version(told.version, args.version)
            good = good if same else good and None if not told.version else False
            words = f"{words}; {told.words}{'' if same else f', where {args.version} was meant'}"
        return Probed("inconclusive" if good is None else "pass" if good else "fail", words)


def _template(at: Standing, identity: str) -> tuple[bool | None, str]:
    """Every pod is of that template. None: it can't be told."""
    other = [pod["metadata"]["name"] for one in at.revisions if one.identity != identity for pod in one.pods]
    mine = [pod for one in at.revisions if one.identity == identity for pod in one.pods]
    now = at.current
    if now is None:
        return None, f"{at.shown} has no revision yet"
    if now.identity != identity:
        return False, f"{at.shown} asks for revision {now.number} ({now.version}), which is another template"
    if other:
        return False, f"of another template still: {listed(sorted(other), 4)}"
    return bool(mine), f"all {len(mine)} pods of {at.shown} are of revision {now.number} ({now.version})"


def _image(ctx: Context, at: Standing, args: DigestArgs) -> tuple[bool | None, str]:
    found = digests(at.pods, container_of(ctx.config, args.workload))
    if not found:
        return False, f"{at.shown} has no pod"
    other = {name: digest for name, digest in found.items() if digest and digest != args.digest}
    if other:
        name, digest = next(iter(other.items()))
        return False, f"{name} runs {digest[7:19]}, not {args.digest[7:19]}"
    unknown = sorted(name for name, digest in found.items() if not digest)
    if unknown:
        return None, f"what it runs is not told yet by {listed(unknown, 4)}"
    return True, f"all {len(found)} pods of {at.shown} run {args.digest[7:19]}"


class WorkloadsArgs(Fact):
    workload: Name


class Endpoints:
    """Its Service leads to pods of the template that it has now, to no other, and to one at least."""

    name = "endpoints"
    args: type[BaseModel] = WorkloadsArgs

    async def probe(self, ctx: Context, args: WorkloadsArgs) -> Probed:
        try:
            async with cluster(ctx) as api:
                at = await standing(ctx, api, args.workload)
                found = await slices(api, at.declared.service, at.namespace)
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        if found is None:
            return Probed("inconclusive", f"no Service of {at.shown} can be looked at: name one in the runbook")
        new = list(at.current.pods) if at.current is not None else []
        words = unreached(found, new)
        if words:
            return Probed("fail", words)
        reached = len(reached_pods(found))
        return Probed("pass", f"its Service leads to {reached} new pods, and to no other", {"reached": reached})


class UnchangedArgs(Fact):
    """``digest``: the template's name (``template:HASH``) that it must still have."""

    workload: Name
    digest: Release


class Unchanged:
    """Nobody has changed its template since: a controller that puts the other version back, or a hand."""

    name = "unchanged"
    args: type[BaseModel] = UnchangedArgs

    async def probe(self, ctx: Context, args: UnchangedArgs) -> Probed:
        try:
            async with cluster(ctx) as api:
                at = await standing(ctx, api, args.workload)
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        return _unchanged(ctx, at, args)


def _unchanged(ctx: Context, at: Standing, args: UnchangedArgs) -> Probed:
    now = at.current
    if now is None:
        return Probed("inconclusive", f"{at.shown} has no revision of its template yet")
    mine = {now.identity} | {image.digest for image in [now.image(container_of(ctx.config, at.key))] if image.digest}
    seen = writers(at.thing)
    by = f"; last changed by {seen[0].words}" if seen else ""
    if args.digest in mine:
        return Probed("pass", f"{at.shown} still has that template, revision {now.number} ({now.version}){by}")
    return Probed("fail", f"{at.shown} has another template: revision {now.number} ({now.version}){by}")


PROBES = (RolledOut(), RunningDigest(), Endpoints(), Unchanged())
