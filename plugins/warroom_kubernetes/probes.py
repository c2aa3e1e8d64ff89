"""Questions asked at verification: is it rolled out, does it run what was meant, who is reached, did anybody change
it?"""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import BaseModel, Field, JsonValue

from warroom.api import Context, Probed, WarroomError
from warroom.model.base import Fact
from warroom.model.units import listed
from warroom.model.verification import Verdict
from warroom_kubernetes.config import Config, Name
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.revisions import PREFIX
from warroom_kubernetes.objects.rollouts import Rollout
from warroom_kubernetes.objects.stuck import summed, troubles
from warroom_kubernetes.reach.asking import Cluster, cluster, server_now
from warroom_kubernetes.workload.completion import (
    Wanted,
    around_standing,
    container_of,
    digests,
    reached_pods,
    settled,
    slices,
    unreached,
)
from warroom_kubernetes.workload.reading import Standing, standing
from warroom_kubernetes.workload.version import word_of

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
        try:
            async with cluster(ctx) as api:
                found = await asyncio.gather(*(_rolled_out(ctx, api, key, args.zero) for key in keys))
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        stands = {how.status for how, _ in found}
        worst: Verdict = "fail" if "failed" in stands else "inconclusive" if "waiting" in stands else "pass"
        numbers: dict[str, JsonValue] = {key: how.available for key, (how, _) in zip(keys, found, strict=True)}
        return Probed(worst, "; ".join(words for _, words in found), numbers)


async def _rolled_out(ctx: Context, api: Cluster, key: str, zero: bool) -> tuple[Rollout, str]:
    at = await standing(ctx, api, key)
    seen = await around_standing(api, at)
    how = settled(at.thing, seen, Wanted(key=key, uid=at.uid, kind=at.kind, zero=zero))
    ill = summed(troubles(at.thing, list(seen.pods), (), server_now(ctx)))
    return how, "; ".join(filter(None, [how.words, ill if how.status != "done" else ""]))


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
                word = await word_of(ctx, api, at.declared, args.version)
        except WarroomError as error:
            return Probed("inconclusive", str(error))
        if word is not None:
            # What is known to be wrong is wrong, whatever can't be told beside it.
            good = False if False in (good, word.same) else None if None in (good, word.same) else True
            words = f"{words}; {word.words}"
        return Probed("inconclusive" if good is None else "pass" if good else "fail", words)


def _template(at: Standing, identity: str) -> tuple[bool | None, str]:
    """Every pod is of that template. None: it can't be told."""
    other = [pod["metadata"]["name"] for one in at.revisions if one.identity != identity for pod in one.alive]
    mine = [pod for one in at.revisions if one.identity == identity for pod in one.alive]
    now = at.current
    if now is None:
        return None, f"{at.shown} has no revision yet"
    if now.identity != identity:
        return False, f"{at.shown} asks for revision {now.number} ({now.version}), which is another template"
    if other:
        return False, f"of another template still: {listed(sorted(other), 4)}"
    return bool(mine), f"all {len(mine)} pods of {at.shown} are of revision {now.number} ({now.version})"


def _image(ctx: Context, at: Standing, args: DigestArgs) -> tuple[bool | None, str]:
    found = digests(at.revisions, container_of(ctx.config, args.workload))
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
