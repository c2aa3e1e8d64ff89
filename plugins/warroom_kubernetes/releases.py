"""What ran, what runs, and what lies between: revisions of the released workload, known by their template's hash."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime

from warroom.api import Context, WarroomError
from warroom.model.base import passed_text
from warroom.model.release import Release, ReleaseDiff
from warroom.model.units import listed, many
from warroom_kubernetes.config import Config
from warroom_kubernetes.objects.controllers import AUTOSCALERS, controllers
from warroom_kubernetes.objects.fields import condition
from warroom_kubernetes.objects.lengths import cut
from warroom_kubernetes.objects.managers import writers
from warroom_kubernetes.objects.revisions import Json, Revision, ended, find
from warroom_kubernetes.objects.rollouts import late
from warroom_kubernetes.objects.stuck import CONFIG, IMAGE
from warroom_kubernetes.objects.templates import changes
from warroom_kubernetes.reach.asking import Cluster, NotThere, cluster
from warroom_kubernetes.watch.standings import standing_now
from warroom_kubernetes.workload import configs
from warroom_kubernetes.workload.contenders import acting
from warroom_kubernetes.workload.reading import Standing, standing
from warroom_kubernetes.workload.version import said_by

REMEMBER_S = 2.0
REMEMBER_EVERY_S = 300.0
"""How often it is looked at what a revision runs with."""


class KubernetesReleases:
    async def running(self, ctx: Context) -> Release | None:
        """The revision of the template that the workload has, as soon as one of its pods has begun, or can't.

        Before that it is the one whose pods are there. None where nothing is to run, and where no pod is there.
        While a rollout goes on both run: the note says how many are of which.
        """
        config: Config = ctx.config
        try:
            async with cluster(ctx) as api:
                at = await standing_now(ctx, api, config.released)
                now = _running(at)
                if now is None:
                    return None
                said, _ = await asyncio.gather(said_by(ctx, api, at.declared), _remember(ctx, api, at, now))
        except NotThere:
            return None
        release = released(at, now)
        told = [release.note, said.words if said is not None else ""]
        commit = release.commit or (said.commit if said is not None else None)
        said_of_it = {"note": "; ".join(filter(None, told)), "commit": commit, "beside": _beside(at, now)}
        return release.model_copy(update=said_of_it)

    async def history(self, ctx: Context) -> Sequence[Release]:
        """The revisions that the cluster keeps, by number: a higher one came later. How each of them ran is warroom's
        own to say, beyond its pods of now."""
        async with cluster(ctx) as api:
            at = await standing(ctx, api, ctx.config.released)
        return [released(at, one) for one in at.revisions]

    async def resolve(self, ctx: Context, text: str) -> Release:
        """A version, revision number, template hash, digest, commit or change cause that a kept revision has."""
        async with cluster(ctx) as api:
            at = await standing(ctx, api, ctx.config.released)
        return released(at, find(at.revisions, text))

    async def diff(self, ctx: Context, older: Release, newer: Release) -> ReleaseDiff:
        """Of the two templates, and of what they name as it was and is; what a rollback leaves as it is; who may undo
        it. Never a value that may be secret."""
        async with cluster(ctx) as api:
            at = await standing(ctx, api, ctx.config.released)
            pair = []
            for release in (older, newer):
                try:
                    pair.append(find(at.revisions, release.digest or release.version))
                except WarroomError as error:
                    return ReleaseDiff(older=older.name, newer=newer.name, notes=(str(error),))
            before, after = pair
            needed = configs.references(before.template)
            now, fighting = await asyncio.gather(configs.looked(api, list(needed)), _fighting(api, at))
        then = configs.memory(ctx).of(at.uid, before.hash)
        words, keys = configs.compared(needed, now, then, ended(at.revisions, before))
        differ = changes(before.template, after.template)
        settings = tuple(dict.fromkeys([*(one.key for one in differ if one.key), *keys]))
        notes = [f"since then {one.words}" for one in differ] or ["the two templates are the same"]
        return ReleaseDiff(
            older=older.name, newer=newer.name, config_keys=settings, notes=(*notes, *words, *_stays(at), *fighting)
        )


def _running(at: Standing) -> Revision | None:
    if at.kind == "CronJob":
        return at.current
    there = [one for one in at.revisions if one.alive] or [one for one in at.revisions if one.pods]
    current = at.current
    mine = current is not None and any(one is current for one in there)
    if current is not None and mine and (len(there) == 1 or any(map(_begun, current.pods)) or _stuck(at)):
        return current
    if current is not None and _stuck(at) and at.wanted != 0:
        return current
    return max((one for one in there if one is not current), key=lambda one: one.ready, default=None)


def _begun(pod: Json) -> bool:
    """One of its containers has run, or can't: what keeps it from it is the template's doing. An init container that
    is at work, or has done its work, is none that has run yet."""
    status = pod.get("status") or {}
    for one in status.get("initContainerStatuses") or ():
        state = one.get("state") or {}
        if (state.get("terminated") or {}).get("exitCode") or one.get("restartCount") or _cannot(state):
            return True
    for one in status.get("containerStatuses") or ():
        state = one.get("state") or {}
        if "running" in state or "terminated" in state or one.get("restartCount") or _cannot(state):
            return True
    return False


def _cannot(state: Json) -> bool:
    return (state.get("waiting") or {}).get("reason") in IMAGE | CONFIG


def _stuck(at: Standing) -> bool:
    failed = condition(at.thing.get("status") or {}, "ReplicaFailure")
    return late(at.thing) or failed.get("status") == "True"


def released(at: Standing, one: Revision) -> Release:
    return Release(
        version=one.version,
        commit=one.commit,
        digest=one.identity,
        created_at=one.made_at,
        deployed_at=deployed_at(at, one),
        deployed_by=_deployed_by(at, one),
        note=_note(at, one),
    )


def deployed_at(at: Standing, one: Revision) -> datetime | None:
    """When it came last. One that was gone back to was made long before: then who wrote the template says it, as long
    as it is the current one; else nobody knows."""
    older = [each.made_at for each in at.revisions if each.number < one.number and each.made_at is not None]
    last = max(older, default=None)
    if one.made_at is None or last is None or one.made_at >= last:
        return one.made_at
    if not one.current:
        return None
    newest = next((each.at for each in writers(at.thing) if each.at is not None and not each.subresource), None)
    return newest if newest is not None and newest >= last else None


def _deployed_by(at: Standing, one: Revision) -> str:
    if not one.current:
        return ""
    return next((each.manager for each in writers(at.thing) if not each.subresource), "")


def _note(at: Standing, one: Revision) -> str:
    image = one.image(at.declared.container if _has(one, at.declared.container) else None)
    told = [f"revision {one.number}"] if at.kind != "CronJob" else ["a CronJob keeps no revisions"]
    if len(image.digests) > 1:
        shown = [digest[7:19] for digest in image.digests]
        told.append(f"its pods run different images under {cut(image.reference)}: {listed(shown)}")
    elif image.digest:
        told.append(f"image {image.digest[7:19]}")
    if one.alive:
        wanted = f" of {one.wanted}" if one.wanted > len(one.alive) else ""
        told.append(f"{many(len(one.alive), 'pod')}{wanted}, {one.ready} ready, {many(one.restarts, 'restart')}")
    others = [each for each in at.revisions if each is not one and each.alive]
    if one.current and others:
        told.append(f"beside it {listed([_pods_of(each) for each in others])}")
    until = ended(at.revisions, one)
    if one.made_at is not None and until is not None and not one.earlier and not one.current:
        told.append(f"it was the newest for {passed_text((until - one.made_at).total_seconds())}")
    if one.earlier:
        told.append(f"gone back to: it was revision {listed([str(number) for number in one.earlier])} before")
    if one.cause:
        told.append(one.cause[:200])
    return "; ".join(told)


def _beside(at: Standing, one: Revision) -> str:
    """Who serves while a rollout goes on, or stands still: what the template says may have no pod that is ready."""
    others = [each for each in at.revisions if each is not one and each.alive]
    if not others:
        return ""
    told = [f"{each.ready} of {many(len(each.alive), 'pod')} ready" for each in (one, *others)]
    return f"{told[0]}, beside {listed([f'{each.version} ({t})' for each, t in zip(others, told[1:], strict=True)])}"


def _pods_of(one: Revision) -> str:
    return f"{many(len(one.alive), 'pod')} of {one.version}"


def _has(one: Revision, container: str | None) -> bool:
    return any(image.container == container for image in one.images)


def _stays(at: Standing) -> list[str]:
    spec = at.thing.get("spec") or {}
    told = ["ConfigMaps, Secrets, the number of pods, its HPA and its strategy are not taken back with it"]
    if spec.get("paused"):
        told.append(f"{at.shown} is paused: nothing is rolled out before it is resumed")
    if spec.get("revisionHistoryLimit") == 0:
        told.append("its revisionHistoryLimit is 0: no revision but the current one is kept")
    return told


async def _fighting(api: Cluster, at: Standing) -> list[str]:
    """Who may put the other version back, and whether they are at work."""
    try:
        scalers, unseen = (await api.listed(await api.where(AUTOSCALERS, namespace=at.namespace))).items, []
    except WarroomError as error:
        scalers, unseen = (), [f"whether an HPA scales it can't be told: {error}"[:200]]
    thing = {**at.thing, "kind": at.kind}
    return [*(one.words for one in await acting(api, controllers(thing, scalers))), *unseen]


async def _remember(ctx: Context, api: Cluster, at: Standing, now: Revision) -> None:
    """What it runs with, while it does: so that later it can be said what differs."""
    known = configs.memory(ctx)
    before = known.of(at.uid, now.hash)
    if before is not None and (ctx.clock.now() - before[0]).total_seconds() < REMEMBER_EVERY_S:
        return
    if not now.current or any(one.alive for one in at.revisions if one is not now):
        return
    # What runs is asked for often, and must not be late for this: a slow cluster is asked again next time.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(REMEMBER_S):
            seen = await configs.looked(api, list(configs.references(now.template)))
            known.keep(at.uid, now.hash, ctx.clock.now(), seen)
